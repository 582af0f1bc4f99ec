"""How many samples of image files torchvision's ImageFolder and PyTorch's DataLoader prepare per
second: the counterpart of image_bench. Bytes come out (PILToTensor): the division by 255 and the
normalisation, which cost the peer extra, are left out. Prints one number."""
import argparse
import time

import torch
from torchvision import datasets, transforms

parser = argparse.ArgumentParser()
parser.add_argument("--dir", required=True)
parser.add_argument("--size", type=int, required=True)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--workers", type=int, default=1)
parser.add_argument("--seconds", type=float, default=2.0)
parser.add_argument("--middle", action="store_true")
args = parser.parse_args()

if args.middle:
    steps = [transforms.Resize(args.size * 8 // 7), transforms.CenterCrop(args.size)]
else:
    steps = [transforms.RandomResizedCrop(args.size), transforms.RandomHorizontalFlip()]
data = datasets.ImageFolder(args.dir, transforms.Compose(steps + [transforms.PILToTensor()]))
# Without end, so that no time goes into starting workers anew for each pass over a small folder.
sampler = torch.utils.data.RandomSampler(data, replacement=True, num_samples=10**8)
loader = iter(torch.utils.data.DataLoader(data, args.batch, sampler=sampler,
                                          num_workers=args.workers))


def run_for(seconds):
    start = time.perf_counter()
    images = 0
    while time.perf_counter() - start < seconds:
        images += next(loader)[0].shape[0]
    return images / (time.perf_counter() - start)


torch.set_num_threads(1)
run_for(args.seconds / 4)
print(f"{run_for(args.seconds):.1f}", flush=True)
