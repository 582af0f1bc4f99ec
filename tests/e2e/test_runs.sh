#!/usr/bin/env bash
# cohort runs: lists, compares and tails run folders, whatever state they and the index are in.
. tests/e2e/lib.sh
results=$TMP/results
mkdir "$results"

train() { # train NAME flags...
    local name=$1
    shift
    "$COHORT" train --run-dir "$results/$name" --train-split 0.02 --epochs 1 --batch-size 24 \
        --threads 1 --quiet "$@" >"$TMP/out" 2>&1 || fail "train $name: $(cat "$TMP/out")"
}
list() { "$COHORT" runs list "$results" "$@" >"$TMP/list" 2>&1 || fail "list: $(cat "$TMP/list")"; }
read_runs() { # read_runs N M: the last list read N of M folders, or all where there is no index
    local n=$1
    [ -n "$index" ] || n=$2
    grep -q "^$n of $2 run folders were read" "$TMP/list" ||
        fail "expected $n of $2: $(tail -1 "$TMP/list")"
}

expect 0 'no runs in' "$COHORT" runs list "$results"
train a --lr 0.02
train b --lr 0.05 --epochs 2 --momentum 0.8
mkdir "$results/notes" && touch "$results/notes/readme"
index=$("$COHORT" doctor | grep -oE 'index of the runs[ .]*SQLite')

list --verbose
read_runs 2 2
for name in a b; do
    accuracy=$(number test_accuracy "$results/$name/summary.json")
    accuracy=$(awk -v a="$accuracy" 'BEGIN { printf "%.2f %%", 100 * a }')
    grep -q "^$name  *finished  *glyphs  *lenet5 .* $accuracy " "$TMP/list" ||
        fail "run $name of $accuracy: $(cat "$TMP/list")"
done
grep -q notes "$TMP/list" && fail "a folder that is no run is listed"
cp "$TMP/list" "$TMP/first"
list --verbose
read_runs 0 2
cmp -s <(head -3 "$TMP/first") <(head -3 "$TMP/list") || fail "the index says otherwise"

# The index is lost, is garbage, is damaged in its middle, is of another version: it is made again.
if [ -n "$index" ]; then
    for damage in lost garbage middle version folder; do
        case $damage in
        lost) rm "$results/index.sqlite" ;;
        garbage) head -c 5000 /dev/urandom >"$results/index.sqlite" ;;
        middle) head -c 4000 /dev/zero | tr '\0' x |
            dd of="$results/index.sqlite" bs=1 seek=100 conv=notrunc 2>/dev/null ;;
        version) printf '\0\0\0\11' |
            dd of="$results/index.sqlite" bs=1 seek=60 conv=notrunc 2>/dev/null ;;
        folder) rm "$results/index.sqlite" && mkdir "$results/index.sqlite" ;;
        esac
        list --verbose
        read_runs 2 2
        cmp -s <(head -3 "$TMP/first") <(head -3 "$TMP/list") || fail "after $damage: another list"
        [ $damage = folder ] && rmdir "$results/index.sqlite"
        list --verbose
        [ $damage = folder ] || read_runs 0 2
    done
fi

# A run that was killed, one that runs, files that end anywhere, and a run that was removed.
"$COHORT" train --run-dir "$results/c" --epochs 1000 --threads 1 --quiet >"$TMP/c.out" 2>&1 &
pid=$!
for _ in $(seq 600); do
    grep -q '"event":"step"' "$results/c/metrics.jsonl" 2>/dev/null && break
    sleep 0.05
done
list
grep -q '^c  *running  *glyphs  *lenet5 ' "$TMP/list" || fail "running: $(cat "$TMP/list")"
kill -9 $pid
wait $pid 2>/dev/null
list
grep -q '^c  *killed  *glyphs  *lenet5 ' "$TMP/list" || fail "killed: $(cat "$TMP/list")"
cp -r "$results/b" "$results/d"
truncate -s -37 "$results/d/metrics.jsonl"
printf '{"event":"epoch","epoch":"x","loss":[1],"step":-3}\n{"event":7}\n\0\377\n[[[[\n' \
    >>"$results/d/metrics.jsonl"
printf '{"test_accuracy": 1' >"$results/d/summary.json"
: >"$results/d/status"
list
grep -q '^d ' "$TMP/list" || fail "a damaged run: $(cat "$TMP/list")"
rm -r "$results/d"
list --verbose --sort accuracy
read_runs 0 3
grep -q '^d ' "$TMP/list" && fail "a removed run is still listed"
[ "$(awk 'NR == 2 { print $1 }' "$TMP/list")" = b ] || fail "sort: $(cat "$TMP/list")"
expect 5 'cannot look into the results folder' "$COHORT" runs list "$TMP/nothing"

