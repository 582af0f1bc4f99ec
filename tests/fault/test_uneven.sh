#!/usr/bin/env bash
# Workers with unequal numbers of samples take the same number of steps, by construction: nobody
# waits for one that is through. As many as `cohort data partition` foretells, and the run folder
# says by which rule.
. tests/e2e/lib.sh
if ! command -v mpirun >/dev/null || ! "$COHORT" doctor | grep -q 'Open MPI *[0-9]'; then
    echo "skipped: no Open MPI"
    exit 77
fi
batch=16
# uneven NAME RULE arguments...: two epochs; sets steps
uneven() {
    local name=$1 rule=$2 samples sizes
    shift 2
    local who=(--workers 3 --train-split 0.02034 --seed 4 --uneven "$rule" "$@")
    sizes=$("$COHORT" data partition "${who[@]}" | awk '$1 ~ /^[0-9]+$/ && NF > 3 { print $2 }')
    samples=$(sort -u <<<"$sizes")
    [ "$(wc -l <<<"$sizes")" = 3 ] && [ "$(wc -l <<<"$samples")" = 1 ] ||
        fail "$name: the workers are to have $sizes"
    samples_told=$samples
    [ "$name" != dealt ] || samples=$(((samples + 2) / 3)) # told are those of all
    timeout 100 "$COHORT" train "${who[@]}" --batch-size $batch --epochs 2 --no-evaluate --quiet \
        --threads 1 --deadline 20 --log-interval 1 --run-dir "$TMP/$name" >"$TMP/out" 2>&1 ||
        fail "$name: $(cat "$TMP/out")"
    steps=$(number steps "$TMP/$name/summary.json")
    [ "$steps" -eq $((2 * ((samples + batch - 1) / batch))) ] ||
        fail "$name: $steps steps for $samples samples of each worker"
    [ "$(grep -c '"event":"step"' "$TMP/$name/metrics.jsonl")" = "$steps" ] ||
        fail "$name: not $steps steps in the metrics"
    grep -q "^uneven: $rule" "$TMP/$name/config.yaml" ||
        fail "$name: config.yaml does not say $rule"
}
uneven few drop --partition dirichlet --dirichlet-alpha 0.3
few=$steps
uneven many pad --partition dirichlet --dirichlet-alpha 0.3
[ "$few" -lt "$steps" ] || fail "drop takes $few steps, pad $steps"
uneven dealt pad --partition sampler
[ $((samples_told % 3)) -ne 0 ] || fail "three workers can be dealt $samples_told samples evenly"
uneven pieces drop --partition dataset
# What was dealt adds up to all samples, before some are repeated or left out; the sums say so.
for rule in "pad dirichlet" "drop dirichlet" "pad labels" "pad shard"; do
    "$COHORT" data partition --workers 5 --train-split 0.0501 --uneven ${rule% *} \
        --partition ${rule#* } >"$TMP/table" || fail "no table of $rule"
    awk '
        $1 ~ /^[0-9]+$/ && NF == 13 {
            all += $2; dealt += $3; row = 0
            for (i = 4; i <= NF; i++) row += $i
            if (row != $2) bad = 1
        }
        $1 == "all" { sums = $2 == all && $3 == dealt && $2 != $3 }
        $1 == "all" && /repeat/ { for (i = 4; i <= NF; i++) if ($i == all - dealt) told = 1 }
        $1 == "all" && /left out/ { told = $4 == dealt - all }
        END { exit bad || !sums || !told || dealt != 3006 }' "$TMP/table" ||
        fail "the table of $rule: $(cat "$TMP/table")"
done
finish
