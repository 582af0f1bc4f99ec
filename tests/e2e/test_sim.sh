#!/usr/bin/env bash
# The simulated cluster: the same bits as real workers, and virtual time as the numbers say.
. tests/e2e/lib.sh
if [ ! -e "$COHORT-sim" ]; then
    echo "skipped: this build has no SimGrid"
    exit 77
fi
common=(--batch-size 32 --max-steps 20 --log-interval 1 --no-evaluate --quiet --reduce ordered)

sim() { # DIR arguments...
    local dir=$TMP/$1
    shift
    timeout 100 "$COHORT" sim "${common[@]}" --run-dir "$dir" "$@" >"$TMP/out" 2>&1 ||
        fail "exit $?: $*: $(tail -3 "$TMP/out")"
}
weights() {
    sha256sum <"$TMP/$1/model.safetensors"
}
seconds() { # of training, in virtual time
    number train_seconds "$TMP/$1/summary.json"
}
between() { # A LEAST MOST
    awk -v a="$1" -v b="$2" -v c="$3" 'BEGIN { exit !(a >= b && a <= c) }' ||
        fail "$1 is not between $2 and $3"
}

cost=(--batch-cost "[0.001, 0.01]")
sim first --workers 4 "${cost[@]}"
sim second --workers 4 "${cost[@]}"
[ "$(weights first)" = "$(weights second)" ] || fail "two simulations have other weights"
cmp <(sed 's/,"img_per_s.*//' "$TMP/first/metrics.jsonl") \
    <(sed 's/,"img_per_s.*//' "$TMP/second/metrics.jsonl") || fail "two simulations differ"
[ "$(seconds first)" = "$(seconds second)" ] || fail "virtual time differs"
sim one_host --workers 4 --cluster "{per_host: 4}" "${cost[@]}"
[ "$(weights first)" = "$(weights one_host)" ] || fail "one host or four: other weights"
if command -v mpirun >/dev/null && "$COHORT" doctor | grep -q 'Open MPI *[0-9]'; then
    expect 0 "run folder" "$COHORT" train --workers 4 "${common[@]}" --run-dir "$TMP/real"
    [ "$(weights first)" = "$(weights real)" ] || fail "Open MPI and SimGrid: other weights"
fi

# Saved, stopped and gone on with: the same again.
sim saved --workers 4 "${cost[@]}" --checkpoint-every 6
[ "$(weights first)" = "$(weights saved)" ] || fail "checkpoints change the weights"
expect 0 "workers                      4" "$COHORT" checkpoint show "$TMP/saved"
expect 75 "stopped by --stop-at-step after step 7 of 20" "$COHORT" sim "${common[@]}" --workers 4 \
    "${cost[@]}" --run-dir "$TMP/resumed" --stop-at-step 7
sim resumed --workers 4 "${cost[@]}" --resume auto
[ "$(weights first)" = "$(weights resumed)" ] || fail "resumed: other weights"
expect 0 "run folder" "$COHORT" sim --resume "$TMP/saved/checkpoints/step-000018" --quiet \
    --run-dir "$TMP/elsewhere"
[ "$(weights first)" = "$(weights elsewhere)" ] || fail "from a checkpoint alone: other weights"

# 20 steps of 32 samples: 20 (0.032 + 0.010) s of computing, and little of communication.
between "$(seconds first)" 0.84 0.86
between "$(seconds one_host)" 0.84 0.86
# A host of half the speed holds all others up.
sim slow --workers 4 --cluster "{speeds: {2: 0.5}}" "${cost[@]}"
between "$(seconds slow)" 1.68 1.70
# Three of four wait 42 ms for it in every step.
between "$(number communication_ms_per_step "$TMP/slow/summary.json")" 31.5 32
sed -n 's/.*"communication_max_ms":\([0-9.]*\).*/\1/p' "$TMP/slow/metrics.jsonl" |
    awk '$1 < 42 || $1 > 42.5 { exit 1 } END { exit NR != 20 }' || fail "the longest wait"
# 61,720 floats at 1 MB/s: more than 20 x 0.25 s.
sim narrow --workers 4 --cluster "{bandwidth: 1MBps, per_rack: 2}" "${cost[@]}"
between "$(seconds narrow)" 5.8 30
# What is not computing is communication.
between "$(number communication_ms_per_step "$TMP/narrow/summary.json")" \
    "$(awk -v s="$(seconds narrow)" 'BEGIN { print (s / 20 - 0.042) * 999 }')" \
    "$(awk -v s="$(seconds narrow)" 'BEGIN { print (s / 20 - 0.042) * 1001 }')"
[ "$(weights first)" = "$(weights narrow)" ] || fail "the network changes the weights"

expect 2 "--cluster:1:13: bandwidth must be a number above 0 with its unit" "$COHORT" sim \
    --cluster "{bandwidth: fast}"
expect 2 "a and b of a x + b, not 3" "$COHORT" sim --batch-cost "[1, 2, 3]"
expect 2 "/nowhere.xml: No such file" "$COHORT" sim \
    --cluster "{platform: /nowhere.xml, hostfile: /nowhere}"
finish
