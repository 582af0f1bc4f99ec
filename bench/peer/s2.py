"""The recipe of `cohort train --profile s2` in PyTorch: fastresnet on CIFAR-10.

    python3 bench/peer/s2.py FOLDER [--epochs 2] [--threads 2] [--seed 12]

FOLDER holds (somewhere below) data_batch_1.bin ... test_batch.bin, also as .xz. The schedule is
that of 24 epochs, of which the first --epochs are run; beside it

    cohort train --profile s2 --dataset-dir FOLDER --max-steps 194 --evaluate-every 1

does two epochs. Prints losses and accuracies per epoch. Exits with 77 without PyTorch.
"""
import argparse
import lzma
import pathlib
import sys
import time

try:
    import numpy as np
    import torch
    from torch.nn import functional as F
except ImportError:
    print("skipped: no PyTorch (tools/setup.sh bench)")
    sys.exit(77)

import nets

BATCH, EPOCHS, WARMUP, LR = 512, 24, 4, 0.04
MEAN = torch.tensor((0.485, 0.456, 0.406)).reshape(1, 3, 1, 1)
STD = torch.tensor((0.229, 0.224, 0.225)).reshape(1, 3, 1, 1)


def read(paths):
    parts = [lzma.decompress(p.read_bytes()) if p.suffix == ".xz" else p.read_bytes()
             for p in paths]
    records = np.concatenate([np.frombuffer(part, np.uint8).reshape(-1, 3073) for part in parts])
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).copy())
    return images, torch.from_numpy(records[:, 0].astype(np.int64))


def normalise(images):
    return (images.float() / 255 - MEAN) / STD


def augment(images):
    """A crop out of the image with 4 black pixels around it, and a mirror image of every second."""
    padded = F.pad(images, (4, 4, 4, 4))
    rows = torch.randint(0, 9, (len(images), 2)).tolist()
    out = torch.stack([image[:, y:y + 32, x:x + 32] for image, (y, x) in zip(padded, rows)])
    mirror = torch.rand(len(images)) < 0.5
    out[mirror] = out[mirror].flip(-1)
    return out


def evaluate(net, images, labels):
    loss = hits = 0
    net.eval()
    with torch.no_grad():
        for begin in range(0, len(images), 2 * BATCH):
            rows = slice(begin, begin + 2 * BATCH)
            logits = net(normalise(images[rows]))
            loss += F.cross_entropy(logits, labels[rows], reduction="sum").item()
            hits += (logits.argmax(1) == labels[rows]).sum().item()
    net.train()
    return loss / len(images), hits / len(images)


def rate(step, steps):
    if step < WARMUP * steps:
        return LR * step / (WARMUP * steps)
    return LR * (EPOCHS * steps - step) / ((EPOCHS - WARMUP) * steps)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--epochs", type=int, default=2)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seed", type=int, default=12)
    args = p.parse_args()
    images, labels = read(sorted(args.folder.rglob("data_batch_*.bin*")))
    test_images, test_labels = read(sorted(args.folder.rglob("test_batch.bin*")))
    torch.set_num_threads(args.threads)
    net = nets.build("fastresnet")
    torch.manual_seed(args.seed)
    for module in net.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    net = net.to(memory_format=torch.channels_last)
    sgd = torch.optim.SGD(net.parameters(), lr=0, momentum=0.9, nesterov=True, weight_decay=1e-4)
    steps = len(images) // BATCH
    begin = time.time()
    for epoch in range(args.epochs):
        total = 0.0
        for i in range(steps):
            sgd.param_groups[0]["lr"] = rate(epoch * steps + i, steps)
            rows = slice(i * BATCH, (i + 1) * BATCH)
            x = normalise(augment(images[rows])).contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(net(x), labels[rows])
            sgd.zero_grad(set_to_none=True)
            loss.backward()
            sgd.step()
            total += loss.item()
            print(f"epoch {epoch + 1} step {i + 1}/{steps} loss {loss.item():.4f}",
                  end="\r", file=sys.stderr)
        test_loss, accuracy = evaluate(net, test_images, test_labels)
        print(f"epoch {epoch + 1}: training loss {total / steps:.4f}, test loss {test_loss:.4f}, "
              f"test accuracy {100 * accuracy:.2f} %, {time.time() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
