#!/usr/bin/env bash
# Several workers: the same training as one worker with the larger batch, the same bits whenever
# and however they are added, and what happens when one of them is lost.
. tests/e2e/lib.sh
if ! command -v mpirun >/dev/null || ! "$COHORT" doctor | grep -q 'Open MPI *[0-9]'; then
    echo "skipped: no Open MPI"
    exit 77
fi

# train DIR arguments...: 30 steps, and the weights and every loss of them
train() {
    local dir=$TMP/$1
    shift
    timeout 100 "$COHORT" train --max-steps 30 --log-interval 1 --no-evaluate --quiet \
        --threads 1 --run-dir "$dir" "$@" >"$TMP/out" 2>&1 ||
        fail "exit $?: $*: $(tail -3 "$TMP/out")"
}
weights() {
    sha256sum <"$TMP/$1/model.safetensors"
}
losses() {
    sed -n 's/.*"event":"step".*"loss":\([-0-9.e]*\),.*/\1/p' "$TMP/$1/metrics.jsonl"
}
# close A B TOLERANCE: as many losses, none further apart
close() {
    paste <(losses "$1") <(losses "$2") | awk -v most="$3" '
        { gap = $1 - $2; gap = gap < 0 ? -gap : gap; if (gap > most || NF != 2) bad = 1 }
        END { exit bad || NR != 30 }' || fail "losses of $1 and $2: $(paste <(losses "$1") \
        <(losses "$2") | tail -1)"
}
same() {
    [ "$(weights "$1")" = "$(weights "$2")" ] || fail "the weights of $1 and $2 differ"
}

# The same global batch for 1, 2 and 4 workers; the last batch of the epoch is smaller.
small="--train-split 0.043 --seed 3"
train one --batch-size 128 $small
train two --workers 2 --batch-size 64 $small
train four --workers 4 --batch-size 32 $small
close one two 2e-6
close one four 2e-6
# What a step waits and copies is told, but for a single worker.
grep -q communication "$TMP/one/metrics.jsonl" && fail "one worker waits"
grep -q '"communication_ms_per_step": null' "$TMP/one/summary.json" || fail "one worker waits"
grep '"event":"step"' "$TMP/two/metrics.jsonl" | awk -F'"communication(_max)?_ms":' '
    { if (!($2 + 0 > 0 && $3 + 0 >= $2 + 0)) bad = 1 } END { exit bad || NR != 30 }' ||
    fail "communication: $(tail -2 "$TMP/two/metrics.jsonl")"
at_least "$(number communication_ms_per_step "$TMP/two/summary.json")" 0.001 ||
    fail "no communication in the summary"
grep -q 'communication .* ms per step' "$TMP/two/log.txt" || fail "no communication in the log"

grep -q '"workers": 4' "$TMP/four/env.json" || fail "env.json does not say how many workers"
[ -s "$TMP/four/log.3.txt" ] || fail "the last worker has no log"

# Adding along the fixed tree: shared memory and messages, two runs, Adam and clipping.
hard="--workers 3 --batch-size 40 --optimizer adam --lr 0.002 --clip-norm 0.5 --reduce ordered"
train shared $hard
train again $hard
train messages $hard --no-shared-memory
same shared again
same shared messages

# Two levels: groups that share memory, messages between them; the same bits. Where groups are no
# sub-trees (3 of 6) or not equal (2 and 1), all goes by messages.
eight="--workers 8 --batch-size 8 --momentum 0.9 --clip-norm 0.5 --reduce ordered"
train whole8 $eight
train groups4 $eight --memory-group 4
train groups2 $eight --memory-group 2 --bucket-mib 0.02
same whole8 groups4
same whole8 groups2
train uneven $hard --memory-group 2
same shared uneven
six="--workers 6 --batch-size 16"
train whole6 $six --reduce ordered
train groups3 $six --reduce ordered --memory-group 3
same whole6 groups3
train fast3 $six --memory-group 3
close whole6 fast3 1e-5
train fast3again $six --memory-group 3
same fast3 fast3again
[ "$(weights whole6)" != "$(weights fast3)" ] || fail "groups of three do not add up by themselves"
grep -q '"hosts": 2' "$TMP/fast3/env.json" || fail "no groups: $(grep hosts "$TMP/fast3/env.json")"

