# The style law for sources: awk -f style.awk FILE...  Prints one line per offence.
# What needs a C parser is left to clang-format and clang-tidy; functions are found by their
# braces in the first column, which clang-format guarantees.
function offence(line, text) {
    printf "%s:%d: %s\n", FILENAME, line, text
    offences++
}

# The line without string literals, character constants and comments (in_comment goes on).
function code_of(line,    out, c, i, n, quote) {
    if (!in_comment && line !~ /["'\/]/) return line
    n = length(line)
    out = ""
    for (i = 1; i <= n; i++) {
        c = substr(line, i, 1)
        if (in_comment) {
            if (c == "*" && substr(line, i + 1, 1) == "/") { in_comment = 0; i++ }
        } else if (quote != "") {
            if (c == "\\") i++
            else if (c == quote) quote = ""
        } else if (c == "\"" || c == "'") {
            quote = c
        } else if (c == "/" && substr(line, i + 1, 1) == "*") {
            in_comment = 1
            i++
        } else if (c == "/" && substr(line, i + 1, 1) == "/") {
            break
        } else {
            out = out c
        }
    }
    return out
}

function end_of_file() {
    if (file == "") return
    if (lines > 800) { printf "%s: %d lines, 800 are allowed\n", file, lines; offences++ }
}

FNR == 1 {
    end_of_file()
    file = FILENAME
    in_comment = function_start = 0
    is_c = file ~ /\.([ch]|inc)$/
    is_header = file ~ /\.h$/
    # cli and monitor speak to the user, and may end the program; libraries may not.
    is_library = is_c && file ~ /(^|\/)src\// && file !~ /(^|\/)src\/(cli|monitor)\//
    if (is_header && $0 !~ /^\/\*/)
        offence(1, "a header opens with a comment: what it is for, who owns what")
}
{ lines = FNR }
/\t/ { offence(FNR, "a tab") }
/[ \r]$/ { offence(FNR, "space at the end of the line") }
length($0) > 100 {
    wide = $0
    gsub(/[\200-\277]/, "", wide) # bytes that continue a UTF-8 character
    if (length(wide) > 100) offence(FNR, length(wide) " columns, 100 are allowed")
}
is_c && /^\{$/ { function_start = FNR }
is_c && /^\}/ && function_start {
    if (FNR - function_start + 1 > 70)
        offence(function_start, "a function of " (FNR - function_start + 1) \
                " lines, 70 are allowed")
    function_start = 0
}
is_library {
    code = " " code_of($0)
    if (code ~ /[^A-Za-z0-9_.>](exit|_exit|_Exit|quick_exit|abort)[ ]*\(/)
        offence(FNR, "a library returns a co_status, it does not end the program")
    else if (code ~ /[^A-Za-z0-9_.>](printf|vprintf|puts|putchar|perror)[ ]*\(/ ||
             code ~ /[^A-Za-z0-9_.>](fprintf|vfprintf|fputs|fputc|putc)[ ]*\(.*std(err|out)/)
        offence(FNR, "only src/cli and src/monitor print")
}
END {
    end_of_file()
    exit offences > 0
}
