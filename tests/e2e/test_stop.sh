#!/usr/bin/env bash
# SIGINT, SIGTERM, a lost terminal (SIGHUP): the step is finished, everything is saved, exit 75.
. tests/e2e/lib.sh

for signal in INT TERM HUP; do
    dir="$TMP/$signal"
    "$COHORT" train --epochs 1000 --run-dir "$dir" --quiet --loader-threads 2 >"$TMP/out" 2>&1 &
    pid=$!
    for _ in $(seq 600); do # until it trains
        [ -s "$dir/metrics.jsonl" ] && grep -q '"event":"step"' "$dir/metrics.jsonl" && break
        sleep 0.1
    done
    kill -$signal $pid
    wait $pid
    code=$?
    [ $code -eq 75 ] || fail "exit $code after SIG$signal: $(cat "$TMP/out")"
    grep -q preempted "$dir/status" || fail "status after SIG$signal: $(cat "$dir/status")"
    grep -q '"outcome": "preempted"' "$dir/summary.json" || fail "no summary after SIG$signal"
    expect 0 "test accuracy" "$COHORT" eval "$dir"
    [ ! -e "$dir/lock" ] || fail "the lock is still there"
done

# Under nohup a lost terminal is nothing.
(trap '' HUP && exec "$COHORT" train --max-steps 400 --no-evaluate --quiet --run-dir "$TMP/nohup") \
    >"$TMP/out" 2>&1 &
pid=$!
for _ in $(seq 600); do
    [ -s "$TMP/nohup/lock" ] && break
    sleep 0.1
done
kill -HUP $pid
wait $pid || fail "exit $? after SIGHUP under nohup: $(cat "$TMP/out")"
grep -q finished "$TMP/nohup/status" || fail "status under nohup: $(cat "$TMP/nohup/status")"

# A second signal ends the program at once.
"$COHORT" train --model cnn1 --batch-size 4096 --threads 1 --epochs 9 --quiet \
    --run-dir "$TMP/twice" >"$TMP/out" 2>&1 &
pid=$!
for _ in $(seq 600); do
    [ -s "$TMP/twice/lock" ] && break
    sleep 0.1
done
kill -INT $pid
kill -INT $pid
wait $pid
code=$?
[ $code -eq 130 ] || [ $code -eq 75 ] || fail "exit $code after two signals"
finish
