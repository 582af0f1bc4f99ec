#!/bin/bash
# Formats the C sources that git knows: tools/format.sh [--check]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=(-i)
[[ ${1:-} != --check ]] || mode=(--dry-run --Werror)
git ls-files -z -- 'src/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]' |
    xargs -0 -r -n 8 -P "$(nproc)" clang-format "${mode[@]}"
