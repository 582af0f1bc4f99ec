#!/usr/bin/env bash
# cohort data fetch against a server of our own: every way in which a download goes on, is repeated
# or is refused; TLS; archives that must not be unpacked; a full disk; two at once; a signal.
. tests/e2e/lib.sh
if ! command -v python3 >/dev/null; then
    echo "skipped: no python3 to serve the files"
    exit 77
fi
if "$COHORT" doctor --dataset-dir "$TMP" | grep -q "libcurl.*no:"; then
    expect 7 "made without libcurl" "$COHORT" data fetch cifar10 --dir "$TMP/none"
    finish
fi
unset "${!http_@}" "${!https_@}" HTTPS_PROXY ALL_PROXY all_proxy 2>/dev/null
export no_proxy=127.0.0.1

# A small set in the published archive's form, and archives that try to do harm
mkdir "$TMP/www"
python3 - "$TMP/www" <<'END'
import io, random, sys, tarfile, zipfile
def make(name, members, mode="w:gz"):
    with tarfile.open(sys.argv[1] + "/" + name, mode) as tar:
        for path, content, kind in members:
            info = tarfile.TarInfo(path)
            info.type = kind
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
            info.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
            tar.addfile(info, io.BytesIO(content))
random.seed(1)
def records(count):
    return b"".join(bytes([i % 10]) + random.randbytes(3072) for i in range(count))
folder = "cifar-10-batches-bin"
F, D, L, H = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
good = [(folder, b"", D), (folder + "/data_batch_1.bin", records(200), F),
        (folder + "/test_batch.bin", records(50), F)]
