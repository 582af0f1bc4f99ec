#!/usr/bin/env bash
# What several workers save and go on from: stops, another number of workers, the simulated
# cluster, best models, samples that are left out, and what is refused.
. tests/e2e/lib.sh
if ! command -v mpirun >/dev/null || ! "$COHORT" doctor | grep -q 'Open MPI *[0-9]'; then
    echo "skipped: no Open MPI"
    exit 77
fi
common=(--train-split 0.008 --log-interval 1 --no-evaluate --quiet --threads 1 --epochs 3
    --reduce ordered)

# train CODE DIR arguments...
train() {
    local want=$1 dir=$TMP/$2 code
    shift 2
    timeout 100 "$COHORT" train "${common[@]}" --run-dir "$dir" "$@" >"$TMP/out" 2>&1
    code=$?
    [ $code -eq "$want" ] || fail "exit $code, not $want: $*: $(tail -3 "$TMP/out")"
}
losses() {
    sed -n 's/.*"event":"step".*"loss":\([-0-9.e]*\),.*/\1/p' "$TMP/$1/metrics.jsonl"
}
samples() { # of each epoch
    sed -n 's/.*"event":"epoch".*"samples":\([0-9]*\),.*/\1/p' "$TMP/$1/metrics.jsonl" | xargs
}
# close A B: as many losses, none further apart than rounding makes them
close() {
    paste <(losses "$1") <(losses "$2") | awk '
        { gap = $1 - $2; gap = gap < 0 ? -gap : gap; if (gap > 2e-6 || NF != 2) bad = 1 }
        END { exit bad || NR != 45 }' || fail "losses of $1 and $2: $(paste <(losses "$1") \
        <(losses "$2") | tail -1)"
}
same() {
    cmp -s "$TMP/$1/model.safetensors" "$TMP/$2/model.safetensors" || fail "$1 and $2 differ"
}

# 480 samples; after step 7 four workers with batches of 8 have used 224 of them. Other numbers of
# workers with the same global batch then see in every step what these would have.
train 0 whole --workers 4 --batch-size 8
train 75 four --workers 4 --batch-size 8 --stop-at-step 7
grep -q preempted "$TMP/four/status" || fail "status: $(cat "$TMP/four/status")"
expect 0 "  workers                      4" "$COHORT" checkpoint show "$TMP/four"
for name in two one three again large; do
    cp -r "$TMP/four" "$TMP/$name"
done
train 0 two --workers 2 --batch-size 16 --resume auto
close whole two
grep -q "made by 4 workers, 2 go on: with what the epoch has left" "$TMP/two/log.txt" ||
    fail "the log does not say that two go on"
train 0 one --workers 1 --batch-size 32 --resume auto
close whole one
train 75 back --workers 1 --batch-size 32 --stop-at-step 22
train 0 back --workers 4 --batch-size 8 --resume auto
close whole back
# Three of 8 take the 256 samples that are left in 11 steps, 8 of them twice; and once more resumed.
train 0 three --workers 3 --batch-size 8 --resume auto
[ "$(samples three)" = "488 480 480" ] || fail "samples of three workers: $(samples three)"
[ "$(losses three | wc -l)" = $((7 + 11 + 20 + 20)) ] || fail "$(losses three | wc -l) steps"
train 75 again --workers 3 --batch-size 8 --resume auto --stop-at-step 10
train 0 again --workers 3 --batch-size 8 --resume auto
same three again
# Two whose share does not fill a batch take what is left in one step, and then whole epochs.
train 0 large --workers 2 --batch-size 512 --resume auto
[ "$(samples large)" = "704 480 480" ] || fail "samples of large batches: $(samples large)"

# Samples of a worker's own.
train 75 shards --workers 4 --batch-size 8 --partition shard --stop-at-step 20
train 5 shards --workers 2 --batch-size 16 --partition shard --resume auto
grep -q "go on with 4, or add --repartition" "$TMP/out" || fail "refused: $(cat "$TMP/out")"
train 0 shards --workers 2 --batch-size 16 --partition shard --resume auto --repartition
[ "$(samples shards)" = "480 480 480" ] || fail "samples of shards: $(samples shards)"
train 5 whole --workers 4 --batch-size 8 --lr 0.5 --resume "$TMP/four"
grep -q "lr: 0.01 then, 0.5 now" "$TMP/out" || fail "other settings: $(cat "$TMP/out")"

# A signal in the middle, checkpoints by time, the best models; all of it as if it had not been.
best=(--workers 2 --batch-size 16 --val --keep-best 2 --best-metric val-loss --model resnet-s1)
train 0 steady "${best[@]}"
"$COHORT" train "${common[@]}" --run-dir "$TMP/signal" "${best[@]}" --checkpoint-minutes 0.001 \
    >"$TMP/out" 2>&1 &
pid=$!
for _ in $(seq 600); do
    grep -q '"step":9,' "$TMP/signal/metrics.jsonl" 2>/dev/null && break
    sleep 0.05
done
kill -TERM $pid
wait $pid
code=$?
[ $code -eq 75 ] || fail "exit $code after SIGTERM: $(cat "$TMP/out")"
train 0 signal "${best[@]}" --resume auto --checkpoint-minutes 0.001
same steady signal
diff <(cd "$TMP/steady" && ls best_model*) <(cd "$TMP/signal" && ls best_model*) ||
    fail "other best models"
for file in "$TMP/steady"/best_model*; do
    cmp -s "$file" "$TMP/signal/${file##*/}" || fail "other ${file##*/}"
