#!/bin/bash
# The table of `make bench` from runs that are known: the faster layout of each round is the peer,
# disturbed rounds are left out, medians of the rounds' ratios.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

run() { # ROUND WHO LAYOUT MODEL IMG_S FOREIGN
    printf '%s\t%s\t%s\t%s\t1\t%s\t80\t20\t50\t200\t%s\n' "$1" "$2" "$3" "$4" "$5" "$6"
}
{
    echo heading
    for round in 1 2 3 4; do
        foreign=0.01
        [[ $round -lt 4 ]] || foreign=0.40 # another process was busy in round 4
        run $round peer default lenet5:64 90 0.0
        run $round peer channels_last lenet5:64 $((100 * round)) $foreign
        run $round ours - lenet5:64 $((100 * round * round)) 0.0
        run $round peer default cnn1:64 100 0.3 # and always with cnn1
        run $round ours - cnn1:64 200 0.0
    done
} >"$folder/runs.tsv"
# Rounds 1 to 3: the peer 100, 200, 300, ours 100, 400, 900: ratios 1, 2, 3.

awk -v limit=0.05 -v table="$folder/table.tsv" -f bench/table.awk \
    "$folder/runs.tsv" >"$folder/shown"

expect() { # LINE NUMBER, FIELDS OF THE TSV
    local line
    line=$(sed -n "$1p" "$folder/table.tsv" | cut -f 1-8,14)
    if [[ $line != "$2" ]]; then
        printf 'line %s of the table is\n%s\nnot\n%s\n' "$1" "$line" "$2"
        cat "$folder/shown"
        exit 1
    fi
}
expect 2 $'lenet5\t64\t1\t200\t400\t2.000\t1.000\t3.000\t3'
expect 3 $'cnn1\t64\t1\t100\t200\t2.000\t2.000\t2.000\t4!'
grep -q '^!: another process was busy' "$folder/shown"
grep -q '25%' "$folder/shown" # 50 of 200 Gflop/s

# Without the peer there is no ratio.
grep -v peer "$folder/runs.tsv" >"$folder/alone.tsv"
awk -v limit=0.05 -v table="$folder/table.tsv" -f bench/table.awk \
    "$folder/alone.tsv" >"$folder/shown"
grep -Eq '^lenet5 +64 +1 +- +650 +- +- ' "$folder/shown"
