#!/bin/bash
# What is too long for .ci/run: all tests under both compilers and all presets, the long loops
# (label nightly), clang-tidy on every file, and fuzzing for CO_FUZZ_SECONDS (900) per target.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/setup.sh build mpi extra test dev

stage() { printf '\n== nightly: %s\n' "$*"; }
for compiler in gcc clang; do
    for preset in release debug asan-ubsan tsan; do
        stage "$preset, $compiler"
        folder=build-nightly/$preset-$compiler
        case $preset in # the long loops once per compiler; sanitizers are too slow for them
        release) only=() ;;
        debug) only=(-LE nightly) ;;
        asan-ubsan) only=(-LE 'nightly|house|slow') ;;
        tsan) only=(-L threads -LE 'nightly|slow') ;;
        esac
        cmake --preset "$preset" -B "$folder" -D CMAKE_C_COMPILER="$compiler" >/dev/null
        cmake --build "$folder"
        ctest --test-dir "$folder" --output-on-failure -j "$(nproc)" "${only[@]}"
    done
done
stage "faults in every call"
COHORT=build-nightly/release-gcc/cohort FAULTS=build-nightly/release-gcc/tests/cohort_faults \
    bash tests/fault/torture.sh
stage "checkers"
CO_LINT_BASE=all CO_TIDY_SECONDS=36000 tools/lint.sh
stage "fuzzing"
tools/fuzz.sh "${CO_FUZZ_SECONDS:-900}"
stage "all passed"
