#!/bin/bash
# The layering law as a test, first on samples that break it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
samples=$(mktemp -d)
trap 'rm -rf "$samples"' EXIT
mkdir -p "$samples"/src/{graph,elsewhere}

# expect PATTERN FILE LINE: the law must say PATTERN about a file of that one line, and fail.
expect() {
    local said
    printf '%s\n' "$3" >"$samples/src/$2"
    if said=$(awk -f "$here/layering.awk" "$samples/src/$2") || [[ $said != *$1* ]]; then
        echo "self-test: the law did not say '$1' about: $3 (it said: $said)"
        exit 1
    fi
}

expect 'which is above it' graph/a.c '#include "backend/plan.h"'
expect 'which is above it' graph/a.c '#  include "cli/command.h"'
expect 'no layer' graph/a.c '#include "utils/list.h"'
expect 'written from src/' graph/a.c '#include "../base/status.h"'
expect 'belongs to src/backend' graph/a.c '#include <oneapi/dnnl/dnnl.h>'
expect 'no place in the order' elsewhere/a.c 'int a;'
printf '#include "%s"\n' graph/b.h state/x.h base/status.h b.h co_build.h >"$samples/src/graph/a.c"
printf '#include <%s>\n' stdio.h sys/stat.h >>"$samples/src/graph/a.c"
if ! awk -f "$here/layering.awk" "$samples/src/graph/a.c"; then
    echo "self-test: the law refused a good file"
    exit 1
fi

find src -type f \( -name '*.[ch]' -o -name '*.inc' \) -print0 |
    xargs -0 awk -f "$here/layering.awk"
