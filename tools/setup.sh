#!/bin/bash
# Installs the Debian packages that are missing, by component: tools/setup.sh [component...]
#   build   what the program needs (the default)
#   extra   what the program can do without: an index of the runs, pictures of curves
#   mpi     many workers (Open MPI) and the simulated cluster (SimGrid); optional
#   slurm   a batch system, for the test that runs one of its own (e2e/test_slurm)
#   test    what the unit tests need
#   dev     clang, sanitizers and checkers: .ci/run, make nightly, make lint
#   bench   PyTorch, the peer of make bench
# Costs a few milliseconds when everything is there. Needs root or sudo otherwise.
set -euo pipefail

build="gcc libc6-dev make cmake ninja-build pkg-config
       libdnnl-dev libyaml-dev libjansson-dev libarchive-dev libxxhash-dev
       libcurl4-openssl-dev ca-certificates libmd-dev
       libjpeg62-turbo-dev libspng-dev zlib1g-dev"
extra="libsqlite3-dev gnuplot-nox"
mpi="libopenmpi-dev openmpi-bin libsimgrid-dev"
slurm="slurm-wlm slurm-client munge"
test="libcmocka-dev protobuf-compiler python3"
dev="clang clang-format clang-tidy cppcheck libclang-rt-14-dev"
bench="python3-torch python3-torchvision python3-numpy libopenblas0"

say() { printf 'setup: %s\n' "$*" >&2; }

wanted=()
for component in "${@:-build}"; do
    case $component in
    build | extra | mpi | slurm | test | dev | bench)
        read -r -d '' -a list <<<"${!component}" || true
        ;;
    *)
        say "unknown component '$component' (there are: build extra mpi slurm test dev bench)"
        exit 2
        ;;
    esac
    wanted+=("${list[@]}")
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    if command -v cmake >/dev/null && command -v ninja >/dev/null; then
        say "not Debian: nothing installed; cmake will name what is missing"
        exit 0
    fi
    say "not Debian: install the equivalents of these packages yourself: ${wanted[*]}"
    exit 1
fi

declare -A installed=()
while read -r status package; do
    [[ $status == installed ]] && installed[${package%%:*}]=1
done < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
missing=()
for package in "${wanted[@]}"; do
    [[ -n ${installed[$package]:-} ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=()
if [[ $(id -u) != 0 ]]; then
    if ! command -v sudo >/dev/null; then
        say "these packages are missing, and neither root nor sudo is at hand: ${missing[*]}"
        say "ask an administrator for: apt-get install --no-install-recommends ${missing[*]}"
        exit 1
    fi
    as_root=(sudo)
fi

apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=120 "$@" >&2
}

say "installing ${missing[*]}"
if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
    apt update
fi
# The lists may be there but old: refreshed once, only when the first try fails.
if ! apt install --no-install-recommends "${missing[@]}"; then
    say "trying again with fresh package lists"
    if ! apt update || ! apt install --no-install-recommends "${missing[@]}"; then
        say "these packages could not be installed: ${missing[*]}"
        say "is the network up, and is this Debian 12 or newer?"
        exit 1
    fi
fi
