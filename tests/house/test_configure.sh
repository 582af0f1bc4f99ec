#!/bin/bash
# Configuring names every missing library with its package, and refuses a oneDNN that is not 2.x.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# configure ARGUMENTS...: must fail; sets said, with line breaks as spaces.
configure() {
    rm -rf "$folder/build"
    if said=$(cmake -G Ninja -S . -B "$folder/build" "$@" 2>&1); then
        echo "configuring with $* should have failed"
        exit 1
    fi
    said=$(tr -s '\n ' ' ' <<<"$said")
}
expect() {
    if [[ $said != *"$1"* ]]; then
        echo "configuring did not say '$1' but: $said"
        exit 1
    fi
}

mkdir -p "$folder/dnnl/include/oneapi/dnnl"
: >"$folder/dnnl/include/dnnl.h"
printf '#define DNNL_VERSION_%s\n' 'MAJOR 3' 'MINOR 1' 'PATCH 4' \
    >"$folder/dnnl/include/oneapi/dnnl/dnnl_version.h"
configure -D "DNNL_INCLUDE_DIR=$folder/dnnl/include"
expect "oneDNN 3.1.4 is refused: cohort speaks the 2.x API"

cat >"$folder/pkg-config" <<END
#!/bin/bash
[[ " \$* " == *" yaml-0.1 "* || " \$* " == *" libxxhash "* ]] && exit 1
exec $(command -v pkg-config) "\$@"
END
chmod +x "$folder/pkg-config"
configure -D "PKG_CONFIG_EXECUTABLE=$folder/pkg-config"
expect "libyaml-dev libxxhash-dev"
expect "tools/setup.sh build"
