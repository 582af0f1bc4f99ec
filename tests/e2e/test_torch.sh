#!/usr/bin/env bash
# Weights go from PyTorch to cohort and back, and give the same logits to 1e-4 on both sides; the
# networks on PyTorch's side are torchvision's where it has them. Skipped without PyTorch.
. tests/e2e/lib.sh

PYTHON=
for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c 'import torch, torchvision, numpy' 2>/dev/null; then
        PYTHON=$candidate
        break
    fi
done
if [ -z "$PYTHON" ]; then
    echo "skipped: no PyTorch and torchvision (tools/setup.sh bench)"
    exit 77
fi
case $COHORT in
/*) ;;
*) COHORT=$PWD/$COHORT ;;
esac
torch() {
    "$PYTHON" "$SCRIPT" "$@"
}
SCRIPT=$PWD/tests/e2e/torch_weights.py
cd "$TMP" || exit 1
torch data || fail "torch_weights.py data"

for name in $(torch names); do
    model=${name%%:*}
    file=${name/:/-}
    settings=(--model "$model" --dataset npy --dataset-dir "$TMP" --normalize none)
    [ "$name" = "$model" ] || settings+=(--model-config "{'depth': ${name#*:}}")
    torch network "$name" || fail "PyTorch makes $name"
    expect 0 "test accuracy" "$COHORT" eval "${settings[@]}" --checkpoint "$file.safetensors" \
        --batch-size 10 --save-logits "$file.logits"
    torch compare "$name" "$file.logits" || fail "$name: PyTorch's weights in cohort"

    expect 0 "run folder" "$COHORT" train "${settings[@]}" --run-dir "$file" --batch-size 8 \
        --epochs 1 --lr 0.02 --no-evaluate
    expect 0 "test accuracy" "$COHORT" eval "${settings[@]}" --run-dir "$file" \
        --save-logits "$file.own"
    torch load "$name" "$file/model.safetensors" "$file.own" ||
        fail "$name: cohort's weights in PyTorch"
done
expect 5 "cannot" "$COHORT" eval "${settings[@]}" --run-dir "$file" --save-logits no/such/folder/x
finish
