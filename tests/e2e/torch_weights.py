"""PyTorch's side of test_torch.sh: weights go to cohort and come back.

    torch_weights.py names                      the networks
    torch_weights.py data                       writes a data set of arrays
    torch_weights.py network NAME               writes weights of PyTorch's, and their logits
    torch_weights.py compare NAME LOGITS        cohort's logits with those
    torch_weights.py load NAME WEIGHTS LOGITS   cohort's weights in PyTorch, with cohort's logits

All work in the current folder. A network is named as --model does, with its depth after a ':'.
"""
import pathlib
import sys

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "bench" / "peer"))
import nets  # noqa: E402
import weights  # noqa: E402

NAMES = ("resnet:18", "resnet:50", "resnet-s1:50", "resnet-s1:18", "fastresnet", "resnet18-keras")
ROWS, CLASSES, TOLERANCE = 24, 10, 1e-4


def build(name):
    model, _, depth = name.partition(":")
    return nets.build(model, **({"depth": int(depth)} if depth else {}))


def file_of(name):
    return name.replace(":", "-")


def images():
    return torch.from_numpy(np.load("test_x.npy"))


def forward(net, x):
    with torch.no_grad():
        return net.eval()(x).numpy()


def make_network(name, x):
    """Random weights; statistics from a few batches, so that they are not 0 and 1."""
    net = build(name).train()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
                module.momentum = 0.5
        for _ in range(3):
            net(x + 0.3 * torch.randn_like(x))
    weights.save(file_of(name) + ".safetensors", net.state_dict())
    np.save(file_of(name) + ".npy", forward(net, x))


def make_data():
    rng = np.random.default_rng(3)
    for part in ("train", "test"):
        np.save(f"{part}_x.npy", rng.normal(size=(ROWS, 3, 32, 32)).astype(np.float32))
        np.save(f"{part}_y.npy", (np.arange(ROWS) % CLASSES).astype(np.int64))


def distance(name, ours, theirs):
    off = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
    print(f"{name}: logits off by {off:.1e}")
    return 0 if off <= TOLERANCE and ours.shape == theirs.shape == (ROWS, CLASSES) else 1


def main():
    torch.set_num_threads(1)
    torch.manual_seed(4)
    action, rest = sys.argv[1], sys.argv[2:]
    if action == "names":
        print(*NAMES)
        return 0
    if action == "data":
        make_data()
        return 0
    if action == "network":
        make_network(rest[0], images())
        return 0
    if action == "compare":
        return distance(rest[0], weights.read_safetensors(rest[1])[0]["logits"],
                        np.load(file_of(rest[0]) + ".npy"))
    net = build(rest[0])
    missing, unexpected = net.load_state_dict(weights.load(rest[1]), strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        print(f"{rest[0]}: missing {missing}, unexpected {unexpected}")
        return 1
    return distance(rest[0], weights.read_safetensors(rest[2])[0]["logits"],
                    forward(net, images()))


if __name__ == "__main__":
    sys.exit(main())
