#!/bin/bash
# Our training step against PyTorch's, side by side on this machine: bench/run.sh [build/cohort]
#
# Every round runs the peer in both memory layouts and cohort, one after the other, for each model
# and number of threads; the faster layout of a round is the peer. What counts is the median of the
# rounds' ratios; "cpu ratio" compares processor time, which other processes disturb less. A round
# in which others took more than 5 % of a core is left out (unless all were like that: marked with
# "!"). Settings, as environment variables:
#   ROUNDS=5  MODELS="lenet5 cnn1 mnistnet"  THREADS="1 2"  BATCH=64  SECONDS_PER_CHUNK=0.5
#   CHUNKS=3  PYTHON=/usr/bin/python3  LAYERS="lenet5:64 resnet:32"
# LAYERS (model:batch) names the steps that are shown by kind of layer, beside lower bounds.
# A model may have a batch of its own: MODELS="resnet18:32 resnet18:128 resnet50:16 candlenet:16"
# are the big networks (resnet50: 64x64 images, 200 classes).
# Writes every run to <build>/bench/runs.tsv and the table to <build>/bench/table.tsv.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$(dirname "${1:-$here/../build/cohort}")" && pwd)
rounds=${ROUNDS:-5}
models=${MODELS:-lenet5 cnn1 mnistnet}
batch=${BATCH:-64}
seconds=${SECONDS_PER_CHUNK:-0.5}
chunks=${CHUNKS:-3}
python=${PYTHON:-/usr/bin/python3}
layers=${LAYERS-lenet5:64 resnet:32}
limit=0.05 # of a core, taken by others

say() { printf 'bench: %s\n' "$*" >&2; }

cmake --build "$build" --target bench_programs >"$build/bench.log" 2>&1 || {
    cat "$build/bench.log" >&2
    exit 1
}
ours=(env GOMP_SPINCOUNT=2000 "$build/bench/step_bench") # as cohort sets it for itself
runs=$build/bench/runs.tsv
table=$build/bench/table.tsv
cpus=$(nproc)
threads_list=${THREADS:-1 2}

peer=1
if ! "$python" -c 'import torch, numpy' 2>/dev/null; then
    say "python3-torch is not installed for $python: the peer is skipped (tools/setup.sh bench)"
    peer=0
else
    mapfile -t peer_env < <("$python" "$here/peer/environment.py")
    if ! "$python" -c 'import torch, sys
sys.exit("openblas" not in open("/proc/self/maps").read())'; then
        say "OpenBLAS is missing: PyTorch is slower than it could be (tools/setup.sh bench)"
    fi
fi

# Processor time of all processes, in clock ticks: everything but idle and waiting for disks.
busy_ticks() {
    local name user nice system idle iowait irq softirq steal rest
    read -r name user nice system idle iowait irq softirq steal rest </proc/stat
    : "$name" "$idle" "$iowait" "$rest"
    echo $((user + nice + system + irq + softirq + steal))
}

# Processor time of this shell and its finished children, in seconds.
own_seconds() {
    times >"$build/bench/times"
    awk '{ for (i = 1; i <= 2; i++) { split($i, t, "[ms]"); s += 60 * t[1] + t[2] } }
         END { print s }' "$build/bench/times"
}

field() { # of one JSON line
    sed -n "s/.*\"$2\": \"\\{0,1\\}\\([^,\"}]*\\).*/\\1/p" <<<"$1"
}

# What cohort calls a model of peer/nets.py, with its settings: an option per line.
our_model() {
    case $1 in
    resnet18) printf '%s\n' --model resnet ;;
    resnet50)
        printf '%s\n' --model resnet --model-config "{depth: 50, stem: imagenet}" --size 64 \
            --classes 200
        ;;
    *) printf '%s\n' --model "$1" ;;
    esac
}
# Samples of the set: large ones are few.
samples() {
    case $1 in
    candlenet) echo 64 ;;
    resnet50) echo 1024 ;;
    *) echo 4096 ;;
    esac
}

