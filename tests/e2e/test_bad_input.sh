#!/usr/bin/env bash
# What a user can get wrong: the exit code by kind, one message that says where, nothing
# half-written.
. tests/e2e/lib.sh
run=("$COHORT" train --run-dir "$TMP/run" --max-steps 2 --threads 1 --quiet)

# Usage: 2, and a standard output that takes nothing: 5
"$COHORT" models >/dev/full 2>"$TMP/out" && fail "a full standard output is not noticed"
expect 2 "cohort COMMAND" "$COHORT"
expect 2 "train" "$COHORT" tran
expect 2 "batch-size" "${run[@]}" --batch-sise 3
expect 2 "--batch-size" "${run[@]}" --batch-size many
expect 2 "--batch-size" "${run[@]}" --batch-size 0
expect 2 "--lr" "${run[@]}" --lr -1
expect 2 "arrives with" "${run[@]}" --delay
expect 2 "lenet5" "${run[@]}" --model lenet
expect 2 "mnist" "${run[@]}" --dataset minst
expect 2 "nesterov" "${run[@]}" --nesterov --momentum 0
printf 'epochs: 2\nbatch_sise: 4\n' >"$TMP/bad.yaml"
expect 2 "bad.yaml:2:1" "${run[@]}" --config "$TMP/bad.yaml"
printf 'epochs: two\n' >"$TMP/bad.yaml"
expect 2 "bad.yaml:1:9" "${run[@]}" --config "$TMP/bad.yaml"
printf 'a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n' >"$TMP/bad.yaml"
expect 2 "bad.yaml:" "${run[@]}" --config "$TMP/bad.yaml"
expect 2 "nothing.yaml" "${run[@]}" --config "$TMP/nothing.yaml"
expect 2 "COHORT_EPOCHS" env COHORT_EPOCHS=none "${run[@]}"
expect 2 "eval needs weights" "$COHORT" eval
expect 2 "contradict" "${run[@]}" --regime '[{epoch: 0, lr: 0.1}]' --warmup-epochs 2
expect 2 "contradict" "${run[@]}" --optimizer adam --nesterov
expect 2 "depth" "${run[@]}" --model-config "{'depth': 34}"
mkfifo "$TMP/pipe.yaml"
expect 2 "pipe.yaml" timeout 20 "${run[@]}" --config "$TMP/pipe.yaml"
expect 2 "did you mean 'mnist'" "${run[@]}" --dataset mnst

# Data: 3
mkdir "$TMP/empty"
expect 3 "$TMP/empty" "${run[@]}" --dataset mnist --dataset-dir "$TMP/empty"
expect 3 "$TMP/missing" "${run[@]}" --dataset mnist --dataset-dir "$TMP/missing"
expect 2 "is for image files and nt3" "${run[@]}" --dataset mnist --dataset-dir "$TMP/empty" \
    --bad-samples skip

npy() { # npy FILE TYPE SHAPE BYTES: an array of zeros
    printf '\223NUMPY\1\0\166\0%-117s\n' \
        "{'descr': '$2', 'fortran_order': False, 'shape': $3, }" >"$TMP/rows/$1"
    head -c "$4" /dev/zero >>"$TMP/rows/$1"
}
mkdir "$TMP/rows" # of numbers: no images that have a mirror image
for split in train test; do
    npy ${split}_x.npy '<f4' '(4, 6)' 96
    npy ${split}_y.npy '<i4' '(4,)' 16
done
printf 'input: [1, 1, 6]\nclasses: 1\nlayers: [flatten, linear: {out: classes}]\n' \
    >"$TMP/rows.yaml"
rows=("${run[@]}" --dataset npy --dataset-dir "$TMP/rows" --model "$TMP/rows.yaml")
expect 0 "test accuracy" "${rows[@]}" --run-dir "$TMP/rows-run"
expect 2 "--tta flip mirrors images" "${rows[@]}" --tta flip

