"""Reads what test_torchvision.c wrote and compares it with torchvision and PIL.

Arguments: the folder. cases.txt there has a line for each sample: image file, file of our bytes,
size, resize, then either "middle" or "crop top left height width"; and the largest difference that
is allowed for a byte, and for the mean of all bytes."""
import sys

import numpy
import torchvision
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode, functional

folder = sys.argv[1]
failed = 0
for line in open(f"{folder}/cases.txt"):
    image, raw, size, resize, most, mean, kind, *rest = line.split()
    size, resize, most, mean = int(size), int(resize), int(most), float(mean)
    with open(f"{folder}/{image}", "rb") as file:
        picture = ImageOps.exif_transpose(Image.open(file).convert("RGB")
                                          if "exif" not in image else Image.open(file))
    if kind == "middle":
        picture = functional.resize(picture, resize, InterpolationMode.BILINEAR)
        picture = functional.center_crop(picture, [size, size])
    else:
        picture = functional.resized_crop(picture, *map(int, rest), [size, size],
                                          InterpolationMode.BILINEAR)
    theirs = numpy.asarray(picture).transpose(2, 0, 1).astype(int)
    ours = numpy.fromfile(f"{folder}/{raw}", numpy.uint8).reshape(3, size, size).astype(int)
    apart = numpy.abs(theirs - ours)
    good = apart.max() <= most and apart.mean() <= mean
    failed += not good
    print(f"{image:24} {kind:7} largest {apart.max():3} mean {apart.mean():.4f}"
          f"{'' if good else '   too much'}")
print("torchvision", torchvision.__version__)
sys.exit(failed > 0)
