# runs.tsv -> the table of medians on the terminal, and as tab-separated values in `table`.
BEGIN { FS = "\t" }

function median(list, n,    i, j, t) {
    for (i = 2; i <= n; i++) {
        t = list[i]
        for (j = i - 1; j >= 1 && list[j] > t; j--) list[j + 1] = list[j]
        list[j + 1] = t
    }
    return n == 0 ? 0 : n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

NR == 1 { next }

{
    key = $4 FS $5
    if (!(key in seen)) { seen[key] = 1; keys[++key_count] = key }
    cell = key FS $1
    rounds = $1 > rounds ? $1 : rounds
    if ($11 > worst[cell]) worst[cell] = $11
    if ($2 == "ours") {
        ours[cell] = $6; start[cell] = $7; memory[cell] = $8
        rate[cell] = $9; cpu[cell] = $12
        if ($10 > limit_of[$5]) limit_of[$5] = $10 # the machine's: the best that was seen
    } else if ($6 > peer[cell]) {
        peer[cell] = $6; peer_start[cell] = $7; peer_memory[cell] = $8
        peer_cpu[cell] = $12
    }
}

# Collects the rounds of a key that nothing disturbed (or all of them) and takes medians.
function collect(key, all,    r, cell, n, part) {
    n = 0
    split(key, part, FS)
    for (r = 1; r <= rounds; r++) {
        cell = key FS r
        if (!(cell in ours) || (!all && worst[cell] > limit)) continue
        n++
        a[n] = peer[cell]; b[n] = ours[cell]; c[n] = peer[cell] > 0 ? ours[cell] / peer[cell] : 0
        d[n] = limit_of[part[2]] > 0 ? rate[cell] / limit_of[part[2]] : 0
        e[n] = peer_start[cell]; f[n] = start[cell]
        g[n] = peer_memory[cell]; h[n] = memory[cell]
        p[n] = cpu[cell] > 0 ? peer_cpu[cell] / cpu[cell] : 0
        low = n == 1 || c[n] < low ? c[n] : low
        high = n == 1 || c[n] > high ? c[n] : high
    }
    return n
}

END {
    heading = "model\tbatch\tthreads\tpeer img/s\tours img/s\tratio\tlowest\thighest\tof peak\t" \
              "peer start ms\tours\tpeer MiB\tours\trounds\tcpu ratio"
    print heading >table
    printf "%-10s %5s %7s %10s %10s %7s %16s %9s %7s %14s %15s %s\n", "model", "batch", "threads",
           "peer img/s", "ours img/s", "ratio", "(range)", "cpu ratio", "of peak", "first step ms",
           "peak memory MiB", "rounds"
    for (k = 1; k <= key_count; k++) {
        n = collect(keys[k], 0)
        mark = ""
        if (n == 0) { n = collect(keys[k], 1); mark = "!"; unclean = 1 }
        split(keys[k], part, FS)
        split(part[1], name, ":")
        lo = low; hi = high
        A = median(a, n); B = median(b, n); C = median(c, n); D = median(d, n)
        E = median(e, n); F = median(f, n); G = median(g, n); H = median(h, n)
        P = median(p, n)
        printf "%-10s %5d %7d %10s %10.0f %7s %16s %9s %6.0f%% %14s %15s %d%s\n", name[1], name[2],
               part[2], (A > 0 ? sprintf("%.0f", A) : "-"), B, (A > 0 ? sprintf("%.2fx", C) : "-"),
               (A > 0 ? sprintf("(%.2f-%.2f)", lo, hi) : "-"), (A > 0 ? sprintf("%.2fx", P) : "-"),
               100 * D, sprintf("%.0f / %.0f", E, F),
               sprintf("%.0f / %.0f", G, H), n, mark
        printf "%s\t%d\t%d\t%.0f\t%.0f\t%.3f\t%.3f\t%.3f\t%.3f\t" \
               "%.1f\t%.1f\t%.1f\t%.1f\t%d%s\t%.3f\n",
               name[1], name[2], part[2], A, B, C, lo, hi, D, E, F, G, H, n, mark, P >table
    }
    if (rounds > 0) print "first step and memory: peer / ours. Ratio: median of the rounds' ratios."
    if (unclean) print "!: another process was busy in every round; these numbers are not clean."
}
