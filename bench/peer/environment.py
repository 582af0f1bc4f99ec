"""What an expert sets before PyTorch starts on this machine; libraries read it only then.

As a program it prints NAME=value lines, for `env` in a shell.
"""
import os

# OpenBLAS 0.3.21 (Debian 12) does not know the newer processors and falls back to an old kernel.
# It ignores a kernel that the processor cannot run, but would not choose a good one by itself.
CORETYPES = (("avx512f", "SKYLAKEX"), ("avx2", "HASWELL"))


def processor_flags():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith("flags"):
                return set(line.split(":", 1)[1].split())
    return set()


def tuned():
    env = {
        "OPENBLAS_NUM_THREADS": "1",  # its spinning threads would fight OpenMP's
        # Freed memory is kept: large tensors cost no page faults at every step.
        "MALLOC_MMAP_THRESHOLD_": str(1 << 33),
        "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
        "MALLOC_TOP_PAD_": str(1 << 24),
    }
    flags = processor_flags()
    for flag, name in CORETYPES:
        if flag in flags:
            env["OPENBLAS_CORETYPE"] = name
            break
    return env


def missing():
    """True when this process was not started with the tuned settings."""
    return any(os.environ.get(name) != value for name, value in tuned().items())


if __name__ == "__main__":
    for name, value in tuned().items():
        print(f"{name}={value}")
