#!/bin/bash
# What listening costs: training steps of LeNet-5 with all sinks against none, side by side:
# bench/sinks.sh [build/cohort]
#
# Each round trains the same steps in every way, one after the other, in an order that turns. What
# counts is the median of the rounds' ratios of training time (without start, evaluation, saving).
# Settings, as environment variables:  ROUNDS=15  THREADS=1  STEPS=1500  MODEL=lenet5
set -euo pipefail
cohort=${1:-$(dirname "$0")/../build/cohort}
rounds=${ROUNDS:-15}
steps=${STEPS:-1500}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

never=1000000000
ways=("nothing" "every 10th step" "every step" "and a timeline")
flags=("--log-interval $never --no-csv"
    "--log-interval 10 --tensorboard"
    "--log-interval 1 --tensorboard"
    "--log-interval 1 --tensorboard --timeline $folder/timeline.json --timeline-steps 0")

train() { # train FLAGS: prints the seconds of its training steps
    rm -rf "$folder/run"
    # shellcheck disable=SC2086
    "$cohort" train --model "${MODEL:-lenet5}" --threads "${THREADS:-1}" --loader-threads 0 \
        --train-split 0.2 --epochs 1000 --max-steps "$steps" --no-evaluate --no-save-model \
        --run-dir "$folder/run" --quiet $1 >"$folder/out"
    sed -n 's/.*"train_seconds": \([0-9.e+-]*\).*/\1/p' "$folder/run/summary.json"
}

train "${flags[0]}" >"$folder/warm-up"
for ((round = 0; round < rounds; round++)); do
    for ((i = 0; i < ${#ways[@]}; i++)); do
        way=$(((i + round) % ${#ways[@]}))
        echo "$round $way $(train "${flags[way]}")"
    done
done >"$folder/times"

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
base=$(awk '$2 == 0 { print $3 }' "$folder/times" | median)
printf '%-16s %12s %9s %10s\n' "what is told" "us per step" "ratio" "(quartiles)"
for ((way = 0; way < ${#ways[@]}; way++)); do
    ratios=$(awk -v way=$way '$2 == 0 { b[$1] = $3 } $2 == way { w[$1] = $3 }
        END { for (r in b) print w[r] / b[r] }' "$folder/times" | sort -g)
    awk -v name="${ways[way]}" -v steps="$steps" -v base="$base" \
        '{ v[NR] = $1 } END {
            m = v[int((NR + 1) / 2)]
            printf "%-16s %12.1f %9.4f   %.4f %.4f\n", name, 1e6 * base * m / steps, m,
                   v[int((NR + 3) / 4)], v[int((3 * NR + 3) / 4)] }' <<<"$ratios"
done