# By the MPI library, in buckets of any size, only rounding differs.
train fast $hard --reduce fast --no-shared-memory --bucket-mib 0
close shared fast 1e-5
train bf16 --workers 2 --batch-size 64 --bf16-allreduce $small
train bf16messages --workers 2 --batch-size 64 --bf16-allreduce --no-shared-memory $small
same bf16 bf16messages
train bf16groups --workers 4 --batch-size 32 --bf16-allreduce --memory-group 2 $small
close one bf16groups 2e-2
close one bf16 2e-2
[ "$(weights bf16)" != "$(weights two)" ] || fail "bfloat16 changes nothing"
train halved --workers 2 --batch-size 64 --gradient-predivide-factor 2 $small
close two halved 2e-6
train accumulated --workers 2 --batch-size 32 --batches-per-allreduce 2 $small
close one accumulated 2e-6

# Where all workers see all samples, their first batches differ; so do the losses of one worker.
train whole --workers 2 --batch-size 64 --partition whole $small
[ "$(losses whole | head -1)" != "$(losses two | head -1)" ] || fail "whole: the same batch"
train scaled --workers 2 --batch-size 64 --lr 0.005 --lr-scaling linear $small
same two scaled

# Evaluation is spread over the workers, and every sample counts once.
timeout 100 "$COHORT" train --workers 3 --max-steps 20 --train-split 0.1 --quiet --val \
    --run-dir "$TMP/evaluated" >"$TMP/out" 2>&1 || fail "evaluation: $(cat "$TMP/out")"
expect 0 "test accuracy" "$COHORT" eval "$TMP/evaluated" --threads 1
alone=$(sed -n 's/.*accuracy *\([0-9.]*\) %.*/\1/p' "$TMP/out" | head -1)
together=$(number test_accuracy "$TMP/evaluated/summary.json")
awk -v a="$alone" -v b="$together" 'BEGIN { exit !(a - 100 * b < 0.006 && 100 * b - a < 0.006) }' ||
    fail "accuracy $together of three workers, $alone % of one"
grep -q '"event":"evaluation".*"samples":600,' "$TMP/evaluated/metrics.jsonl" ||
    fail "the validation samples: $(grep evaluation "$TMP/evaluated/metrics.jsonl")"

# Batch norm's statistics: the first worker's, or the mean.
bn="--workers 2 --batch-size 8 --model resnet-s1 --dataset glyphs --train-split 0.002"
train bn_local $bn
train bn_average $bn --bn-workers average
[ "$(weights bn_local)" != "$(weights bn_average)" ] || fail "--bn-workers changes nothing"

# Likewise those of the averaged weights.
train ema_local $bn --ema-decay 0.5
train ema_average $bn --ema-decay 0.5 --bn-workers average
[ "$(weights ema_local)" != "$(weights ema_average)" ] ||
    fail "the average's statistics are the first worker's"

# Or all workers' samples are normalised together: then two workers train as one does; the last
# batches of an epoch are smaller.
train bn_one ${bn/--workers 2 --batch-size 8/--batch-size 16}
train bn_sync $bn --bn-workers sync --reduce ordered
close bn_one bn_sync 1e-6
train bn_messages $bn --bn-workers sync --reduce ordered --no-shared-memory
same bn_sync bn_messages
(close bn_one bn_local 1e-6 && [ "$FAILED" = 0 ]) 2>/dev/null &&
    fail "this network would not notice whose statistics they are"

# mpirun gives its workers a terminal, wherever its own output goes.
timeout 100 env TERM=xterm "$COHORT" train --workers 2 --max-steps 30 --no-evaluate \
    --run-dir "$TMP/plain" >"$TMP/out" 2>&1 || fail "exit $?: $(cat "$TMP/out")"
grep -q $'\033' "$TMP/out" && fail "a bar and colours in a file: $(cat -v "$TMP/out")"
if command -v script >/dev/null; then
    timeout 100 env TERM=xterm script -qec "'$COHORT' train --workers 2 --max-steps 30 \
        --no-evaluate --run-dir '$TMP/bar'" /dev/null >"$TMP/out" </dev/null 2>&1
    grep -q $'\033' "$TMP/out" || fail "no bar on a terminal: $(cat -v "$TMP/out")"
