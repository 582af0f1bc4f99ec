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
finish
