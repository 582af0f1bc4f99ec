#include "data/idx_file.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"

enum {
    IDX_HEAD_MAX = 16,
    IDX_UNSIGNED_BYTE = 0x08,
    IDX_SIDE_MAX = 65536, /* of an image */
};

/* No real file of this kind is larger; the rest is damage (and keeps sums within 64 bits). */
static const uint64_t idx_bytes_max = (uint64_t)1 << 36;

static uint32_t load_be32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
           (uint32_t)bytes[3];
}

static co_status check_magic(const char *path, const uint8_t *head, size_t got, co_idx_kind kind,
                             co_error *err)
{
    const char *what = kind == CO_IDX_IMAGES ? "images" : "labels";
    if (got < 4) {
        return co_fail(err, CO_DATA,
                       "%s: byte %zu: the file ends inside the header; it is truncated or empty, "
                       "get it again",
                       path, got);
    }
    if (head[0] != 0 || head[1] != 0) {
        return co_fail(err, CO_DATA,
                       "%s: byte 0: starts with %02x %02x, an IDX file (plain, gzip or xz) with "
                       "00 00; this is another format",
                       path, head[0], head[1]);
    }
    if (head[2] != IDX_UNSIGNED_BYTE) {
        return co_fail(err, CO_DATA, "%s: byte 2: element type 0x%02x, need 0x08 (unsigned byte)",
                       path, head[2]);
    }
    if (head[3] != kind) {
        return co_fail(err, CO_DATA,
                       "%s: byte 3: %u dimensions (magic number %" PRIu32 "), but IDX %s have %d "
                       "(magic number %u); were the files mixed up?",
                       path, head[3], load_be32(head), what, (int)kind, 0x800u + (unsigned)kind);
    }
    return CO_OK;
}

static co_status check_sizes(const char *path, const uint8_t *head, co_idx_kind kind,
                             co_idx_file *file, co_error *err)
{
    file->count = load_be32(head + 4);
    file->height = 1;
    file->width = 1;
    if (kind == CO_IDX_IMAGES) {
        file->height = load_be32(head + 8);
        file->width = load_be32(head + 12);
    }
    if (file->count == 0) {
        return co_fail(err, CO_DATA, "%s: byte 4: the header says 0 samples", path);
    }
    if (file->height == 0 || file->width == 0 || file->height > IDX_SIDE_MAX ||
        file->width > IDX_SIDE_MAX) {
        return co_fail(err, CO_DATA,
                       "%s: byte 8: images of %" PRIu32 " x %" PRIu32 " pixels; sides go from 1 to "
                       "%d",
                       path, file->height, file->width, IDX_SIDE_MAX);
    }
    uint64_t pixels = (uint64_t)file->height * file->width; /* <= 2^32, the product below 2^64 */
    if (pixels > idx_bytes_max / file->count) {
        return co_fail(err, CO_DATA,
                       "%s: byte 4: the header says %" PRIu32 " samples of %" PRIu32 " x %" PRIu32
                       " bytes, more than an IDX file can have",
                       path, file->count, file->height, file->width);
    }
    file->head_bytes = 4 + 4 * (size_t)kind;
    file->total_bytes = file->head_bytes + (size_t)(pixels * file->count);
    return CO_OK;
}

static co_status read_header(co_idx_file *file, co_idx_kind kind, co_error *err)
{
    uint8_t head[IDX_HEAD_MAX] = {0};
    size_t need = 4 + 4 * (size_t)kind;
    size_t got = 0;
    const char *path = file->source.path;
    CO_TRY(co_source_head(&file->source, need, head, &got, err));
    CO_TRY(check_magic(path, head, got, kind, err));
    if (got < need) {
        return co_fail(err, CO_DATA,
                       "%s: byte %zu: the file ends inside the header of %zu bytes; it is "
                       "truncated, get it again",
                       path, got, need);
    }
    CO_TRY(check_sizes(path, head, kind, file, err));
    if (file->source.packing == CO_PACKING_NONE && file->source.file_bytes != file->total_bytes) {
        bool more = file->source.file_bytes > file->total_bytes;
        return co_fail(err, CO_DATA,
                       "%s: byte %" PRIu64 ": the file has %" PRIu64 " bytes, its header promises "
                       "%zu; it is %s, get it again",
                       path, more ? (uint64_t)file->total_bytes : file->source.file_bytes,
                       file->source.file_bytes, file->total_bytes,
                       more ? "damaged or has something appended" : "truncated");
    }
    return CO_OK;
}

co_status co_idx_file_open(const char *path, co_idx_kind kind, co_idx_file *out, co_error *err)
{
    co_idx_file file = CO_IDX_FILE_NONE;
    CO_TRY(co_source_open(path, &file.source, err));
    co_status status = read_header(&file, kind, err);
    if (status != CO_OK) {
        co_idx_file_close(&file);
        return status;
    }
    *out = file;
    return CO_OK;
}

void co_idx_file_close(co_idx_file *file)
{
    co_source_close(&file->source);
    *file = CO_IDX_FILE_NONE;
}

co_status co_idx_file_read(const co_idx_file *file, const atomic_bool *stop, co_bytes *out,
                           co_error *err)
{
    return co_source_read(&file->source, file->total_bytes, stop, out, err);
}

co_status co_idx_counts_agree(const co_idx_file *images, const co_idx_file *labels, co_error *err)
{
    if (images->count != labels->count) {
        return co_fail(err, CO_DATA,
                       "%s: byte 4: %" PRIu32 " labels for the %" PRIu32 " images of %s; the files "
                       "do not belong together",
                       labels->source.path, labels->count, images->count, images->source.path);
    }
    return CO_OK;
}

co_status co_idx_shapes_agree(const co_idx_file *train, const co_idx_file *test, co_error *err)
{
    if (train->height != test->height || train->width != test->width) {
        return co_fail(err, CO_DATA,
                       "%s: byte 8: images of %" PRIu32 " x %" PRIu32 ", but %" PRIu32 " x %" PRIu32
                       " in %s; the files do not belong together",
                       test->source.path, test->height, test->width, train->height, train->width,
                       train->source.path);
    }
    return CO_OK;
}

static co_status widen_labels(const co_idx_file *file, const uint8_t *bytes, int classes,
                              co_dataset_findings *findings, int32_t *labels, co_error *err)
{
    for (uint32_t i = 0; i < file->count; i++) {
        if (bytes[i] < classes) {
            labels[i] = bytes[i];
            continue;
        }
        co_error local = {.status = CO_OK};
        co_error *fault = findings != NULL ? &local : err;
        co_status status = co_fail(
            fault, CO_DATA, "%s: byte %zu: label %u of sample %" PRIu32 " is not in 0..%d",
            file->source.path, file->head_bytes + i, bytes[i], i, classes - 1);
        if (findings == NULL) {
            return status;
        }
        co_findings_add(findings, fault);
    }
    return CO_OK;
}

co_status co_idx_labels_read(const co_idx_file *file, int classes, co_dataset_findings *findings,
                             int32_t **out, co_error *err)
{
    co_bytes content = {0};
    CO_TRY(co_idx_file_read(file, NULL, &content, err));
    void *labels = NULL;
    co_status status = co_alloc(file->count, sizeof(int32_t), "labels", &labels, err);
    if (status == CO_OK) {
        status = widen_labels(file, content.data + file->head_bytes, classes, findings, labels,
                              err);
    }
    co_bytes_free(&content);
    if (status != CO_OK) {
        co_free(labels);
        return status;
    }
    *out = labels;
    return CO_OK;
}
