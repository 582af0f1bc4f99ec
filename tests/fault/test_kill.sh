#!/usr/bin/env bash
# SIGKILL at random points, resumed each time: weights, optimizer state and metrics byte-equal.
. tests/fault/kill.sh
kills=20
[ "${CO_SANITIZED:-0}" = 0 ] || kills=3
kill_loop lenet5 $kills --model lenet5 --train-split 0.02 --epochs 4 --max-steps 60 --threads 2 \
    --ema-decay 0.9 --optimizer adam --lr 0.002 --tensorboard --tb-histograms-every 7
kill_loop mnistnet $kills --model mnistnet --train-split 0.0224 --epochs 3 --batch-size 16 \
    --max-steps 60 --threads 1 --loader-threads 0
kill_loop resnet $kills --model resnet --model-config '{depth: 18, width: 8}' --threads 1 \
    --train-split 0.0056 --batch-size 16 --max-steps 60 --epochs 4 --augment-crop 2 \
    --augment-flip random --augment-shift 0.1 --augment-cutout 6 --lr-schedule cosine \
    --accumulate 1 --loader-threads 3 --val --tensorboard
finish
