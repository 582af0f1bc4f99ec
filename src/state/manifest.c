#include "state/manifest.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

#define FIRST_LINE "cohort checkpoint "

/* --- reading --------------------------------------------------------------------------- */

typedef struct reader {
    const char *label;
    char *next; /* in the copy of the text, which ends with a zero byte */
    char *end;
    size_t line; /* from 1, of what was read last */
    co_manifest *out;
    co_error *err;
} reader;

static co_status bad_line(const reader *r, const char *what)
{
    return co_fail(r->err, CO_FILE, "%s: line %zu: %s", r->label, r->line, what);
}

/* The next line without its newline, which becomes a zero byte. */
static co_status take_line(reader *r, char **line)
{
    char *newline = memchr(r->next, '\n', (size_t)(r->end - r->next));
    r->line++;
    if (newline == NULL) {
        return bad_line(r, "cut short");
    }
    *newline = '\0';
    if (strlen(r->next) != (size_t)(newline - r->next)) {
        return bad_line(r, "a zero byte");
    }
    *line = r->next;
    r->next = newline + 1;
    return CO_OK;
}

/* A decimal without sign or leading zeros, then `stop`. */
static bool take_number(char **at, char stop, uint64_t *out)
{
    uint64_t value = 0;
    char *c = *at;
    for (; *c >= '0' && *c <= '9'; c++) {
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value)) {
            return false;
        }
    }
    bool good = c > *at && (**at != '0' || c == *at + 1) && *c == stop;
    *at = c + (*c != '\0');
    *out = value;
    return good;
}

