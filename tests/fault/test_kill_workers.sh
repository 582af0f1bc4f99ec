#!/usr/bin/env bash
# Several workers, killed at random (one of them, all of them, the front process) and resumed by
# hand until they are through: weights, optimizer state and metrics are those of the run that
# nothing happened to, byte for byte.
. tests/fault/kill.sh
if ! command -v mpirun >/dev/null || ! "$COHORT" doctor | grep -q 'Open MPI *[0-9]'; then
    echo "skipped: no Open MPI"
    exit 77
fi
kills=3
[ "${CO_SANITIZED:-0}" = 0 ] || kills=1
echo "CO_KILL_SEED=$RANDOM_SEED"

# kill_front DIR command...: the front process, some time after the first step; its job ends too
kill_front() {
    local dir=$1 steps=$((1 + RANDOM % 20)) pid mpirun code
    shift
    "$@" >"$TMP/out" 2>&1 &
    pid=$!
    for _ in $(seq 400); do
        [ "$(grep -c '"event":"step"' "$dir/metrics.jsonl" 2>/dev/null || true)" -ge $steps ] &&
            break
        kill -0 $pid 2>/dev/null || break
        sleep 0.05
    done
    mpirun=$(pgrep -P $pid mpirun)
    kill -KILL $pid
    wait $pid
    code=$?
    for _ in $(seq 200); do
        [ -n "$mpirun" ] && ps -p "$mpirun" >/dev/null || [ -e "/dev/shm/cohort-job-$pid" ] || break
        sleep 0.05
    done
    return $code
}

# kill_workers NAME WORKERS flags...
kill_workers() {
    local name=$1 workers=$2 i code hits=0 dir run
    shift 2
    dir=$TMP/$name
    local flags=(--workers "$workers" --log-interval 1 --checkpoint-every 3 --checkpoint-wait
        --no-evaluate --val --quiet --threads 1 --max-steps 30 --epochs 9 "$@")
    "$COHORT" train "${flags[@]}" --run-dir "$dir" >"$TMP/out" 2>&1 ||
        fail "$name: $(cat "$TMP/out")"
    grep -q '"step":30,' "$dir/metrics.jsonl" || fail "$name: no 30 steps"
    run=("$FAULTS" train "${flags[@]}" --run-dir "$dir-killed" --resume auto)
    for ((i = 0; i < kills; i++)); do
        case $(((RANDOM + i) % 4)) in
        0) fault=batch:$((4 + RANDOM % 12)) rank=$((RANDOM % workers)) ;;
        1) fault=update:$((4 + RANDOM % 12)) rank=all ;;
        2) fault=file:$((60 + RANDOM % 100)) rank=0 ;;
        *) fault=front ;;
        esac
        {
            if [ $fault = front ]; then
                kill_front "$dir-killed" "${run[@]}"
                code=$?
            else
                CO_FAULT=kill:$fault CO_FAULT_RANK=$rank "${run[@]}" >"$TMP/out" 2>&1
                code=$?
            fi
        } 2>/dev/null
        case $code in
        4 | 137) hits=$((hits + 1)) ;;
        0) same_run "$name after $hits kills" "$dir" "$dir-killed" && rm -rf "$dir-killed" ;;
        *) fail "$name: $fault of rank $rank: exit $code: $(cat "$TMP/out")" ;;
        esac
    done
    "$COHORT" train "${flags[@]}" --run-dir "$dir-killed" --resume auto >"$TMP/out" 2>&1 ||
        fail "$name: the last resume: $(cat "$TMP/out")"
    same_run "$name after $hits kills" "$dir" "$dir-killed"
    [ "$hits" -ge $((kills / 2)) ] || fail "$name: only $hits of $kills kills came"
    expect 0 "whole" "$COHORT" checkpoint verify "$dir-killed"
    expect 0 "rank-000$((workers - 1)).state" "$COHORT" checkpoint show "$dir-killed"
    echo "$name: $hits kills"
    rm -rf "$dir" "$dir-killed"
}

kill_workers window 2 --train-split 0.02 --optimizer adam --lr 0.002 --ema-decay 0.9
kill_workers window_bn 4 --model resnet-s1 --train-split 0.006 --batch-size 8 \
    --bn-workers average --augment-crop 2
kill_workers messages 2 --train-split 0.04 --no-shared-memory --reduce ordered --accumulate 2
kill_workers messages_bn 4 --model resnet-s1 --train-split 0.006 --batch-size 8 \
    --no-shared-memory --reduce ordered --partition dirichlet
finish
