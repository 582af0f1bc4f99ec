#!/usr/bin/env bash
# --max-restarts: workers that are lost are started again from the newest checkpoint, and the run
# ends as one that nothing happened to. Wrong settings, NaN and stops are no reason to do so.
. tests/e2e/lib.sh
: "${FAULTS:?the path of cohort_faults}"
seed=${CO_TEST_SEED:-$(date +%s)}
echo "seed $seed"
RANDOM=$seed
steps=400
common=(--quiet --threads 1 --no-evaluate --batch-size 128 --log-interval 1 --max-steps $steps
    --reduce ordered)

# begin DIR arguments...: sets pid (the front process)
begin() {
    dir=$TMP/$1
    shift
    "$COHORT" train "${common[@]}" --run-dir "$dir" "$@" >"$dir.out" 2>&1 &
    pid=$!
}
step() {
    tail -n 1 "$dir/metrics.jsonl" 2>/dev/null | sed -n 's/.*"step":\([0-9]*\),.*/\1/p'
}
# reach STEP: waits until it trains there, in a file that only the start under way has written
reach() {
    local at
    for _ in $(seq 600); do
        at=$(step)
        [ -n "$at" ] && [ "$at" -ge "$1" ] && [ "$at" -lt "$steps" ] && return
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.02
    done
    fail "$dir does not reach step $1: $(tail -3 "$dir.out")"
}
# lose SIGNAL [keep]: the only worker, a child of the front process as the watcher is
lose() {
    local child
    for child in $(pgrep -P "$pid" -x cohort); do
        if tr '\0' '\n' <"/proc/$child/environ" | grep -q "^CO_JOB_RESTARTS="; then
            # Without it the next start's is seen when it is there.
            [ "${2:-}" = keep ] || rm "$dir/metrics.jsonl"
            kill "-$1" "$child"
        fi
    done
}
# ended CODE WORDS
ended() {
    wait "$pid"
    local code=$?
    [ $code -eq "$1" ] || fail "$dir: exit $code, not $1: $(cat "$dir.out")"
    grep -qE -- "$2" "$dir.out" || fail "$dir: no '$2' in: $(cat "$dir.out")"
    [ ! -e "/dev/shm/cohort-job-$pid" ] || fail "/dev/shm/cohort-job-$pid is left behind"
}
restarts() {
    [ "$(number restarts "$dir/summary.json")" = "$1" ] ||
        fail "$dir: not $1 restarts: $(grep restart "$dir/summary.json")"
    [ "$(grep -c "WARNING - restart [0-9]* of" "$dir/log.txt")" = "$1" ] ||
        fail "$dir: the log does not tell of $1 restarts: $(cat "$dir/log.txt")"
}
same() {
    cmp "$TMP/$1/model.safetensors" "$dir/model.safetensors" || fail "$dir: other weights than $1"
}

begin one --checkpoint-every 50 --checkpoint-wait
ended 0 ""
begin killed --checkpoint-every 50 --checkpoint-wait --max-restarts 5
for after in 20 180; do
    reach $((after + RANDOM % 60))
    lose KILL keep
    sleep 0.5
done
ended 0 "restart 2 of 5: rank 0 \($(hostname)\) was lost in step [0-9]+ \([a-z]+\): killed by \
signal 9 \(Killed\); (resuming from step [0-9]+|there is no checkpoint yet)"
restarts 2
same one
grep -q "resuming from step" "$dir.out" || fail "$dir: not from a checkpoint: $(cat "$dir.out")"
diff <(sed 's/"seconds.*//' "$TMP/one/metrics.jsonl" | grep -c '"event":"step"') \
    <(sed 's/"seconds.*//' "$dir/metrics.jsonl" | grep -c '"event":"step"') ||
    fail "the metrics do not have every step once"

# The only worker is stopped, or hangs in a step: nobody waits for it but the front process.
begin halted --checkpoint-every 50 --checkpoint-wait --max-restarts 5 --deadline 2
reach $((60 + RANDOM % 60))
lose STOP keep
ended 0 "restart 1 of 5: rank 0 \($(hostname)\) was lost in step [0-9]+ \([a-z]+\): stopped by a \
signal for 2 s .*; resuming from step [0-9]+"
restarts 1
same one
CO_FAULT_RANK=all CO_FAULT=hang:update:220 COHORT=$FAULTS begin hung --checkpoint-every 50 \
    --checkpoint-wait --max-restarts 5 --deadline 2
