#!/usr/bin/env bash
# comm/ over Open MPI: messages, collectives, shared memory, agreeing, and waits that end.
set -u
probe=${CO_BUILD_DIR:?}/tests/comm_probe
if ! command -v mpirun >/dev/null || [ ! -x "$probe" ]; then
    echo "skipped: Open MPI is not there"
    exit 77
fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Open MPI unloads its plugins, so that what they leak cannot be named in the suppressions.
[ "${CO_SANITIZED:-0}" = 1 ] && export ASAN_OPTIONS=detect_leaks=0
failed=0

# try RANKS CODE LINES WORDS arguments...: exit code CODE, and WORDS on as many lines; sets said
try() {
    local ranks=$1 code=$2 lines=$3 words=$4 got
    shift 4
    [ -z "${COMM_PROBE_PULSES:-}" ] || head -c $((3 * 192)) /dev/zero >"$COMM_PROBE_PULSES"
    said=$(timeout 100 mpirun -q --oversubscribe --bind-to none -n "$ranks" "$probe" "$@" 2>&1)
    got=$?
    if [ "$got" -ne "$code" ] || [ "$(grep -cF -- "$words" <<<"$said")" -lt "$lines" ]; then
        echo "FAILED ($got): $*: $said"
        failed=1
    fi
}

try 16 0 16 " OK" push 247000
try 4 0 4 " OK" push 45000000
try 4 0 4 " OK" collect 100003
try 3 0 3 ", host 0 of 1: OK" window 100000
try 6 0 2 ", host 2 of 3: OK" window 100000 2
try 3 0 1 ", host 1 of 2: OK" window 100000 2
try 4 3 4 "DATArank 2 (" agree 2
try 3 3 3 "DATAno such file" agree 0
try 3 4 1 "rank 1 ($(hostname)) was waited for in step 7 (reduce) for 2 s" late 1
try 1 0 1 " OK" collect 5

# Ranks that go apart are named: at once where they see each other's pulses, else after a second.
here=$(hostname)
pulses=$(mktemp /dev/shm/pulses.XXXXXX)
trap 'rm -f "$pulses"' EXIT
for shared in no yes; do
    [ $shared = no ] && unset COMM_PROBE_PULSES || export COMM_PROBE_PULSES=$pulses
    try 3 70 1 "the workers have gone apart: collective 3 is a" apart 1
    grep -qE "but a barrier of 0 bytes in step 5 on rank 1 \($here\)|INTERNALthe workers have gone \
apart: collective 3 is a barrier of 0 bytes in step 5 on rank 1 \($here\)" <<<"$said" || {
        echo "FAILED: who is apart: $said"
        failed=1
    }
    try 3 70 1 "collective 3 is a gather of" sizes 2
    try 3 4 1 "rank 1 ($here) in step 5 (reduce): is it stopped, hung" silent 1
    grep -q "rank 0 completed 2 (barrier of 0 bytes in step 4) last and waits in 3 (gather of" \
        <<<"$said" || {
        echo "FAILED: what was completed: $said"
        failed=1
    }
done
grep -q "rank 1 completed 2 (barrier of 0 bytes in step 4) last and is in step 5" \
    <<<"$said" || {
    echo "FAILED: the pulse of a rank that is silent: $said"
    failed=1
}
try 3 70 1 "barrier 1 is in step" steps 1
exit $failed
