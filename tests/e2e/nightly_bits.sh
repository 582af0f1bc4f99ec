#!/usr/bin/env bash
# Long: for twenty seeds, every model and instruction set the same bits for any number of loader
# threads; and for any number of computing threads where all batches fill the lanes (else oneDNN
# computes, whose weight gradients depend on the number of threads).
. tests/e2e/lib.sh

weights() { # weights FLAGS...: the hash of the weights after a short run
    rm -rf "$TMP/run"
    "$COHORT" train --run-dir "$TMP/run" --train-split 0.02 --epochs 1 --no-evaluate --quiet \
        --lr 0.001 "$@" >"$TMP/out" 2>&1 || fail "train $*: $(cat "$TMP/out")"
    sha256sum <"$TMP/run/model.safetensors"
}

same() { # same FIRST FLAGS...
    local first=$1
    shift
    [ "$(weights "$@")" = "$first" ] || fail "other bits: $*"
}

usable=$("$COHORT" doctor | sed -n 's/^ *kernels \(avx512\|avx2\|plain\) *usable.*/\1/p')
[ -n "$usable" ] || fail "doctor names no kernels"
for seed in $(seq 20); do
    for model in lenet5 cnn1 mnistnet; do
        for isa in $usable; do
            run=(--model $model --isa $isa --seed $seed --batch-size $((1 + seed * 7 % 70)))
            first=$(weights "${run[@]}" --threads 1 --loader-threads 0)
            same "$first" "${run[@]}" --threads 1 --loader-threads 1
            same "$first" "${run[@]}" --threads 1 --loader-threads 4
            run=(--model $model --isa $isa --seed $seed --batch-size $((16 + 16 * (seed % 4)))
                --drop-last)
            first=$(weights "${run[@]}" --threads 1 --loader-threads 0)
            same "$first" "${run[@]}" --threads 2 --loader-threads 0
            same "$first" "${run[@]}" --threads 3 --loader-threads 1
        done
    done
done
finish
