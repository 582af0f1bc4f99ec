/* Any bytes as the manifest of a checkpoint, and as the state in it: refused or read, never a crash
 * or a lie. What is read as a manifest is written back to the same text; ranges tile their files.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "state/manifest.h"
#include "train/progress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void check_ranges(const co_manifest *manifest)
{
    size_t next = 0;
    for (size_t i = 0; i < manifest->file_count; i++) {
        const co_manifest_file *file = &manifest->files[i];
        uint64_t at = 0;
        check(file->first == next && strchr(file->name, '/') == NULL && file->name[0] != '.');
        for (size_t k = 0; k < file->count; k++) {
            const co_manifest_range *range = &manifest->ranges[file->first + k];
            check(range->begin == at && range->end >= at && range->name[0] != '\0');
            at = range->end;
        }
        check(at == file->bytes);
        next += file->count;
    }
    check(next == manifest->range_count);
}

static void check_manifest(const char *text, size_t size)
{
    co_error err = {.text = ""};
    co_manifest manifest = {0};
    char *again = NULL;
    size_t bytes = 0;
    if (co_manifest_parse(text, size, "input", &manifest, &err) != CO_OK) {
        check(err.status == CO_FILE && err.text[0] != '\0' && manifest.text == NULL);
        return;
    }
    check_ranges(&manifest);
    check(co_manifest_write(&manifest, &again, &bytes, &err) == CO_OK);
    check(bytes == size && memcmp(again, text, size) == 0);
    co_free(again);
    co_manifest_free(&manifest);
}

/* The hash in the last line keeps mutations out: it is set right for a second look. */
static void check_with_right_hash(const uint8_t *data, size_t size)
{
    enum {
        LAST_LINE = 4 + CO_HASH_TEXT_SIZE
    }; /* "end ", the digits, a newline for the zero byte */
    char hash[CO_HASH_TEXT_SIZE];
    if (size < LAST_LINE) {
        return;
    }
    char *text = malloc(size);
    check(text != NULL);
    memcpy(text, data, size);
    co_hash_text(co_hash_bytes(text, size - LAST_LINE), hash);
    memcpy(text + size - LAST_LINE, "end ", 4);
    memcpy(text + size - LAST_LINE + 4, hash, CO_HASH_TEXT_SIZE - 1);
    text[size - 1] = '\n';
    check_manifest(text, size);
    free(text);
}

static void check_state(const uint8_t *data, size_t size)
{
    co_error err = {.text = ""};
    co_progress progress;
    co_progress_start(&progress);
    co_visitor v = co_visitor_loading(data, size);
    if (co_progress_state(&progress, &v, &err) != CO_OK) {
        check(err.status == CO_FILE && err.text[0] != '\0');
        return;
    }
    check(v.offset <= size && progress.best_count <= CO_BEST_MAX);
    unsigned char *again = malloc(v.offset);
    check(again != NULL);
    co_visitor saver = co_visitor_saving(again, v.offset);
    check(co_progress_state(&progress, &saver, &err) == CO_OK);
    check(memcmp(again, data, v.offset) == 0);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_manifest((const char *)data, size);
    check_with_right_hash(data, size);
    check_state(data, size);
    return 0;
}
