#!/usr/bin/env bash
# A last checkpoint that takes far longer than the front process's usual patience (20 s) and than
# --deadline: it is waited for as long as the disk takes something now and then; a second signal
# ends it at once, and then the checkpoint before it is there.
. tests/e2e/lib.sh
: "${FAULTS:?the path of cohort_faults}"
if ! command -v mpirun >/dev/null || ! "$COHORT" doctor | grep -q 'Open MPI *[0-9]'; then
    echo "skipped: no Open MPI"
    exit 77
fi

# start DIR SECONDS arguments...: sets pid, and asks to stop when it trains and an fsync takes so
# many seconds
start() {
    local dir=$TMP/$1 seconds=$2
    shift 2
    CO_FAULT_RANK=all CO_FAULT=late:fsync:$dir.late "$FAULTS" train --epochs 1000 --quiet \
        --threads 1 --no-evaluate --log-interval 1 --run-dir "$dir" "$@" >"$dir.out" 2>&1 &
    pid=$!
    for _ in $(seq 600); do
        [ -e "$dir/metrics.jsonl" ] && grep -q '"step":30,' "$dir/metrics.jsonl" && break
        sleep 0.1
    done
    echo "$seconds" >"$dir.late"
    kill -INT $pid
}
saved() { # DIR CODE: it ended so, and what was saved last is whole
    local code
    wait "$pid"
    code=$?
    [ $code -eq "$2" ] || fail "$1: exit $code, not $2: $(cat "$TMP/$1.out")"
    expect 0 "" "$COHORT" checkpoint verify "$TMP/$1"
    [ ! -e "/dev/shm/cohort-job-$pid" ] || fail "$1: /dev/shm/cohort-job-$pid is left behind"
}

# Each fsync of a dozen takes less than the deadline, all together much more; the second worker
# waits, and so does a front process that watches a single one.
begin=$(date +%s)
start many 3.5 --workers 2 --batch-size 16 --deadline 9
many=$pid
start one 3 --max-restarts 1 --batch-size 16 --deadline 9
saved one 75
[ $(($(date +%s) - begin)) -ge 24 ] || fail "the disk was not slow enough to show anything"
grep -q preempted "$TMP/one/status" || fail "one: status $(cat "$TMP/one/status")"
grep -q "still at work: rank 0 ($(hostname)) in step [0-9]* (checkpoint); another" "$TMP/one.out" ||
    fail "one: nobody says that it is waited for: $(cat "$TMP/one.out")"
pid=$many
saved many 75
grep -q preempted "$TMP/many/status" || fail "many: status $(cat "$TMP/many/status")"
grep -q "ended$\|deadline" "$TMP/many.out" && fail "many: $(cat "$TMP/many.out")"

# Nor is what was trained lost because an evaluation is under way when the signal comes.
dir=$TMP/evaluates
CO_FAULT_RANK=all CO_FAULT=late:batch:$dir.late "$FAULTS" train --max-restarts 1 --quiet \
    --threads 1 --train-split 0.02 --epochs 1000 --run-dir "$dir" >"$dir.out" 2>&1 &
pid=$!
for _ in $(seq 600); do
    [ -e "$dir/metrics.jsonl" ] && grep -q '"event":"epoch"' "$dir/metrics.jsonl" && break
    sleep 0.02
done
echo 2 >"$dir.late"
kill -INT $pid
sleep 26
kill -0 $pid 2>/dev/null || fail "evaluates: it has ended: $(cat "$dir.out")"
rm "$dir.late"
saved evaluates 75
grep -q "still at work: rank 0 .*(evaluation)" "$dir.out" || fail "evaluates: $(cat "$dir.out")"

# Who does not want to wait: at once, and nothing is lost that was saved.
start twice 40 --workers 2 --batch-size 16 --checkpoint-every 10 --checkpoint-wait
sleep 2
before=$(date +%s)
kill -INT $pid
wait $pid
[ $(($(date +%s) - before)) -lt 12 ] || fail "a second signal did not end it at once"
expect 0 "" "$COHORT" checkpoint verify "$TMP/twice"

# A disk that takes nothing any more: it ends all the same, and says so.
start dead 100 --max-restarts 1 --batch-size 16 --deadline 2 --checkpoint-every 10 --checkpoint-wait
wait $pid
code=$?
[ $code -ne 0 ] && [ $code -ne 75 ] || fail "dead: exit $code: $(cat "$TMP/dead.out")"
grep -q "not end as they were asked to, and are ended: rank 0 .*(checkpoint); nothing new of it" \
    "$TMP/dead.out" || fail "dead: $(cat "$TMP/dead.out")"
expect 0 "" "$COHORT" checkpoint verify "$TMP/dead"
finish
