# Helpers of the end-to-end tests. Sourced; COHORT is the program under test.
set -u
: "${COHORT:?the path of the cohort program}"
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
DATA=${COHORT_TEST_DATA:-../shared/data}
unset "${!COHORT_@}" 2>/dev/null # COHORT_* variables are settings; COHORT stays: it has no '_'
FAILED=0

fail() {
    echo "FAILED: $*" >&2
    FAILED=1
}

# expect CODE WORDS command...: exit code CODE, and WORDS in what it prints
expect() {
    local code=$1 words=$2 got
    shift 2
    "$@" >"$TMP/out" 2>&1
    got=$?
    [ "$got" -eq "$code" ] || {
        fail "exit $got, not $code: $*"
        tail -5 "$TMP/out" >&2
    }
    grep -qF -- "$words" "$TMP/out" || {
        fail "no '$words' in the output of: $*"
        tail -5 "$TMP/out" >&2
    }
}

# number KEY FILE: the value of a key of summary.json
number() {
    sed -n "s/.*\"$1\": *\\([-0-9.e+]*\\).*/\\1/p" "$2"
}

# at_least A B: true when A >= B
at_least() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 >= b + 0) }'
}

finish() {
    exit "$FAILED"
}
