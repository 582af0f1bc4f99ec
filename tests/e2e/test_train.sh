#!/usr/bin/env bash
# A short run leaves a complete folder; the same command gives the same bits, for any number of
# loader threads; eval finds what train found.
. tests/e2e/lib.sh

train() { # train FOLDER flags...
    local dir=$1
    shift
    "$COHORT" train --run-dir "$TMP/$dir" --train-split 0.02 --epochs 2 --batch-size 48 --seed 3 \
        --threads 1 --quiet "$@" >"$TMP/out" 2>&1 || {
        fail "train $dir $*"
        cat "$TMP/out" >&2
    }
}

# Without what depends on the machine's speed.
timeless() {
    sed -E 's/"(seconds|duration|img_per_s|wall)": ?("[^"]*"|[-0-9.e+]+),? ?//g' "$1"
}

for model in lenet5 mnistnet; do
    train "$model-a" --model $model --loader-threads 1
    for file in config.yaml env.json log.txt metrics.jsonl summary.json model.safetensors status; do
        [ -s "$TMP/$model-a/$file" ] || fail "$model: no $file"
    done
    grep -q finished "$TMP/$model-a/status" || fail "$model: status is not 'finished'"
    accuracy=$(number test_accuracy "$TMP/$model-a/summary.json")
    at_least "${accuracy:-0}" 0.2 || fail "$model: test accuracy $accuracy after 50 steps"

    for variant in 0 1 4; do
        train "$model-$variant" --model $model --loader-threads $variant
        cmp "$TMP/$model-a/model.safetensors" "$TMP/$model-$variant/model.safetensors" ||
            fail "$model: other weights with $variant loader threads"
        cmp <(timeless "$TMP/$model-a/metrics.jsonl") \
            <(timeless "$TMP/$model-$variant/metrics.jsonl") ||
            fail "$model: other metrics with $variant loader threads"
    done

    "$COHORT" eval "$TMP/$model-a" >"$TMP/out" 2>&1 || fail "eval $model: $(cat "$TMP/out")"
    wanted=$(awk -v a="$accuracy" 'BEGIN { printf "%.2f", 100 * a }')
    grep -q "test accuracy  *$wanted %" "$TMP/out" || fail "eval says otherwise: $(cat "$TMP/out")"
done

# The record reproduces the run.
"$COHORT" train --config "$TMP/lenet5-a/config.yaml" \
    --run-dir "$TMP/again" --quiet --threads 1 >"$TMP/out" 2>&1 ||
    fail "train from config.yaml: $(cat "$TMP/out")"
cmp "$TMP/lenet5-a/model.safetensors" "$TMP/again/model.safetensors" ||
    fail "config.yaml does not reproduce the run"

# Weights to start from: hardly changed by a tiny step, they score as before. A validation part is
# scored; steps are counted by whole batches where the last is dropped.
train warm --checkpoint "$TMP/lenet5-a/model.safetensors" --lr 1e-20 --momentum 0 --val \
    --max-steps 1
same=$(number test_loss "$TMP/lenet5-a/summary.json")
[ "$(number test_loss "$TMP/warm/summary.json")" = "$same" ] ||
    fail "the weights to start from are not those of the file"
[ -n "$(number val_accuracy "$TMP/warm/summary.json")" ] || fail "--val is not scored"
train dropped --drop-last --no-shuffle --no-evaluate
[ "$(number steps "$TMP/dropped/summary.json")" = 50 ] || fail "steps with --drop-last"

# Steps that are not finite are left out, and counted
train skip --lr 1000 --weight-decay 10 --nan-policy skip --no-evaluate
at_least "$(number skipped_steps "$TMP/skip/summary.json")" 1 || fail "no step was skipped"

# Another seed is another run; one compute thread or two is not.
train seed --seed 4
cmp -s "$TMP/lenet5-a/model.safetensors" "$TMP/seed/model.safetensors" &&
    fail "the seed does not count"
train t2 --threads 2
cmp "$TMP/lenet5-a/model.safetensors" "$TMP/t2/model.safetensors" || fail "threads change the bits"

# With an average of the weights, that is what summary, eval and model.safetensors are about.
train ema --ema-decay 0.98 --accumulate 2
[ -s "$TMP/ema/model.raw.safetensors" ] || fail "the weights themselves are not saved"
[ -e "$TMP/lenet5-a/model.raw.safetensors" ] && fail "a second model without an average"
loss=$(awk -v a="$(number test_loss "$TMP/ema/summary.json")" 'BEGIN { printf "%.6f", a }')
"$COHORT" eval "$TMP/ema" >"$TMP/out" 2>&1 || fail "eval: $(cat "$TMP/out")"
grep -q "test loss  *$loss" "$TMP/out" || fail "eval of the average is not $loss: $(cat "$TMP/out")"
"$COHORT" eval "$TMP/ema" --checkpoint "$TMP/ema/model.raw.safetensors" >"$TMP/out" 2>&1 ||
    fail "eval of the weights: $(cat "$TMP/out")"
grep -q "test loss  *$loss" "$TMP/out" && fail "the weights are their average"

# Test-time augmentation is part of the record; eval may take it back. The weights do not change.
train tta --tta flip
cmp "$TMP/lenet5-a/model.safetensors" "$TMP/tta/model.safetensors" || fail "--tta changes weights"
plain=$(awk -v a="$same" 'BEGIN { printf "%.6f", a }')
loss=$(awk -v a="$(number test_loss "$TMP/tta/summary.json")" 'BEGIN { printf "%.6f", a }')
[ "$loss" != "$plain" ] || fail "--tta does nothing"
"$COHORT" eval "$TMP/tta" >"$TMP/out" 2>&1 || fail "eval: $(cat "$TMP/out")"
grep -q "test loss  *$loss" "$TMP/out" || fail "eval with the record's tta: $(cat "$TMP/out")"
"$COHORT" eval "$TMP/tta" --tta none >"$TMP/out" 2>&1 || fail "eval: $(cat "$TMP/out")"
grep -q "test loss  *$plain" "$TMP/out" || fail "eval --tta none: $(cat "$TMP/out")"
"$COHORT" eval "$TMP/lenet5-a" --tta >"$TMP/out" 2>&1 || fail "eval --tta: $(cat "$TMP/out")"
grep -q "test loss  *$loss" "$TMP/out" || fail "eval --tta: $(cat "$TMP/out")"
finish
