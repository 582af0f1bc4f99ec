#!/usr/bin/env bash
# kill -9 of any process of a job, at any time, also while it is being started again: nothing is
# left within seconds, neither processes nor shared memory.
. tests/e2e/lib.sh
if ! command -v mpirun >/dev/null || ! "$COHORT" doctor | grep -q 'Open MPI *[0-9]'; then
    echo "skipped: no Open MPI"
    exit 77
fi
seed=${CO_TEST_SEED:-$(date +%s)}
echo "seed $seed"
RANDOM=$seed

# start NAME arguments...: sets pid (the front process). All processes of the job have the run
# folder's path among their arguments.
start() {
    dir=$TMP/$1
    shift
    "$COHORT" train --epochs 1000 --quiet --run-dir "$dir" --threads 1 "$@" >"$dir.out" 2>&1 &
    pid=$!
}
job_processes() {
    pgrep -f -- "--run-dir $dir "
}
trains() {
    for _ in $(seq 600); do
        [ -s "$dir/metrics.jsonl" ] && grep -q '"event":"step"' "$dir/metrics.jsonl" && break
        sleep 0.05
    done
    mpirun=$(pgrep -P "$pid" -x mpirun)
    watcher=$(pgrep -P "$pid" -x cohort | head -1)
    mapfile -t ranks < <(pgrep -P "$mpirun")
    [ ${#ranks[@]} -eq 2 ] || fail "$dir: not two workers: ${ranks[*]}: $(cat "$dir.out")"
    [ "$(job_processes | wc -l)" -ge 5 ] || fail "$dir: $(ps -ef | grep -F "$dir")"
}
# gone [CODE]: the front process, with that code, and all else
gone() {
    wait "$pid" 2>/dev/null
    local code=$?
    [ "${1:-$code}" -eq $code ] || fail "$dir: exit $code, not $1: $(cat "$dir.out")"
    for _ in $(seq 80); do
        left=$(job_processes | tr '\n' ' ')
        [ -z "$left" ] && [ ! -e "/dev/shm/cohort-job-$pid" ] && return
        sleep 0.1
    done
    fail "$dir: left behind: processes '$left', $(ls -d "/dev/shm/cohort-job-$pid" 2>/dev/null)"
    ps -fp $left
}

for victim in front mpirun rank0 rank1; do
    start $victim --workers 2
    trains
    case $victim in
    front) kill -KILL "$pid" ;;
    mpirun) kill -KILL "$mpirun" ;;
    rank*) kill -KILL "${ranks[${victim#rank}]}" ;;
    esac
    [ $victim = front ] && gone 137 || gone 4
done

# A killed watcher is replaced; the new one does what the old one would have done.
start watcher --workers 2
trains
kill -KILL "$watcher"
for _ in $(seq 100); do
    next=$(pgrep -P "$pid" -x cohort | head -1)
    [ -n "$next" ] && [ "$next" != "$watcher" ] && break
    sleep 0.05
done
kill -STOP "${ranks[1]}" # it cannot end by itself
kill -KILL "$pid"
gone 137
# With both gone nobody sweeps, but the workers end; the next job sweeps.
start both --workers 2
trains
flock -xn "/dev/shm/cohort-job-$pid" true && fail "nobody holds the folder of a running job"
kill -KILL "$watcher" "$pid"
wait "$pid" 2>/dev/null
lost=/dev/shm/cohort-job-$pid
for _ in $(seq 80); do
    left=$(job_processes)
    [ -z "$left" ] && break
    sleep 0.1
done
[ -z "$left" ] || fail "front process and watcher killed: $left is left"
# A running job of another host or container: there is no process of its number here, but somebody
# holds its folder.
other=/dev/shm/cohort-job-$((1 << 23 | $$))
mkdir "$other"
exec 9<"$other"
flock -s 9
start after --workers 2 --max-steps 3 --no-evaluate
gone 0
[ ! -e "$lost" ] || fail "$lost was not swept by the next job"
[ -d "$other" ] || fail "$other, which is held, was swept"
exec 9<&-
start last --workers 2 --max-steps 3 --no-evaluate
gone 0
[ ! -e "$other" ] || fail "$other was not swept though nobody holds it"

# At any time of a start and of a restart, whoever it is.
for i in 1 2 3 4; do
    start early$i --workers 2
    sleep 0.$((RANDOM % 80 + 10))
    kill -KILL "$pid" 2>/dev/null
    gone 137
done
for i in 1 2 3 4; do
    start again$i --workers 2 --max-restarts 9
    trains
    kill -KILL "${ranks[RANDOM % 2]}"
    sleep 0.$((RANDOM % 80 + 10))
    if [ $((i % 2)) = 0 ]; then
        kill -KILL "$(pgrep -P "$pid" -x mpirun)" 2>/dev/null
        sleep 0.$((RANDOM % 80 + 10))
    fi
    kill -KILL "$pid"
    gone 137
done
start single --max-restarts 3
for _ in $(seq 200); do
    [ -s "$dir/metrics.jsonl" ] && break
    sleep 0.05
done
kill -KILL "$pid"
gone 137
# What looks like a dead job's folder but is a link, or another user's, is left alone.
link=/dev/shm/cohort-job-$((1 << 23 | $$))
dead=/dev/shm/cohort-job-$((1 << 24 | $$))
alien=/dev/shm/cohort-job-$((1 << 25 | $$))
mkdir -p "$TMP/precious" "$dead/inner"
echo kept >"$TMP/precious/file"
ln -s "$TMP/precious" "$link"
ln -s "$TMP/precious" "$dead/inner/link"
[ "$(id -u)" = 0 ] && mkdir "$alien" && chown 65534 "$alien"
start links --workers 2 --max-steps 3 --no-evaluate
gone 0
[ -s "$TMP/precious/file" ] || fail "a link in /dev/shm was followed"
[ -L "$link" ] || fail "$link, which is no folder, was removed"
[ ! -e "$dead" ] || fail "$dead was not swept"
[ "$(id -u)" != 0 ] || [ -d "$alien" ] || fail "$alien, another user's, was removed"
rm -rf "$link" "$dead" "$alien"
finish
