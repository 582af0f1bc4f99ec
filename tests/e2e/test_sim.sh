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
sim two_hosts --workers 4 --cluster "{per_host: 2}" "${cost[@]}"
[ "$(weights first)" = "$(weights two_hosts)" ] || fail "two hosts or four: other weights"
if command -v mpirun >/dev/null && "$COHORT" doctor | grep -q 'Open MPI *[0-9]'; then
    expect 0 "run folder" "$COHORT" train --workers 4 "${common[@]}" --run-dir "$TMP/real"
    [ "$(weights first)" = "$(weights real)" ] || fail "Open MPI and SimGrid: other weights"
fi

# So they are where batch norms exchange sums in the middle of a step.
bn=(--workers 3 --batch-size 8 --model resnet-s1 --dataset glyphs --train-split 0.002 --max-steps 10
    --bn-workers sync)
sim bn_sync "${bn[@]}"
sim bn_host "${bn[@]}" --cluster "{per_host: 3}" # by shared memory
[ "$(weights bn_sync)" = "$(weights bn_host)" ] || fail "batch norm: hosts change the weights"
if [ -d "$TMP/real" ]; then
    expect 0 "run folder" "$COHORT" train "${common[@]}" --run-dir "$TMP/bn_real" "${bn[@]}"
    [ "$(weights bn_sync)" = "$(weights bn_real)" ] || fail "batch norm: Open MPI and SimGrid"
fi

# A pass is declared bit by bit, between the exchanges: who is twice as fast waits in the middle of
# forward, whose 30 ms become the other's 60, and not after it.
sim bn_slow "${bn[@]}" --workers 2 --max-steps 3 --batch-cost "[0.01, 0.01]" \
    --cluster "{speeds: {1: 0.5}, latency: 1us}" --timeline "$TMP/bn.json"
cat >"$TMP/check.py" <<'END'
import json, sys
spans = [e for e in json.load(open(sys.argv[1]))["traceEvents"] if e["ph"] == "X"]
for name, least, most in (("forward", 55e3, 61e3), ("backward", 110e3, 122e3)):
    for rank in 0, 1:
        took = [e["dur"] for e in spans if e["name"] == name and e["pid"] == rank + 1]
        assert len(took) == 3 and all(least < t < most for t in took), (name, rank, took)
END
if command -v python3 >/dev/null; then
    python3 "$TMP/check.py" "$TMP/bn.json" || fail "where batch norms wait"
fi
between "$(seconds bn_slow)" 0.54 0.56

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

# Without the arithmetic: the same events and messages, and the same virtual time but for
# nanoseconds, which clocks are rounded to.
untimed() { # DIR: its metrics without what only arithmetic gives
    sed -E 's/,"(loss|running_loss|accuracy|accuracy5|gradient_norm|weight_norm)":[^,}]*//g
            s/,"test_(accuracy|loss)":[^,}]*//g; s/,"(wall|seconds)":[^,}]*//g' \
        "$TMP/$1/metrics.jsonl"
}
both() { # arguments...
    rm -rf "$TMP/full" "$TMP/time"
    sim full "${cost[@]}" "$@"
    sim time "${cost[@]}" --time-only "$@"
    cmp <(untimed full) <(untimed time) || fail "other times without arithmetic: $*"
    awk -v a="$(seconds full)" -v b="$(seconds time)" \
        'BEGIN { d = a - b; exit !(a > 0 && d < 1e-7 && d > -1e-7) }' || fail "other seconds: $*"
    ! grep -q -e loss -e accuracy "$TMP/time/metrics.jsonl" || fail "a score of nothing: $*"
    grep -q '"event":"step"' "$TMP/time/metrics.jsonl" || fail "no steps: $*"
    [ ! -e "$TMP/time/model.safetensors" ] || fail "weights that nobody computed: $*"
}
both --workers 5
both --workers 4 --reduce fast --bucket-mib 0.05 --eval-cost "[0.001, 0.001]" --evaluate
both --workers 3 --reduce fast --accumulate 2 --bf16-allreduce
both --workers 4 --cluster "{per_host: 4}"
both --workers 1 --reduce fast
grep -q '"train_loss": null' "$TMP/time/summary.json" || fail "a loss of a simulation of times"

# 244 KB in 0.05 MiB buckets: those of the first phases travel while backward goes on, so that less
# is waited for than with one bucket at the end.
waited() { # BUCKET
    rm -rf "$TMP/waited"
    sim waited --workers 4 --reduce fast --time-only --bucket-mib "$1" "${cost[@]}" \
        --cluster "{bandwidth: 1Gbps}"
    number communication_ms_per_step "$TMP/waited/summary.json"
}
awk -v late="$(waited 64)" -v early="$(waited 0.05)" 'BEGIN { exit !(early < 0.7 * late) }' ||
    fail "messages do not travel while backward computes"

# The curve. A step with one worker takes 0.042 s; the formula of the ring adds, for 4 workers,
# 2 x 3 messages of 40 us and 2 x 3/4 of 246,824 bytes at 1.25 GB/s: 0.0005361888 s.
expect 0 "curve.csv" "$COHORT" sim --curve "[1, 2, 4]" --time-only --batch-size 32 --max-steps 2 \
    "${cost[@]}" --run-dir "$TMP/curve"
