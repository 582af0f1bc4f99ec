#!/usr/bin/env bash
# Two hosts: network namespaces with names and addresses of their own on this machine, joined by a
# cable that can be cut. Instead of ssh, mpirun enters the other one directly.
. tests/e2e/lib.sh
skip() {
    echo "skipped: $*"
    exit 77
}
command -v mpirun >/dev/null && "$COHORT" doctor | grep -q 'Open MPI *[0-9]' || skip "no Open MPI"
[ "$(id -u)" = 0 ] || skip "only root makes network namespaces"
command -v ip >/dev/null && command -v nsenter >/dev/null || skip "no iproute2 or util-linux"
a=co$$a
b=co$$b
ip netns add $a 2>/dev/null || skip "this machine allows no network namespaces"
end() {
    ip netns pids $a 2>/dev/null | xargs -r kill -KILL
    ip netns pids $b 2>/dev/null | xargs -r kill -KILL
    ip netns del $a
    ip netns del $b
    rm -rf "$TMP"
}
trap end EXIT
ip netns add $b
ip link add cv$$a netns $a type veth peer name cv$$b netns $b || skip "no veth"
for n in a b; do
    [ $n = a ] && number=1 || number=2
    ip -n co$$$n link set lo up
    ip -n co$$$n addr add 10.77.91.$number/24 dev cv$$$n
    ip -n co$$$n link set cv$$$n up
done

# agent HOST words...: what ssh would do. The clock of the second host runs ahead where asked for.
cat >"$TMP/agent" <<END
#!/bin/bash
[ "\$1" = 10.77.91.1 ] && n=$a || n=$b
[ -e "$TMP/ahead" ] && ahead="--fork --kill-child --time --monotonic 5000"
shift
exec nsenter --net=/run/netns/\$n unshare \$ahead --uts sh -c "hostname \$n; \$*"
END
chmod +x "$TMP/agent"
on_first() {
    nsenter --net=/run/netns/$a unshare --uts sh -c "hostname $a; exec \"\$@\"" sh \
        env OMPI_MCA_plm_rsh_agent="$TMP/agent" OMPI_MCA_btl_tcp_if_include=10.77.91.0/24 \
        OMPI_MCA_oob_tcp_if_include=10.77.91.0/24 "$@"
}
two=10.77.91.1:2,10.77.91.2:2
common=(--workers 4 --batch-size 32 --no-evaluate --quiet --reduce ordered --threads 1)

timeout 100 "$COHORT" train "${common[@]}" --max-steps 20 --run-dir "$TMP/one" >"$TMP/out" 2>&1 ||
    fail "one host: $(cat "$TMP/out")"
on_first timeout 100 "$COHORT" train "${common[@]}" --max-steps 20 --hosts $two \
    --run-dir "$TMP/two" >"$TMP/out" 2>&1 || fail "two hosts: $(cat "$TMP/out")"
grep -q '"hosts": 2' "$TMP/two/env.json" || fail "not two hosts: $(grep hosts "$TMP/two/env.json")"
cmp "$TMP/one/model.safetensors" "$TMP/two/model.safetensors" ||
    fail "one host and two give other weights"

# The lanes of a timeline fit together though the clocks of the hosts do not.
if unshare --fork --time --monotonic 5000 true 2>/dev/null && command -v python3 >/dev/null; then
    touch "$TMP/ahead"
    on_first timeout 100 "$COHORT" train "${common[@]}" --max-steps 20 --hosts $two \
        --loader-threads 0 --run-dir "$TMP/ahead.run" --timeline "$TMP/hosts.json" \
        >"$TMP/out" 2>&1 || fail "with a clock ahead: $(cat "$TMP/out")"
    rm "$TMP/ahead"
    python3 tests/e2e/check_timeline.py "$TMP/hosts.json" 20 0 conv1 fc3 || fail "the timeline"
    grep -q "rank 3 ($b)" "$TMP/hosts.json" || fail "no lane of the last worker"
    cmp "$TMP/one/model.safetensors" "$TMP/ahead.run/model.safetensors" || fail "other weights"
else
    echo "not tested: clocks that differ (no time namespaces here)"
fi

# A worker that dies on the other host is named too, and the job starts again.
on_first "$COHORT" train "${common[@]}" --max-steps 400 --log-interval 1 --checkpoint-every 5 \
    --max-restarts 1 --hosts $two --run-dir "$TMP/lost" >"$TMP/out" 2>&1 &
pid=$!
for _ in $(seq 300); do
    grep -q '"step":20,' "$TMP/lost/metrics.jsonl" 2>/dev/null && break
    sleep 0.1
done
for p in $(ip netns pids $b); do
    [ "$(cat "/proc/$p/comm")" = cohort ] && kill -KILL "$p" && break
done
wait $pid || fail "a worker of the other host was killed: $(cat "$TMP/out")"
grep -qE "restart 1 of 1: rank [23] \([^)]*\) was lost (in|when others were in) step [0-9]+.*: \
killed by signal 9 .*; resuming from step [0-9]+" "$TMP/out" ||
    fail "who was lost: $(cat "$TMP/out")"

# A cut cable is told by the name of the host behind it, when the deadline is over.
on_first "$COHORT" train "${common[@]}" --epochs 1000 --deadline 3 --hosts $two \
    --run-dir "$TMP/cut" >"$TMP/out" 2>&1 &
pid=$!
for _ in $(seq 300); do
    [ -s "$TMP/cut/metrics.jsonl" ] && grep -q '"event":"step"' "$TMP/cut/metrics.jsonl" && break
    sleep 0.1
done
ip -n $a link set cv$$a down
begin=$SECONDS
wait $pid
code=$?
[ $code -eq 4 ] || fail "exit $code after the cut: $(cat "$TMP/out")"
[ $((SECONDS - begin)) -le 20 ] || fail "it took $((SECONDS - begin)) s"
grep -qE "waited 3 s for rank [23] \($b\) in step" "$TMP/out" ||
    fail "the lost host is not named: $(cat "$TMP/out")"
finish
