#!/usr/bin/env bash
# The commands that only look: models, data, doctor, help; and the reference page is up to date.
. tests/e2e/lib.sh

expect 0 "61706" "$COHORT" models
expect 0 "1199882" "$COHORT" models
expect 0 "total" "$COHORT" models lenet5
expect 0 "conv2" "$COHORT" models mnistnet
expect 0 "without its data set" "$COHORT" models resnet --model-config "{'width': 8}"
expect 2 "lenet5" "$COHORT" models lenet6
expect 0 "21282122" "$COHORT" models resnet --model-config "{'depth': 34}"
expect 2 "did you mean 'depth'?" "$COHORT" models resnet --model-config "{'dept': 34}"
"$COHORT" models lenet5 --as-yaml >"$TMP/net.yaml" || fail "models lenet5 --as-yaml"
expect 0 "61706" "$COHORT" models "$TMP/net.yaml"
expect 0 "test accuracy" "$COHORT" train --model "$TMP/net.yaml" --max-steps 2 \
    --results-dir "$TMP/results"
sed -i 's/relu3}/relu3, from: fc3}/' "$TMP/net.yaml"
expect 2 "net.yaml:13:31: the layer 'fc3' is not finished here" "$COHORT" models "$TMP/net.yaml"
expect 0 "no faults" "$COHORT" data check glyphs
expect 0 "60000" "$COHORT" data info glyphs
expect 0 "kernels auto" "$COHORT" doctor
expect 0 "--batch-size" "$COHORT" train --help
expect 0 "default" "$COHORT" train --print-config
expect 0 "cohort" "$COHORT" --version
"$COHORT" reference >"$TMP/reference.md"
cmp "$TMP/reference.md" docs/reference.md ||
    fail "docs/reference.md: make it anew with 'cohort reference'"

expect 0 "run folder" "$COHORT" train --profile demo --run-dir "$TMP/demo" --progress off
grep -q "test accuracy 9[0-9]" "$TMP/out" || fail "the demo's accuracy"
grep -q "training loss" "$TMP/out" || fail "the demo's curve"

expect 0 "test loss" "$COHORT" eval "$TMP/demo" --save-logits "$TMP/logits.safetensors"
head -c 300 "$TMP/logits.safetensors" | grep -aq '"logits":{"dtype":"F32","shape":\[10000,10\]' ||
    fail "the file of logits"
[ "$(stat -c %s "$TMP/logits.safetensors")" -gt 440000 ] || fail "the size of the file of logits"

if [ -d "$DATA/mnist" ]; then
    expect 0 "no faults" "$COHORT" data check mnist --dataset-dir "$DATA"
    expect 0 "6742" "$COHORT" data info mnist --dataset-dir "$DATA"
else
    echo "skipped: no data"
fi
finish
