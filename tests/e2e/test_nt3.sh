#!/usr/bin/env bash
# NT3's tables from the generator to a trained network: the cache, bad rows under both policies, and
# what the run keeps of them.
. tests/e2e/lib.sh
data=$TMP/nt3
generate=("$COHORT" data generate nt3 --dir "$data" --samples 150 --features 300 --seed 5)
train=("$COHORT" train --dataset nt3 --dataset-dir "$data" --model candlenet
    --model-config "{'width': 8}" --batch-size 10 --optimizer adam --lr 0.001
    --epochs 10 --threads 2 --no-save-model)

expect 0 "120 training and 30 test rows of 300" "${generate[@]}"
expect 5 "nt_train2.csv: is there already" "${generate[@]}"
expect 2 "only nt3 can" "$COHORT" data generate mnist --dir "$TMP/mnist"
expect 2 "10 to" "$COHORT" data generate nt3 --dir "$TMP/few" --samples 9
expect 0 "no faults found" "$COHORT" data check nt3 --dataset-dir "$data"
expect 0 "there was none" "$COHORT" data info nt3 --dataset-dir "$data"
[ -s "$data/nt3.cohort-cache" ] || fail "no cache beside the tables"
expect 0 "data set" "$COHORT" models candlenet --dataset nt3 --dataset-dir "$data" --batch-size 20

# It learns what the classes differ in, with S1's name and profile too
expect 0 "run folder" "${train[@]}" --run-dir "$TMP/run"
at_least "$(number test_accuracy "$TMP/run/summary.json")" 0.9 || fail "candlenet does not learn"
expect 0 "run folder" "$COHORT" train --profile s1 --dataset candle --dataset-dir "$data" \
    --model candlenet --model-config "{'width': 8}" --max-steps 2 --run-dir "$TMP/s1"

# The same with the cache in another folder and one thread
expect 0 "made the cache $TMP/cache/" "${train[@]}" --cache-dir "$TMP/cache" --run-dir "$TMP/again"
for key in test_loss train_loss; do
    [ "$(number $key "$TMP/run/summary.json")" = "$(number $key "$TMP/again/summary.json")" ] ||
        fail "another cache, another $key"
done

# A damaged cache is made anew, and said
printf 'x' | dd of="$data/nt3.cohort-cache" bs=1 seek=9000 conv=notrunc 2>/dev/null
expect 0 "it was damaged" "${train[@]}" --max-steps 1 --run-dir "$TMP/anew"
grep -q "it was damaged" "$TMP/anew/log.txt" || fail "the log does not speak of the cache"

# Bad rows
sed -i '7s/^\([01]\),[^,]*,/\1,nothing,/; 30s/,[^,]*$//' "$data/nt_train2.csv"
expect 3 "nt_train2.csv: row 7, column 2: 'nothing' is no number" "${train[@]}" \
    --run-dir "$TMP/bad"
[ ! -e "$TMP/bad" ] || fail "a refused run left a folder"
expect 3 "nt3: 2 faults found" "$COHORT" data check nt3 --dataset-dir "$data"
grep -q "row 30, column 301: is missing" "$TMP/out" || fail "the check does not name row 30"
expect 3 "--bad-samples-budget allows 1" "${train[@]}" --bad-samples skip --bad-samples-budget 1 \
    --run-dir "$TMP/bad"
expect 0 "2 samples left out" "${train[@]}" --bad-samples skip --max-steps 1 --run-dir "$TMP/skip"
[ "$(number left_out_samples "$TMP/skip/summary.json")" = 2 ] || fail "the summary does not count"
expect 3 "row 7, column 2" "${train[@]}" --run-dir "$TMP/bad" # the cache does not hide it
finish
