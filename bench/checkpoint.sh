#!/bin/bash
# What checkpoints cost the training loop: bench/checkpoint.sh [build/cohort]
#
# ResNet-18, batch 32, a checkpoint (90 MB: weights and momentum) every 20 steps. From the time of
# every step: how much longer than the median were the five steps after each checkpoint together
# (one of them has the copy, the others share the processor with the thread that writes), as a share
# of the 20 steps. The same five steps of a run without checkpoints show what is noise. Settings, as
# environment variables: STEPS=125 THREADS=2 DATA_DIR=../shared/data/cifar-10 (with CIFAR-10);
# WORKERS=2 takes two workers with one thread and 32 samples each: then the other worker's share of
# the momentum is fetched, and the disk gets as much.
set -euo pipefail
cohort=$(realpath "${1:-build/cohort}")
workers=${WORKERS:-1}
[ "$workers" = 1 ] || THREADS=1
data=$(realpath "${DATA_DIR:-../shared/data/cifar-10}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

measure() { # measure WORD EVERY
    rm -rf "$folder/run"
    "$cohort" train --dataset cifar10 --dataset-dir "$data" --model resnet --batch-size 32 \
        --workers "$workers" --max-steps "${STEPS:-125}" --checkpoint-every "$2" \
        --threads "${THREADS:-2}" --no-evaluate --no-save-model --quiet --log-interval 1 \
        --run-dir "$folder/run" \
        >"$folder/out" || { cat "$folder/out" >&2 && exit 1; }
    sed -n 's/.*"event":"step","step":\([0-9]*\),.*"img_per_s":\([0-9.]*\).*/\1 \2/p' \
        "$folder/run/metrics.jsonl" | awk -v images=$((32 * workers)) \
        '{ print $1, 1000 * images / $2 }' >"$folder/steps"
    median=$(awk '$1 > 5 { print $2 }' "$folder/steps" | sort -n |
        awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')
    awk -v m="$median" -v word="$1" '
        $1 > 20 && ($1 - 1) % 20 < 5 { extra += $2 - m; n += ($1 - 1) % 20 == 0 }
        END { printf "%s: step %.1f ms, %+.1f ms per 20 steps after step 20 k: %+.2f %%\n",
                     word, m, extra / n, 100 * extra / n / (20 * m) }' "$folder/steps"
}
measure "without checkpoints" 0
measure "with checkpoints   " 20
