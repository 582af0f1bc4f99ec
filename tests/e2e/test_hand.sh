#!/usr/bin/env bash
# Several hosts without ssh: the same command started by hand on each (--nnodes, --node-rank,
# --master-addr), on two hosts made of network namespaces. Each has a /dev/shm of its own, as
# machines do.
. tests/e2e/lib.sh
. tests/e2e/hosts.sh

common=(--batch-size 32 --no-evaluate --reduce ordered --threads 1)
nodes=(--nnodes 2 --workers-per-node 2 --master-addr 10.77.91.1)
# node RANK DIR arguments...: that node, on its host; left.RANK lists what it leaves in /dev/shm
node() {
    local rank=$1 dir=$TMP/$2 host=$a
    shift 2
    [ "$rank" = 0 ] || host=$b
    on $host unshare --mount sh -c 'mount -t tmpfs none /dev/shm || exit 99
        "$@"
        code=$?
        for i in 1 2 3 4 5 6; do
            ls /dev/shm >"$0"
            [ -s "$0" ] || break
            sleep 1
        done
        exit $code' "$TMP/left.$rank" "$COHORT" train "${common[@]}" "${nodes[@]}" \
        --node-rank "$rank" --run-dir "$dir" "$@" >"$TMP/node.$rank" 2>&1
}
# start DIR arguments...: both nodes; sets first and second, the processes
start() {
    node 0 "$@" &
    first=$!
    node 1 "$@" &
    second=$!
}
# ended CODE CODE: so did the first and the second node, and nothing is left
ended() {
    local code
    wait $first
    code=$?
    [ $code -eq "$1" ] || fail "node 0: exit $code, not $1: $(cat "$TMP/node.0")"
    wait $second
    code=$?
    [ $code -eq "$2" ] || fail "node 1: exit $code, not $2: $(cat "$TMP/node.1")"
    for _ in $(seq 50); do
        left=$(ip netns pids $a; ip netns pids $b)
        [ -z "$left" ] && break
        sleep 0.1
    done
    [ -z "$left" ] || fail "processes are left: $(ps -o args= -p "${left//[[:space:]]/,}")"
    [ ! -s "$TMP/left.0" ] || fail "left on the first host: $(cat "$TMP/left.0")"
    [ ! -s "$TMP/left.1" ] || fail "left on the second host: $(cat "$TMP/left.1")"
}
# front RANK: the program itself, which a shell lies around
front() {
    local pid host=$a
    [ "$1" = 0 ] || host=$b
    for pid in $(ip netns pids $host); do
        [ "$(cat /proc/"$pid"/comm 2>/dev/null)" = cohort ] &&
            [ "$(cat /proc/"$(ps -o ppid= -p "$pid" | tr -d ' ')"/comm)" = sh ] && echo "$pid"
    done
}
# worker RANK: a worker of that node
worker() {
    local pid host=$a
    [ "$1" = 0 ] || host=$b
    for pid in $(ip netns pids $host); do
        [ "$(cat /proc/"$(ps -o ppid= -p "$pid" | tr -d ' ')"/comm 2>/dev/null)" = orted ] &&
            echo "$pid" && return
    done
}
told() {
    grep -qE -- "$2" "$TMP/node.$1" || fail "node $1 does not tell '$2': $(cat "$TMP/node.$1")"
}

# The same bits as on one host, and whoever comes first waits for the other.
timeout 100 "$COHORT" train "${common[@]}" --quiet --workers 4 --max-steps 20 \
    --run-dir "$TMP/one" >"$TMP/out" 2>&1 || fail "one host: $(cat "$TMP/out")"
start two --max-steps 20
ended 0 0
grep -q '"hosts": 2' "$TMP/two/env.json" || fail "not two hosts: $(grep hosts "$TMP/two/env.json")"
cmp "$TMP/one/model.safetensors" "$TMP/two/model.safetensors" ||
    fail "one host and two give other weights"
told 0 "node 1 of 2 is there: $b \(10.77.91.2\), 2 workers"
told 1 "node 1 of 2 has joined node 0 \(10.77.91.1:29500\)"

# A signal at any node is the wish to stop.
start stopped --epochs 1000
trains "$TMP/stopped"
kill -TERM "$(front 1)"
ended 75 75
grep -q preempted "$TMP/stopped/status" || fail "status: $(cat "$TMP/stopped/status")"

# A worker of the other node is killed: it is named, and the job goes on from the newest checkpoint,
# on the same nodes, to the same bits.
start undisturbed --max-steps 1000
ended 0 0
start restarted --max-steps 1000 --log-interval 1 --checkpoint-every 5 --max-restarts 1
for _ in $(seq 600); do
    grep -q '"step":20,' "$TMP/restarted/metrics.jsonl" 2>/dev/null && break
    sleep 0.05
done
kill -KILL "$(worker 1)"
ended 0 0
told 0 "restart 1 of 1: rank [23] \(10.77.91.2\) was lost .*; resuming from step [0-9]+"
cmp "$TMP/undisturbed/model.safetensors" "$TMP/restarted/model.safetensors" ||
    fail "the restarted job has other weights"

# A node that is killed.
start killed --epochs 1000 --deadline 20
trains "$TMP/killed"
kill -KILL "$(front 1)"
ended 4 137
told 0 "node 1 \($b, 10.77.91.2\) was lost"

# A cable that is cut, told by both ends when the deadline is over.
start cut --epochs 1000 --deadline 8
trains "$TMP/cut"
ip -n $a link set cv$$a down
begin=$SECONDS
ended 4 4
[ $((SECONDS - begin)) -le 60 ] || fail "it took $((SECONDS - begin)) s"
told 0 "node 1 \($b, 10.77.91.2\) was lost|waited 8 s for rank [23] \($b\)"
told 1 "node 0 \(10.77.91.1:29500\) was lost"
grep -q failed "$TMP/cut/status" || fail "status: $(cat "$TMP/cut/status")"
ip -n $a link set cv$$a up

# Node 0 is killed: mpirun's watcher and the relay end the rest.
start headless --epochs 1000
trains "$TMP/headless"
kill -KILL "$(front 0)"
ended 137 4
told 1 "node 0 was ended before the job was"
finish
