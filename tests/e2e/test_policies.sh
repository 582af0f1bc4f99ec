#!/usr/bin/env bash
# When to stop, what to keep, what to do about steps that are not finite and disks that are full.
. tests/e2e/lib.sh
run=(--train-split 0.02 --threads 1 --quiet)

metric() { # metric SPLIT KEY FILE: the values of the evaluations
    sed -n "s/.*\"split\":\"$1\".*\"epoch\":\\([0-9]*\\),.*\"$2\":\\([-0-9.e+]*\\).*/\\1 \\2/p" "$3"
}

# The three best by test accuracy, as the metrics have them (of equals the older).
"$COHORT" train "${run[@]}" --epochs 6 --lr 0.05 --keep-best 3 --run-dir "$TMP/best" \
    >"$TMP/out" 2>&1 || fail "$(cat "$TMP/out")"
expected=$(metric test accuracy "$TMP/best/metrics.jsonl" | sort -k2,2gr -k1,1g | head -3 |
    awk '{ printf "best_model_%d_test_accuracy=%.4f.safetensors\n", $1, $2 }' | sort)
[ "$(cd "$TMP/best" && ls best_model_*)" = "$expected" ] ||
    fail "best: $(ls "$TMP/best"), not $expected"
name=$(head -1 <<<"$expected")
told=$(sed 's/.*=0\.\(..\)\(..\)\..*/\1.\2/' <<<"$name")
expect 0 "$told %" "$COHORT" eval --checkpoint "$TMP/best/$name" --threads 1
# By a loss, the least is the best; killed and resumed, the same files.
"$COHORT" train "${run[@]}" --epochs 4 --val --no-evaluate --keep-best 2 --best-metric val-loss \
    --run-dir "$TMP/loss" >"$TMP/out" 2>&1 || fail "$(cat "$TMP/out")"
expected=$(metric val loss "$TMP/loss/metrics.jsonl" | sort -k2,2g -k1,1g | head -2 |
    awk '{ printf "best_model_%d_val_loss=%.4f.safetensors\n", $1, $2 }' | sort)
[ "$(cd "$TMP/loss" && ls best_model_*)" = "$expected" ] || fail "best by loss: not $expected"
"$COHORT" train "${run[@]}" --epochs 4 --val --no-evaluate --keep-best 2 --best-metric val-loss \
    --run-dir "$TMP/again" --stop-at-step 40 >"$TMP/out" 2>&1
expect 0 "run folder" "$COHORT" train --resume "$TMP/again"
[ "$(cd "$TMP/again" && ls best_model_*)" = "$expected" ] || fail "best, resumed: not $expected"
expect 2 "there are none" "$COHORT" train --keep-best 1 --best-metric val-loss
expect 2 "which are not evaluated" "$COHORT" train --early-stop 1 --no-evaluate

# S2 evaluates at the start of its epochs, on the training samples too.
"$COHORT" train "${run[@]}" --epochs 6 --evaluate-every 3 --evaluate-at start --evaluate-train \
    --run-dir "$TMP/start" >"$TMP/out" 2>&1 || fail "$(cat "$TMP/out")"
[ "$(metric train accuracy "$TMP/start/metrics.jsonl" | cut -d' ' -f1 | xargs)" = "2 5 6" ] ||
    fail "evaluated: $(metric train accuracy "$TMP/start/metrics.jsonl")"

# Nothing is better by more than 1: the first evaluation counts, two more are waited for.
"$COHORT" train "${run[@]}" --epochs 9 --early-stop 2 --early-stop-delta 1 --run-dir "$TMP/early" \
    >"$TMP/out" 2>&1 || fail "early: $(cat "$TMP/out")"
[ "$(number epochs "$TMP/early/summary.json")" = 3 ] || fail "early: $(cat "$TMP/out")"
grep -q 'stopped early after epoch 3' "$TMP/early/log.txt" || fail "early: not told"

# From step 25 on the weights grow until, two steps later, the loss overflows. Back to the newest
# checkpoint, and again, and enough.
wild=(--regime "[{step: 0, lr: 0.01}, {step: 25, lr: 1000, weight_decay: 10}]" --momentum 0
    --no-evaluate --epochs 4 --max-steps 60 --nan-policy rollback --checkpoint-every 4
    --checkpoint-wait)
expect 1 "after 2 rollbacks" "$COHORT" train "${run[@]}" "${wild[@]}" --rollback-max 2 \
    --rollback-lr 0.9 --run-dir "$TMP/wild"
grep -q 'is not finite: back to step 24, with 0.9 of the learning rate (rollback 1 of 2)' \
    "$TMP/wild/log.txt" || fail "rollback: $(cat "$TMP/wild/log.txt")"
