#!/bin/bash
# Two workers on two processors against one, and against PyTorch's DistributedDataParallel (gloo),
# one thread each: bench/workers.sh [build/cohort]
#
# Every round runs one worker, two, two runs of one worker that know nothing of each other ("apart",
# added up: what the machine has for two processes, since they share its memory and caches), and the
# peer in both memory layouts, one after the other; the faster layout of a round is the peer. What
# counts is the median of the rounds' ratios. The samples are noise in memory. Settings, as
# environment variables:
#   ROUNDS=5  MODELS="lenet5:64 resnet18:32"  (network:batch of each worker)  WORKERS=2
#   SECONDS_EACH=4  PYTHON=/usr/bin/python3
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cohort=${1:-$here/../build/cohort}
rounds=${ROUNDS:-5}
workers=${WORKERS:-2}
seconds=${SECONDS_EACH:-4}
python=${PYTHON:-/usr/bin/python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -c 'import torch, numpy' 2>/dev/null || {
    echo "skipped: no PyTorch (tools/setup.sh bench)"
    exit 77
}

# make_set MODEL: .npy files of the shape that the peer trains on
make_set() {
    PYTHONPATH=$here/peer "$python" - "$1" "$folder/$1" <<'EOF'
import pathlib
import sys
import numpy as np
import nets

shape, folder = nets.shape(sys.argv[1]), pathlib.Path(sys.argv[2])
rng = np.random.default_rng(1)
folder.mkdir()
for part, count in (("train", 4096), ("test", 64)):
    np.save(folder / f"{part}_x.npy", rng.integers(0, 256, (count, *shape[:3]), dtype=np.uint8))
    np.save(folder / f"{part}_y.npy", rng.integers(0, shape[3], count))
EOF
}

# ours MODEL BATCH WORKERS [CPU]: median img/s of the records after the first; on that processor
ours() {
    local model=$1 run=$folder/run$3${4:-} on=()
    [[ $model != resnet18 ]] || model=resnet
    [[ -z ${4:-} ]] || on=(taskset -c "$4")
    rm -rf "$run"
    "${on[@]}" "$cohort" train --model "$model" --dataset npy --dataset-dir "$folder/$1" \
        --batch-size "$2" --workers "$3" --threads 1 --loader-threads 0 --lr 0.001 \
        --epochs 100000 --no-evaluate --no-save-model --log-interval "${every[$1]}" --max-minutes \
        "$(awk -v s="$seconds" 'BEGIN { print s / 60 }')" --run-dir "$run" --quiet \
        >"$run.out" 2>&1 || [[ $? == 75 ]] || {
        cat "$run.out" >&2
        exit 1
    }
    sed -n '/"event":"step"/s/.*"img_per_s":\([0-9.]*\).*/\1/p' "$run/metrics.jsonl" |
        tail -n +2 | median
}

# apart MODEL BATCH: the sum of as many runs of one worker at the same time
apart() {
    local cpu
    for ((cpu = 0; cpu < workers; cpu++)); do
        ours "$1" "$2" 1 "$cpu" >"$folder/apart$cpu" &
    done
    wait
    cat "$folder"/apart* | awk '{ sum += $1 } END { print sum }'
}

# peer MODEL BATCH LAYOUT
peer() {
    "$python" "$here/peer/ddp.py" --model "$1" --batch "$2" --procs "$workers" --layout "$3" \
        --steps "${every[$1]}" --chunks 3 | sed -n 's/.*"img_s": \([0-9.]*\).*/\1/p'
}

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

declare -A every=([lenet5]=200 [cnn1]=20 [mnistnet]=100 [resnet18]=8)
for step in ${MODELS:-lenet5:64 resnet18:32}; do
    model=${step%:*}
    [[ -n ${every[$model]:-} ]] || {
        echo "MODELS: of ${!every[*]}, not $model" >&2
        exit 2
    }
    make_set "$model"
    for ((round = 0; round < rounds; round++)); do
        one=$(ours "$model" "${step#*:}" 1)
        many=$(ours "$model" "${step#*:}" "$workers")
        both=$(apart "$model" "${step#*:}")
        ddp=$( (peer "$model" "${step#*:}" default && peer "$model" "${step#*:}" channels_last) |
            sort -g | tail -1)
        echo "$step $one $many $both $ddp"
    done
done >"$folder/rates"

# ratio A B: the median of a round's column A to its column B
ratio() {
    awk -v s="$step" -v a="$1" -v b="$2" '$1 == s { print $a / $b }' "$folder/rates" | median
}

printf '%-12s %9s %9s %9s %9s %8s %8s %8s\n' "model:batch" one "$workers workers" apart DDP \
    "to one" "to apart" "to DDP"
for step in ${MODELS:-lenet5:64 resnet18:32}; do
    for column in 2 3 4 5; do
        awk -v s="$step" -v c=$column '$1 == s { print $c }' "$folder/rates" | median
    done | paste -sd' ' >"$folder/medians"
    awk -v s="$step" -v a="$(ratio 3 2)" -v b="$(ratio 3 4)" -v c="$(ratio 3 5)" \
        '{
            printf "%-12s %9.0f %9.0f %9.0f %9.1f ", s, $1, $2, $3, $4
            printf "%8.2f %8.2f %8.2f\n", a, b, c
        }' "$folder/medians"
done
