#!/usr/bin/env bash
# Whatever happens to the files and to the console of a run, it goes on to its end.
. tests/e2e/lib.sh

train() { # train FOLDER flags...
    local dir=$1
    shift
    "$COHORT" train --run-dir "$TMP/$dir" --train-split 0.05 --epochs 4 --batch-size 8 --threads 1 \
        --log-interval 1 --no-evaluate --loader-threads 0 "$@"
}
steps_of() { # lines of the kind in a metrics file
    grep -c "^$2" "$TMP/$1"
}

train whole >"$TMP/out" 2>&1 || fail "train: $(cat "$TMP/out")"
steps=$(number steps "$TMP/whole/summary.json")
[ "$(steps_of whole/metrics.csv step,)" = "$steps" ] || fail "metrics.csv has not all $steps steps"
[ "$(steps_of whole/metrics.jsonl '{"event":"step"')" = "$steps" ] || fail "metrics.jsonl"
train none --no-csv --quiet >"$TMP/out" 2>&1 || fail "train --no-csv: $(cat "$TMP/out")"
[ -e "$TMP/none/metrics.csv" ] && fail "metrics.csv in spite of --no-csv"

# The disk is full after so many KiB: the run warns, goes on, and the same weights come out.
limit=$((steps * 60 / 1024))
(
    ulimit -f "$limit"
    train full --no-save-model || echo "exit code $?"
) 2>&1 | cat >"$TMP/out"
grep -q 'exit code' "$TMP/out" && fail "train on a full disk: $(tail -3 "$TMP/out")"
grep -q 'metrics.jsonl: File too large; the run goes on' "$TMP/out" || fail "no warning: full disk"
grep -q 'metrics.jsonl is not complete' "$TMP/out" || fail "no last word about the full disk"
grep -q finished "$TMP/full/status" || fail "the run on a full disk did not finish"
[ "$(number failed_sinks "$TMP/full/summary.json")" -ge 1 ] || fail "failed_sinks"
[ "$(number dropped_events "$TMP/full/summary.json")" = 0 ] || fail "events were dropped"
tail -c 1 "$TMP/full/metrics.jsonl" | cmp -s - <(echo) || fail "half a line in metrics.jsonl"
loss=$(number train_loss "$TMP/whole/summary.json")
[ "$(number train_loss "$TMP/full/summary.json")" = "$loss" ] ||
    fail "a full disk changes the training"

# The folder is removed under the run: it trains to its end, then says what it could not save.
train gone --train-split 0.4 >"$TMP/out" 2>&1 &
run=$!
for _ in $(seq 600); do
    [ -s "$TMP/gone/metrics.jsonl" ] && break
    sleep 0.05
done
rm -rf "$TMP/gone"
wait "$run"
[ $? -eq 5 ] || fail "a removed folder: $(tail -2 "$TMP/out")"
grep -q 'metrics.jsonl was removed while it was being written' "$TMP/out" ||
    fail "no warning: removed"
grep -q '^epoch 4/4' "$TMP/out" || fail "the run without its folder did not go on"

# Whoever reads the console leaves: only the exit code tells.
train pipe --verbose 2>"$TMP/out" | head -n 1 >"$TMP/out"
grep -q finished "$TMP/pipe/status" || fail "a run whose reader left did not finish"
[ "$(steps_of pipe/metrics.jsonl '{"event":"step"')" = "$steps" ] || fail "its metrics"
finish