# Compare: what differs, and nothing else; equal weights have equal digits.
train e --lr 0.02
expect 0 'momentum' "$COHORT" runs compare "$results/a" "$results/b/" "$results/e"
[ "$(sed -n '/^$/q;p' "$TMP/out" | awk 'NR > 1 { printf "%s ", $1 }')" = "epochs lr momentum " ] ||
    fail "compare: $(cat "$TMP/out")"
awk '/hash of the weights/ { exit !($5 == $7 && $5 != $6) }' "$TMP/out" || fail "weights"
expect 2 'needs at least two run folders' "$COHORT" runs compare "$results/a"
expect 5 'is not a run folder' "$COHORT" runs compare "$results/a" "$results/notes"
expect 2 "'cohort runs' needs one of: runs list, runs compare, runs tail, runs plot" "$COHORT" runs

# Tail: the last lines, and of a run that goes on all it adds until it ends.
"$COHORT" runs tail "$results/a" --lines 1 >"$TMP/out" || fail "tail"
cmp -s "$TMP/out" <(tail -n 1 "$results/a/log.txt" && echo '-- finished --') ||
    fail "tail: $(cat "$TMP/out")"
"$COHORT" train --run-dir "$results/f" --train-split 0.2 --epochs 3 --threads 1 --quiet \
    >/dev/null 2>&1 &
pid=$!
for _ in $(seq 600); do
    [ -s "$results/f/log.txt" ] && break
    sleep 0.05
done
"$COHORT" runs tail "$results/f" --lines 0 >"$TMP/out" || fail "tail of a run that goes on"
wait $pid
grep -q 'finished after 3 epochs' "$TMP/out" || fail "tail: $(cat "$TMP/out")"
[ "$(tail -n 1 "$TMP/out")" = '-- finished --' ] || fail "tail does not end with the run"
expect 5 'is not a run folder' "$COHORT" runs tail "$results/notes"

# Plot: every evaluation is a point of both curves, and a quote in a name is only a quote.
mv "$results/b" "$results/it's"
if command -v gnuplot >/dev/null; then
    expect 0 "$results/it's/curves.png" "$COHORT" runs plot "$results/it's/"
    head -c 8 "$results/it's/curves.png" | cmp -s - <(printf '\211PNG\r\n\032\n') || fail "no PNG"
    "$COHORT" runs plot "$results/it's" "$results/f" --out "$TMP/two.svg" >"$TMP/out" 2>&1 ||
        fail "plot: $(cat "$TMP/out")"
    points=$(grep -c "<use xlink:href='#gpPt6'" "$TMP/two.svg")
    [ "$points" = $((2 * (2 + 3) + 4)) ] || fail "$points points of 5 evaluations and 4 keys"
    for words in "it's: training" 'f: test' 'learning rate' 'accuracy, %'; do
        grep -qF "$words" "$TMP/two.svg" ||
            fail "no '$words' in the picture"
    done
    expect 5 'gnuplot could not draw' "$COHORT" runs plot "$results/f" --out "$TMP/nowhere/x.png"
else
    expect 7 'gnuplot, which draws the picture, is not installed' \
        "$COHORT" runs plot "$results/f"
fi
# Less than one record, and a run that was killed in its first epoch: no accuracy to be drawn.
train short --max-steps 3 --log-interval 10
expect 2 "$results/short has no steps to draw" "$COHORT" runs plot "$results/f" "$results/short"
grep -q "smaller --log-interval" "$TMP/out" || fail "plot: what to do: $(cat "$TMP/out")"
cp -r "$results/f" "$results/first"
sed -i '/^e[vp]/{/^event/!d}' "$results/first/metrics.csv"
if command -v gnuplot >/dev/null; then
    expect 0 "first.svg" "$COHORT" runs plot "$results/first" --out "$TMP/first.svg"
    grep -q "learning rate" "$TMP/first.svg" || fail "plot: no learning rate"
    grep -q "accuracy" "$TMP/first.svg" && fail "plot: an accuracy that there is not"
    [ "$(wc -l <"$TMP/out")" = 1 ] || fail "plot: gnuplot's words: $(cat "$TMP/out")"
fi
mkdir "$TMP/bare"
expect 7 'gnuplot, which draws the picture, is not installed' \
    env PATH="$TMP/bare" "$COHORT" runs plot "$results/f"
expect 5 'has no metrics.csv' "$COHORT" runs plot "$results/notes"
finish
