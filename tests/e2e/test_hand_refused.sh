#!/usr/bin/env bash
# Nodes started by hand that cannot join: who is refused, who is waited for, and what is told.
. tests/e2e/lib.sh
if ! command -v mpirun >/dev/null || ! "$COHORT" doctor | grep -q 'Open MPI *[0-9]'; then
    echo "skipped: no Open MPI"
    exit 77
fi
port=$((20000 + $$ % 10000))
at=(--master-addr "localhost:$port")
node() { # node RANK arguments...
    timeout 30 "$COHORT" train --nnodes 3 --node-rank "$1" "${at[@]}" --run-dir "$TMP/x" "${@:2}"
}

# Settings that make no sense, before anything is done.
expect 2 "--nnodes: where is node 0? add --master-addr" "$COHORT" train --nnodes 2
expect 2 "--node-rank: 2 nodes have ranks 0 to 1, not 2" "$COHORT" train --nnodes 2 --node-rank 2 \
    "${at[@]}"
expect 2 "of how many nodes? add --nnodes" "$COHORT" train --node-rank 1
expect 2 "contradict each other" "$COHORT" train --nnodes 2 --workers 2 --hosts a:2 "${at[@]}"
expect 2 "5 workers are not as many on each of 2 nodes" "$COHORT" train --nnodes 2 --workers 5 \
    "${at[@]}"
expect 2 "say different numbers of workers" "$COHORT" train --workers 3 --nproc-per-node 2
expect 2 "'no.such.host.invalid' has no address" "$COHORT" train --nnodes 2 --master-addr \
    no.such.host.invalid
expect 2 "the port is a number from 1 to 65535" "$COHORT" train --nnodes 2 --master-addr ::1
expect 2 "is no address of this machine" "$COHORT" train --nnodes 2 --master-addr 192.0.2.1

# Nobody there.
expect 4 "node 0 did not come: tried for 0.5 s, and localhost:$port does not answer" \
    node 1 --node-wait 0.5
expect 4 "node ranks 1 and 2 did not come" node 0 --node-wait 0.5

# One node 0, and who it does not take.
node 0 --job-token secret --node-wait 12 >"$TMP/first" 2>&1 &
first=$!
for _ in $(seq 100); do
    grep -q "waits for the others" "$TMP/first" && break
    sleep 0.1
done
expect 2 "localhost:$port is in use by process" node 0
expect 2 "another --job-token than node 0's" node 1
expect 2 "another --job-token than node 0's" node 1 --job-token Secret
export COHORT_JOB_TOKEN=secret
expect 2 "--nnodes 2, but node 0 waits for 3" "$COHORT" train --nnodes 2 --node-rank 1 "${at[@]}"
expect 2 "other settings than node 0's: 'lr: 0.5'" node 1 --lr 0.5
expect 2 "calls itself $(hostname), as node 0 does" node 1
exec 3<>"/dev/tcp/localhost/$port" && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && exec 3>&-
wait $first
code=$?
[ $code -eq 4 ] || fail "node 0: exit $code: $(cat "$TMP/first")"
for words in "node ranks 1 and 2 did not come" "no message of this version of cohort" \
    "refused 127.0.0.1, $(hostname): other settings"; do
    grep -qF "$words" "$TMP/first" || fail "node 0 does not tell '$words': $(cat "$TMP/first")"
done
! compgen -G "/dev/shm/cohort-job-$first*" >/dev/null || fail "$(ls -d /dev/shm/cohort-job-*)"
[ ! -e "$TMP/x" ] || fail "a run folder was made"

# The signal to stop, while others are waited for. (timeout would pass it on twice.)
"$COHORT" train --nnodes 3 --node-rank 0 "${at[@]}" --run-dir "$TMP/x" >"$TMP/first" 2>&1 &
first=$!
for _ in $(seq 100); do
    grep -q "waits for the others" "$TMP/first" && break
    sleep 0.1
done
kill -INT $first
wait $first
code=$?
[ $code -eq 75 ] || fail "exit $code after a signal: $(cat "$TMP/first")"
finish
