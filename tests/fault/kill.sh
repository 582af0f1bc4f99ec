# Runs that are killed again and again, and must end as if nothing had happened. Sourced.
# kill_loop NAME KILLS FLAGS...: 60 steps in one go, and the same 60 steps killed KILLS times at
# random calls (in a step, in the update of the weights, in the writing of files) and resumed.
. tests/e2e/lib.sh
: "${FAULTS:?the path of cohort_faults}"
RANDOM_SEED=${CO_KILL_SEED:-7}
RANDOM=$RANDOM_SEED

# The metrics without what depends on the machine's speed.
stripped() {
    sed -E 's/,"(seconds|duration|img_per_s|communication(_max)?_ms|wall)":[-0-9.e+]*//g' "$1"
}

# The table, likewise: its last columns.
stripped_table() {
    rev "$1" | cut -d, -f6- | rev
}

# Whether event files can be read. Histograms are not compared: a run leaves some out, and says so,
# rather than wait for a disk.
readable=no
command -v python3 >/dev/null && command -v protoc >/dev/null && readable=yes
stripped_events() {
    PYTHONDONTWRITEBYTECODE=1 python3 tests/fault/tfevents_content.py "$1" |
        grep -v "'histo'"
}

# The newest complete checkpoint.
newest() {
    find "$1/checkpoints" -mindepth 1 -maxdepth 1 -name 'step-[0-9]*' ! -name '*.tmp' |
        sort | tail -1
}

same_run() { # same_run WHAT A B: weights, optimizer, metrics in all their files
    local what=$1 a=$2 b=$3 file
    cmp -s "$a/model.safetensors" "$b/model.safetensors" || fail "$what: other weights"
    for file in model optimizer ema; do
        [ -e "$(newest "$a")/$file.safetensors" ] || continue
        cmp -s "$(newest "$a")/$file.safetensors" "$(newest "$b")/$file.safetensors" ||
            fail "$what: other $file in the last checkpoint"
    done
    diff <(stripped "$a/metrics.jsonl") <(stripped "$b/metrics.jsonl") >"$TMP/diff" ||
        fail "$what: other metrics: $(head -5 "$TMP/diff")"
    diff <(stripped_table "$a/metrics.csv") <(stripped_table "$b/metrics.csv") >"$TMP/diff" ||
        fail "$what: another table: $(head -5 "$TMP/diff")"
    [ $readable = yes ] && [ -e "$a/events.out.tfevents.cohort" ] || return 0
    stripped_events "$a/events.out.tfevents.cohort" >"$TMP/a" &&
        stripped_events "$b/events.out.tfevents.cohort" >"$TMP/b" ||
        fail "$what: the event file is damaged"
    diff "$TMP/a" "$TMP/b" >"$TMP/diff" || fail "$what: other events: $(head -c 600 "$TMP/diff")"
}

kill_loop() {
    local name=$1 kills=$2 calls n i code hits=0
    shift 2
    local flags=(--log-interval 1 --checkpoint-every 3 --no-evaluate --val --quiet "$@")
    "$FAULTS" train "${flags[@]}" --run-dir "$TMP/$name" >"$TMP/out" 2>&1 ||
        fail "$name: $(cat "$TMP/out")"
    grep -q '"step":60,' "$TMP/$name/metrics.jsonl" || fail "$name: no 60 steps"
    for ((i = 0; i < kills; i++)); do
        # Late enough that a checkpoint may be written, often within one.
        case $((RANDOM % 4)) in
        0) calls=batch n=$((6 + RANDOM % 10)) ;;
        1) calls=update n=$((6 + RANDOM % 10)) ;;
        *) calls=file n=$((60 + RANDOM % 100)) ;;
        esac
        { # the shell's own word on the kill is of no use
            CO_FAULT=kill:$calls:$n "$FAULTS" train "${flags[@]}" --run-dir "$TMP/$name-killed" \
                --resume auto >"$TMP/out" 2>&1
            code=$?
        } 2>/dev/null
        [ $code -eq 137 ] && hits=$((hits + 1))
        [ $code -eq 137 ] || [ $code -eq 0 ] || fail "$name: exit $code: $(cat "$TMP/out")"
        if [ $code -eq 0 ] && [ $i -lt $((kills - 1)) ]; then # done too soon: from the start again
            same_run "$name after $hits kills" "$TMP/$name" "$TMP/$name-killed"
            rm -rf "$TMP/$name-killed"
        fi
    done
    "$FAULTS" train "${flags[@]}" --run-dir "$TMP/$name-killed" --resume auto >"$TMP/out" 2>&1 ||
        fail "$name: the last resume: $(cat "$TMP/out")"
    same_run "$name after $hits kills" "$TMP/$name" "$TMP/$name-killed"
    [ "$hits" -ge $((kills / 2)) ] || fail "$name: only $hits of $kills kills came"
    echo "$name: $hits kills"
    rm -rf "$TMP/$name" "$TMP/$name-killed"
}