make("cifar-10-binary.tar.gz", good)
make("dots.tar.gz", good + [(folder + "/../../../escaped", b"x", F)])
make("root.tar.gz", good + [("/tmp/cohort-escaped", b"x", F)])
make("link.tar.gz", good + [(folder + "/link", b"", L), (folder + "/link/x", b"x", F)])
make("hard.tar.gz", good + [(folder + "/hard", b"", H)])
make("twice.tar.gz", good + [good[2]])
make("other.tar.gz", [("something/else", b"x", F)])
with zipfile.ZipFile(sys.argv[1] + "/tiny-imagenet-200.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("tiny-imagenet-200/wnids.txt", "n01443537\n")
    z.writestr("tiny-imagenet-200/train/n01443537/a.txt", "a" * 100000)
open(sys.argv[1] + "/train-images-idx3-ubyte.gz", "w").write("x")
for name in ("nt_train2.csv", "nt_test2.csv"):
    open(sys.argv[1] + "/" + name, "w").write("0,1,2\n1,3,4\n" * 20)
END
sum_of() { # NAME: the checksum as --checksum takes it
    echo "sha256:$(sha256sum "$TMP/www/$1" | cut -d ' ' -f 1)"
}
serve() { # NAME [CERTIFICATE KEY]: starts a server; its port goes to $TMP/NAME.port
    python3 tests/e2e/fetch_server.py "$TMP/www" "$TMP/$1.port" "$TMP/log" "${@:2}" 2>/dev/null &
    servers+=($!)
    for _ in $(seq 200); do
        [ -s "$TMP/$1.port" ] && return
        sleep 0.05
    done
    fail "the server does not start"
    finish
}
servers=()
trap 'kill "${servers[@]}" 2>/dev/null; rm -rf "$TMP"' EXIT
serve http
http=http://127.0.0.1:$(cat "$TMP/http.port")
sum=$(sum_of cifar-10-binary.tar.gz)
fetch() { # MODE ARGUMENTS...: cifar10 from the server into a folder of the mode's name
    "$COHORT" data fetch cifar10 --dir "$TMP/$1" --from "$http/$1" --checksum "$sum" "${@:2}"
}
requests() { # MODE: how many, and how many of them got a part only
    grep "^$1 " "$TMP/log" | awk '{ all++; part += $4 == 206 } END { print all + 0, part + 0 }'
}
whole() { # MODE REQUESTS PARTS: the set is there and good, nothing is left over
    expect 0 "no faults found" "$COHORT" data check cifar10 --dataset-dir "$TMP/$1"
    [ "$(ls -A "$TMP/$1")" = cifar-10-batches-bin ] || fail "$1 leaves $(ls -A "$TMP/$1")"
    [ "$(requests "$1")" = "$2 $3" ] || fail "$1: $(requests "$1") requests, not $2 $3"
}

# Good servers, and those that are not quite
expect 0 "cifar10: in $TMP/good" fetch good
whole good 1 0
expect 0 "is there already" fetch good
whole good 1 0
expect 0 "getting" fetch plain
whole plain 1 0
expect 0 "getting" fetch cut
whole cut 2 1
expect 0 "getting" fetch dated
whole dated 2 1
expect 0 "getting" fetch cutplain
whole cutplain 2 0
expect 0 "getting" fetch busy
whole busy 3 0
expect 0 "getting" fetch changing
whole changing 2 0
expect 0 "getting" fetch odd
whole odd 3 1
expect 0 "getting" fetch redirect
whole redirect 1 0

# An interrupted download goes on in the next run; a part of something else is noticed
mkdir -p "$TMP/good2/.fetch-cifar10"
part=$TMP/good2/.fetch-cifar10/cifar-10-binary.tar.gz.part
head -c 100000 "$TMP/www/cifar-10-binary.tar.gz" >"$part"
echo '"one"' >"$part.tag"
fetch2() {
    "$COHORT" data fetch CIFAR-10 --dir "$TMP/good2" --from "$http/good/" --checksum "$sum"
}
expect 0 "getting" fetch2
grep -q "^good .* bytes=100000- 206" "$TMP/log" || fail "it did not go on from byte 100000"
rm -r "$TMP/good2/cifar-10-batches-bin"
mkdir "$TMP/good2/.fetch-cifar10"
head -c 100000 /dev/zero >"$part"
echo '"one"' >"$part.tag"
expect 0 "the continued file has a wrong checksum" fetch2
expect 0 "no faults found" "$COHORT" data check cifar10 --dataset-dir "$TMP/good2"
"$COHORT" data fetch cifar10 --dir "$TMP/slow" --from "$http/slow" --checksum "$sum" \
    >"$TMP/slow.out" 2>&1 &
pid=$!
for _ in $(seq 200); do
    [ -s "$TMP/slow/.fetch-cifar10/cifar-10-binary.tar.gz.part" ] && break
    sleep 0.05
done
expect 5 "in use by process $pid@" "$COHORT" data fetch cifar10 --dir "$TMP/slow"
kill -INT $pid
wait $pid
[ $? -eq 75 ] || fail "a signal: $(cat "$TMP/slow.out")"
grep -q "the same command goes on from there" "$TMP/slow.out" || fail "a signal is not explained"

# What cannot work
expect 3 "404" fetch good/none
expect 3 "not the published sha256:" fetch wrong
expect 3 "/wrong/cifar-10-binary.tar.gz: has the checksum" fetch wrong
expect 3 "--from names the folder" "$COHORT" data fetch cifar10 --dir "$TMP/nowhere" \
    --from "file://$TMP/www/cifar-10-binary.tar.gz"
[ -e "$TMP/wrong/cifar-10-batches-bin" ] && fail "a wrong archive was unpacked"
[ -e "$TMP/wrong/.fetch-cifar10/cifar-10-binary.tar.gz.part" ] && fail "a wrong archive was kept"
expect 3 "is larger than the" "$COHORT" data fetch mnist --dir "$TMP/endless" --from "$http/endless"
expect 3 "is there a network?" "$COHORT" data fetch cifar10 --dir "$TMP/dead" \
    --from https://127.0.0.1:9/
expect 3 "is there a network?" env https_proxy=http://127.0.0.1:9 no_proxy= \
    "$COHORT" data fetch cifar10 --dir "$TMP/dead" --from https://localhost/
expect 2 "needs an account" "$COHORT" data fetch imagenet --dir "$TMP/x"
expect 2 "there are: mnist" "$COHORT" data fetch nothing --dir "$TMP/x"
expect 2 "which data set?" "$COHORT" data fetch
expect 2 "is neither md5:" "$COHORT" data fetch cifar10 --dir "$TMP/x" --checksum md5:12
expect 2 "several files" "$COHORT" data fetch mnist --dir "$TMP/x" --checksum "$sum"
touch "$TMP/file"
expect 5 "$TMP/file" "$COHORT" data fetch cifar10 --dir "$TMP/file" --from "$http/good"
(
    ulimit -f 100
    fetch plain --dir "$TMP/full"
) >"$TMP/out" 2>&1
[ $? -eq 5 ] || fail "a full disk: $(cat "$TMP/out")"
grep -q "the disk is full" "$TMP/out" || fail "a full disk is not explained: $(cat "$TMP/out")"

# Archives that try to do harm: nothing is put in place, nothing lies outside
bad() { # NAME WORDS
    mkdir "$TMP/www/$1"
    cp "$TMP/www/$1.tar.gz" "$TMP/www/$1/cifar-10-binary.tar.gz"
    expect 3 "$2" "$COHORT" data fetch cifar10 --dir "$TMP/bad/$1" --from "$http/good/$1" \
        --checksum "$(sum_of "$1.tar.gz")"
    [ "$(cd "$TMP/bad/$1" && find . | sort | xargs)" = ". ./.fetch-cifar10" ] ||
        fail "$1 leaves $(find "$TMP/bad/$1")"
}
bad dots "'cifar-10-batches-bin/../../../escaped' leads out of it"
bad root "'/tmp/cohort-escaped' leads out of it"
bad link "'cifar-10-batches-bin/link' is a link"
bad hard "'cifar-10-batches-bin/hard' is a link"
bad twice "'cifar-10-batches-bin/test_batch.bin' comes twice"
bad other "has no folder 'cifar-10-batches-bin'"
[ -z "$(find "$TMP" -name escaped)" ] && [ ! -e /tmp/cohort-escaped ] || fail "a member escaped"

# A zip; files that are kept as they are and have no checksum; a folder of this machine
expect 0 "in $TMP/zip" "$COHORT" data fetch tiny-imagenet --dir "$TMP/zip" --from "$http/good" \
    --checksum "$(sum_of tiny-imagenet-200.zip)"
[ "$(wc -c <"$TMP/zip/tiny-imagenet-200/train/n01443537/a.txt")" = 100000 ] || fail "the zip"
expect 0 "no checksum is published" "$COHORT" data fetch candle --dir "$TMP/nt3" --from "$http/good"
expect 0 "no faults found" "$COHORT" data check nt3 --dataset-dir "$TMP/nt3"
expect 0 "is there already" "$COHORT" data fetch nt3 --dir "$TMP/nt3" --from "$http/good/none"
expect 0 "in $TMP/local" "$COHORT" data fetch cifar10 --dir "$TMP/local" --from "file://$TMP/www" \
    --checksum "$sum"

# The published files themselves, with the checksums that are built in
if [ -d "$DATA/mnist" ]; then
    expect 0 "in $TMP/real" "$COHORT" data fetch mnist --dir "$TMP/real" \
        --from "file://$(realpath "$DATA/mnist")"
    expect 0 "no faults found" "$COHORT" data check mnist --dataset-dir "$TMP/real"
    printf 'x' >>"$TMP/real/mnist/t10k-labels-idx1-ubyte.gz"
    expect 0 "getting" "$COHORT" data fetch mnist --dir "$TMP/real" \
        --from "file://$(realpath "$DATA/mnist")"
    [ "$(grep -c "is there already" "$TMP/out")" = 3 ] || fail "three good files were got again"
else
    echo "skipped: no data"
fi

# TLS: a certificate that nobody vouches for, and one that --cacert does
if command -v openssl >/dev/null; then
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$TMP/key.pem" -out "$TMP/cert.pem" -days 2 \
        -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    serve https "$TMP/cert.pem" "$TMP/key.pem"
    tls=https://127.0.0.1:$(cat "$TMP/https.port")
    expect 3 "--cacert" "$COHORT" data fetch cifar10 --dir "$TMP/tls" --from "$tls/cut" \
        --checksum "$sum"
    expect 0 "in $TMP/tls" "$COHORT" data fetch cifar10 --dir "$TMP/tls" --from "$tls/cut" \
        --checksum "$sum" --cacert "$TMP/cert.pem"
    expect 3 "only https is allowed" "$COHORT" data fetch cifar10 --dir "$TMP/down" \
        --from "$tls/down" --checksum "$sum" --cacert "$TMP/cert.pem"
fi
finish
