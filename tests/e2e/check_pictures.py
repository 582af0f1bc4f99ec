"""Histograms are those of the weights and gradients, images those of the test samples.

usage: check_pictures.py RUN_DIR STEP CHANNELS IMAGES
       check_pictures.py --data DATA_DIR CHANNELS     writes the data set of the test
"""

import bisect
import csv
import json
import math
import os
import random
import struct
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "monitor"))
import tfevents  # noqa: E402

SIDE, CLASSES = 28, 4


def samples(split, channels):
    """Noise, and labels that have nothing to do with it."""
    draw = random.Random(f"{split} {channels}")
    side = SIDE if channels == 1 else 32
    return [(draw.randrange(CLASSES), draw.randbytes(channels * side * side)) for _ in range(60)]


def write_npy(path, descr, shape, data):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (64 - (len(head) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)


def write_data(folder, channels):
    side = SIDE if channels == 1 else 32
    for split in ("train", "test"):
        rows = samples(split, channels)
        write_npy(f"{folder}/{split}_x.npy", "|u1", (len(rows), channels, side, side),
                  b"".join(pixels for _, pixels in rows))
        write_npy(f"{folder}/{split}_y.npy", "|u1", (len(rows),),
                  bytes(label for label, _ in rows))


def png(data):
    """(width, height, channels, pixels interleaved) of a PNG without filters."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at:at + 4])
        kind, body = data[at + 4:at + 8], data[at + 8:at + 8 + length]
        (crc,) = struct.unpack(">I", data[at + 8 + length:at + 12 + length])
        assert crc == zlib.crc32(kind + body), kind
        chunks[kind] = body
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, bits, color = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert bits == 8 and color in (0, 2)
    channels = 3 if color == 2 else 1
    raw = zlib.decompress(chunks[b"IDAT"])
    row = 1 + channels * width
    assert len(raw) == height * row and all(raw[y * row] == 0 for y in range(height))
    return width, height, channels, b"".join(raw[y * row + 1:(y + 1) * row] for y in range(height))


def tensors(path):
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    for name, entry in json.loads(data[8:8 + length]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            body = data[8 + length + begin:8 + length + end]
            yield name, struct.unpack(f"<{len(body) // 4}f", body)


def check_histogram(histogram, values):
    assert histogram["num"] == [len(values)]
    assert histogram["min"] == [min(values)] and histogram["max"] == [max(values)]
    assert math.isclose(histogram["sum"][0], math.fsum(values), rel_tol=1e-9, abs_tol=1e-9)
    assert math.isclose(histogram["sum_squares"][0], math.fsum(v * v for v in values), rel_tol=1e-9)
    limits, counts = histogram["bucket_limit"], histogram["bucket"]
    assert limits == sorted(set(limits)) and len(counts) == len(limits)
    want = [0] * len(limits)
    for v in values:
        want[bisect.bisect_left(limits, v) if v < 0 else bisect.bisect_right(limits, v)] += 1
    assert counts == want


def main(run, step, channels, images):
    by_tag = tfevents.values(os.path.join(run, "events.out.tfevents.cohort"))
    found = 0
    for name, values in tensors(os.path.join(run, "model.safetensors")):
        tag = name.replace(".", "/")
        rows = {row[0]: row[2]["histo"][0] for row in by_tag[f"weights/{tag}"]}
        check_histogram(rows[step], values)
        grads = {row[0]: row[2]["histo"][0] for row in by_tag[f"grads/{tag}"]}
        assert set(grads) == set(rows) and grads[step]["num"] == [len(values)]
        found += 1
    assert sum(tag.startswith("weights/") for tag in by_tag) == found > 4
    with open(os.path.join(run, "metrics.csv"), encoding="utf-8") as file:
        norms = {int(r["step"]): float(r["gradient_norm"]) for r in csv.DictReader(file)
                 if r["event"] == "step"}
    for at in rows:  # all gradients together have the norm that the metrics tell
        squares = sum(row[2]["histo"][0]["sum_squares"][0] for tag, found_rows in by_tag.items()
                      if tag.startswith("grads/") for row in found_rows if row[0] == at)
        assert math.isclose(math.sqrt(squares), norms[at], rel_tol=1e-6), at

    tests = samples("test", channels)
    per_epoch = {}
    for tag, rows in by_tag.items():
        if not tag.startswith("misclassified/"):
            continue
        label, predicted = tag.split("/")[1].split("_as_")
        assert label != predicted
        for epoch, _, value in rows:
            image = value["image"][0]
            width, height, colors, pixels = png(image["encoded_image_string"][0])
            assert (width, height, colors) == tuple(image[k][0] for k in
                                                    ("width", "height", "colorspace"))
            assert colors == channels
            planes = b"".join(pixels[c::colors] for c in range(colors))
            assert any(planes == p and label == str(l) for l, p in tests), tag
            per_epoch.setdefault(epoch, []).append(tag)
    assert per_epoch and max(len(tags) for tags in per_epoch.values()) == images, per_epoch
    for tags in per_epoch.values():
        assert len(tags) == len(set(tags))
    print(f"{found} tensors, {sum(map(len, per_epoch.values()))} images: as they should be")


if sys.argv[1] == "--data":
    write_data(sys.argv[2], int(sys.argv[3]))
else:
    main(sys.argv[1], *map(int, sys.argv[2:]))
