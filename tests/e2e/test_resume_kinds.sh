#!/usr/bin/env bash
# Every kind of run goes on from a checkpoint as if it had never stopped: weights, metrics, table.
. tests/e2e/lib.sh

stripped() {
    sed -E 's/,"(seconds|duration|img_per_s|communication(_max)?_ms|wall)":[-0-9.e+]*//g' \
        "$1/metrics.jsonl"
    rev "$1/metrics.csv" | cut -d, -f6- | rev
}

# resumed NAME STOP FLAGS...: stopped in the middle of an epoch, resumed from its folder alone
resumed() {
    local name=$1 stop=$2
    shift 2
    "$COHORT" train --run-dir "$TMP/$name" --log-interval 1 --quiet "$@" >"$TMP/out" 2>&1 ||
        fail "$name: $(cat "$TMP/out")"
    "$COHORT" train --run-dir "$TMP/$name-stopped" --log-interval 1 --quiet --stop-at-step "$stop" \
        "$@" >"$TMP/out" 2>&1
    [ $? -eq 75 ] || fail "$name, stopped: $(cat "$TMP/out")"
    expect 0 "run folder" "$COHORT" train --resume "$TMP/$name-stopped" --quiet
    cmp "$TMP/$name/model.safetensors" "$TMP/$name-stopped/model.safetensors" ||
        fail "$name: other weights"
    diff <(stripped "$TMP/$name") <(stripped "$TMP/$name-stopped") >"$TMP/diff" ||
        fail "$name: other metrics: $(head -5 "$TMP/diff")"
}
small=(--train-split 0.01 --epochs 2 --batch-size 16 --threads 1)

resumed averaged 25 "${small[@]}" --ema-decay 0.9 --accumulate 3 --optimizer adam --tta flip \
    --batch-size 5 --evaluate-train
resumed s2 50 "${small[@]}" --val --lr-schedule piecewise-linear --warmup-epochs 1 \
    --evaluate-every 2 --evaluate-at start --evaluate-train --loader-threads 3 --augment-flip random

# A network file: its copies in the run folder and in the checkpoint count, not the original.
net=$TMP/net.yaml
write_net() { # write_net CHANNELS
    cat >"$net" <<END
input: [1, 28, 28]
classes: 10
layers:
  - conv2d: {out: $1, kernel: 5, stride: 2}
  - batch_norm
  - relu
  - dropout: {p: 0.3}
  - flatten
  - linear: {out: classes}
END
}
write_net 6
resumed network 25 "${small[@]}" --model "$net"
again=(train --resume auto "${small[@]}" --log-interval 1 --quiet --run-dir "$TMP/again")
"$COHORT" "${again[@]}" --model "$net" --stop-at-step 25 >"$TMP/out" 2>&1
[ $? -eq 75 ] || fail "a network, stopped: $(cat "$TMP/out")"
cmp "$net" "$TMP/again/checkpoints/step-000025/network.yaml" || fail "the checkpoint has no copy"
cp "$net" "$TMP/moved.yml"
write_net 7
expect 5 "its network file, network.yaml, is not what $net is now" \
    "$COHORT" "${again[@]}" --model "$net"
expect 5 "model: " "$COHORT" "${again[@]}" --model lenet5
rm "$net"
cp -r "$TMP/again/checkpoints/step-000025" "$TMP/alone"
expect 0 "run folder" "$COHORT" "${again[@]}" --model "$TMP/moved.yml"
cmp "$TMP/network/model.safetensors" "$TMP/again/model.safetensors" ||
    fail "resumed with the file under another name: other weights"
expect 0 "run folder" "$COHORT" train --resume "$TMP/alone" --run-dir "$TMP/elsewhere" --quiet
cmp "$TMP/network/model.safetensors" "$TMP/elsewhere/model.safetensors" ||
    fail "from the checkpoint alone: other weights"

# Image files: a random part of each, mirrored, some of them bad and left out.
if [ -d "$DATA/flower_photos/daisy" ]; then
    cp -r "$DATA/flower_photos" "$TMP/photos"
    chmod -R u+w "$TMP/photos"
    truncate -s 3000 "$(find "$TMP/photos/roses" -name '*.jpg' | sort | sed -n 3p)"
    resumed images 7 --dataset images --dataset-dir "$TMP/photos" --image-size 32 --model cnn2 \
        --epochs 2 --batch-size 8 --augment-resized-crop --augment-flip --bad-samples skip \
        --loader-threads 2 --threads 1 --tb-images 3 --tensorboard --evaluate-train
fi
finish
