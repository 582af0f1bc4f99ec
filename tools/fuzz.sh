#!/bin/bash
# Runs every libFuzzer target for a while: tools/fuzz.sh [SECONDS_EACH] [NAME...]
# New inputs that reach new code are kept in build-fuzz/corpus/<name>; what crashed is left in
# build-fuzz/crashes, to be committed to tests/fuzz/corpus/<name> with the fix.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}
shift || true

cmake --preset fuzz >/dev/null
names=("$@")
if [[ ${#names[@]} == 0 ]]; then
    for source in tests/fuzz/fuzz_*.c; do
        [[ -e $source ]] || continue
        name=${source##*/fuzz_}
        names+=("${name%.c}")
    done
fi
if [[ ${#names[@]} == 0 ]]; then
    echo "fuzz: there are no targets in tests/fuzz"
    exit 0
fi
cmake --build build-fuzz --target "${names[@]/#/fuzz_}"
mkdir -p build-fuzz/crashes
failed=0
for name in "${names[@]}"; do
    mkdir -p "build-fuzz/corpus/$name"
    echo "fuzz: $name for $seconds s"
    build-fuzz/tests/"fuzz_$name" -max_total_time="$seconds" -print_final_stats=1 -timeout=10 \
        -rss_limit_mb=2048 -artifact_prefix="build-fuzz/crashes/$name-" \
        "build-fuzz/corpus/$name" "tests/fuzz/corpus/$name" 2>"build-fuzz/$name.log" || {
        tail -n 40 "build-fuzz/$name.log"
        echo "fuzz: $name FAILED, the input is in build-fuzz/crashes"
        failed=$((failed + 1))
    }
    grep -E 'number_of_executed_units|peak_rss' "build-fuzz/$name.log" || true
done
echo "fuzz: $((${#names[@]} - failed)) passed, $failed failed"
[[ $failed == 0 ]]
