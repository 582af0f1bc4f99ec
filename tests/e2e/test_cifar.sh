#!/usr/bin/env bash
# CIFAR through the program: checked, shown, trained on with augmentation. The weights do not depend
# on loader threads, augmentation changes them, and evaluation is not augmented.
. tests/e2e/lib.sh

[ -d "$DATA/cifar-10-sample" ] || { echo "skipped: no data"; exit 77; }
SAMPLE=$DATA/cifar-10-sample
expect 0 "no faults found" "$COHORT" data check cifar10 --dataset-dir "$SAMPLE"
expect 0 "airplane" "$COHORT" data info cifar10 --dataset-dir "$SAMPLE"
expect 0 "no faults found" "$COHORT" data check cifar100 --dataset-dir "$DATA/cifar-100-sample"

mkdir "$TMP/archive"
tar -C "$SAMPLE" -czf "$TMP/archive/cifar-10-binary.tar.gz" cifar-10-batches-bin
train() { # train NAME flags...
    local name=$1
    shift
    expect 0 "test accuracy" "$COHORT" train --dataset cifar10 --model cnn2 --epochs 2 \
        --batch-size 50 --threads 1 --quiet --seed 3 --run-dir "$TMP/$name" "$@"
}
AUGMENT="--augment-crop 4 --augment-flip --augment-shift 0.1 --augment-cutout 8"
# shellcheck disable=SC2086
for threads in 0 1 4; do
    train "run$threads" --dataset-dir "$SAMPLE" --loader-threads $threads $AUGMENT
    cmp -s "$TMP/run0/model.safetensors" "$TMP/run$threads/model.safetensors" ||
        fail "other weights with $threads loader threads"
done
accuracy=$(grep -o "accuracy [0-9.]* %" "$TMP/out" | cut -d" " -f2-)
expect 0 " $accuracy" "$COHORT" eval "$TMP/run4" --quiet
train plain --dataset-dir "$TMP/archive"
cmp -s "$TMP/run0/model.safetensors" "$TMP/plain/model.safetensors" &&
    fail "augmentation changed nothing"
train folder --dataset-dir "$SAMPLE"
cmp -s "$TMP/folder/model.safetensors" "$TMP/plain/model.safetensors" ||
    fail "other weights from the archive than from the files"
expect 2 "augment_crop 32" "$COHORT" train --dataset cifar10 --dataset-dir "$SAMPLE" --model cnn2 \
    --augment-crop 32 --run-dir "$TMP/wide"

printf 'garbage' >"$TMP/archive/cifar-10-binary.tar.gz"
expect 3 "cifar-10-binary.tar.gz" "$COHORT" data check cifar10 --dataset-dir "$TMP/archive"
finish
