#!/usr/bin/env bash
# SIGKILL of each rank at a random step: the job starts again by itself (--max-restarts), and
# weights and metrics are those of the run that nothing happened to.
. tests/fault/kill.sh
if ! command -v mpirun >/dev/null || ! "$COHORT" doctor | grep -q 'Open MPI *[0-9]'; then
    echo "skipped: no Open MPI"
    exit 77
fi
RANDOM_SEED=${CO_KILL_SEED:-$(date +%s)}
RANDOM=$RANDOM_SEED
echo "CO_KILL_SEED=$RANDOM_SEED"

steps_of() {
    grep -c '"event":"step"' "$1/metrics.jsonl" 2>/dev/null
}
# again NAME WORKERS STEPS flags...: a whole run, and one in which every rank is killed once
again() {
    local name=$1 workers=$2 steps=$3 rank pid at before part=0
    shift 3
    local dir=$TMP/$name lost=$TMP/$name-lost
    local flags=(--workers "$workers" --max-steps "$steps" --log-interval 1 --checkpoint-every 6
        --checkpoint-wait --no-evaluate --quiet --threads 1 --reduce ordered "$@")
    timeout 100 "$COHORT" train "${flags[@]}" --run-dir "$dir" >"$TMP/out" 2>&1 ||
        fail "$name: $(cat "$TMP/out")"
    "$COHORT" train "${flags[@]}" --max-restarts 20 --run-dir "$lost" >"$TMP/out" 2>&1 &
    pid=$!
    for rank in $(seq 0 $((workers - 1)) | shuf --random-source=<(yes "$RANDOM_SEED")); do
        # Somewhere in the next part of the first half: what is killed late may be through.
        at=$((steps * part++ / workers / 2 + RANDOM % (steps / workers / 2) + 8))
        for _ in $(seq 1000); do
            before=$(steps_of "$lost")
            mapfile -t ranks < <(pgrep -P "$(pgrep -P $pid -x mpirun || echo 1)" -x cohort)
            [ "${before:-0}" -ge $at ] && [ ${#ranks[@]} -eq "$workers" ] && break
            sleep 0.02
        done
        kill -KILL "${ranks[rank]}" || fail "$name: rank $rank was not there"
        sleep 0.5
    done
    wait $pid
    local code=$?
    [ $code -eq 0 ] || fail "$name: exit $code: $(cat "$TMP/out")"
    grep -q "restart $workers of 20: rank .*; resuming from step" "$TMP/out" ||
        fail "$name: not $workers restarts: $(cat "$TMP/out")"
    cmp "$dir/model.safetensors" "$lost/model.safetensors" || fail "$name: the weights differ"
    diff <(stripped "$dir/metrics.jsonl") <(stripped "$lost/metrics.jsonl") >"$TMP/difference" ||
        fail "$name: the metrics differ: $(head -4 "$TMP/difference")"
}
again window 3 100 --batch-size 32
again messages 2 100 --batch-size 64 --no-shared-memory
again norm 2 24 --batch-size 8 --model resnet-s1 --dataset glyphs --train-split 0.02
finish
