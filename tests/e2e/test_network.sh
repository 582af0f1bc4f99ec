#!/usr/bin/env bash
# A user's own network: a run keeps a copy of the file and can be repeated from its folder alone,
# whatever became of the original; faults name file and line.
. tests/e2e/lib.sh
net=$TMP/nets/net.yaml
mkdir "$TMP/nets"

write_net() { # write_net CHANNELS
    cat >"$net" <<END
# a comment that the copy keeps
name: mine
input: [1, 28, 28]
classes: 10
layers:
  - conv2d: {out: $1, kernel: 5, stride: 2}
  - relu
  - residual:
      body: [conv2d: {out: $1, kernel: 3, pad: 1}, batch_norm, relu]
  - max_pool: {kernel: 2}
  - flatten
  - linear: {out: classes}
END
}

train() { # train FOLDER flags...
    local dir=$1
    shift
    "$COHORT" train --run-dir "$TMP/$dir" --quiet "$@" >"$TMP/out" 2>&1 || {
        fail "train $dir $*"
        cat "$TMP/out" >&2
    }
}
short=(--train-split 0.01 --epochs 1 --batch-size 48 --threads 1)

write_net 6
cp "$net" "$TMP/original.yaml"
train first --model "$net" "${short[@]}"
cmp "$TMP/original.yaml" "$TMP/first/network.yaml" || fail "the copy is not the network file"
grep -q '^model: network.yaml$' "$TMP/first/config.yaml" || fail "config.yaml has another model"
grep -q "\"network_file\": \"$net\"" "$TMP/first/env.json" || fail "env.json: where it came from"

# The original changes: the record repeats what was, the file gives something else.
write_net 7
train again --config "$TMP/first/config.yaml"
cmp "$TMP/first/model.safetensors" "$TMP/again/model.safetensors" ||
    fail "config.yaml does not repeat the run after the network file changed"
cmp "$TMP/original.yaml" "$TMP/again/network.yaml" || fail "the repeated run has another copy"
train other --model "$net" "${short[@]}"
cmp -s "$TMP/first/model.safetensors" "$TMP/other/model.safetensors" &&
    fail "another network has the same weights"
hash() { sed -n 's/.*"network_file_hash": "\(.*\)".*/\1/p' "$TMP/$1/env.json"; }
[ -n "$(hash first)" ] || fail "no hash in env.json"
[ "$(hash first)" = "$(hash again)" ] || fail "the hash of the same network differs"
[ "$(hash first)" != "$(hash other)" ] || fail "the hash of another network is the same"

# The original is gone, the folder has moved, and we stand elsewhere.
rm -r "$TMP/nets"
loss=$(awk -v a="$(number test_loss "$TMP/first/summary.json")" 'BEGIN { printf "%.6f", a }')
mkdir "$TMP/archive"
mv "$TMP/first" "$TMP/archive/first"
(
    cd "$TMP/archive" || exit 1
    "$COHORT" eval first
) >"$TMP/out" 2>&1 || fail "eval of a moved folder: $(cat "$TMP/out")"
grep -q "test loss  *$loss" "$TMP/out" || fail "eval says otherwise: $(cat "$TMP/out")"
train moved --config "$TMP/archive/first/config.yaml"
cmp "$TMP/archive/first/model.safetensors" "$TMP/moved/model.safetensors" ||
    fail "a moved folder does not repeat the run"

# A settings file names the network relative to itself; a built-in model leaves no copy.
mkdir "$TMP/mine"
cp "$TMP/original.yaml" "$TMP/mine/own.yaml"
echo "model: own.yaml" >"$TMP/mine/run.yaml"
train relative --config "$TMP/mine/run.yaml" "${short[@]}"
cmp "$TMP/moved/model.safetensors" "$TMP/relative/model.safetensors" || fail "a relative name"
train builtin "${short[@]}" --no-evaluate
[ -e "$TMP/builtin/network.yaml" ] && fail "a built-in model has a network file"
rm "$TMP/mine/own.yaml"
expect 2 "own.yaml" "$COHORT" train --config "$TMP/mine/run.yaml" --run-dir "$TMP/none"

# Faults: file, line and column.
bad() { # bad LAYERS PLACE WORDS
    printf 'input: [1, 28, 28]\nclasses: 10\nlayers:\n%b  - flatten\n  - linear: {out: classes}\n' \
        "$1" >"$TMP/bad.yaml"
    expect 2 "bad.yaml:$2: $3" "$COHORT" train --model "$TMP/bad.yaml" --run-dir "$TMP/none"
    expect 2 "bad.yaml:$2: $3" "$COHORT" models "$TMP/bad.yaml"
}
bad '  - relu: {from: b}\n  - relu: {name: b}\n' 4:18 "the layer 'b' is not finished here"
bad '  - conv2d: {out: 4, kernel: 3}\n  - add: {from: [input, conv2d1]}\n' 5:5 \
    "layer 'add1' (add): the inputs 1x28x28 and 4x26x26 differ"
bad '  - relu\n  - convolution: {out: 4}\n' 5:5 "there is no layer 'convolution'"
bad '  - relu: {name: a}\n  - relu: {name: a}\n' 5:5 "model 'network': two layers are called 'a'"
bad '  - relu: {name: first}\n  - relu: {from: frist}\n' 5:18 \
    "there is no layer 'frist'; did you mean 'first'?"
[ ! -e "$TMP/none" ] || fail "a refused network left a folder"
finish
