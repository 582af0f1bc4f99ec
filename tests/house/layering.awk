# The layering law: awk -f layering.awk FILE...  Prints one line per offence.
# A file includes from its own folder of src/ and from those before it in `order`.
BEGIN {
    count = split("base conf event state graph backend optim data comm strategy continual train " \
                  "monitor cli", order, " ")
    for (i = 1; i <= count; i++) rank[order[i]] = i
    # Who may know a library: the other folders go through that one.
    owner["dnnl.h"] = owner["oneapi/dnnl/dnnl.h"] = "backend"
    owner["omp.h"] = "base"
    owner["mpi.h"] = owner["smpi/smpi.h"] = "comm"
    owner["yaml.h"] = "conf"
    owner["curl/curl.h"] = "data"
    owner["archive.h"] = owner["archive_entry.h"] = "data"
}
function offence(text) {
    printf "%s:%d: %s\n", FILENAME, FNR, text
    offences++
}
FNR == 1 {
    folder = FILENAME
    sub(/^.*src\//, "", folder)
    sub(/\/.*$/, "", folder)
    if (!(folder in rank)) offence("src/" folder " has no place in the order of the layers")
}
/^[ ]*#[ ]*include/ {
    path = $0
    sub(/^[ ]*#[ ]*include[ ]*["<]/, "", path)
    sub(/[">].*$/, "", path)
    if ($0 ~ /</) {
        if (path in owner && owner[path] != folder)
            offence("<" path "> belongs to src/" owner[path])
        next
    }
    if (path ~ /\.\./) { offence("\"" path "\": includes are written from src/"); next }
    if (path ~ /^co_(build|commit)\.h$/) next # written by CMake
    target = path
    if (!sub(/\/.*$/, "", target)) next # a file beside this one
    if (!(target in rank)) offence("\"" path "\": src/ has no layer " target)
    else if (rank[target] > rank[folder])
        offence(folder " includes \"" path "\", which is above it")
}
END { exit offences > 0 }