fi

# Bad input.
expect 2 "must be 2, 4, 8, 16, ..., not 3" "$COHORT" train --workers 3 --use-adasum \
    --run-dir "$TMP/x1"
expect 2 "numbers of workers that divide them: 2, 5, 10" "$COHORT" train --workers 3 \
    --split-labels --run-dir "$TMP/x2"
expect 2 "take labels" "$COHORT" train --workers 2 --split-labels-unscaled --run-dir "$TMP/x3"
expect 2 "7 workers, but 6 training samples" "$COHORT" train --workers 7 --train-split 0.0001 \
    --run-dir "$TMP/x4"
expect 2 "how many workers?" "$COHORT" train --hosts nowhere:2
for hosts in "node1:x" ":2" "node1:0" "node1:1,,node2:1" "node1:1 node2:1" ",node1"; do
    expect 2 "is no host with its number of workers, such as node1:4" "$COHORT" train \
        --workers 2 --hosts "$hosts"
done
# Instead of ssh: who is it to reach, and what does it say?
printf '#!/bin/sh\necho "$1" >%s/reached\n' "$TMP" >"$TMP/agent"
echo 'echo "ssh: Could not resolve hostname $1: Name or service not known" >&2; exit 255' \
    >>"$TMP/agent"
chmod +x "$TMP/agent"
export OMPI_MCA_plm_rsh_agent=$TMP/agent
for host in node1.cluster.invalid 192.0.2.1 nowhere; do
    expect 4 "cannot be reached: ssh: Could not resolve hostname $host: " "$COHORT" \
        train --workers 2 --hosts $host:2 --run-dir "$TMP/x8"
    [ "$(cat "$TMP/reached")" = $host ] || fail "$host is called $(cat "$TMP/reached")"
    grep -q ORTE "$TMP/out" && fail "mpirun guesses: $(cat "$TMP/out")"
done
expect 4 "3 workers on hosts that have places for 2 (nowhere:2)" "$COHORT" train --workers 3 \
    --hosts nowhere:2 --run-dir "$TMP/x8"
unset OMPI_MCA_plm_rsh_agent
expect 5 "is not empty" "$COHORT" train --workers 2 --run-dir "$TMP/one"
expect 7 "mpirun is not there" env PATH=/nowhere "$COHORT" train --workers 2 --run-dir "$TMP/x5"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
under=(mpirun -q --oversubscribe --bind-to none)
expect 2 "--workers 3, but 2 were started" "${under[@]}" -n 2 "$COHORT" train --workers 3 \
    --run-dir "$TMP/x6"
expect 2 "--workers 2, but mpirun started 1" "${under[@]}" -n 1 "$COHORT" train --workers 2 \
    --run-dir "$TMP/x6"
# Another program: the same one, but for the commit that it names.
commit=$("$COHORT" doctor | sed -n "s/^ *cohort .*(\\([0-9a-f]\\{12\\}\\).*/\\1/p")
[ -z "$commit" ] || sed "s/$commit/0${commit:1:10}x/g" "$COHORT" >"$TMP/other"
# A build with changes that are not committed is known by its file.
"$COHORT" doctor | grep -q "(.*dirty)\|(unknown)" && (cat "$COHORT" && echo changed) >"$TMP/other"
chmod +x "$TMP/other"
expect 2 "runs another program than rank 0: cohort" "${under[@]}" -n 1 "$COHORT" train \
    --run-dir "$TMP/x7" : -n 1 "$TMP/other" train --run-dir "$TMP/x7"
expect 2 "has other settings than rank 0: 'lr: 0.02'" "${under[@]}" -n 1 "$COHORT" train \
    --run-dir "$TMP/x7" : -n 1 "$COHORT" train --lr 0.02 --run-dir "$TMP/x7"
expect 0 "run folder" "${under[@]}" -n 2 "$COHORT" train --max-steps 3 --no-evaluate \
    --run-dir "$TMP/by_hand"
finish
