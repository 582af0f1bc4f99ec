"""Makes the golden values of the residual networks: what PyTorch computes in float64.

    python3 tests/golden/make_residual.py build/tests/test_residual          the golden values
    python3 tests/golden/make_residual.py build/tests/test_residual --find N [NAME...]

The test program writes the inputs (weights, a batch of noise); torchvision's networks and those
of bench/peer/nets.py take one step with them in training mode. Written beside this file, for each
network <name>.safetensors:

    logits, loss          of the batch
    logits.eval           likewise in evaluation, with the running statistics after the step
    gradient.<parameter>  summaries (helper_residual.h): 16 products with random signs, the norm
    statistic.<name>      likewise, of the running statistics after the step

--find looks for the batch, among the first N, whose inputs of ReLUs and max poolings stay farthest
from their kinks, in units of PyTorch's own float32 error at that layer. The best of each network
is to be written into residual_rows (helper_residual.c). Needs PyTorch, torchvision, NumPy
(tools/setup.sh bench).
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import make_golden
import nets  # noqa: E402  (make_golden adds its folder)

HERE = pathlib.Path(__file__).resolve().parent
SIGNS = 16


def signs(count):
    """Row k: the k-th vector of signs, from SplitMix64."""
    with np.errstate(over="ignore"):
        z = (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    for k in range(SIGNS):
        yield 1.0 - 2.0 * ((z >> np.uint64(k)) & np.uint64(1)).astype(np.float64)


def summary(tensor):
    values = tensor.detach().double().numpy().ravel()
    return np.array([s @ values for s in signs(values.size)] + [np.linalg.norm(values)])


def make_net(metadata, inputs, dtype):
    config = dict(re.findall(r"(\w+): (\w+)", metadata["config"]))
    net = nets.build(metadata["model"], **{k: int(v) for k, v in config.items()}).to(dtype)
    make_golden.load_weights(net, inputs, dtype)
    return net.train()


def step(metadata, inputs, dtype):
    net = make_net(metadata, inputs, dtype)
    x = torch.from_numpy(inputs["pixels"][0].copy()).to(dtype)
    y = torch.from_numpy(inputs["labels"][0].astype(np.int64))
    logits = net(x)
    loss = F.cross_entropy(logits, y)
    loss.backward()
    net.eval()
    with torch.no_grad():
        evaluated = net(x)
    return net, logits.detach(), loss.item(), evaluated


def worst_gap(net, other):
    """The largest relative distance of two networks' gradients; biases before a batch norm have
    none but rounding."""
    worst = 0.0
    for (name, a), b in zip(net.named_parameters(), other.parameters()):
        if a.grad.norm() > 1e-12:
            worst = max(worst, ((a.grad - b.grad.double()).norm() / a.grad.norm()).item())
    return worst


def make(name, folder):
    inputs, metadata = make_golden.read_safetensors(folder / (name + ".safetensors"))
    net, logits, loss, evaluated = step(metadata, inputs, torch.float64)
    other, single, _, _ = step(metadata, inputs, torch.float32)
    out = {"logits": logits.numpy(), "loss": np.array([loss]), "logits.eval": evaluated.numpy()}
    for parameter, values in net.named_parameters():
        out["gradient." + parameter] = summary(values.grad)
    for statistic, values in net.named_buffers():
        if not statistic.endswith("num_batches_tracked"):
            out["statistic." + statistic] = summary(values)
    make_golden.write_safetensors(HERE / (name + ".safetensors"), out,
                                  {"inputs": metadata["inputs"]})
    gap = ((logits - single.double()).norm() / logits.norm()).item()
    print(f"{name}: loss {loss:.6f}; PyTorch's own float32 is off by {gap:.1e} in logits, "
          f"{worst_gap(net, other):.1e} in gradients")


def kinks(net, x):
    """Inputs of ReLUs, and gaps between the two largest pixels of poolings, in order."""
    seen = []
    relu, pool, adaptive = F.relu, F.max_pool2d, F.adaptive_max_pool2d

    def seen_relu(values, *args, **kwargs):
        seen.append((values.detach().clone(), None))
        return relu(values)

    def seen_pool(values, *args, **kwargs):
        size = values.shape[-1] if kwargs.pop("whole", False) else 2
        windows = F.unfold(values.detach().flatten(0, 1).unsqueeze(1), size, stride=size)
        top = windows.topk(2, dim=1).values
        seen.append((top[:, 0] - top[:, 1], values.detach()))
        return adaptive(values, 1) if size > 2 else pool(values, 2)

    try:
        F.relu, F.max_pool2d = seen_relu, seen_pool
        F.adaptive_max_pool2d = lambda values, size: seen_pool(values, whole=True)
        with torch.no_grad():
            net(x)
    finally:
        F.relu, F.max_pool2d, F.adaptive_max_pool2d = relu, pool, adaptive
    return seen


def margin(double, single, pixels):
    x = torch.from_numpy(pixels.copy())
    least = np.inf
    for (a, pooled), (b, other) in zip(kinks(double, x.double()), kinks(single, x)):
        truth, near = (a, b) if pooled is None else (pooled, other)
        error = (truth - near.double()).pow(2).mean().sqrt().item()
        distances = a.abs() if pooled is None else a[a > 0]  # maxima of zeros tie everywhere
        least = min(least, (distances.min() / error).item())
    return least


def find(name, folder):
    inputs, metadata = make_golden.read_safetensors(folder / (name + ".safetensors"))
    double = make_net(metadata, inputs, torch.float64)
    single = make_net(metadata, inputs, torch.float32)
    margins = [margin(double, single, pixels) for pixels in inputs["pixels"]]
    best = np.argsort(margins)[::-1][:5]
    print(name, ", ".join(f"{i}: {margins[i]:.1f}" for i in best), flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    candidates = sys.argv[3] if len(sys.argv) > 3 and sys.argv[2] == "--find" else "0"
    torch.set_num_threads(1)
    nn.ReLU.forward = lambda self, x: F.relu(x)  # torchvision's modules go through F as well
    nn.MaxPool2d.forward = lambda self, x: F.max_pool2d(x, self.kernel_size, self.stride)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], "--export", folder, candidates], check=True)
        for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
            if len(sys.argv) < 5 or path.stem in sys.argv[4:]:
                (find if candidates != "0" else make)(path.stem, pathlib.Path(folder))


if __name__ == "__main__":
    main()