expect 3 "wnids.txt" "${run[@]}" --dataset tinyimagenet --dataset-dir "$TMP/empty"
if [ -d "$DATA/mnist" ]; then
    mkdir "$TMP/mnist" "$TMP/test-cut"
    for file in train-images-idx3 train-labels-idx1 t10k-images-idx3 t10k-labels-idx1; do
        gzip -dc "$DATA/mnist/$file-ubyte.gz" >"$TMP/mnist/$file-ubyte"
        cp "$TMP/mnist/$file-ubyte" "$TMP/test-cut/"
    done
    cut() { # cut FILE BYTES: the set with that file cut, and the message names it
        cp -r "$TMP/mnist" "$TMP/cut"
        truncate -s "$2" "$TMP/cut/$1"
        expect 3 "$1" "${run[@]}" --dataset mnist --dataset-dir "$TMP/cut"
        rm -r "$TMP/cut"
    }
    cut train-images-idx3-ubyte 1000000
    cut train-images-idx3-ubyte 10
    cut train-labels-idx1-ubyte 50000
    cut train-labels-idx1-ubyte 70000
    labels=$TMP/mnist/train-labels-idx1-ubyte
    printf '\377' | dd of="$labels" bs=1 seek=100 conv=notrunc 2>/dev/null
    expect 3 "100" "${run[@]}" --dataset mnist --dataset-dir "$TMP/mnist"
    printf '\377' | dd of="$labels" bs=1 seek=3 conv=notrunc 2>/dev/null
    expect 3 "train-labels-idx1-ubyte" "${run[@]}" --dataset mnist --dataset-dir "$TMP/mnist"
    rm "$TMP/mnist/train-images-idx3-ubyte"
    mkfifo "$TMP/mnist/train-images-idx3-ubyte" # is not waited for
    expect 3 "train-images-idx3-ubyte" timeout 20 "${run[@]}" --dataset mnist \
        --dataset-dir "$TMP/mnist"
    # Damaged test images (a wrong checksum): the run fails, but what it learned is kept
    gzip "$TMP/test-cut/t10k-images-idx3-ubyte"
    size=$(stat -c %s "$TMP/test-cut/t10k-images-idx3-ubyte.gz")
    printf '\1\2\3\4' | dd of="$TMP/test-cut/t10k-images-idx3-ubyte.gz" bs=1 seek=$((size - 8)) \
        conv=notrunc 2>/dev/null
    expect 3 "t10k-images-idx3-ubyte" "$COHORT" train --dataset mnist \
        --dataset-dir "$TMP/test-cut" --run-dir "$TMP/kept" --train-split 0.01 --epochs 1 \
        --threads 1 --quiet
    grep -q failed "$TMP/kept/status" || fail "status of a run without test images"
    [ -s "$TMP/kept/model.safetensors" ] || fail "the weights of a failed evaluation are lost"
else
    echo "skipped: no data"
fi

# Files: 5
expect 5 "model.safetensors" "$COHORT" eval --checkpoint "$TMP/model.safetensors"
head -c 100 /dev/zero >"$TMP/short.safetensors"
expect 5 "short.safetensors" "${run[@]}" --checkpoint "$TMP/short.safetensors"
touch "$TMP/file"
expect 5 "$TMP/file" "$COHORT" train --run-dir "$TMP/file/run" --max-steps 2 --quiet

[ ! -e "$TMP/run" ] || fail "a refused run left a folder"

# A folder that has a run, and one that is in use
expect 0 "run folder" "${run[@]}"
expect 5 "$TMP/run" "${run[@]}"
"$COHORT" train --epochs 1000 --run-dir "$TMP/busy" --quiet >/dev/null 2>&1 &
pid=$!
for _ in $(seq 600); do
    [ -s "$TMP/busy/lock" ] && break
    sleep 0.1
done
expect 5 "$pid@" "$COHORT" train --run-dir "$TMP/busy" --max-steps 2 --quiet
kill -9 $pid
wait $pid 2>/dev/null

# Weights of another model: the tensor is named
"$COHORT" train --model mnistnet --run-dir "$TMP/other" \
    --max-steps 1 --no-evaluate --quiet >/dev/null ||
    fail "a run without evaluation"
expect 5 "conv1.weight" "$COHORT" train --checkpoint "$TMP/other/model.safetensors" \
    --run-dir "$TMP/run2" --max-steps 2 --quiet

# A disk that is full while saving: exit 5, no half-written model (16 KiB per file is less
# than that)
(
    ulimit -f 16
    exec "$COHORT" train --run-dir "$TMP/full" --max-steps 2 --no-evaluate --quiet
) >"$TMP/out" 2>&1
code=$?
[ $code -eq 5 ] || fail "exit $code with a full disk: $(cat "$TMP/out")"
grep -q "model.safetensors" "$TMP/out" || fail "which file: $(cat "$TMP/out")"
grep -q failed "$TMP/full/status" || fail "status after a full disk: $(cat "$TMP/full/status")"
[ -s "$TMP/full/summary.json" ] || fail "no summary after a full disk"
ls "$TMP/full" | grep -q "model.safetensors" && fail "a half-written model is left"

# A loss that is not finite: 1, and it says at which step
expect 1 "is not finite" "$COHORT" train --lr 900 --run-dir "$TMP/nan" --max-steps 200 --quiet
grep -q failed "$TMP/nan/status" || fail "status of a failed run"
finish
