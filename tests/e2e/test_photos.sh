#!/bin/bash
# Folders of photographs: check, info, training with bad files left out, and the same bits for any
# number of loader threads.
. tests/e2e/lib.sh

[ -d "$DATA/flower_photos/daisy" ] || {
    echo "skipped: no data"
    exit 77
}
set=(--dataset images --dataset-dir "$TMP/photos" --image-size 32)
cp -r "$DATA/flower_photos" "$TMP/photos"
chmod -R u+w "$TMP/photos"

expect 0 "images: no faults found" "$COHORT" data check "${set[@]}"
expect 0 "55" "$COHORT" data info "${set[@]}"
expect 0 "tulips" "$COHORT" data info "${set[@]}"

run=("$COHORT" train "${set[@]}" --model cnn2 --epochs 2 --batch-size 16 --quiet
    --augment-resized-crop --augment-flip --threads 1)
for threads in 0 1 4; do
    expect 0 "test accuracy" "${run[@]}" --loader-threads $threads --run-dir "$TMP/run$threads"
    cmp "$TMP/run0/model.safetensors" "$TMP/run$threads/model.safetensors" ||
        fail "$threads loader threads give other weights"
done

# Normalisation by measured and by other sets' constants: other inputs, so other weights.
for rule in channel cifar10 scalar; do
    expect 0 "test accuracy" "${run[@]}" --normalize $rule --run-dir "$TMP/$rule"
    cmp -s "$TMP/run0/model.safetensors" "$TMP/$rule/model.safetensors" &&
        fail "--normalize $rule changes nothing"
done

# One photograph cut off, one that is none, one empty: three are named, and left out when asked.
mapfile -t roses < <(find "$TMP/photos/roses" -name '*.jpg' | sort)
truncate -s 3000 "${roses[2]}"
echo "not found" >"${roses[5]}"
: >"${roses[7]}"
expect 3 "images: 3 faults found" "$COHORT" data check "${set[@]}"
for i in 2 5 7; do
    expect 3 "$(basename "${roses[i]}")" "$COHORT" data check "${set[@]}"
done
expect 3 "roses" "${run[@]}" --run-dir "$TMP/stopped"
expect 3 "3 samples cannot be used, --bad-samples-budget allows 2" "${run[@]}" \
    --bad-samples skip --bad-samples-budget 2 --run-dir "$TMP/over"
for threads in 0 4; do
    expect 0 "test accuracy" "${run[@]}" --bad-samples skip --loader-threads $threads \
        --run-dir "$TMP/skip$threads"
    [ "$(number left_out_samples "$TMP/skip$threads/summary.json")" = 3 ] ||
        fail "the summary does not count 3 samples left out"
done
cmp "$TMP/skip0/model.safetensors" "$TMP/skip4/model.safetensors" ||
    fail "with samples left out, loader threads change the weights"
grep -q "3 samples left out" "$TMP/skip0/log.txt" || fail "the log does not name what was left out"

# A class without images, which is no matter of single samples; one class alone.
rm "$TMP/photos/tulips"/*
for policy in error skip; do
    expect 3 "photos/tulips: this class has no images" "${run[@]}" --bad-samples $policy \
        --run-dir "$TMP/emptied"
done
expect 3 "photos/tulips: this class has no images" "$COHORT" data check "${set[@]}"
rm -r "$TMP/photos"/{tulips,roses,dandelion,sunflowers}
expect 3 "there is one class only, daisy" "${run[@]}" --run-dir "$TMP/single"
if [ -e "$COHORT-sim" ]; then # the first rank opens it for all of them
    expect 3 "there is one class only, daisy" "$COHORT" sim --workers 3 "${set[@]}" --model cnn2 \
        --quiet --run-dir "$TMP/simulated"
fi

if [ -d "$DATA/tiny-imagenet" ]; then
    expect 0 "no faults found" "$COHORT" data check tinyimagenet --dataset-dir "$DATA"
fi
finish
