#!/usr/bin/env bash
# The same as test_kill with the whole of ResNet-18.
. tests/fault/kill.sh
[ -d "$DATA/cifar-10" ] || { echo "skipped: no data"; exit 77; }
kill_loop resnet18 20 --dataset cifar10 --dataset-dir "$DATA" --model resnet --batch-size 8 \
    --train-split 0.004 --max-steps 60 --epochs 4 --augment-crop 4 --augment-flip random
finish
