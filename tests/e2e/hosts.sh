# Two hosts on this machine, for tests: network namespaces $a (10.77.91.1) and $b (10.77.91.2), with
# names of their own, joined by a cable that can be cut. Sourced after lib.sh; skips the test,
# saying why, where that cannot be.
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
end_hosts() {
    ip netns pids $a 2>/dev/null | xargs -r kill -KILL
    ip netns pids $b 2>/dev/null | xargs -r kill -KILL
    ip netns del $a
    ip netns del $b
    rm -rf "$TMP"
}
trap end_hosts EXIT
ip netns add $b
ip link add cv$$a netns $a type veth peer name cv$$b netns $b || skip "no veth"
for n in a b; do
    [ $n = a ] && number=1 || number=2
    ip -n co$$$n link set lo up
    ip -n co$$$n addr add 10.77.91.$number/24 dev cv$$$n
    ip -n co$$$n link set cv$$$n up
done

# on NAME command...: as a process of that host
on() {
    local name=$1
    shift
    nsenter --net=/run/netns/"$name" unshare --uts sh -c "hostname $name; exec \"\$@\"" sh "$@"
}
# trains DIR: waits until the run there has made steps
trains() {
    for _ in $(seq 600); do
        [ -s "$1/metrics.jsonl" ] && grep -q '"event":"step"' "$1/metrics.jsonl" && return
        sleep 0.1
    done
    fail "$1 does not train"
}
