#!/bin/bash
# The checkers: tools/lint.sh [format] [cppcheck] [tidy]   (all three without an argument)
# clang-tidy reads the files that changed since $CO_LINT_BASE (a commit; "all" for every file;
# by default the merge base with origin/main or main, or else the previous commit), for at most
# $CO_TIDY_SECONDS (300): files that it did not reach are named, and are no failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

run_format() { tools/format.sh --check; }

run_cppcheck() {
    mapfile -d '' files < <(find src -name '*.c' -print0)
    cppcheck --quiet --error-exitcode=1 -j "$(nproc)" --std=c11 --language=c \
        --enable=warning,performance,portability --inline-suppr \
        --suppressions-list=tools/cppcheck.supp \
        --template='{file}:{line}: {severity}: {message} [{id}]' \
        -D_GNU_SOURCE -D__GNUC__ -D__x86_64__ -I src "${files[@]}"
}

# The commit to compare with, or "all".
lint_base() {
    local head base main
    if [[ -n ${CO_LINT_BASE:-} ]]; then
        echo "$CO_LINT_BASE"
        return
    fi
    head=$(git rev-parse HEAD)
    for main in origin/main main; do
        base=$(git merge-base HEAD "$main" 2>/dev/null) || continue
        if [[ $base != "$head" ]]; then
            echo "$base"
            return
        fi
    done
    git rev-parse --verify -q HEAD~1 || echo all
}

# The C files of src/ to read, one per line: those changed, and for a changed header those that
# include it by its path.
tidy_files() {
    local base=$1 changed
    if [[ $base == all ]]; then
        find src -name '*.c'
        return
    fi
    changed=$(git diff --name-only --diff-filter=d "$base" -- 'src/*.[ch]')
    {
        grep '\.c$' <<<"$changed" || true
        grep '\.h$' <<<"$changed" | while read -r header; do
            git grep -l -F "\"${header#src/}\"" -- 'src/*.c' || true
        done
    } | sort -u
}

run_tidy() {
    local build=build-tidy base stamp count
    CC=clang cmake -G Ninja -B "$build" -D CMAKE_BUILD_TYPE=Debug >/dev/null
    base=$(lint_base)
    mapfile -t files < <(tidy_files "$base")
    echo "clang-tidy: ${#files[@]} files changed since $base"
    [[ ${#files[@]} -gt 0 ]] || return 0
    stamp=$(mktemp -d)
    trap 'rm -rf "$stamp"' RETURN
    export build stamp
    # Each file leaves a stamp when it is clean. timeout 124: the time was up.
    local status=0
    printf '%s\0' "${files[@]}" |
        timeout "${CO_TIDY_SECONDS:-300}" xargs -0 -n 1 -P "$(nproc)" bash -c '
            said=$(clang-tidy --quiet -p "$build" "$1" 2>&1) || { echo "$said"; exit 1; }
            : >"$stamp/${1//\//@}"' tidy || status=$?
    count=$(find "$stamp" -type f | wc -l)
    if [[ $status != 0 && $status != 124 ]]; then
        return 1
    fi
    echo "clang-tidy: $count of ${#files[@]} files read, all clean"
    for file in "${files[@]}"; do
        [[ -e $stamp/${file//\//@} ]] || echo "clang-tidy: not reached in time: $file"
    done
}

for part in "${@:-format cppcheck tidy}"; do
    for name in $part; do
        case $name in
        format | cppcheck | tidy) "run_$name" ;;
        *)
            echo "lint: there is no '$name' (there are: format cppcheck tidy)" >&2
            exit 2
            ;;
        esac
    done
done
