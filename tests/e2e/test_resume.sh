#!/usr/bin/env bash
# Checkpoints as users meet them: stopped and resumed, damaged, of another run, kept and removed.
. tests/e2e/lib.sh
run=(--train-split 0.02 --epochs 4 --log-interval 1 --threads 1 --no-evaluate --quiet
    --checkpoint-wait)

stripped() {
    sed -E 's/,"(seconds|duration|img_per_s|communication(_max)?_ms|wall)":[-0-9.e+]*//g' "$1"
}
same() { # same WHAT A B: weights and metrics
    cmp -s "$2/model.safetensors" "$3/model.safetensors" || fail "$1: other weights"
    cmp -s <(stripped "$2/metrics.jsonl") <(stripped "$3/metrics.jsonl") || fail "$1: other metrics"
}
train() { # train DIR FLAGS...
    local dir=$1
    shift
    "$COHORT" train "${run[@]}" --run-dir "$dir" "$@" >"$TMP/out" 2>&1
}
latest() {
    ls -d "$1"/checkpoints/step-* | tail -1
}
train "$TMP/whole" || fail "$(cat "$TMP/out")"

# Stopped by a step, by a signal, by the clock: exit 75, and on with the run folder alone.
train "$TMP/step" --stop-at-step 30
[ $? -eq 75 ] || fail "--stop-at-step: $(cat "$TMP/out")"
grep -q 'go on with' "$TMP/out" || fail "no word on how to go on"
expect 0 "step-000030: step 30, 5 files" "$COHORT" checkpoint verify "$TMP/step"
expect 0 "momentum.conv1.weight" "$COHORT" checkpoint show "$TMP/step"
expect 0 "run folder" "$COHORT" train --resume "$TMP/step" --quiet
same "after --stop-at-step" "$TMP/whole" "$TMP/step"
grep -q 'finished' "$TMP/step/status" || fail "status: $(cat "$TMP/step/status")"

"$COHORT" train "${run[@]}" --backend ref --run-dir "$TMP/signal" >"$TMP/out" 2>&1 &
pid=$!
for _ in $(seq 600); do
    grep -qs '"event":"step"' "$TMP/signal/metrics.jsonl" && break
    sleep 0.05
done
kill -TERM $pid
wait $pid
[ $? -eq 75 ] || fail "SIGTERM: $(cat "$TMP/out")"
train "$TMP/signal" --backend ref --resume auto || fail "resumed: $(cat "$TMP/out")"
train "$TMP/ref" --backend ref || fail "$(cat "$TMP/out")"
same "after SIGTERM" "$TMP/ref" "$TMP/signal"

"$COHORT" train --epochs 100000 --no-evaluate --quiet --max-minutes 0.02 --run-dir "$TMP/time" \
    >"$TMP/out" 2>&1
[ $? -eq 75 ] || fail "--max-minutes: $(cat "$TMP/out")"
grep -q 'stopped by --max-minutes' "$TMP/out" || fail "--max-minutes: $(cat "$TMP/out")"

# S2's crash: nothing is saved at the crash; into another folder from the last checkpoint.
train "$TMP/crash" --crash-at-step 50 --checkpoint-every 24 --keep-last 1
[ $? -eq 1 ] || fail "--crash-at-step: $(cat "$TMP/out")"
[ "$(ls "$TMP/crash/checkpoints")" = step-000048 ] || fail "kept: $(ls "$TMP/crash/checkpoints")"
train "$TMP/branch" --resume-from "$TMP/crash/checkpoints/step-000048" || fail "$(cat "$TMP/out")"
cmp -s "$TMP/whole/model.safetensors" "$TMP/branch/model.safetensors" || fail "branch: weights"
[ -e "$TMP/crash/model.safetensors" ] && fail "the run that is resumed elsewhere was changed"

# Back to an older checkpoint: those after it are set aside, so that a run that dies before its next
# checkpoint goes on from the one that was chosen, with the metrics that were cut there.
train "$TMP/back" --checkpoint-every 16 --keep-last 9 || fail "$(cat "$TMP/out")"
last=$(basename "$(latest "$TMP/back")")
for try in 1 2; do
    "$COHORT" train --resume "$TMP/back/checkpoints/step-000016" --crash-at-step 30 --quiet \
        >"$TMP/out" 2>&1
    [ $? -eq 1 ] || fail "back, try $try: $(cat "$TMP/out")"
    [ "$(latest "$TMP/back")" = "$TMP/back/checkpoints/$last.old" ] ||
        fail "back, try $try: $(ls "$TMP/back/checkpoints")"
done
expect 0 "run folder" "$COHORT" train --resume "$TMP/back"
grep -q "step-000048 is of a later step than the one the run goes on from" "$TMP/back/log.txt" ||
    fail "back: $(tail -5 "$TMP/back/log.txt")"
same "back to an older checkpoint" "$TMP/whole" "$TMP/back"