hertz=$(getconf CLK_TCK)
# measure ROUND WHO LAYOUT MODEL[:BATCH] THREADS command...: one line of runs.tsv
measure() {
    local round=$1 who=$2 layout=$3 model=$4 threads=$5
    shift 5
    local own line wall ticks
    own_seconds >"$build/bench/own"
    own=$(<"$build/bench/own")
    ticks=$(busy_ticks)
    wall=$EPOCHREALTIME
    local size=$batch name=${model%:*} options
    [[ $model != *:* ]] || size=${model#*:}
    mapfile -t options < <([[ $who == ours ]] && our_model "$name" || printf '%s\n' --model "$name")
    line=$("$@" "${options[@]}" --samples "$(samples "$name")" --threads "$threads" \
        --batch "$size" --started "$wall") || exit 1
    wall=$(awk -v a="$wall" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
    ticks=$(($(busy_ticks) - ticks))
    own_seconds >"$build/bench/own"
    awk -v OFS='\t' -v head="$round $who $layout $name:$size $threads" -v own="$own" \
        -v ticks="$ticks" -v hz="$hertz" -v wall="$wall" -v rate="$(field "$line" img_s)" \
        -v first="$(field "$line" first_step_ms)" -v rss="$(field "$line" peak_rss_mib)" \
        -v cpu="$(field "$line" cpu_us)" \
        -v gflops="$(field "$line" gflops)" -v peak="$(field "$line" peak_gflops)" \
        '{ foreign = (ticks / hz - ($1 - own)) / wall
           gsub(" ", "\t", head)
           print head, rate, first, rss, gflops + 0, peak + 0,
                 sprintf("%.3f", foreign < 0 ? 0 : foreign), cpu }' "$build/bench/own" >>"$runs"
}

printf 'round\twho\tlayout\tmodel\tthreads\timg_s\tfirst_step_ms\tpeak_rss_mib\tgflops\t' >"$runs"
printf 'peak_gflops\tforeign_cores\tcpu_us\n' >>"$runs"
say "$rounds rounds; $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $cpus processors"
"$build/bench/peak" 1 "$cpus" | sed 's/^/bench: /' >&2
for ((round = 1; round <= rounds; round++)); do
    for model in $models; do
        for threads in $threads_list; do
            if [[ $threads -gt $cpus ]]; then
                [[ $round -gt 1 ]] || say "$threads threads on $cpus processors: left out"
                continue
            fi
            if [[ $peer == 1 ]]; then
                for layout in default channels_last; do
                    measure "$round" peer "$layout" "$model" "$threads" env "${peer_env[@]}" \
                        "$python" "$here/peer/step.py" --tuned --layout "$layout" \
                        --seconds "$seconds" --chunks "$chunks"
                done
            fi
            measure "$round" ours - "$model" "$threads" "${ours[@]}" \
                --seconds "$seconds" --chunks "$chunks"
        done
    done
    say "round $round of $rounds done"
done

# Median wall time, in ms, of five runs of a program that does one training step and ends.
one_step() {
    local i begin
    for i in 1 2 3 4 5; do
        begin=$EPOCHREALTIME
        "$@" "$i" >"$build/bench/start.log" 2>&1 || {
            cat "$build/bench/start.log" >&2
            return 1
        }
        awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.0f\n", 1e3 * (b - a) }'
    done | sort -n | sed -n 3p
}
start_ours() {
    "$build/cohort" train --dataset glyphs --model lenet5 --max-steps 1 --no-evaluate --quiet \
        --run-dir "$start_runs/$1"
}
start_peer() {
    env "${peer_env[@]}" "$python" "$here/peer/step.py" --tuned --first-step-only
}

awk -v limit=$limit -v table="$table" -f "$here/table.awk" "$runs"
if [[ -x $build/cohort ]]; then
    start_runs=$(mktemp -d)
    trap 'rm -rf "$start_runs"' EXIT
    ours_ms=$(one_step start_ours)
    peer_ms=-
    [[ $peer == 0 ]] || peer_ms=$(one_step start_peer)
    echo "lenet5, process of one training step, start to end: PyTorch $peer_ms ms," \
        "cohort train $ours_ms ms (with its run folder)"
fi
for step in $layers; do
    for threads in $threads_list; do
        [[ $threads -gt $cpus ]] || {
            echo
            "${ours[@]}" --model "${step%:*}" --batch "${step#*:}" --threads "$threads" \
                --layers --seconds 2 --chunks 1 | grep -v '^{'
        }
    done
done
say "all runs: $runs; this table: $table"