static bool take_half(const char *digits, uint64_t *out)
{
    uint64_t value = 0;
    for (int i = 0; i < 16; i++) {
        char c = digits[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *out = value;
    return true;
}

/* 32 digits, then `stop`. */
static bool take_hash(char **at, char stop, co_hash *out)
{
    if (strlen(*at) < 32 || !take_half(*at, &out->high) || !take_half(*at + 16, &out->low) ||
        (*at)[32] != stop) {
        return false;
    }
    *at += 32 + (stop != '\0');
    return true;
}

static bool is_file_name(const char *name)
{
    size_t length = strlen(name);
    bool good = length > 0 && length <= CO_MANIFEST_NAME_MAX && name[0] != '.';
    for (const char *c = name; *c != '\0'; c++) {
        good = good && ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                        (*c >= '0' && *c <= '9') || *c == '.' || *c == '-' || *c == '_');
    }
    return good;
}

static bool is_range_name(const char *name)
{
    size_t length = strlen(name);
    bool good = length > 0 && length <= CO_MANIFEST_NAME_MAX;
    for (const char *c = name; *c != '\0'; c++) {
        good = good && (unsigned char)*c >= ' ' && *c != 0x7f;
    }
    return good;
}

static co_status add_file(reader *r, char *name)
{
    co_manifest *out = r->out;
    if (!is_file_name(name)) {
        return bad_line(r, "not a name of a file");
    }
    for (size_t i = 0; i < out->file_count; i++) {
        if (strcmp(out->files[i].name, name) == 0) {
            return bad_line(r, "the same file twice");
        }
    }
    out->files[out->file_count++] = (co_manifest_file){.name = name, .first = out->range_count};
    return CO_OK;
}

static co_status add_range(reader *r, char *at)
{
    co_manifest *out = r->out;
    co_manifest_range range = {0};
    if (out->file_count == 0) {
        return bad_line(r, "a range without a file");
    }
    co_manifest_file *file = &out->files[out->file_count - 1];
    if (!take_number(&at, ' ', &range.begin) || !take_number(&at, ' ', &range.end) ||
        !take_hash(&at, ' ', &range.hash) || !is_range_name(at)) {
        return bad_line(r, "expected: begin end hash name");
    }
    if (range.begin != file->bytes || range.end < range.begin) {
        return bad_line(r, "the ranges of a file must follow one another");
    }
    range.name = at;
    file->bytes = range.end;
    file->count++;
    out->ranges[out->range_count++] = range;
    return CO_OK;
}

static co_status read_head(reader *r)
{
    char *line = NULL;
    uint64_t version = 0;
    const size_t length = sizeof(FIRST_LINE) - 1;
    CO_TRY(take_line(r, &line));
    char *number = line + length;
    if (strncmp(line, FIRST_LINE, length) != 0 || !take_number(&number, '\0', &version)) {
        return bad_line(r, "not the manifest of a checkpoint");
    }
    if (version != CO_MANIFEST_VERSION) {
        return co_fail(r->err, CO_FILE,
                       "%s: a checkpoint of version %llu; this program reads version %d", r->label,
                       (unsigned long long)version, CO_MANIFEST_VERSION);
    }
    CO_TRY(take_line(r, &line));
    number = line + 5;
    if (strncmp(line, "step ", 5) != 0 || !take_number(&number, '\0', &r->out->step)) {
        return bad_line(r, "expected: step and a number");
    }
    return CO_OK;
}

static co_status read_lines(reader *r, co_hash expected, const char *last)
{
    CO_TRY(read_head(r));
    for (;;) {
        char *line = NULL;
        bool is_last = r->next == last;
        CO_TRY(take_line(r, &line));
        if (strncmp(line, "end ", 4) == 0 && is_last) {
            co_hash hash = {0};
            char *digits = line + 4;
            if (!take_hash(&digits, '\0', &hash) || !co_hash_equal(hash, expected)) {
                return co_fail(r->err, CO_FILE,
                               "%s: damaged: its text does not have the hash in its last line",
                               r->label);
            }
            return r->next == r->end ? CO_OK : bad_line(r, "text after the end");
        }
        CO_TRY(strncmp(line, "file ", 5) == 0 ? add_file(r, line + 5) : add_range(r, line));
    }
}

/* Where the last line begins. */
static const char *find_last_line(const char *text, size_t bytes)
{
    const char *at = text + bytes - (bytes > 0);
    while (at > text && at[-1] != '\n') {
        at--;
    }
    return at;
}

static co_status allocate(co_manifest *manifest, const char *text, size_t bytes, co_error *err)
{
    size_t lines = 0;
    void *block = NULL;
    for (size_t i = 0; i < bytes; i++) {
        lines += text[i] == '\n';
    }
    CO_TRY(co_alloc(bytes + 1, 1, "manifest", &block, err));
    manifest->text = block;
    memcpy(manifest->text, text, bytes);
    CO_TRY(co_alloc(lines + 1, sizeof(co_manifest_range), "manifest", &block, err));
    manifest->ranges = block;
    CO_TRY(co_alloc(lines + 1, sizeof(co_manifest_file), "manifest", &block, err));
    manifest->files = block;
    return CO_OK;
}

co_status co_manifest_parse(const char *text, size_t bytes, const char *label, co_manifest *out,
                            co_error *err)
{
    co_manifest manifest = {0};
    co_status status = allocate(&manifest, text, bytes, err);
    if (status == CO_OK) {
        reader r = {.label = label, .next = manifest.text, .out = &manifest, .err = err};
        r.end = manifest.text + bytes;
        size_t head = (size_t)(find_last_line(text, bytes) - text);
        status = read_lines(&r, co_hash_bytes(text, head), manifest.text + head);
    }
    if (status != CO_OK) {
        co_manifest_free(&manifest);
        return status;
    }
    *out = manifest;
    return CO_OK;
}

void co_manifest_free(co_manifest *manifest)
{
    co_free(manifest->files);
    co_free(manifest->ranges);
    co_free(manifest->text);
    *manifest = (co_manifest){0};
}

/* --- writing --------------------------------------------------------------------------- */

static co_status put(co_text *text, const co_manifest *manifest, co_error *err)
{
    co_text_printf(text, FIRST_LINE "%d\nstep %llu\n", CO_MANIFEST_VERSION,
                   (unsigned long long)manifest->step);
    for (size_t i = 0; i < manifest->file_count; i++) {
        const co_manifest_file *file = &manifest->files[i];
        if (!is_file_name(file->name)) {
            return co_fail(err, CO_INTERNAL, "a file of a checkpoint cannot be called '%s'",
                           file->name);
        }
        co_text_printf(text, "file %s\n", file->name);
        for (size_t k = 0; k < file->count; k++) {
            const co_manifest_range *range = &manifest->ranges[file->first + k];
            char hash[CO_HASH_TEXT_SIZE];
            if (!is_range_name(range->name)) {
                return co_fail(err, CO_INTERNAL, "a tensor of a checkpoint cannot be called '%s'",
                               range->name);
            }
            co_hash_text(range->hash, hash);
            co_text_printf(text, "%llu %llu %s ", (unsigned long long)range->begin,
                           (unsigned long long)range->end, hash);
            co_text_put(text, range->name);
            co_text_put(text, "\n");
        }
    }
    return CO_OK;
}

co_status co_manifest_write(const co_manifest *manifest, char **out, size_t *bytes, co_error *err)
{
    enum { LAST_LINE = 4 + CO_HASH_TEXT_SIZE };
    void *block = NULL;
    co_text sized = co_text_over(NULL, 0);
    CO_TRY(put(&sized, manifest, err));
    CO_TRY(co_alloc(sized.length + LAST_LINE + 1, 1, "manifest", &block, err));
    co_text text = co_text_over(block, sized.length + LAST_LINE + 1);
    co_status status = put(&text, manifest, err);
    if (status != CO_OK) {
        co_free(block);
        return status;
    }
    char hash[CO_HASH_TEXT_SIZE];
    co_hash_text(co_hash_bytes(text.data, text.length), hash);
    co_text_printf(&text, "end %s\n", hash);
    *out = text.data;
    *bytes = text.length;
    return CO_OK;
}
