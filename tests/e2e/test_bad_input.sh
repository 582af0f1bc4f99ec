#!/usr/bin/env bash
# What a user can get wrong: the exit code by kind, one message that says where, nothing
# half-written.
. tests/e2e/lib.sh
run=("$COHORT" train --run-dir "$TMP/run" --max-steps 2 --threads 1 --quiet)

# Usage: 2
expect 2 "cohort COMMAND" "$COHORT"
expect 2 "train" "$COHORT" tran
expect 2 "batch-size" "${run[@]}" --batch-sise 3
expect 2 "--batch-size" "${run[@]}" --batch-size many
expect 2 "--batch-size" "${run[@]}" --batch-size 0
expect 2 "--lr" "${run[@]}" --lr -1
expect 2 "arrives with" "${run[@]}" --use-adasum
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

# Data: 3
mkdir "$TMP/empty"
expect 3 "$TMP/empty" "${run[@]}" --dataset mnist --dataset-dir "$TMP/empty"
expect 3 "$TMP/missing" "${run[@]}" --dataset mnist --dataset-dir "$TMP/missing"

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
ls "$TMP/full" | grep -q "model.safetensors" && fail "a half-written model is left"

# A loss that is not finite: 1, and it says at which step
expect 1 "is not finite" "$COHORT" train --lr 900 --run-dir "$TMP/nan" --max-steps 200 --quiet
grep -q failed "$TMP/nan/status" || fail "status of a failed run"
finish
