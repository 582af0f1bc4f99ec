#!/bin/bash
# Samples per second out of image files, ours beside torchvision's: bench/images.sh [build/cohort]
#
# Rounds are interleaved; the table has the medians. Settings, as environment variables:
#   ROUNDS=3  SECONDS_PER_RUN=1.5  THREADS="1 2"  PYTHON=/usr/bin/python3
#   PHOTOS=../shared/data/flower_photos  TINY=../shared/data/tiny-imagenet/tiny-imagenet-200
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$(dirname "${1:-$here/../build/cohort}")" && pwd)
rounds=${ROUNDS:-3}
seconds=${SECONDS_PER_RUN:-1.5}
python=${PYTHON:-/usr/bin/python3}
photos=${PHOTOS:-$here/../../shared/data/flower_photos}
tiny=${TINY:-$here/../../shared/data/tiny-imagenet/tiny-imagenet-200}

cmake --build "$build" --target image_bench >"$build/bench.log" 2>&1 || {
    cat "$build/bench.log" >&2
    exit 1
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# row NAME SET DIR PEER_DIR SIZE THREADS FLAGS...
row() {
    local name=$1 set=$2 dir=$3 peer_dir=$4 size=$5 threads=$6 ours=() peer=() i a b
    shift 6
    for ((i = 0; i < rounds; i++)); do
        ours+=("$("$build/bench/image_bench" --dataset "$set" --dir "$dir" --size "$size" \
            --threads "$threads" --seconds "$seconds" "$@")")
        peer+=("$("$python" "$here/peer/images.py" --dir "$peer_dir" --size "$size" \
            --workers "$threads" --seconds "$seconds" "$@")")
    done
    a=$(printf '%s\n' "${ours[@]}" | median)
    b=$(printf '%s\n' "${peer[@]}" | median)
    awk -v n="$name" -v s="$size" -v t="$threads" -v a="$a" -v b="$b" \
        'BEGIN { printf "%-28s %5d %8d %10.0f %12.0f %7.2f\n", n, s, t, a, b, a / b }'
}

printf '%-28s %5s %8s %10s %12s %7s\n' "files" "size" "threads" "ours img/s" "torchvision" "ratio"
for threads in ${THREADS:-1 2}; do
    if [ -d "$photos" ]; then
        for size in 224 64; do
            row "photos, random part" images "$photos" "$photos" $size "$threads"
            row "photos, middle" images "$photos" "$photos" $size "$threads" --middle
        done
    fi
    if [ -d "$tiny" ]; then
        row "tiny, random part" tinyimagenet "$tiny" "$tiny/train" 64 "$threads"
    fi
done
