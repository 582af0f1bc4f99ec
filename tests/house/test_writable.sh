#!/bin/bash
# The libraries have no mutable static or thread-local data: thousands of simulated ranks share
# one process. First on a sample that has some.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ ${CO_SANITIZED:-0} == 1 ]]; then
    echo "skipped: the sanitizers add data of their own"
    exit 77
fi
samples=$(mktemp -d)
trap 'rm -rf "$samples"' EXIT
cat >"$samples/sample.c" <<'END'
int offence_data = 1;
static int offence_bss;
static _Thread_local int offence_tbss;
_Thread_local int offence_tdata = 2;
int *offence_function(void) { static int offence_local; return &offence_local + offence_bss; }
int *offence_thread(void) { return &offence_tbss; }
static const int fine = 3;
static const char *const fine_table[] = {"a", "b"};
const char *fine_function(int i) { return fine_table[i] + fine; }
END
"${CC:-cc}" -fPIE -c "$samples/sample.c" -o "$samples/sample.o"
"${CC:-cc}" -fPIE -fcommon -x c -c - -o "$samples/common.o" <<<'int offence_common;'
if said=$(nm -A -f sysv "$samples"/*.o | awk -f "$here/writable.awk"); then
    echo "self-test: nothing was found in a sample that has writable data"
    exit 1
fi
for name in data bss tdata tbss local common; do
    if [[ $said != *offence_$name* ]]; then
        echo "self-test: offence_$name was not found; found: $said"
        exit 1
    fi
done
if [[ $said == *fine* ]]; then
    echo "self-test: constant data was called writable: $said"
    exit 1
fi

libraries=("${CO_BUILD_DIR:-build}"/libco_*.a) # the engines too
nm -A -f sysv "${libraries[@]}" | awk -f "$here/writable.awk"
