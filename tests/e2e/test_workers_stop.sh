#!/usr/bin/env bash
# Workers that are stopped, killed or hang: the job ends, says why, and leaves nothing behind.
. tests/e2e/lib.sh
if ! command -v mpirun >/dev/null || ! "$COHORT" doctor | grep -q 'Open MPI *[0-9]'; then
    echo "skipped: no Open MPI"
    exit 77
fi

# start DIR arguments...: sets pid (the front process) and mpirun, when it trains
start() {
    local dir=$TMP/$1
    shift
    "$COHORT" train --workers 2 --epochs 1000 --quiet --run-dir "$dir" "$@" >"$TMP/out" 2>&1 &
    pid=$!
    for _ in $(seq 600); do
        [ -s "$dir/metrics.jsonl" ] && grep -q '"event":"step"' "$dir/metrics.jsonl" && break
        sleep 0.1
    done
    mpirun=$(pgrep -P "$pid" mpirun)
    mapfile -t ranks < <(pgrep -P "$mpirun")
    [ ${#ranks[@]} -eq 2 ] || fail "not two workers: ${ranks[*]}"
}
# ended CODE: the front process did so, and nothing is left within some seconds
ended() {
    wait "$pid"
    local code=$?
    [ $code -eq "$1" ] || fail "exit $code, not $1: $(cat "$TMP/out")"
    for _ in $(seq 50); do
        left=$(ps -o pid= -p "$mpirun,${ranks[0]},${ranks[1]}" | tr -d '\n')
        folder=/dev/shm/cohort-job-$pid
        [ -z "$left" ] && [ ! -e "$folder" ] && return
        sleep 0.1
    done
    fail "left behind: processes '$left', $(ls -d "$folder" 2>/dev/null)"
}

for signal in INT TERM HUP; do
    start "$signal"
    kill -$signal $pid
    [ $signal = HUP ] && kill -HUP $pid # a lost terminal may say so twice
    ended 75
    grep -q preempted "$TMP/$signal/status" || fail "status: $(cat "$TMP/$signal/status")"
    expect 0 "test accuracy" "$COHORT" eval "$TMP/$signal"
done

# A second signal ends them at once; where all is saved by then, it is as if there were none.
for pause in 0 0.02 0.1 0.3 0.5; do
    start "twice$pause"
    kill -INT $pid
    sleep $pause
    kill -INT $pid 2>/dev/null
    wait $pid
    code=$?
    status=$(cat "$TMP/twice$pause/status")
    [[ $status-$code = preempted-75 || $status-$code = failed-143 ]] ||
        fail "exit $code, status $status, the second signal after $pause s: $(cat "$TMP/out")"
    grep -q "mpirun" "$TMP/out" && fail "mpirun speaks: $(cat "$TMP/out")"
    [ $code = 75 ] || grep -q "ended at once" "$TMP/out" || fail "no word: $(cat "$TMP/out")"
    [ ! -e "/dev/shm/cohort-job-$pid" ] || fail "left behind: /dev/shm/cohort-job-$pid"
done

# mpirun ends where nobody reads its output any more; that is said, and no restart tries it again.
("$COHORT" train --workers 2 --epochs 100000 --train-split 0.02 --no-evaluate --max-restarts 2 \
    --run-dir "$TMP/unread" 2>"$TMP/out"
    echo $? >"$TMP/code") | head -1 >"$TMP/head"
grep -q "training lenet5" "$TMP/head" || fail "nothing was read: $(cat "$TMP/out")"
[ "$(cat "$TMP/code")" = 4 ] || fail "exit $(cat "$TMP/code") of a run that nobody reads"
grep -q "nobody reads the standard output any more" "$TMP/out" || fail "$(cat "$TMP/out")"
grep -q "mpirun: SIGPIPE\|restart 1" "$TMP/out" && fail "mpirun speaks: $(cat "$TMP/out")"

start killed_rank
kill -KILL "${ranks[0]}"
ended 4
grep -qE "rank 0 \($(hostname)\) was lost in step [0-9]+ \([a-z]+\): killed by signal 9" \
    "$TMP/out" ||
    fail "who was killed: $(cat "$TMP/out")"
grep -q failed "$TMP/killed_rank/status" || fail "status: $(cat "$TMP/killed_rank/status")"
start killed_mpirun
kill -KILL "$mpirun"
ended 4
grep -q "the workers were lost: mpirun was killed by signal 9" "$TMP/out" ||
    fail "$(cat "$TMP/out")"
grep -q failed "$TMP/killed_mpirun/status" || fail "status: $(cat "$TMP/killed_mpirun/status")"
start killed_front
kill -KILL "$pid"
ended 137
start hung --deadline 2
kill -STOP "${ranks[1]}"
sleep 4
kill -CONT "${ranks[1]}" 2>/dev/null # who comes back does not take the others for lost
ended 4
grep -q "rank 1 ($(hostname)) was waited for in step .* for 2 s; it was last seen" "$TMP/out" ||
    fail "who hung: $(cat "$TMP/out")"
grep -q "rank 1 .* waited 2 s for" "$TMP/out" && fail "it blames others: $(cat "$TMP/out")"
grep -q failed "$TMP/hung/status" || fail "status: $(cat "$TMP/hung/status")"
# While they are being started there is no step to finish: the first signal ends them (143: it came
# before the program was there).
for hundredths in 03 05 06 07 09 12; do
    "$COHORT" train --workers 2 --epochs 1000 --quiet --run-dir "$TMP/early$hundredths" \
        >"$TMP/out" 2>&1 &
    pid=$!
    sleep 0.$hundredths
    kill -TERM $pid
    wait $pid
    code=$?
    [[ $code = 75 || $code = 143 ]] ||
        fail "stopped after 0.$hundredths s: exit $code: $(cat "$TMP/out")"
    [ ! -e "/dev/shm/cohort-job-$pid" ] || fail "/dev/shm/cohort-job-$pid is left behind"
done
# Slow, but not lost: named, whichever it is, and by messages as in shared memory.
for way in "0 --shared-memory" "1 --shared-memory" "1 --no-shared-memory"; do
    rank=${way%% *}
    start "slow${way// /}" --deadline 6 ${way#* }
    kill -STOP "${ranks[$rank]}"
    for _ in $(seq 50); do
        grep -q "is slow" "$TMP/out" && break
        sleep 0.1
    done
    kill -CONT "${ranks[$rank]}"
    sleep 1
    kill -INT $pid
    ended 75
    grep -qE "warning: rank $rank \($(hostname)\) is slow: the others have waited [34] s for it in \
step [0-9]+ \([a-z]+\); it is in step [0-9]+ \([a-z]+\), stopped by a signal" "$TMP/out" ||
        fail "who is slow, $way: $(cat "$TMP/out")"
    grep -q "WARNING - rank $rank " "$TMP"/slow"${way// /}"/log*.txt || fail "not in the log: $way"
done
finish
