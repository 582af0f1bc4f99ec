#!/usr/bin/env bash
# comm/ over SimGrid: declared time is exact on hosts of any speed, messages arrive intact though
# all ranks share one process, and two runs are the same.
set -u
probe=${CO_BUILD_DIR:?}/tests/comm_probe_sim
if [ ! -e "$probe" ]; then
    echo "skipped: this build has no SimGrid"
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
cat >"$folder/platform.xml" <<END
<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <zone id="all" routing="Full">
    <cluster id="a" prefix="a-" suffix="" radical="0-15" speed="1Gf" bw="1.25GBps" lat="20us"/>
    <cluster id="b" prefix="b-" suffix="" radical="0-15" speed="0.5Gf" bw="1.25GBps" lat="20us"/>
    <link id="between" bandwidth="1.25GBps" latency="50us"/>
    <zoneRoute src="a" dst="b" gw_src="a-a_router" gw_dst="b-b_router">
      <link_ctn id="between"/>
    </zoneRoute>
  </zone>
</platform>
END
printf 'a-0\nb-0\n' >"$folder/two"
seq -f 'a-%g' 0 15 >"$folder/sixteen"
printf 'a-0\na-0\na-1\na-1\n' >"$folder/shared"

exact=() # flags: the platform's own numbers
sim() { # HOSTS RANKS arguments...
    local hosts=$1 ranks=$2
    shift 2
    timeout 100 smpirun -np "$ranks" -platform "$folder/platform.xml" -hostfile "$folder/$hosts" \
        --cfg=smpi/simulate-computation:no --cfg=smpi/privatization:no \
        --log=root.thres:warning "${exact[@]}" "$probe" "$@" 2>&1
}
expect() { # LINES WORDS, of the text in said
    if [ "$(grep -cF -- "$2" <<<"$said")" -ne "$1" ]; then
        echo "FAILED: not $1 times '$2' in: $said"
        failed=1
    fi
}

# Each message that a test finds complete makes all later ones slower (SimGrid 3.32): nobody tests.
if nm -D --undefined-only "$probe" | grep -E ' P?MPI_(Test|Iprobe)'; then
    echo "FAILED: the simulation tests for messages"
    failed=1
fi
said=$(sim two 2 time 1)
expect 1 "rank 0 on a-0: computed 1.000 slept 0.25"
expect 1 "rank 1 on b-0: computed 2.000 slept 0.25"
said=$(sim sixteen 16 push 247000)
expect 16 " OK"
said=$(sim sixteen 16 push 45000000)
expect 16 " OK"
said=$(sim sixteen 16 collect 100003)
expect 16 "of 16: OK"
for ranks in 1 2 3 7 11 13; do
    said=$(sim sixteen "$ranks" collect 100003)
    expect "$ranks" "of $ranks: OK"
done
# 45 MB between two ranks take 2 x 22.5 MB / 1.25 GB/s = 36 ms and latencies; the sum is
# complete 26 ms after the computing:
# half of the 20 ms of computing is over when they begin.
exact=(--cfg=smpi/test:0 --cfg=network/model:SMPI --cfg=network/crosstraffic:no
    --cfg=smpi/bw-factor:0:1 --cfg=smpi/lat-factor:0:1)
said=$(sim sixteen 2 overlap 45000000)
exact=()
expect 2 "alone 0.0361 computing 0.0200 together 0.0461"
said=$(sim shared 4 window 100000)
expect 2 "host 0 of 2: OK"
expect 2 "host 1 of 2: OK"
said=$(sim sixteen 16 window 1000 4)
expect 1 "host 15 of 16: OK"
said=$(sim shared 4 window 1000 1)
expect 1 "host 3 of 4: OK"
said=$(sim sixteen 16 agree 9)
expect 16 "DATArank 9 (a-9): no such file"
again=$(sim sixteen 16 agree 9)
if [ "$said" != "$again" ]; then
    echo "FAILED: two runs differ: $said / $again"
    failed=1
fi
exit $failed
