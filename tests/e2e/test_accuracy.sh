#!/usr/bin/env bash
# What the networks must reach: LeNet-5 passes 97 % on glyphs; on the real files 98.8 % on MNIST
# (mean of seeds 1 to 3) and 88.5 % on Fashion-MNIST, and cnn2 52 % after one epoch of CIFAR-10.
. tests/e2e/lib.sh

accuracy() { # accuracy NAME flags...: trains, prints the test accuracy
    local name=$1
    shift
    "$COHORT" train --model lenet5 --momentum 0.9 --evaluate-every 100 --threads 1 --quiet \
        --run-dir "$TMP/$name" "$@" >"$TMP/out" 2>&1 || { cat "$TMP/out" >&2; echo 0; return; }
    number test_accuracy "$TMP/$name/summary.json"
}

got=$(accuracy glyphs --dataset glyphs --lr 0.01 --batch-size 64 --epochs 4 --seed 1)
echo "glyphs, lenet5: $got"
at_least "$got" 0.97 || fail "LeNet-5 on glyphs: $got is below 0.97"

if [ ! -d "$DATA/mnist" ] || [ ! -d "$DATA/fashion-mnist" ]; then
    echo "skipped: no data"
    finish
fi
sum=0
for seed in 1 2 3; do
    got=$(accuracy mnist-$seed --dataset mnist --dataset-dir "$DATA" --lr 0.01 --batch-size 64 \
        --epochs 6 --seed $seed)
    echo "mnist, lenet5, seed $seed: $got"
    sum=$(awk -v a="$sum" -v b="$got" 'BEGIN { print a + b }')
done
mean=$(awk -v s="$sum" 'BEGIN { print s / 3 }')
at_least "$mean" 0.988 || fail "LeNet-5 on MNIST: mean $mean is below 0.988"
got=$(accuracy fashion --dataset fashion_mnist --dataset-dir "$DATA" --lr 0.005 --batch-size 32 \
    --epochs 6 --seed 1)
echo "fashion_mnist, lenet5: $got"
at_least "$got" 0.885 || fail "LeNet-5 on Fashion-MNIST: $got is below 0.885"
[ -d "$DATA/cifar-10" ] || finish
got=$(accuracy cifar10 --dataset cifar10 --dataset-dir "$DATA" --model cnn2 --lr 0.02 \
    --batch-size 64 --epochs 1 --seed 1)
echo "cifar10, cnn2, one epoch: $got"
at_least "$got" 0.52 || fail "cnn2 on CIFAR-10 after one epoch: $got is below 0.52"
finish
