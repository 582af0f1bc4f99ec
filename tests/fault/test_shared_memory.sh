#!/usr/bin/env bash
# Too little shared memory is told before anything is started or made, never by SIGBUS in a step.
. tests/e2e/lib.sh
skip() {
    echo "skipped: $*"
    exit 77
}
command -v mpirun >/dev/null && "$COHORT" doctor | grep -q 'Open MPI *[0-9]' || skip "no Open MPI"
[ "$(id -u)" = 0 ] || skip "only root mounts a small /dev/shm"
unshare -m mount -t tmpfs -o size=1m none /dev/shm 2>/dev/null ||
    skip "this machine allows no mount namespaces"

# with SIZE arguments...: two workers over a /dev/shm of that size
with() {
    local size=$1
    shift
    timeout -k 1 60 unshare -m sh -c "mount -t tmpfs -o size=$size none /dev/shm && \"\$@\"
        code=\$?; ls -A /dev/shm; exit \$code" sh "$COHORT" train --workers 2 --max-steps 2 \
        --no-evaluate --quiet --threads 1 --run-dir "$TMP/$size" "$@"
}
expect 6 "2 workers need 12 MiB of shared memory to begin with, /dev/shm has 2.0 MiB free" with 2m
[ ! -e "$TMP/2m" ] || fail "a run folder was made"
expect 6 "of shared memory, /dev/shm has" with 20m --model resnet --batch-size 2
grep -q "cohort-job" "$TMP/out" && fail "left behind: $(cat "$TMP/out")"
expect 0 "run folder" with 24m --model resnet --batch-size 2 --no-shared-memory
grep -q "cohort-job" "$TMP/out" && fail "left behind: $(cat "$TMP/out")"
finish
