/* Any bytes as a list of images, in all three forms: every line is read or refused with its
 * number, and no accepted path leads out of the data set. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "data/image/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_as(co_line_kind kind, const uint8_t *data, size_t size)
{
    co_lines lines = {.name = "fuzzed", .text = (const char *)data, .size = size, .kind = kind};
    bool more = true;
    int last = 0;
    while (more) {
        co_error err;
        co_line line;
        co_status status = co_lines_next(&lines, &more, &line, &err);
        if (status != CO_OK) {
            if (status != CO_DATA || !more || strstr(err.text, "fuzzed: line ") == NULL) {
                abort();
            }
            continue;
        }
        if (more && (line.line <= last || line.file[0] == '/' || line.file[0] == '\0' ||
                     strncmp(line.file, "../", 3) == 0 || strstr(line.file, "/../") != NULL)) {
            abort();
        }
        last = more ? line.line : last;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_as(CO_LINES_WORDS, data, size);
    read_as(CO_LINES_ANNOTATIONS, data, size);
    read_as(CO_LINES_LABELLED, data, size);
    return 0;
}