# auto without a checkpoint begins; a finished run without one is not run over.
train "$TMP/new" --resume auto || fail "auto, new: $(cat "$TMP/out")"
same "auto, new" "$TMP/whole" "$TMP/new"
expect 5 "the run is finished, and has no checkpoint" \
    "$COHORT" train "${run[@]}" --run-dir "$TMP/new" --resume auto
mkdir "$TMP/other" && touch "$TMP/other/mine"
expect 5 "is not empty" "$COHORT" train "${run[@]}" --run-dir "$TMP/other" --resume auto
expect 2 "auto needs the folder of the run" "$COHORT" train --resume auto
expect 5 "there is no checkpoint to resume from" "$COHORT" train --resume "$TMP/other"

# Damaged: the tensor and its bytes are named, exit 5; auto takes the one before, saying so.
train "$TMP/two" --checkpoint-every 20 --stop-at-step 45
bad=$(latest "$TMP/two")
file=$bad/model.safetensors
cp -r "$TMP/two" "$TMP/good"
damage() { # damage WORDS: what is refused, then what auto does
    expect 5 "$1" "$COHORT" train --resume "$bad" --quiet
    expect 5 "--resume auto takes the checkpoint before it" \
        "$COHORT" train --resume "$TMP/two" --quiet
    "$COHORT" train --run-dir "$TMP/two" --resume auto >"$TMP/out" 2>&1 ||
        fail "auto: $(cat "$TMP/out")"
    grep -q 'trying the checkpoint before it' "$TMP/out" || fail "auto does not say so"
    same "auto after: $1" "$TMP/whole" "$TMP/two"
    rm -rf "$TMP/two" && cp -r "$TMP/good" "$TMP/two"
}
printf '\377' | dd of="$file" bs=1 seek=100000 conv=notrunc status=none
damage "damaged: fc1.weight, bytes"
truncate -s 120000 "$file"
damage "cut short: has 120000 bytes of"
rm "$bad/optimizer.safetensors"
damage "optimizer.safetensors: No such file"
sed -i 's/^step 45$/step 46/' "$bad/manifest"
damage "manifest: damaged"
rm "$bad/manifest"
damage "manifest: No such file"
# A write that was cut off is no checkpoint: ignored, told, cleaned up.
cp -r "$bad" "$TMP/two/checkpoints/step-000060.tmp"
"$COHORT" train --run-dir "$TMP/two" --resume auto --checkpoint-every 20 >"$TMP/out" 2>&1 ||
    fail "leftover: $(cat "$TMP/out")"
grep -q 'not finished is ignored' "$TMP/out" || fail "leftover: not told"
[ -e "$TMP/two/checkpoints/step-000060.tmp" ] && fail "leftover: still there"
same "leftover" "$TMP/whole" "$TMP/two"

# Of another run: settings that decide the result, the model, the version, the environment.
from=(--resume "$TMP/good" --quiet)
expect 5 "lr: 0.01 then, 0.02 now" "$COHORT" train "${from[@]}" --lr 0.02
expect 5 "model: lenet5 then, cnn1 now" "$COHORT" train "${from[@]}" --model cnn1
expect 5 "ends with step 40: raise" "$COHORT" train "${from[@]}" --max-steps 40
cp -r "$TMP/good" "$TMP/version"
sed -i '1s/1$/9/' "$(latest "$TMP/version")/manifest"
expect 5 "of version 9; this program reads version 1" \
    "$COHORT" train --resume "$TMP/version" --quiet
expect 5 "threads: 1 then, 2 now" "$COHORT" train "${from[@]}" --threads 2 --deterministic
cp -r "$TMP/good" "$TMP/threads"
expect 0 "resumed in another environment" \
    "$COHORT" train --resume "$TMP/threads" --threads 2
expect 0 "run folder" "$COHORT" train --resume "$TMP/good" --epochs 5
grep -q 'resumed with other settings: epochs: 4 then, 5 now' "$TMP/good/log.txt" ||
    fail "other settings are not told"

# A second run in the folder is refused, with the owner.
"$COHORT" train --epochs 100000 --no-evaluate --quiet --run-dir "$TMP/lock" >"$TMP/out" 2>&1 &
pid=$!
for _ in $(seq 600); do
    grep -qs '"event":"step"' "$TMP/lock/metrics.jsonl" && break
    sleep 0.05
done
expect 5 "in use by process $pid@" \
    "$COHORT" train --epochs 100000 --no-evaluate --run-dir "$TMP/lock" --resume auto
kill -KILL $pid
wait $pid 2>/dev/null
timeout 60 "$COHORT" train --epochs 100000 --no-evaluate --run-dir "$TMP/lock" --resume auto \
    --stop-at-step 1 >"$TMP/out" 2>&1
[ $? -eq 75 ] || fail "after a killed owner: $(cat "$TMP/out")"
grep -q "process $pid@.* has died" "$TMP/lock/log.txt" || fail "the dead owner is not told"
finish