cut -d, -f1,6 "$TMP/curve/curve.csv" >"$TMP/rings"
printf 'workers,ring_seconds_per_step\n1,0.042000000\n2,0.042277459\n4,0.042536189\n' |
    cmp - "$TMP/rings" || fail "the formula: $(cat "$TMP/rings")"
# What was simulated: its efficiency is that of its own seconds, and its messages take time too.
awk -F, 'NR > 1 { d = $4 - 0.042 / $2; if (d > 1e-6 || d < -1e-6 || $4 > 1) exit 1
        if ($1 > 1 && $4 > 0.999) exit 1 } END { exit NR != 4 }' "$TMP/curve/curve.csv" ||
    fail "efficiencies: $(cat "$TMP/curve/curve.csv")"
if command -v gnuplot >/dev/null; then
    grep -q "<svg" "$TMP/curve/curve.svg" || fail "no picture"
fi
expect 2 "begin with 1" "$COHORT" sim --curve "[2, 4]" --run-dir "$TMP/curve" "${cost[@]}"
expect 2 "begin with 1" "$COHORT" sim --curve "[1, 4, 4]" --run-dir "$TMP/curve" "${cost[@]}"
expect 2 "add --run-dir" "$COHORT" sim --curve "[1, 4]" "${cost[@]}"
expect 2 "add --batch-cost" "$COHORT" sim --curve "[1, 4]" --run-dir "$TMP/curve"
expect 2 "not a platform file" "$COHORT" sim --curve "[1, 4]" --run-dir "$TMP/curve" "${cost[@]}" \
    --cluster "{platform: a.xml, hostfile: b}"

# What calibrate measures is what sim declares: a x + b at every step, and recorded.
expect 0 "use it with cohort sim --cost-file" "$COHORT" calibrate --batch-size 32 \
    --cost-file "$TMP/costs"
sim measured --workers 1 --time-only --cost-file "$TMP/costs"
read -r a b < <(sed -n 's/^batch_cost: \[\(.*\), \(.*\)\]$/\1 \2/p' "$TMP/costs")
expect 0 "[$a, $b]" "$COHORT" sim --cost-file "$TMP/costs" --print-config
awk -v a="$a" -v b="$b" -v s="$(seconds measured)" \
    'BEGIN { d = s - 20 * (32 * a + b)
             exit !(a >= 0 && b >= 0 && a + b > 0 && d < 1e-6 && d > -1e-6) }' ||
    fail "$(seconds measured) s: $(cat "$TMP/costs")"
grep -qF "batch_cost: [$a, $b]" "$TMP/measured/config.yaml" || fail "the costs are not recorded"
expect 2 "costs:4:8: was measured with model lenet5, not cnn1" "$COHORT" sim --model cnn1 \
    --cost-file "$TMP/costs"

printf '<platform' >"$TMP/bad.xml"
printf 'host-0\nhost-1\n' >"$TMP/hosts"
printf ' "host-0" "host-1"' >>"$TMP/bad.xml"
expect 2 "bad.xml broke off, SimGrid says why above" "$COHORT" sim --workers 2 \
    --cluster "{platform: $TMP/bad.xml, hostfile: $TMP/hosts}"
expect 2 "hosts names 2 hosts for 3 workers" "$COHORT" sim --workers 3 \
    --cluster "{platform: $TMP/bad.xml, hostfile: $TMP/hosts}"
own="--workers 2 --cluster"
printf 'host-0\nhost-7\n' >"$TMP/other"
expect 2 "other:2: $TMP/bad.xml has no host 'host-7'" "$COHORT" sim $own \
    "{platform: $TMP/bad.xml, hostfile: $TMP/other}"
for line in "# two hosts" "" "host-0 slots=2" "host-0:2"; do
    printf 'host-0\n%s\nhost-1\n' "$line" >"$TMP/other"
    expect 2 "other:2: '$line': SimGrid takes the name of one host" "$COHORT" sim $own \
        "{platform: $TMP/bad.xml, hostfile: $TMP/other}"
done
expect 2 "is a folder" "$COHORT" sim $own "{platform: $TMP, hostfile: $TMP/hosts}"
expect 2 "latency has no effect beside a platform of your own" "$COHORT" sim $own \
    "{platform: $TMP/bad.xml, hostfile: $TMP/hosts, latency: 1us}"
expect 2 "each needs one" "$COHORT" sim --workers 70 --train-split 0.001 --time-only --no-evaluate
expect 2 "contradict each other: nothing is computed" "$COHORT" sim --time-only --max-minutes 1
expect 2 "a cluster has no 'bandwith'" "$COHORT" sim --cluster "{bandwith: 10Gbps}"
expect 2 "--cluster:1:13: bandwidth must be a number above 0 with its unit" "$COHORT" sim \
    --cluster "{bandwidth: fast}"
expect 2 "a and b of a x + b, not 3" "$COHORT" sim --batch-cost "[1, 2, 3]"
expect 2 "/nowhere.xml: No such file" "$COHORT" sim \
    --cluster "{platform: /nowhere.xml, hostfile: /nowhere}"
finish
