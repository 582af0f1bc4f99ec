# nm -A -f sysv LIBRARY... | awk -f writable.awk: prints the symbols that a program could change.
# .data.rel.ro is written by the loader only (tables of pointers).
BEGIN { FS = "[ ]*[|]" }
NF >= 7 {
    section = $7
    if (section ~ /^\.(data|bss|tdata|tbss|sdata|sbss|lbss|ldata)(\.|$)/ &&
        section !~ /^\.data\.rel\.ro(\.|$)/ || section ~ /COM/) {
        printf "%s is writable (%s)\n", $1, section
        offences++
    }
}
END { exit offences > 0 }
