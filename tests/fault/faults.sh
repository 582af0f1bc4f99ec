# Whole runs whose n-th file call or n-th own allocation fails, in the manner of SQLite: no crash,
# no leak, and what was saved before always leads to the end of the run that nothing happened to.
# Sourced. fault_loop ACTION CALL STRIDE: every STRIDE-th n, until the run succeeds untouched.
. tests/fault/kill.sh

flags=(--train-split 0.02 --epochs 2 --max-steps 12 --checkpoint-every 4 --log-interval 1
    --no-evaluate --val --threads 1 --loader-threads 0 --keep-best 1 --best-metric val-loss
    --saves-per-epoch 2 --quiet)

prepare() { # the whole run, and one that stopped at step 5
    "$FAULTS" train "${flags[@]}" --run-dir "$TMP/whole" >"$TMP/out" 2>&1 ||
        fail "the whole run: $(cat "$TMP/out")"
    "$FAULTS" train "${flags[@]}" --run-dir "$TMP/begun" --stop-at-step 5 >"$TMP/out" 2>&1
    [ $? -eq 75 ] || fail "the begun run: $(cat "$TMP/out")"
}

# One run with the fault, and one without that must come to the same end.
check_fault() {
    local fault=$1 code
    rm -rf "$TMP/run"
    cp -r "$TMP/begun" "$TMP/run"
    : >"$TMP/report"
    CO_FAULT=$fault CO_FAULT_REPORT=$TMP/report "$FAULTS" train "${flags[@]}" \
        --run-dir "$TMP/run" --resume auto >"$TMP/out" 2>&1
    code=$?
    case $code in
    0 | 1 | 2 | 3 | 5 | 6) ;;
    *) fail "$fault: exit $code: $(tail -3 "$TMP/out")" ;;
    esac
    [ $code -eq 0 ] || grep -q '^cohort: ' "$TMP/out" || fail "$fault: exit $code without a word"
    "$FAULTS" checkpoint verify "$TMP/run" >"$TMP/out" 2>&1 ||
        fail "$fault: the newest checkpoint: $(cat "$TMP/out")"
    "$FAULTS" train "${flags[@]}" --run-dir "$TMP/run" --resume auto >"$TMP/out" 2>&1 ||
        fail "$fault: resumed: $(cat "$TMP/out")"
    cmp -s "$TMP/whole/model.safetensors" "$TMP/run/model.safetensors" ||
        fail "$fault: other weights"
    diff <(stripped "$TMP/whole/metrics.jsonl") <(stripped "$TMP/run/metrics.jsonl") \
        >"$TMP/diff" || fail "$fault: other metrics: $(head -5 "$TMP/diff")"
    diff <(stripped_table "$TMP/whole/metrics.csv") <(stripped_table "$TMP/run/metrics.csv") \
        >"$TMP/diff" || fail "$fault: another table: $(head -5 "$TMP/diff")"
}

fault_loop() {
    local action=$1 call=$2 stride=$3 n=1 hits=0
    while :; do
        check_fault "$action:$call:$n"
        [ -s "$TMP/report" ] || break # the run has fewer calls
        hits=$((hits + 1))
        n=$((n + stride))
    done
    echo "$action in $call: $hits runs, to call $n"
    [ $hits -ge 1 ] || fail "$action in $call: only $hits faults"
}
