#!/bin/bash
# Two workers on two processors against one, and against PyTorch's DistributedDataParallel (gloo),
# one thread each: bench/workers.sh [build/cohort]
#
# Every round runs one worker, two, and the peer in both memory layouts, one after the other; the
# faster layout of a round is the peer. What counts is the median of the rounds' ratios. The samples
# are noise in memory. Settings, as environment variables:
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

# ours MODEL BATCH WORKERS: median img/s of the records after the first
ours() {
    local model=$1
    [[ $model != resnet18 ]] || model=resnet
    rm -rf "$folder/run"
    "$cohort" train --model "$model" --dataset npy --dataset-dir "$folder/$1" --batch-size "$2" \
        --workers "$3" --threads 1 --loader-threads 0 --lr 0.001 --epochs 100000 --no-evaluate \
        --no-save-model --log-interval "${every[$1]}" --max-minutes \
        "$(awk -v s="$seconds" 'BEGIN { print s / 60 }')" --run-dir "$folder/run" --quiet \
        >"$folder/out" 2>&1 || [[ $? == 75 ]] || {
        cat "$folder/out" >&2
        exit 1
    }
    sed -n '/"event":"step"/s/.*"img_per_s":\([0-9.]*\).*/\1/p' "$folder/run/metrics.jsonl" |
        tail -n +2 | median
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
        ddp=$( (peer "$model" "${step#*:}" default && peer "$model" "${step#*:}" channels_last) |
            sort -g | tail -1)
        echo "$step $one $many $ddp"
    done
done >"$folder/rates"

printf '%-12s %10s %10s %10s %10s %10s\n' "model:batch" one "$workers workers" DDP "to one" "to DDP"
for step in ${MODELS:-lenet5:64 resnet18:32}; do
    for column in 2 3 4; do
        awk -v s="$step" -v c=$column '$1 == s { print $c }' "$folder/rates" | median
    done | paste -sd' ' >"$folder/medians"
    to_one=$(awk -v s="$step" '$1 == s { print $3 / $2 }' "$folder/rates" | median)
    to_ddp=$(awk -v s="$step" '$1 == s { print $3 / $4 }' "$folder/rates" | median)
    awk -v s="$step" -v a="$to_one" -v b="$to_ddp" \
        '{ printf "%-12s %10.0f %10.0f %10.1f %10.2f %10.2f\n", s, $1, $2, $3, a, b }' \
        "$folder/medians"
done
