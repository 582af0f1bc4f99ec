"""Safetensors files for PyTorch, with NumPy alone: weights to and from cohort.

    python3 bench/peer/weights.py from-torch net.pt model.safetensors
    python3 bench/peer/weights.py to-torch model.safetensors net.pt

net.pt is what torch.save(net.state_dict()) writes. In a program:

    weights.save("model.safetensors", net.state_dict())
    net.load_state_dict(weights.load("model.safetensors"), strict=False)

strict=False because cohort keeps no num_batches_tracked.
"""
import json
import pathlib
import sys

import numpy as np

DTYPES = {"U8": np.uint8, "I32": np.int32, "I64": np.int64, "F32": np.float32}
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}


def read_safetensors(path):
    """Arrays by name, and the metadata."""
    data = pathlib.Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[8 + size + begin:8 + size + end], DTYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors, metadata


def write_safetensors(path, tensors, metadata):
    """Arrays of the types above as they are; float64 is rounded to float32."""
    header, parts, offset = {"__metadata__": metadata}, [], 0
    for name, values in tensors.items():
        if values.dtype == np.float64:
            values = values.astype(np.float32)
        raw = np.ascontiguousarray(values).tobytes()
        header[name] = {"dtype": NAMES[values.dtype], "shape": list(values.shape),
                        "data_offsets": [offset, offset + len(raw)]}
        parts.append(raw)
        offset += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    pathlib.Path(path).write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))


def save(path, state):
    write_safetensors(path, {name: t.detach().numpy() for name, t in state.items()}, {})


def load(path):
    import torch
    return {name: torch.from_numpy(values.copy())
            for name, values in read_safetensors(path)[0].items()}


def main():
    import torch
    if len(sys.argv) != 4 or sys.argv[1] not in ("from-torch", "to-torch"):
        sys.exit(__doc__)
    if sys.argv[1] == "from-torch":
        save(sys.argv[3], torch.load(sys.argv[2], map_location="cpu"))
    else:
        torch.save(load(sys.argv[2]), sys.argv[3])


if __name__ == "__main__":
    main()
