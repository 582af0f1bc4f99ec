#!/bin/bash
# The style law as a test: columns, lengths, tabs, header comments, who may print or exit.
# First on samples that break it, so that a law that finds nothing is noticed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
samples=$(mktemp -d)
trap 'rm -rf "$samples"' EXIT
mkdir -p "$samples/src/base" "$samples/src/cli"

# expect PATTERN FILE: the law must say PATTERN about FILE, and fail.
expect() {
    local said
    if said=$(awk -f "$here/style.awk" "$2") || [[ $said != *$1* ]]; then
        echo "self-test: the law did not say '$1' about: $2 (it said: $said)"
        exit 1
    fi
}
accept() {
    if ! awk -f "$here/style.awk" "$1"; then
        echo "self-test: the law refused a good file: $1"
        exit 1
    fi
}

repeat() { # LINE TIMES
    awk -v line="$1" -v times="$2" 'BEGIN { while (times-- > 0) print line }'
}

bad=$samples/src/base/bad.c
printf '%101s\n' x >"$bad" && expect '101 columns' "$bad"
printf 'int a;\t/* b */\n' >"$bad" && expect 'a tab' "$bad"
printf 'int a; \n' >"$bad" && expect 'space at the end' "$bad"
repeat 'int a;' 801 >"$bad" && expect '801 lines' "$bad"
{ printf 'void f(void)\n{\n' && repeat '    a++;' 69 && printf '}\n'; } >"$bad"
expect 'a function of 71 lines' "$bad"
printf '    exit(1);\n' >"$bad" && expect 'does not end the program' "$bad"
printf '    if (a) abort ();\n' >"$bad" && expect 'does not end the program' "$bad"
printf '    printf("hello");\n' >"$bad" && expect 'only src/cli and src/monitor print' "$bad"
printf '    (void)fprintf(stderr, "a");\n' >"$bad" && expect 'src/monitor print' "$bad"
printf '#ifndef A\n' >"$samples/src/base/bad.h" && expect 'opens with' "$samples/src/base/bad.h"

good=$samples/src/base/good.c
cat >"$good" <<'END'
/* abort() and printf() may be spoken of,
 * exit(1) too. */
static const char text[] = "exit(1) \" abort()"; // printf()
static const char quote = '"';
void co_exit(int code)
{
    (void)snprintf(a, b, "x");
    (void)fprintf(file, "x");
    ops->exit(code);
}
END
{ printf 'void f(void)\n{\n' && repeat '    a++;' 68 && printf '}\n'; } >>"$good"
printf '/* %s */\n' "$(printf 'ä%.0s' {1..94})" >>"$good" # 100 columns, more bytes
accept "$good"
printf '    printf("hello");\n    exit(1);\n' >"$samples/src/cli/good.c"
accept "$samples/src/cli/good.c"

shopt -s nullglob
names=(-name '*.[ch]' -o -name '*.inc' -o -name '*.def' -o -name '*.sh' -o -name '*.awk'
    -o -name '*.cmake' -o -name '*.py' -o -name CMakeLists.txt -o -path .ci/run)
find src tests tools cmake CMakeLists.txt .ci bench* -type f \( "${names[@]}" \) \
    -not -path '*/corpus/*' -print0 | xargs -0 awk -f "$here/style.awk"