done

# Numbers that are not finite: all go back together.
train 1 nan --workers 2 --batch-size 16 --lr 1000 --optimizer sgd --checkpoint-every 1 \
    --checkpoint-wait --nan-policy rollback --rollback-max 2 --rollback-lr 0.9
grep -q "after 2 rollbacks" "$TMP/out" || fail "rollback: $(cat "$TMP/out")"
grep -q "(rollback 2 of 2)" "$TMP/nan/log.1.txt" || fail "the second worker's log"

# Right after another number of workers went on there is only the checkpoint of those before: back
# to that, and the same samples are seen again.
wild=(--regime "[{step: 0, lr: 0.01}, {step: 8, lr: 1000, weight_decay: 10}]" --momentum 0
    --nan-policy rollback --checkpoint-every 1000 --rollback-lr 0.000001)
train 75 tamed --workers 4 --batch-size 8 --stop-at-step 7 "${wild[@]}"
cp -r "$TMP/tamed" "$TMP/tamed1"
for workers in 3 1; do
    dir=tamed${workers/3/}
    train 0 $dir --workers $workers --batch-size 8 --resume auto "${wild[@]}"
    [ "$(number rollbacks "$TMP/$dir/summary.json")" = 1 ] ||
        fail "$workers workers: rollbacks: $(cat "$TMP/$dir/log.txt")"
    grep -q "not finite: back to step 7" "$TMP/$dir/log.txt" || fail "not back to step 7"
    mapfile -t first < <(sed -n 's/.*"event":"step","step":8,.*"loss":\([-0-9.e]*\),.*/\1/p' \
        "$TMP/$dir/metrics.jsonl")
    [[ ${#first[@]} -eq 2 && ${first[0]} == "${first[1]}" ]] ||
        fail "$workers workers: losses of step 8: ${first[*]}"
done

# Histograms of the gradient that all workers have together, and pictures of mistakes.
if command -v python3 >/dev/null && command -v protoc >/dev/null; then
    for workers in 1 4; do
        timeout 100 "$COHORT" train --train-split 0.008 --quiet --threads 1 --workers $workers \
            --batch-size $((32 / workers)) --max-steps 6 --tensorboard --tb-histograms-every 3 \
            --tb-images 3 --run-dir "$TMP/seen$workers" >"$TMP/out" 2>&1 ||
            fail "pictures of $workers workers: $(cat "$TMP/out")"
    done
    PYTHONDONTWRITEBYTECODE=1 python3 tests/e2e/check_gradients.py \
        "$TMP/seen1/events.out.tfevents.cohort" "$TMP/seen4/events.out.tfevents.cohort" ||
        fail "other gradients"
fi

# Samples that are left out: the same ones on every worker, or the run is refused.
expect 0 "120 training" "$COHORT" data generate nt3 --dir "$TMP/a/nt3" --samples 150 \
    --features 60 --seed 5
cp -r "$TMP/a" "$TMP/b"
sed -i '7s/^\([01]\),[^,]*,/\1,nothing,/; 30s/,[^,]*$//' "$TMP/a/nt3/nt_train2.csv"
bad=(--dataset nt3 --bad-samples skip --model candlenet --model-config "{'width': 2}"
    --batch-size 5 --epochs 1 --quiet --threads 1 --reduce ordered)
skip() { # CODE DIR arguments...
    local want=$1 dir=$TMP/$2 code
    shift 2
    timeout 100 "$COHORT" train "${bad[@]}" --dataset-dir "$TMP/a/nt3" --workers 2 \
        --run-dir "$dir" "$@" >"$TMP/out" 2>&1
    code=$?
    [ $code -eq "$want" ] || fail "skip: exit $code, not $want: $(cat "$TMP/out")"
}
skip 0 skipped
[ "$(number left_out_samples "$TMP/skipped/summary.json")" = 2 ] || fail "left out, not 2"
[ "$(samples skipped)" = 118 ] || fail "samples without those: $(samples skipped)"
skip 75 cut --stop-at-step 5
skip 0 cut --resume auto
same skipped cut
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
program=$(realpath "$COHORT")
expect 3 "but rank 0 has 118 and 30 (2): give all hosts the same files" \
    mpirun -q --oversubscribe --bind-to none \
    -n 1 -wdir "$TMP/a" "$program" train "${bad[@]}" --dataset-dir nt3 --run-dir "$TMP/x" : \
    -n 1 -wdir "$TMP/b" "$program" train "${bad[@]}" --dataset-dir nt3 --run-dir "$TMP/x"

# Hosts that do not share the run folder: only the first one's has checkpoints.
apart() { # CODE arguments...
    local want=$1 code
    shift
    mpirun -q --oversubscribe --bind-to none \
        -n 1 -wdir "$TMP/a" "$program" train --run-dir apart --quiet --threads 1 "$@" : \
        -n 1 -wdir "$TMP/b" "$program" train --run-dir apart --quiet --threads 1 "$@" \
        >"$TMP/out" 2>&1
    code=$?
    [ $code -eq "$want" ] || fail "apart: exit $code, not $want: $(cat "$TMP/out")"
}
apart 75 "${common[@]}" --batch-size 16 --stop-at-step 7
[ ! -e "$TMP/b/apart/checkpoints" ] || fail "the second worker has checkpoints"
apart 0 --resume auto
train 0 together --workers 2 --batch-size 16
same together a/apart
finish
