#!/usr/bin/env bash
# `cohort models` foretells what a training process holds: within 5 % of its resident memory.
. tests/e2e/lib.sh
[ "${CO_SANITIZED:-0}" = 0 ] || {
    echo "skipped: sanitizers need memory of their own"
    exit 77
}

# compare NAME "flags of both" "flags of train"; none has blanks in it
compare() {
    local told held
    # shellcheck disable=SC2086
    "$COHORT" models --threads 1 $2 >"$TMP/out" || fail "models $2"
    told=$(sed -n 's/^  total .*(\([0-9]*\) bytes)$/\1/p' "$TMP/out")
    # shellcheck disable=SC2086
    "$COHORT" train --threads 1 --quiet --run-dir "$TMP/$1" $2 $3 >"$TMP/log" ||
        fail "train $2 $3: $(cat "$TMP/log")"
    held=$(number peak_memory_bytes "$TMP/$1/summary.json")
    echo "$1: told $told, held $held bytes"
    awk -v a="$told" -v b="$held" 'BEGIN { d = (b - a) / b; exit !(d < 0.05 && d > -0.05) }' ||
        fail "$1: told $told, held $held bytes"
    rm -rf "${TMP:?}/$1"
}

for model in lenet5 mnistnet cnn1; do
    compare $model "--model $model" "--epochs 1"
done
compare tta "--model lenet5 --tta flip --eval-batch-size 2000" "--epochs 1"

# The large ones, on black images in CIFAR's layout: what is in them does not matter here.
mkdir "$TMP/images"
head -c $((3073 * 96)) /dev/zero >"$TMP/images/data_batch_1.bin"
head -c $((3073 * 32)) /dev/zero >"$TMP/images/test_batch.bin"
head -c $((3074 * 96)) /dev/zero >"$TMP/images/train.bin"
head -c $((3074 * 32)) /dev/zero >"$TMP/images/test.bin"
large() { # large NAME MODEL DATASET "more flags of both" "flags of train"
    compare "$1" "--model $2 --dataset $3 --dataset-dir $TMP/images --batch-size 32 $4" \
        "--max-steps 3 $5"
}
large resnet resnet cifar10 "" ""
large resnet50 resnet cifar10 "--model-config {'depth':50}" ""
large fastresnet fastresnet cifar10 "" ""
large resnet-s1 resnet-s1 cifar10 "" ""
large resnet18-keras resnet18-keras cifar100 "" ""
large more fastresnet cifar10 \
    "--optimizer adam --ema-decay 0.99 --accumulate 2 --loader-threads 4 --tta" \
    "--augment-crop 4 --augment-flip --epochs 2"

# Checkpoints are written from a copy of the state.
large checkpoints fastresnet cifar10 \
    "--optimizer adam --ema-decay 0.99 --checkpoint-every 2 --no-evaluate" ""
large best resnet cifar10 "--keep-best 1" ""

# Folders of images: each thread of each loader decodes.
images() { # images NAME FOLDER THREADS
    compare "$1" "--model cnn2 --dataset images --dataset-dir $2 --image-size 48 --batch-size 2
        --test-share 0.5 --loader-threads $3" "--epochs 1"
}
if command -v python3 >/dev/null; then
    python3 - "$TMP/png" <<'END'
import os, struct, sys, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
width, height = 1600, 1200
png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
png += chunk(b"IDAT", zlib.compress(bytes(height * (1 + 3 * width)), 1)) + chunk(b"IEND", b"")
for name in ("one", "two"):
    os.makedirs(f"{sys.argv[1]}/{name}")
    for i in range(40):
        with open(f"{sys.argv[1]}/{name}/{i}.png", "wb") as file:
            file.write(png)
END
    images png-0 "$TMP/png" 0
    images png-4 "$TMP/png" 4
fi
if [ -d "$DATA/flower_photos/daisy" ]; then
    images jpeg-1 "$DATA/flower_photos" 1
    images jpeg-4 "$DATA/flower_photos" 4
fi
finish
