#!/usr/bin/env bash
# A timeline loads in a strict reader, nests, and changes nothing.
. tests/e2e/lib.sh
command -v python3 >/dev/null || {
    echo "skipped: no python3 (tools/setup.sh test installs it)"
    exit 77
}

train() { # train FOLDER flags...
    "$COHORT" train --run-dir "$TMP/$1" --train-split 0.02 --epochs 2 --batch-size 40 --quiet \
        "${@:2}" >"$TMP/out" 2>&1 || fail "train $*: $(cat "$TMP/out")"
}
check() { # check FILE STEPS LOADER_THREADS LAYER...
    PYTHONDONTWRITEBYTECODE=1 python3 tests/e2e/check_timeline.py "$TMP/$1" "${@:2}" ||
        fail "the timeline $1"
}
lenet5="conv1 conv2 fc1 fc2 fc3"

train plain --threads 1
train one --threads 1 --timeline "$TMP/one.json"
# shellcheck disable=SC2086
check one.json 60 1 $lenet5
cmp "$TMP/plain/model.safetensors" "$TMP/one/model.safetensors" || fail "the timeline changes bits"
train inline --threads 2 --loader-threads 0 --timeline "$TMP/inline.json"
# shellcheck disable=SC2086
check inline.json 60 0 $lenet5
train augment --threads 1 --loader-threads 3 --augment-crop 2 --timeline-steps 7 \
    --timeline "$TMP/augment.json"
# shellcheck disable=SC2086
check augment.json 7 3 $lenet5
grep -q '"name":"augment"' "$TMP/augment.json" || fail "no span of the augmentation"
train saved --threads 1 --checkpoint-every 20 --checkpoint-wait --timeline "$TMP/saved.json"
# shellcheck disable=SC2086
check saved.json 60 1 $lenet5 | grep ', 3 checkpoints:' || fail "not three checkpoints"
train ref --backend ref --threads 1 --max-steps 3 --no-evaluate --timeline "$TMP/ref.json"
# shellcheck disable=SC2086
check ref.json 3 1 $lenet5
train bn --model resnet --model-config '{width: 4}' --max-steps 2 --no-evaluate --threads 2 \
    --timeline "$TMP/bn.json"
check bn.json 2 1 conv1 bn1 layer1.0.conv1 layer4.1.bn2 fc

# Several workers: a lane each, whose exchanges take place at the same time; the same weights.
if command -v mpirun >/dev/null && "$COHORT" doctor | grep -q 'Open MPI *[0-9]'; then
    many="--workers 3 --threads 1 --loader-threads 1 --no-evaluate"
    # shellcheck disable=SC2086
    train many $many --timeline "$TMP/many.json"
    # shellcheck disable=SC2086
    check many.json 20 1 $lenet5
    lanes=$(grep -o '"name":"process_name","args":{"name":"rank [0-2] ([^)]*)"}' "$TMP/many.json")
    [ "$(wc -l <<<"$lanes")" = 3 ] || fail "the lanes: $lanes"
    # shellcheck disable=SC2086
    train without $many
    cmp "$TMP/many/model.safetensors" "$TMP/without/model.safetensors" ||
        fail "the timeline of three workers changes bits"
    # shellcheck disable=SC2086
    train lost $many --timeline "$TMP/nowhere/x.json"
    grep -q 'no timeline: cannot create' "$TMP/out" || fail "no warning: $(cat "$TMP/out")"
fi
# In virtual time; the second host has half the speed.
if [ -e "$COHORT-sim" ]; then
    for run in 1 2; do
        timeout 100 "$COHORT" sim --workers 3 --batch-size 32 --max-steps 20 --no-evaluate --quiet \
            --cluster "{speeds: {1: 0.5}}" --batch-cost "[0.001, 0.01]" --reduce ordered \
            --run-dir "$TMP/sim$run" --timeline "$TMP/sim$run.json" >"$TMP/out" 2>&1 ||
            fail "sim: $(cat "$TMP/out")"
    done
    python3 tests/e2e/check_virtual_timeline.py "$TMP/sim1.json" 20 14000 28000 14000 ||
        fail "the simulated timeline"
    cmp "$TMP/sim1.json" "$TMP/sim2.json" || fail "two simulations have other timelines"
fi

# A timeline that cannot be written is a warning.
train unwritten --timeline "$TMP/nowhere/x.json" --max-steps 5
grep -q 'warning: no timeline: cannot create' "$TMP/out" || fail "no warning: $(cat "$TMP/out")"
grep -q finished "$TMP/unwritten/status" || fail "a run without its timeline did not finish"
finish
