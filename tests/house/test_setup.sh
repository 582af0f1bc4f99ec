#!/bin/bash
# tools/setup.sh against made-up package tools: it installs what is missing and only that,
# refreshes the lists once when an installation fails, and says clearly what it cannot do.
set -euo pipefail
setup=$PWD/tools/setup.sh
fake=$(mktemp -d)
trap 'rm -rf "$fake"' EXIT
mkdir "$fake/bin" "$fake/bare"
for tool in bash env; do
    ln -s "$(command -v "$tool")" "$fake/bin/$tool"
    ln -s "$(command -v "$tool")" "$fake/bare/$tool"
done

# All packages are installed but those in $fake/missing; apt-get writes a diary.
cat >"$fake/bin/dpkg-query" <<END
#!/bin/bash
for package in "\${@:4}"; do
    [[ " \$(<"$fake/missing") " == *" \$package "* ]] || echo "installed \$package"
done
END
cat >"$fake/bin/apt-get" <<END
#!/bin/bash
echo "\${@: -1}" >>"$fake/diary"
[[ \${@: -1} == update && -e "$fake/stale" ]] && : >"$fake/fresh"
[[ \${@: -1} == update || ! -e "$fake/stale" || -e "$fake/fresh" ]]
END
printf '#!/bin/bash\necho 0\n' >"$fake/bin/id"
chmod +x "$fake"/bin/*

# run MISSING COMPONENT...: sets said and status; the diary holds what apt-get was asked.
run() {
    printf '%s' "$1" >"$fake/missing"
    : >"$fake/diary"
    status=0
    said=$(PATH=${path:-$fake/bin} bash "$setup" "${@:2}" 2>&1) || status=$?
}
check() { # DESCRIPTION CONDITION...
    if ! [[ $2 == "$3" ]]; then
        printf '%s: "%s" instead of "%s"; it said: %s\n' "$1" "$2" "$3" "$said"
        exit 1
    fi
}

run "" build test dev bench
check "nothing is missing: status" "$status" 0
check "nothing is missing: words" "$said" ""
check "nothing is missing: apt-get" "$(<"$fake/diary")" ""

run "libcmocka-dev clang" build test
check "one is missing: status" "$status" 0
check "one is missing: words" "$said" "setup: installing libcmocka-dev"
check "one is missing: apt-get" "$(tail -n 1 "$fake/diary")" libcmocka-dev

: >"$fake/stale"
run "libyaml-dev" build
check "old lists: status" "$status" 0
check "old lists: apt-get" "$(tail -n 3 "$fake/diary" | tr '\n' ' ')" \
    "libyaml-dev update libyaml-dev "
rm -f "$fake/stale"

printf '#!/bin/bash\nexit 100\n' >"$fake/bin/apt-get"
run "libyaml-dev" build
check "no network: status" "$status" 1
check "no network: words" "${said//*could not be installed: libyaml-dev*/named}" named

printf '#!/bin/bash\necho 1000\n' >"$fake/bin/id"
run "libyaml-dev" build
check "no root, no sudo: status" "$status" 1
check "no root, no sudo: words" "${said//*neither root nor sudo*libyaml-dev*/named}" named

path=$fake/bare run "" build
check "not Debian: status" "$status" 1
check "not Debian: words" "${said//*not Debian*libdnnl-dev*/named}" named

run "" nonsense
check "unknown component: status" "$status" 2
check "unknown component: words" "${said//*unknown component \'nonsense\'*/named}" named
