"""Images per second of a PyTorch training step on the CPU; prints one JSON line.

A step: take a shuffled batch out of a uint8 set in memory, normalise it, forward, cross-entropy,
backward, SGD with momentum. The median of several timed chunks counts. --tuned restarts the
interpreter with the settings of environment.py; --layout chooses the memory format (whichever
is faster on the machine is the peer). --first-step-only stops after one step: start-up time.
"""
import argparse
import json
import os
import statistics
import sys
import time

import environment


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--model", default="lenet5", help="one of nets.py")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--layout", choices=("default", "channels_last"), default="default")
    p.add_argument("--samples", type=int, default=4096)
    p.add_argument("--seconds", type=float, default=0.5, help="length of a timed chunk")
    p.add_argument("--chunks", type=int, default=5)
    p.add_argument("--tuned", action="store_true")
    p.add_argument("--first-step-only", action="store_true")
    p.add_argument("--started", type=float, help="time of the start, seconds since the epoch")
    return p.parse_args()


def resident_mib(key):
    with open("/proc/self/status", encoding="ascii") as f:
        for line in f:
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1024
    return 0.0


def batches(torch, args, shape, layout):
    images = torch.randint(0, 256, (args.samples, *shape[:3]), dtype=torch.uint8)
    labels = torch.randint(0, shape[3], (args.samples,))
    while True:
        order = torch.randperm(args.samples)
        for begin in range(0, args.samples - args.batch + 1, args.batch):
            rows = order[begin:begin + args.batch]
            x = images[rows].float().sub_(33.3).div_(78.6)
            yield x.contiguous(memory_format=layout), labels[rows]


def run_chunk(step, source, seconds, least):
    """Seconds of a step by the clock and of processor time, over one chunk."""
    begin, begin_cpu = time.perf_counter(), time.process_time()
    steps = 0
    while steps < least or time.perf_counter() - begin < seconds:
        step(*next(source))
        steps += 1
    return (time.perf_counter() - begin) / steps, (time.process_time() - begin_cpu) / steps


def main():
    started = time.time()
    args = arguments()
    if args.tuned and environment.missing():
        os.environ.update(environment.tuned())
        os.execv(sys.executable, [sys.executable] + sys.argv + ["--started", repr(started)])

    import torch
    from torch.nn import functional as F

    import nets

    torch.set_num_threads(args.threads)
    layout = torch.channels_last if args.layout == "channels_last" else torch.contiguous_format
    net = nets.build(args.model).to(memory_format=layout).train()
    sgd = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    source = batches(torch, args, nets.shape(args.model), layout)

    def step(x, y):
        sgd.zero_grad(set_to_none=True)
        F.cross_entropy(net(x), y).backward()
        sgd.step()

    step(*next(source))
    first_ms = 1e3 * (time.time() - (args.started or started))
    wall = cpu = 0.0
    if not args.first_step_only:
        run_chunk(step, source, args.seconds, 3)  # warm-up
        chunks = [run_chunk(step, source, args.seconds, 2) for _ in range(args.chunks)]
        wall, cpu = (statistics.median(values) for values in zip(*chunks))
    print(json.dumps({
        "program": "pytorch " + torch.__version__, "model": args.model, "batch": args.batch,
        "threads": args.threads, "isa": "", "layout": args.layout, "tuned": args.tuned,
        "img_s": round(args.batch / wall, 1) if wall else 0, "step_us": round(1e6 * wall, 1),
        "cpu_us": round(1e6 * cpu, 1),
        "first_step_ms": round(first_ms, 1), "peak_rss_mib": round(resident_mib("VmHWM"), 1),
        "rss_mib": round(resident_mib("VmRSS"), 1)}))


if __name__ == "__main__":
    main()
