#!/usr/bin/env bash
# Long: the same bits for any number of threads, for twenty seeds, every model and instruction set.
. tests/e2e/lib.sh

weights() { # weights FLAGS...: the hash of the weights after a short run
    rm -rf "$TMP/run"
    "$COHORT" train --run-dir "$TMP/run" --train-split 0.02 --epochs 1 --no-evaluate --quiet "$@" \
        >"$TMP/out" 2>&1 || fail "train $*: $(cat "$TMP/out")"
    sha256sum <"$TMP/run/model.safetensors"
}

usable=$("$COHORT" doctor | sed -n 's/^ *kernels \(avx512\|avx2\|plain\) *usable.*/\1/p')
for seed in $(seq 20); do
    for model in lenet5 cnn1 mnistnet; do
        for isa in $usable; do
            batch=$((1 + seed * 7 % 70))
            run=(--model $model --isa $isa --seed $seed --batch-size $batch)
            first=$(weights "${run[@]}" --threads 1 --loader-threads 0)
            for threads in "2 0" "3 1" "1 4"; do
                set -- $threads
                [ "$(weights "${run[@]}" --threads $1 --loader-threads $2)" = "$first" ] ||
                    fail "${run[*]}: other bits with $1 threads, $2 loader threads"
            done
        done
    done
done
finish