ended 0 "restart 1 of 5: rank 0 \($(hostname)\) was lost in step 220 \(update\): it hangs there \
for [0-9]+ s .*; resuming from step 200"
restarts 1
same one
# Not that: stopped for a moment, a batch that comes late.
echo 5 >"$TMP/late"
CO_FAULT_RANK=all CO_FAULT=late:batch:$TMP/late.now COHORT=$FAULTS begin patient --max-restarts 5 \
    --deadline 2
reach 20
mv "$TMP/late" "$TMP/late.now"
sleep 1
rm "$TMP/late.now"
sleep 5
worker=$(pgrep -P "$pid" -x cohort_faults | tail -1)
kill -STOP "$worker"
sleep 1
kill -CONT "$worker"
ended 0 ""
restarts 0
same one

# As often as it may, and no more.
begin given_up --max-restarts 1
for _ in 1 2; do
    reach 10
    lose KILL
done
ended 4 "given up after 1 restart: rank 0 .* was lost"
grep -q failed "$dir/status" || fail "status: $(cat "$dir/status")"

# No reason to start again.
expect 2 "lr" "$COHORT" train --max-restarts 3 --lr -1
expect 3 "nowhere" "$COHORT" train --max-restarts 3 --dataset mnist --dataset-dir "$TMP/nowhere" \
    --run-dir "$TMP/no_data"
grep -q restart "$TMP/out" && fail "restarted without data"
begin not_finite --max-restarts 3 --lr 1000 --batch-size 16
ended 1 "is not finite"
begin stopped --max-restarts 3
reach 5
kill -INT $pid
ended 75 "stopped by a signal"
grep -h "restart [0-9]" "$TMP/not_finite.out" "$TMP/stopped.out" && fail "a restart without reason"

if ! command -v mpirun >/dev/null || ! "$COHORT" doctor | grep -q 'Open MPI *[0-9]'; then
    echo "without several workers: no Open MPI"
    finish
fi
expect 2 "nobody is there to start them again" mpirun -q --allow-run-as-root --oversubscribe \
    --bind-to none -n 2 "$COHORT" train --max-restarts 1 --run-dir "$TMP/by_mpirun"
steps=250
common+=(--batch-size 64 --max-steps $steps)
# ranks_of_job: sets ranks
ranks_of_job() {
    mapfile -t ranks < <(pgrep -P "$(pgrep -P "$pid" mpirun)")
}
begin two --workers 2
ended 0 ""
begin lost --workers 2 --max-restarts 3 --deadline 3
reach $((10 + RANDOM % 30))
ranks_of_job
kill -KILL "${ranks[1]}"
rm "$dir/metrics.jsonl" # what comes now is the next start's
reach $((5 + RANDOM % 20))
ranks_of_job
kill -STOP "${ranks[RANDOM % 2]}"
rm "$dir/metrics.jsonl"
reach 5
kill -KILL "$(pgrep -P "$pid" mpirun)"
ended 0 "restart 1 of 3: rank 1 \($(hostname)\) was lost in step [0-9]+ \([a-z]+\): killed by"
grep -qE "restart 2 of 3: rank [01] .* (was waited for in step .* for 3 s|waited 3 s for rank).*\
stopped by a signal" "$dir.out" ||
    fail "$dir: who hung: $(cat "$dir.out")"
grep -q "restart 3 of 3: the workers were lost: mpirun was killed by signal 9" "$dir.out" ||
    fail "$dir: mpirun's death: $(cat "$dir.out")"
restarts 3
same two
begin all --workers 2 --deadline 3
reach 10
ranks_of_job
kill -STOP "${ranks[@]}"
ended 4 "rank 0 \($(hostname)\) was lost in step [0-9]+ \([a-z]+\): all 2 workers are stopped by a \
signal for 3 s"
finish
