#!/usr/bin/env bash
# Under Slurm: daemons of our own with everything in a temporary folder (configuration, key, state,
# ports), so that a Slurm which runs here already is not touched. srun starts the workers.
. tests/e2e/lib.sh
skip() {
    echo "skipped: $*"
    exit 77
}
command -v mpirun >/dev/null && "$COHORT" doctor | grep -q 'Open MPI *[0-9]' || skip "no Open MPI"
PATH=$PATH:/usr/sbin
for program in munged slurmctld slurmd srun scancel squeue sinfo; do
    command -v $program >/dev/null || skip "no $program (tools/setup.sh slurm)"
done
[ "$(id -u)" = 0 ] || skip "only root starts slurmd"

host=$(hostname -s)
port=$((30000 + $$ % 20000))
mkdir "$TMP/munge" "$TMP/ctld" "$TMP/slurmd" "$TMP/tmp"
chmod 755 "$TMP" "$TMP/munge"
(umask 077 && head -c 1024 /dev/urandom >"$TMP/munge/key")
cat >"$TMP/slurm.conf" <<END
ClusterName=cohort
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$TMP/munge/s
CryptoType=crypto/munge
StateSaveLocation=$TMP/ctld
SlurmdSpoolDir=$TMP/slurmd
SlurmctldPidFile=$TMP/ctld.pid
SlurmdPidFile=$TMP/slurmd.pid
SlurmctldLogFile=$TMP/ctld.log
SlurmdLogFile=$TMP/slurmd.log
TmpFS=$TMP/tmp
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=pmix
SchedulerParameters=sched_interval=1
KillWait=2
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=cohort Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF=$TMP/slurm.conf
export OMPI_MCA_btl=self,vader OMPI_MCA_pml=ob1 # nothing to look for in the network
daemons=()
end() {
    [ ${#daemons[@]} -eq 0 ] || timeout 5 scancel -Q -s KILL --state=RUNNING 2>/dev/null
    for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do
        kill "${daemons[i]}" 2>/dev/null
        wait "${daemons[i]}"
    done
    rm -rf "$TMP"
}
trap end EXIT
munged -F --key-file="$TMP/munge/key" --socket="$TMP/munge/s" --pid-file="$TMP/munge/pid" \
    --log-file="$TMP/munge/log" --seed-file="$TMP/munge/seed" >"$TMP/munge/out" 2>&1 &
daemons+=($!)
for _ in $(seq 100); do
    [ -S "$TMP/munge/s" ] && break
    sleep 0.05
done
[ -S "$TMP/munge/s" ] || skip "munged does not start here: $(tail -1 "$TMP/munge/log")"
slurmctld -D >"$TMP/ctld.out" 2>&1 &
daemons+=($!)
slurmd -D >"$TMP/slurmd.out" 2>&1 &
daemons+=($!)
for _ in $(seq 100); do
    [ "$(timeout 2 sinfo -h -o %t 2>/dev/null)" = idle ] && break
    sleep 0.2
done
[ "$(timeout 2 sinfo -h -o %t)" = idle ] ||
    skip "slurmd does not start here: $(tail -1 "$TMP/slurmd.log" "$TMP/ctld.log")"

run=(timeout 60 srun -n2 --mpi=pmix "$COHORT" train --batch-size 32 --no-evaluate --threads 1)

# The same bits as with mpirun, with nothing said of the number of workers.
timeout 60 "$COHORT" train --batch-size 32 --no-evaluate --threads 1 --workers 2 --max-steps 20 \
    --reduce ordered --quiet --run-dir "$TMP/mpirun" >"$TMP/out" 2>&1 ||
    fail "mpirun: $(cat "$TMP/out")"
expect 0 "run folder" "${run[@]}" --max-steps 20 --reduce ordered --run-dir "$TMP/srun"
grep -q '"workers": 2' "$TMP/srun/env.json" || fail "$(grep workers "$TMP/srun/env.json")"
[ -s "$TMP/srun/log.1.txt" ] || fail "the second worker has no log"
cmp "$TMP/mpirun/model.safetensors" "$TMP/srun/model.safetensors" ||
    fail "srun and mpirun give other weights"

# Exit codes come through; what all know is told once.
expect 2 "--workers 3, but 2 were started" "${run[@]}" --workers 3 --run-dir "$TMP/x"
[ "$(grep -c "but 2 were started" "$TMP/out")" -eq 1 ] || fail "told twice: $(cat "$TMP/out")"
expect 3 "the folder of mnist cannot be read" \
    "${run[@]}" --dataset mnist --dataset-dir "$TMP/nothing" --run-dir "$TMP/x"
[ ! -e "$TMP/x" ] || fail "a run folder was made"

# begin DIR arguments...: in the background; sets pid (srun), step and ranks when it trains
begin() {
    local dir=$TMP/$1
    shift
    "${run[@]}" --epochs 1000 --run-dir "$dir" "$@" >"$TMP/out" 2>&1 &
    pid=$!
    for _ in $(seq 300); do
        [ -s "$dir/metrics.jsonl" ] && grep -q '"event":"step"' "$dir/metrics.jsonl" && break
        sleep 0.1
    done
    step=$(timeout 5 squeue -h -s -o %i | head -1)
    mapfile -t ranks < <(pgrep -f -- "--run-dir $dir" | while read -r p; do
        [ "$(cat "/proc/$p/comm" 2>/dev/null)" = cohort ] && echo "$p"
    done)
    [ ${#ranks[@]} -eq 2 ] || fail "not two workers: ${ranks[*]}; $(cat "$TMP/out")"
}
# ended CODES: srun did so with one of them, and nobody is left
ended() {
    wait "$pid"
    local code=$?
    [[ " $* " == *" $code "* ]] || fail "srun: exit $code, not $*: $(cat "$TMP/out")"
    for _ in $(seq 50); do
        left=$(ps -o pid= -p "${ranks[0]},${ranks[1]}" | tr -d '\n')
        [ -z "$left" ] && return
        sleep 0.1
    done
    fail "processes are left: $left"
}

# The wish to stop, as --signal=USR1@60 sends it before the time limit.
begin stopped
timeout 5 scancel --signal=USR1 "$step" || fail "scancel"
ended 75
grep -q preempted "$TMP/stopped/status" || fail "status: $(cat "$TMP/stopped/status")"
expect 0 "test accuracy" "$COHORT" eval "$TMP/stopped" --threads 1

# A worker that hangs is named, and nobody is left.
begin hung --deadline 2
kill -STOP "${ranks[1]}"
ended 4
grep -qE "rank [01] \($(hostname)\) was waited for in step" "$TMP/out" ||
    fail "who hung: $(cat "$TMP/out")"

# One that is killed: srun names the task and ends the others.
begin killed
kill -KILL "${ranks[1]}"
ended 137 143
grep -qE "task [01]: Killed" "$TMP/out" || fail "who was killed: $(cat "$TMP/out")"
finish