report=$(ls "$TMP"/wild/not-finite-*.json | head -1)
python3 - "$report" <<'END' 2>"$TMP/out" || fail "report $report: $(cat "$TMP/out")"
import json, sys
r = json.load(open(sys.argv[1]))
assert r["step"] > 2 and len(r["samples"]) == 64 and len(set(r["samples"])) == 64
assert [t["name"] for t in r["tensors"]][0] == "conv1.weight" and len(r["tensors"]) == 10
assert abs(r["lr"] - 810.0) < 1e-6
END
# With a rate that is far smaller the run comes to its end; resumed half-way, to the same weights.
"$COHORT" train "${run[@]}" "${wild[@]}" --rollback-lr 0.000001 --run-dir "$TMP/tamed" \
    >"$TMP/out" 2>&1 || fail "tamed: $(cat "$TMP/out")"
[ "$(number rollbacks "$TMP/tamed/summary.json")" = 1 ] || fail "tamed: $(cat "$TMP/tamed/log.txt")"
"$COHORT" train "${run[@]}" "${wild[@]}" --rollback-lr 0.000001 --run-dir "$TMP/tamed2" \
    --stop-at-step 30 >"$TMP/out" 2>&1
expect 0 "run folder" "$COHORT" train --resume "$TMP/tamed2"
cmp -s "$TMP/tamed/model.safetensors" "$TMP/tamed2/model.safetensors" || fail "tamed: resumed"
expect 2 "no checkpoints to go back to" "$COHORT" train --nan-policy rollback
expect 1 "is not finite: lower --lr" "$COHORT" train "${run[@]}" --lr 1000 --weight-decay 10 \
    --epochs 40 --no-evaluate --run-dir "$TMP/stop"
ls "$TMP"/stop/not-finite-*.json >/dev/null || fail "no report"

# Files may not grow beyond 200 KB: no checkpoint can be written, the training goes on.
full() {
    (
        ulimit -f 200
        "$COHORT" train "${run[@]}" --epochs 2 --no-evaluate --no-save-model --checkpoint-every 10 \
            --checkpoint-wait "$@" >"$TMP/full.out" 2>&1
    )
}
full --run-dir "$TMP/full" || fail "full disk: $(cat "$TMP/full.out")"
told=$(grep -c 'could not be saved, the training goes on: cannot write' "$TMP/full/log.txt")
[ "$told" -ge 3 ] || fail "full disk: $(cat "$TMP/full/log.txt")"
[ -z "$(ls "$TMP/full/checkpoints")" ] || fail "full disk: $(ls "$TMP/full/checkpoints")"
grep -q finished "$TMP/full/status" || fail "full disk: not finished"
full --run-dir "$TMP/enough" --checkpoint-failures 2
[ $? -eq 5 ] || fail "--checkpoint-failures: $(cat "$TMP/full.out")"
grep -q '2 times in a row' "$TMP/full.out" || fail "--checkpoint-failures: $(cat "$TMP/full.out")"

# Too large a batch: refused before anything is written, with one that fits. And that one fits.
small() {
    (
        ulimit -v 900000
        "$COHORT" train "${run[@]}" --train-split 1 --model cnn1 --loader-threads 0 --no-evaluate \
            --max-steps 1 --run-dir "$TMP/large" "$@" >"$TMP/large.out" 2>&1
    )
}
small --batch-size 20000
[ $? -eq 6 ] || fail "too large: $(cat "$TMP/large.out")"
[ -e "$TMP/large" ] && fail "too large: something was written"
fits=$(sed -n 's/.*are available: the largest batch that fits is about \([0-9]*\);.*/\1/p' \
    "$TMP/large.out")
[ -n "$fits" ] && [ "$fits" -gt 100 ] && [ "$fits" -lt 20000 ] || fail "$(cat "$TMP/large.out")"
small --batch-size $((fits * 3 / 4)) || fail "$fits do not fit: $(cat "$TMP/large.out")"

# S3's switches: the trajectory, the accuracy of the model, its file names, a folder in between.
"$COHORT" train --profile s3 --dataset glyphs --train-split 0.02 --threads 1 --saves-per-epoch 3 \
    --model-accuracy --subfolder sub --results-dir "$TMP/s3" --base-names --save-dir run \
    --momentum 0.9 --lr 0.005 --val >"$TMP/out" 2>&1 || fail "s3: $(cat "$TMP/out")"
grep -q '^train accuracy' "$TMP/out" || fail "no train accuracy"
base="$TMP/s3/sub/run/glyphs_classic_0_02_0005_09_32_1_SGD_spe3_val"
cmp -s "${base}_model.safetensors" "$TMP/s3/sub/run/model.safetensors" ||
    fail "names: $(ls "$TMP/s3/sub/run")"
for link in "${base}_log.log" "${base}_weights.npy"; do
    [ -L "$link" ] && [ -s "$link" ] || fail "names: no $link"
done
grep -q '"weight_norm":' "$TMP/s3/sub/run/metrics.jsonl" || fail "no norm of the weights"
[ "$(stat -c %s "$TMP/s3/sub/run/weights.npy")" = $((128 + 4 * 4 * 61706)) ] || fail "weights.npy"
"$COHORT" train "${run[@]}" --epochs 1 --no-evaluate --no-save-model --run-dir "$TMP/none" \
    >"$TMP/out" 2>&1
[ -e "$TMP/none/model.safetensors" ] && fail "--no-save-model"
finish
