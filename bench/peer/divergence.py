"""Does training drift from exact arithmetic no faster than PyTorch's float32 does?

    python3 bench/peer/divergence.py build/cohort [--model fastresnet] [--data FOLDER] ...

From the same weights and on the same batches (CIFAR-10 images, or coloured noise without --data)
train for --steps steps: PyTorch in float64; PyTorch in float32 in several orders of its sums
(contiguous, channels_last, without oneDNN); cohort in several too (its best kernels, those for
AVX2, the plain ones). Printed: for each how far its loss is from that of float64 (mean over blocks
of steps, relative), the first step that is off by more than 1e-4, 1e-3, 1e-2; and the mean loss of
the last 10 steps beside that of other seeds of the weights, trained by PyTorch in float32.

Exits with 1 when cohort's last losses are outside the spread of the seeds (mean +- 3 deviations),
or when it drifts sooner than PyTorch: its first 1e-3 comes at less than half the step of PyTorch's
earliest. Exits with 77 without PyTorch.
"""
import argparse
import json
import lzma
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    from torch.nn import functional as F
except ImportError:
    print("skipped: no PyTorch (tools/setup.sh bench)")
    sys.exit(77)

import nets
import weights

MOMENTUM = 0.9
LEVELS = (1e-4, 1e-3, 1e-2)


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("cohort")
    p.add_argument("--model", default="fastresnet", choices=tuple(nets.IMAGE_MODELS))
    p.add_argument("--width", type=int, help="of fastresnet (64)")
    p.add_argument("--depth", type=int, help="of the others")
    p.add_argument("--data", type=pathlib.Path, help="folder with CIFAR-10's data_batch_1.bin")
    p.add_argument("--steps", type=int, default=200)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--lr", type=float, default=0.02)
    p.add_argument("--seeds", type=int, default=4)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--tsv", type=pathlib.Path, help="write all losses here")
    return p.parse_args()


def read_cifar(folder, count):
    for path in sorted(folder.rglob("data_batch_*.bin*")):
        raw = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        records = np.frombuffer(raw, np.uint8).reshape(-1, 3073)
        yield records
        count -= len(records)
        if count <= 0:
            return


