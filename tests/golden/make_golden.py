"""Makes the golden values of tests/golden: what PyTorch computes in float64 from our inputs.

    python3 tests/golden/make_golden.py build/tests/test_golden

The test program writes the inputs (first weights, 40 batches of 64 glyphs, the normalisation);
the network of bench/peer/nets.py, dropout off, then trains on them with SGD, lr 0.01, momentum
0.9. Written beside this file, for each model:

    <model>.safetensors  gradient.<parameter>: of step 1; logits: of step 1. Rounded to float32
    <model>.losses.tsv   losses of steps 1-40 in float64; in float32 for comparison

Needs PyTorch and NumPy (tools/setup.sh bench). To be run again whenever glyphs, the initial
weights, the loader's order or a model change: the test says so.
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "bench" / "peer"))
import nets  # noqa: E402
from weights import read_safetensors, write_safetensors  # noqa: E402

MODELS = ("lenet5", "mnistnet")
STEPS, BATCH, LR, MOMENTUM = 40, 64, 0.01, 0.9


def load_weights(net, inputs, dtype):
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(torch.from_numpy(inputs[name].astype(np.float64)).to(dtype))


def train(model, inputs, dtype):
    """The losses of all steps, and gradients and logits of the first."""
    net = nets.build(model, dropout=False).to(dtype)
    load_weights(net, inputs, dtype)
    sgd = torch.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM)
    shape = (1, -1, 1, 1)
    pixels = (inputs["pixels"].astype(np.float64) *
              inputs["scale"].astype(np.float64).reshape(shape) +
              inputs["shift"].astype(np.float64).reshape(shape))
    x = torch.from_numpy(pixels).to(dtype)
    y = torch.from_numpy(inputs["labels"].astype(np.int64))
    losses, first = [], {}
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        sgd.zero_grad()
        logits = net(x[rows])
        loss = F.cross_entropy(logits, y[rows])
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            first = {"gradient." + name: parameter.grad.numpy().copy()
                     for name, parameter in net.named_parameters()}
            first["logits"] = logits.detach().numpy().copy()
        sgd.step()
    return losses, first


def worst_gap(reference, values):
    return max(abs(a - b) / abs(a) for a, b in zip(reference, values))


def make(model, folder):
    inputs, metadata = read_safetensors(folder / (model + ".safetensors"))
    double, first = train(model, inputs, torch.float64)
    single, first_single = train(model, inputs, torch.float32)
    with torch.backends.mkldnn.flags(enabled=False):  # another order of the sums
        other, _ = train(model, inputs, torch.float32)
    write_safetensors(HERE / (model + ".safetensors"), first, {"inputs": metadata["inputs"]})
    lines = ["# inputs " + metadata["inputs"], "# step\tfloat64\tfloat32"]
    for step, (a, b) in enumerate(zip(double, single), 1):
        lines.append(f"{step}\t{a!r}\t{b:.9g}")
    (HERE / (model + ".losses.tsv")).write_text("\n".join(lines) + "\n")
    worst = max(np.linalg.norm(first[k] - first_single[k]) / np.linalg.norm(first[k])
                for k in first)
    late = max(worst_gap(double, single), worst_gap(double, other))
    print(f"{model}: loss {double[0]:.4f} -> {double[-1]:.4f}; PyTorch's own float32 is off by "
          f"{worst:.1e} in gradients, {late:.1e} in losses")
    if late > 1e-5:
        print(f"{model}: rounding decides here; choose another GOLDEN_SEED (helper_case.h)")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], "--export", folder], check=True)
        for model in MODELS:
            make(model, pathlib.Path(folder))


if __name__ == "__main__":
    main()
