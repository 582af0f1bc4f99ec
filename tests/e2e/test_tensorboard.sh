#!/usr/bin/env bash
# TensorBoard's file, read back with protoc and checksums of Python's own.
. tests/e2e/lib.sh
for tool in protoc python3; do
    command -v $tool >/dev/null || {
        echo "skipped: no $tool (tools/setup.sh test installs it)"
        exit 77
    }
done

train() { # train FOLDER flags...
    "$COHORT" train --run-dir "$TMP/$1" --train-split 0.05 --epochs 3 --batch-size 24 --threads 1 \
        --quiet --tensorboard "${@:2}" >"$TMP/out" 2>&1 || fail "train $*: $(cat "$TMP/out")"
}
check() { # check FOLDER NAMES
    PYTHONDONTWRITEBYTECODE=1 python3 tests/e2e/check_tensorboard.py "$TMP/$1" "$2" ||
        fail "the event file of $1"
}

train s2 --log-interval 1
check s2 s2
train s1 --log-interval 5 --tensorboard-names s1 --momentum 0.5
check s1 s1

# Histograms and images, of grey and of coloured samples.
for channels in 1 3; do
    mkdir "$TMP/data$channels"
    python=(env PYTHONDONTWRITEBYTECODE=1 python3 tests/e2e/check_pictures.py)
    "${python[@]}" --data "$TMP/data$channels" $channels || fail "the data set of the test"
    model=lenet5
    [ $channels = 3 ] && model=cnn2
    "$COHORT" train --run-dir "$TMP/pictures$channels" --dataset npy --quiet --threads 1 \
        --dataset-dir "$TMP/data$channels" --model $model --epochs 2 --batch-size 10 \
        --log-interval 1 --tensorboard --tb-histograms-every 6 --tb-images 3 >"$TMP/out" 2>&1 ||
        fail "train with pictures: $(cat "$TMP/out")"
    "${python[@]}" "$TMP/pictures$channels" 12 $channels 3 || fail "pictures of $channels channels"
done
expect 2 'histograms are for TensorBoard' "$COHORT" train --tb-histograms-every 5

# A damaged file does not pass: the checksums above mean something.
printf 'x' | dd of="$TMP/s2/events.out.tfevents.cohort" bs=1 seek=2000 conv=notrunc 2>/dev/null
PYTHONDONTWRITEBYTECODE=1 python3 tests/e2e/check_tensorboard.py "$TMP/s2" s2 >"$TMP/out" 2>&1 &&
    fail "a damaged file passed"
grep -q 'AssertionError: checksum' "$TMP/out" || fail "not the checksum: $(tail -1 "$TMP/out")"
finish