def make_batches(args):
    """Normalised images (steps * batch, 3, 32, 32) and labels."""
    count = args.steps * args.batch
    if args.data is None:
        rng = np.random.default_rng(1)
        labels = rng.integers(0, 10, count)
        looks = rng.normal(size=(10, 3, 8, 8)).repeat(4, axis=2).repeat(4, axis=3)
        images = 0.5 * looks[labels] + rng.normal(size=(count, 3, 32, 32))
        return images.astype(np.float32), labels.astype(np.int64)
    records = np.concatenate(list(read_cifar(args.data, count)))
    if len(records) < count:
        records = np.tile(records, (count // max(len(records), 1) + 1, 1))
    images = records[:count, 1:].reshape(-1, 3, 32, 32).astype(np.float32)
    return (images - 120.0) / np.float32(63.0), records[:count, 0].astype(np.int64)


def build(args, seed):
    config = {k: v for k, v in (("width", args.width), ("depth", args.depth)) if v}
    net = nets.build(args.model, **config)
    torch.manual_seed(seed)
    for module in net.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.reset_parameters()
    return net


def train_torch(net, x, y, args, layout=torch.contiguous_format):
    net = net.to(memory_format=layout).train()
    sgd = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=MOMENTUM)
    losses = []
    for step in range(args.steps):
        rows = slice(step * args.batch, (step + 1) * args.batch)
        sgd.zero_grad()
        loss = F.cross_entropy(net(x[rows].contiguous(memory_format=layout)), y[rows])
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    return np.array(losses)


def train_cohort(args, folder, name, extra):
    config = ", ".join(f"'{k}': {v}" for k, v in (("width", args.width), ("depth", args.depth))
                       if v)
    run = folder / ("run-" + name.replace(" ", "-"))
    subprocess.run(
        [args.cohort, "train", "--model", args.model, "--model-config", "{" + config + "}",
         "--dataset", "npy", "--dataset-dir", str(folder), "--normalize", "none", "--no-shuffle",
         "--epochs", "1", "--batch-size", str(args.batch), "--lr", repr(args.lr), "--momentum",
         str(MOMENTUM), "--checkpoint", str(folder / "start.safetensors"), "--no-evaluate",
         "--no-save-model", "--log-interval", "1", "--run-dir", str(run), "--quiet",
         "--threads", str(args.threads), *extra],
        check=True, stdout=subprocess.DEVNULL)
    events = (json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())
    return np.array([e["loss"] for e in events if e["event"] == "step"])


def run_all(args, folder):
    """Losses by name: PyTorch's float64 is "float64"."""
    images, labels = make_batches(args)
    for part, count in (("train", len(labels)), ("test", args.batch)):
        np.save(folder / (part + "_x.npy"), images[:count])
        np.save(folder / (part + "_y.npy"), labels[:count])
    weights.save(folder / "start.safetensors", build(args, 1).state_dict())
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    out = {}
    for name, extra in (("cohort", ()), ("cohort avx2", ("--isa", "avx2")),
                        ("cohort plain", ("--isa", "plain"))):
        out[name] = train_cohort(args, folder, name, extra)
        print("done:", name, flush=True)
    out["torch"] = train_torch(build(args, 1), x, y, args)
    out["torch channels_last"] = train_torch(build(args, 1), x, y, args, torch.channels_last)
    with torch.backends.mkldnn.flags(enabled=False):
        out["torch no oneDNN"] = train_torch(build(args, 1), x, y, args)
    print("done: torch", flush=True)
    for seed in range(2, args.seeds + 2):
        out[f"seed {seed}"] = train_torch(build(args, seed), x, y, args)
    print("done: seeds", flush=True)
    out["float64"] = train_torch(build(args, 1).double(), x.double(), y, args)
    return out


def first_beyond(off, level):
    beyond = np.flatnonzero(off > level)
    return int(beyond[0]) + 1 if beyond.size else len(off) + 1


def report(losses):
    truth = losses["float64"]
    steps = len(truth)
    marks = [m for m in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if m <= steps]
    print("\nrelative distance of the loss from float64's; mean of the steps up to each")
    print(f"{'':22}" + "".join(f"{m:>9}" for m in marks) + "   first beyond 1e-4, 1e-3, 1e-2")
    soonest = {}
    for name, values in losses.items():
        if not name.startswith(("torch", "cohort")):
            continue
        off = np.abs(values - truth) / truth
        bounds = [0] + marks
        row = [off[a:b].mean() for a, b in zip(bounds, marks)]
        first = [first_beyond(off, level) for level in LEVELS]
        soonest[name] = first[1]
        print(f"{name:22}" + "".join(f"{v:9.1e}" for v in row) + "   " + ", ".join(map(str, first)))
    return soonest


def verdict(losses, soonest):
    last = {name: values[-10:].mean() for name, values in losses.items()}
    seeds = np.array([v for name, v in last.items() if name.startswith(("seed", "torch"))])
    middle, spread = seeds.mean(), seeds.std(ddof=1)
    print("\nmean loss of the last 10 steps")
    for name, value in last.items():
        print(f"{name:22}{value:9.4f}")
    print(f"{'seeds and float32':22}{middle:9.4f} +- {spread:.4f}")
    theirs = min(v for name, v in soonest.items() if name.startswith("torch"))
    failed = 0
    for name, value in last.items():
        if name.startswith("cohort") and abs(value - middle) > 3 * spread:
            print(f"FAILED: {name}: the last losses are outside the spread of the seeds")
            failed = 1
        if name.startswith("cohort") and 2 * soonest[name] < theirs:
            print(f"FAILED: {name} is off by 1e-3 at step {soonest[name]}, PyTorch at {theirs}")
            failed = 1
    return failed


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        losses = run_all(args, pathlib.Path(folder))
    if args.tsv:
        names = list(losses)
        rows = zip(*losses.values())
        args.tsv.write_text("\n".join(["step\t" + "\t".join(names)] + [
            f"{i}\t" + "\t".join(f"{v:.9g}" for v in row) for i, row in enumerate(rows, 1)]) + "\n")
    return verdict(losses, report(losses))


if __name__ == "__main__":
    sys.exit(main())
