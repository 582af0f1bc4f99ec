#!/usr/bin/env bash
# `cohort models` foretells what a training process holds: within 5 % of its resident memory.
. tests/e2e/lib.sh
[ "${CO_SANITIZED:-0}" = 0 ] || {
    echo "skipped: sanitizers need memory of their own"
    exit 77
}

bytes() { # bytes NUMBER UNIT
    awk -v n="$1" -v u="$2" \
        'BEGIN { print n * (u == "KiB" ? 1024 : u == "MiB" ? 1048576 : 1073741824) }'
}

for model in lenet5 mnistnet cnn1; do
    "$COHORT" models $model --threads 1 >"$TMP/out" || fail "models $model"
    told=$(bytes $(awk '$1 == "total" { print $2, $3 }' "$TMP/out"))
    "$COHORT" train --model $model --threads 1 --epochs 1 --quiet \
        --run-dir "$TMP/$model" >"$TMP/log" ||
        fail "train $model: $(cat "$TMP/log")"
    held=$(number peak_memory_bytes "$TMP/$model/summary.json")
    echo "$model: told $told, held $held bytes"
    awk -v a="$told" -v b="$held" 'BEGIN { d = (b - a) / b; exit !(d < 0.05 && d > -0.05) }' ||
        fail "$model: told $told, held $held bytes"
done
finish
