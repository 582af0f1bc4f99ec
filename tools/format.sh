#!/bin/bash
# Formats the C sources: tools/format.sh [--check]
set -euo pipefail
shopt -s nullglob
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=(-i)
[[ ${1:-} != --check ]] || mode=(--dry-run --Werror)
find src tests bench* -name '*.[ch]' -print0 |
    xargs -0 -r -n 8 -P "$(nproc)" clang-format "${mode[@]}"
