#!/usr/bin/env bash
# Signals to the front process of a simulation, and its death: all ends in good order or at once,
# and nothing is left behind.
. tests/e2e/lib.sh
if [ ! -e "$COHORT-sim" ]; then
    echo "skipped: this build has no SimGrid"
    exit 77
fi
leftovers() { # of ours and of SimGrid's
    find /tmp /dev/shm -maxdepth 1 \( -name 'cohort-sim*' -o -name '*simgrid*' -o -name '*smpi*' \
        -o -name '*shmalloc*' \) 2>/dev/null | sort
}
before=$(leftovers)

start() { # NAME arguments...: sets pid (the front process), when it trains
    dir=$TMP/$1
    shift
    "$COHORT" sim --run-dir "$dir" --quiet --log-interval 1 --batch-cost "[0.001, 0.01]" "$@" \
        >"$dir.out" 2>&1 &
    pid=$!
    for _ in $(seq 1200); do
        grep -qs '"event":"step"' "$dir/metrics.jsonl" "$dir"/*/metrics.jsonl && return
        sleep 0.05
    done
    fail "$dir does not train: $(cat "$dir.out")"
}
# The processes of the simulation are gone within some seconds.
gone() {
    local left=
    for _ in $(seq 50); do
        left=$(pgrep -f -- "--run-dir $dir " | tr '\n' ' ')
        [ -z "$left" ] && return
        sleep 0.1
    done
    fail "$dir: left behind: $(ps -fp $left)"
}
ended() { # CODE: of the front process
    wait "$pid" 2>/dev/null
    local code=$?
    [ $code -eq "$1" ] || fail "$dir: exit $code, not $1: $(cat "$dir.out")"
    gone
}
# Stopped after a step, as its record says.
preempted() {
    grep -q "stopped by a signal after step [0-9]* of" "$dir.out" || fail "$(cat "$dir.out")"
    grep -q preempted "$dir/status" || fail "$dir: status $(cat "$dir/status")"
    grep -q '"outcome": "preempted"' "$dir/summary.json" || fail "$dir: no summary"
    [ ! -e "$dir/lock" ] || fail "$dir: the lock is still there"
}

for signal in INT TERM HUP; do
    start $signal --workers 4 --epochs 1000
    kill -$signal $pid
    ended 75
    preempted
done
steps=$(number steps "$dir/summary.json")
expect 0 "step                         $steps" "$COHORT" checkpoint show "$dir"
expect 0 "run folder" "$COHORT" sim --resume "$dir" --max-steps $((steps + 2)) --quiet
[ "$(number steps "$dir/summary.json")" = $((steps + 2)) ] || fail "resumed: $(cat "$dir/status")"

# Without messages that could carry the wish all ranks stop after the same step as well.
i=0
for more in "--workers 1" "--workers 7" "--workers 6 --reduce ordered --accumulate 3" \
    "--workers 8 --cluster {per_host:\ 4}" "--workers 4 --cluster {per_host:\ 4}"; do
    i=$((i + 1))
    eval "words=($more)"
    start time$i --time-only --epochs 1000 "${words[@]}"
    kill -TERM $pid
    ended 75
    preempted
done

# A curve ends with the simulation under way; what was there before it stays.
start curve --curve "[1, 2, 4]" --time-only --max-steps 200 --epochs 1000
for _ in $(seq 1200); do
    grep -qs '^2,' "$dir/curve.csv" && break
    sleep 0.02
done
kill -INT $pid
wait $pid
code=$?
[ $code = 75 ] || [ "$(wc -l <"$dir/curve.csv")" = 4 ] || fail "curve: exit $code"
[ "$(wc -l <"$dir/curve.csv")" -ge 3 ] || fail "lost: $(cat "$dir/curve.csv")"
gone
start curve_slow --curve "[1, 2, 4]" --time-only --epochs 100000
kill -TERM $pid
ended 75
[ ! -e "$dir/workers-2" ] || fail "the curve goes on after a stop"

# The second signal ends it in the middle of a step; the death of the front process does too.
slow=(--workers 64 --batch-size 512 --partition whole --epochs 9)
start twice "${slow[@]}"
kill -INT $pid
sleep 0.1
kill -TERM $pid
ended 143
start killed "${slow[@]}"
kill -KILL $pid
ended 137
start killed_time --workers 64 --time-only --model resnet --epochs 1000
kill -KILL $pid
ended 137

# While it is being started there is no step to finish (143: it came before the program was there).
for hundredths in 01 02 03 05 08 12; do
    dir=$TMP/early$hundredths
    "$COHORT" sim --workers 4 --epochs 1000 --quiet --run-dir "$dir" >"$dir.out" 2>&1 &
    pid=$!
    sleep 0.$hundredths
    kill -TERM $pid
    wait $pid
    code=$?
    [[ $code = 75 || $code = 143 ]] ||
        fail "stopped after 0.$hundredths s: exit $code: $(cat "$dir.out")"
    gone
done

# A simulation that somebody else kills is told.
start lost "${slow[@]}"
kill -KILL "$(pgrep -P $pid smpimain)"
ended 4
grep -q "the simulation was killed by signal 9 (Killed)" "$dir.out" || fail "$(cat "$dir.out")"
[ "$(leftovers)" = "$before" ] || fail "left behind: $(leftovers)"
finish
