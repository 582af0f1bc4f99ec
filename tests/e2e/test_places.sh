#!/usr/bin/env bash
# Where the workers of one machine lie: what mpirun is told for so many workers, threads and cores.
. tests/e2e/lib.sh
mkdir "$TMP/bin"
printf '#!/bin/sh\necho " $* " >%s/words\nexit 1\n' "$TMP" >"$TMP/bin/mpirun"
chmod +x "$TMP/bin/mpirun"
"$COHORT" doctor | grep -q 'Open MPI *[0-9]' || {
    echo "skipped: no Open MPI"
    exit 77
}
cores=$(cat /sys/devices/system/cpu/cpu*/topology/thread_siblings_list | sort -u | wc -l)
processors=$(nproc)
[ "$processors" -ge 2 ] && [ "$processors" = "$(nproc --all)" ] || {
    echo "skipped: one processor, or not all of this machine's"
    exit 77
}

# places WORDS command...: with these words mpirun is called
places() {
    local words=$1
    shift
    PATH=$TMP/bin:$PATH timeout 60 "$@" train --run-dir "$TMP/run" >"$TMP/out" 2>&1
    grep -qF -- " $words " "$TMP/words" || fail "not $words: $*: $(cat "$TMP/words")"
    rm -f "$TMP/words"
}
with() { # arguments of cohort come after the command
    COHORT_WORKERS=$1 COHORT_THREADS=$2 places "$3" "${@:4}"
}
with "$cores" 1 "--oversubscribe --bind-to core" "$COHORT"
with $((processors + 1)) 1 "--oversubscribe --bind-to none" "$COHORT"
grep -q "$((processors + 1)) workers share $processors processors" "$TMP/out" || fail "no warning"
with "$processors" 2 "--oversubscribe --bind-to none" "$COHORT"
grep -q "$processors workers with 2 threads each share $processors processors" "$TMP/out" ||
    fail "no warning: $(cat "$TMP/out")"
if [ "$cores" -ge 4 ]; then # room for threads, and for helpers beside them
    with 2 2 "--map-by slot:PE=$((cores / 2)) --bind-to core" "$COHORT"
    with 2 1 "--map-by slot:PE=$((cores / 2)) --bind-to core" "$COHORT"
fi
# mpirun would bind to the machine's first core, not to this one.
first=$(sed 's/[,-].*//' /sys/devices/system/cpu/online)
with 2 1 "--oversubscribe --bind-to none" taskset -c "$first" "$COHORT"

# Two processors of one core are one core for mpirun.
siblings=/sys/devices/system/cpu/cpu1/topology/thread_siblings_list
if [ "$(id -u)" = 0 ] && [ "$processors" = "$cores" ] && [ -e $siblings ] &&
    unshare -m mount --bind "$COHORT" $siblings 2>/dev/null; then
    echo 0-1 >"$TMP/siblings"
    with "$processors" 1 "--oversubscribe --bind-to none" unshare -m sh -c \
        "mount --bind $TMP/siblings $siblings && exec \"\$@\"" sh "$COHORT"
else
    echo "not tested: processors that share a core"
fi
finish
