#include "state/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "state/safetensors_header.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are copied as they are");

enum { LENGTH_BYTES = sizeof(uint64_t), DATA_ALIGNMENT = 64 };

struct co_safetensors {
    int fd;                      /* -1 when in memory */
    const unsigned char *memory; /* borrowed; NULL when a file */
    uint64_t bytes;              /* of the whole file */
    uint64_t data_start;
    char *label;
    co_safetensors_header header;
};

/* --- reading --------------------------------------------------------------------------- */

static co_status read_at(const co_safetensors *file, uint64_t offset, void *out, size_t bytes,
                         const char *what, co_error *err)
{
    if (file->memory != NULL) {
        memcpy(out, file->memory + offset, bytes);
        return CO_OK;
    }
    size_t done = 0;
    while (done < bytes) {
        ssize_t count = pread(file->fd, (char *)out + done, bytes - done, (off_t)(offset + done));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return co_fail_errno(err, CO_FILE, count < 0 ? errno : ENODATA,
                                 "%s: cannot read %s, bytes %llu-%llu of the file", file->label,
                                 what, (unsigned long long)offset,
                                 (unsigned long long)(offset + bytes));
        }
        done += (size_t)count;
    }
    return CO_OK;
}

static co_status read_header(co_safetensors *file, co_error *err)
{
    uint64_t length = 0;
    if (file->bytes < LENGTH_BYTES) {
        return co_fail(err, CO_FILE, "%s: has %llu bytes: not a safetensors file", file->label,
                       (unsigned long long)file->bytes);
    }
    CO_TRY(read_at(file, 0, &length, LENGTH_BYTES, "the header's length", err));
    if (length > CO_SAFETENSORS_HEADER_MAX || length > file->bytes - LENGTH_BYTES) {
        return co_fail(err, CO_FILE,
                       "%s: bytes 0-8 say that the header has %llu bytes, but the file has %llu "
                       "(and a header at most %u): not a safetensors file, or cut short",
                       file->label, (unsigned long long)length, (unsigned long long)file->bytes,
                       CO_SAFETENSORS_HEADER_MAX);
    }
    void *block = NULL;
    CO_TRY(co_alloc((size_t)length + 1, 1, "safetensors header", &block, err));
    co_status status = CO_OK;
    CO_TRY_GOTO(status, read_at(file, LENGTH_BYTES, block, (size_t)length, "the header", err),
                free_json);
    file->data_start = LENGTH_BYTES + length;
    status = co_safetensors_parse(block, (size_t)length, file->bytes - file->data_start,
                                  file->label, &file->header, err);
free_json:
    co_free(block);
    return status;
}

static co_status create(const char *label, co_safetensors **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_safetensors), "safetensors reader", &block, err));
    co_safetensors *file = block;
    file->fd = -1;
    co_status status = co_strdup(label, &file->label, err);
    if (status != CO_OK) {
        co_free(file);
        return status;
    }
    *out = file;
    return CO_OK;
}

static co_status open_path(co_safetensors *file, co_error *err)
{
    struct stat info;
    file->fd = open(file->label, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0 || fstat(file->fd, &info) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot open %s", file->label);
    }
    if (!S_ISREG(info.st_mode)) {
        return co_fail(err, CO_FILE, "%s: is not a regular file", file->label);
    }
    file->bytes = (uint64_t)info.st_size;
    return read_header(file, err);
}

co_status co_safetensors_open(const char *path, co_safetensors **out, co_error *err)
{
    co_safetensors *file = NULL;
    CO_TRY(create(path, &file, err));
    co_status status = open_path(file, err);
    if (status != CO_OK) {
        co_safetensors_close(file);
        return status;
    }
    *out = file;
    return CO_OK;
}

co_status co_safetensors_open_memory(const void *data, size_t bytes, const char *label,
                                     co_safetensors **out, co_error *err)
{
    co_safetensors *file = NULL;
    CO_TRY(create(label, &file, err));
    file->memory = data;
    file->bytes = bytes;
    co_status status = read_header(file, err);
    if (status != CO_OK) {
        co_safetensors_close(file);
        return status;
    }
    *out = file;
    return CO_OK;
}

void co_safetensors_close(co_safetensors *file)
{
    if (file == NULL) {
        return;
    }
    co_safetensors_header_free(&file->header);
    if (file->fd >= 0) {
        (void)close(file->fd);
    }
    co_free(file->label);
    co_free(file);
}

size_t co_safetensors_count(const co_safetensors *file)
{
    return file->header.count;
}

const co_tensor_entry *co_safetensors_entry(const co_safetensors *file, size_t index)
{
    return &file->header.entries[index];
}

const co_tensor_entry *co_safetensors_find(const co_safetensors *file, const char *name)
{
    size_t low = 0;
    size_t high = file->header.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const co_tensor_entry *entry = &file->header.entries[file->header.by_name[middle]];
        int order = strcmp(name, entry->name);
        if (order == 0) {
            return entry;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

size_t co_safetensors_metadata_count(const co_safetensors *file)
{
    return file->header.metadata_count;
}

const co_metadata *co_safetensors_metadata_at(const co_safetensors *file, size_t index)
{
    return &file->header.metadata[index];
}

const char *co_safetensors_metadata(const co_safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->header.metadata_count; i++) {
        if (strcmp(file->header.metadata[i].key, key) == 0) {
            return file->header.metadata[i].value;
        }
    }
    return NULL;
}

co_status co_safetensors_read(co_safetensors *file, const co_tensor_entry *entry, void *out,
                              size_t bytes, co_error *err)
{
    if (entry->end - entry->begin != bytes) {
        return co_fail(err, CO_FILE, "%s: tensor %s has %llu bytes, expected %zu", file->label,
                       entry->name, (unsigned long long)(entry->end - entry->begin), bytes);
    }
    if (bytes == 0) {
        return CO_OK;
    }
    char what[64 + CO_SAFETENSORS_NAME_MAX];
    co_text text = co_text_over(what, sizeof(what));
    co_text_printf(&text, "tensor %s", entry->name);
    return read_at(file, file->data_start + entry->begin, out, bytes, what, err);
}

static void add_shape(co_text *text, unsigned rank, const uint64_t *shape)
{
    co_text_put(text, "[");
    for (unsigned i = 0; i < rank; i++) {
        co_text_printf(text, "%s%llu", i > 0 ? "," : "", (unsigned long long)shape[i]);
    }
    co_text_put(text, "]");
}

co_status co_safetensors_read_f32(co_safetensors *file, const char *name, unsigned rank,
                                  const uint64_t *shape, float *out, co_error *err)
{
    const co_tensor_entry *entry = co_safetensors_find(file, name);
    if (entry == NULL) {
        return co_fail(err, CO_FILE, "%s: there is no tensor %s: the file is of another model",
                       file->label, name);
    }
    bool same = entry->dtype == CO_DTYPE_F32 && entry->rank == rank;
    for (unsigned i = 0; same && i < rank; i++) {
        same = entry->shape[i] == shape[i];
    }
    if (!same) {
        char found[256];
        char expected[256];
        co_text found_text = co_text_over(found, sizeof(found));
        co_text expected_text = co_text_over(expected, sizeof(expected));
        add_shape(&found_text, entry->rank, entry->shape);
        add_shape(&expected_text, rank, shape);
        return co_fail(err, CO_FILE,
                       "%s: tensor %s is %s%s, expected F32%s: the file is of "
                       "another model",
                       file->label, name, co_dtype_name(entry->dtype), found, expected);
    }
    return co_safetensors_read(file, entry, out, (size_t)(entry->end - entry->begin), err);
}

/* --- writing --------------------------------------------------------------------------- */

static co_status check_source(const char *path, const co_tensor_source *tensor, uint64_t begin,
                              uint64_t *end, co_error *err)
{
    uint64_t elements = 0;
    uint64_t bytes = 0;
    size_t length = strlen(tensor->name);
    if (length == 0 || length > CO_SAFETENSORS_NAME_MAX || tensor->rank > CO_SAFETENSORS_RANK_MAX ||
        !co_tensor_bytes(tensor->dtype, tensor->rank, tensor->shape, &elements, &bytes) ||
        __builtin_add_overflow(begin, bytes, end)) {
        return co_fail(err, CO_INTERNAL, "%s: tensor '%s' cannot be saved: bad name, rank or size",
                       path, tensor->name);
    }
    return CO_OK;
}

/* Twice: once over no memory for its length, once for good. */
static co_status build_header(co_text *text, const char *path, const co_tensor_source *tensors,
                              size_t count, const co_metadata *metadata, size_t metadata_count,
                              co_error *err)
{
    uint64_t begin = 0;
    const char *comma = "";
    co_text_put_bytes(text, (const char[LENGTH_BYTES]){0},
                      LENGTH_BYTES); /* its length: see below */
    co_text_put(text, "{");
    for (size_t i = 0; i < metadata_count; i++) {
        co_text_put(text, i == 0 ? "\"__metadata__\":{" : ",");
        co_text_json_string(text, metadata[i].key);
        co_text_put(text, ":");
        co_text_json_string(text, metadata[i].value);
        co_text_put(text, i + 1 == metadata_count ? "}" : "");
        comma = ",";
    }
    for (size_t i = 0; i < count; i++) {
        const co_tensor_source *tensor = &tensors[i];
        uint64_t end = 0;
        CO_TRY(check_source(path, tensor, begin, &end, err));
        co_text_put(text, comma);
        co_text_json_string(text, tensor->name);
        co_text_printf(text, ":{\"dtype\":\"%s\",\"shape\":", co_dtype_name(tensor->dtype));
        add_shape(text, tensor->rank, tensor->shape);
        co_text_printf(text, ",\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin,
                       (unsigned long long)end);
        begin = end;
        comma = ",";
    }
    co_text_put(text, "}");
    while (text->length % DATA_ALIGNMENT != 0) {
        co_text_put(text, " ");
    }
    if (co_text_complete(text)) {
        uint64_t length = text->length - LENGTH_BYTES;
        memcpy(text->data, &length, sizeof(length));
    }
    return CO_OK;
}

static co_status write_file(co_file_writer *writer, const co_text *header,
                            const co_tensor_source *tensors, size_t count, co_error *err)
{
    CO_TRY(co_file_writer_add(writer, header->data, header->length, err));
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes = 0;
        CO_TRY(co_tensor_source_bytes(&tensors[i], &bytes, err));
        CO_TRY(co_file_writer_add(writer, tensors[i].data, (size_t)bytes, err));
    }
    return CO_OK;
}

static co_status open_writer(const co_files *files, const char *path, const co_text *header,
                             const co_tensor_source *tensors, size_t count, co_file_writer **out,
                             co_error *err)
{
    uint64_t bytes = header->length;
    for (size_t i = 0; i < count; i++) {
        CO_TRY(check_source(path, &tensors[i], bytes, &bytes, err));
    }
    return bytes >= CO_FILE_LARGE ? co_file_writer_open_large(files, path, out, err)
                                  : co_file_writer_open(files, path, out, err);
}

static co_status hash_sources(const co_text *header, const co_tensor_source *tensors, size_t count,
                              co_hash *hashes, co_error *err)
{
    hashes[0] = co_hash_bytes(header->data, header->length);
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes = 0;
        CO_TRY(co_tensor_source_bytes(&tensors[i], &bytes, err));
        hashes[1 + i] = co_hash_bytes(tensors[i].data, (size_t)bytes);
    }
    return CO_OK;
}

/* Our own strict reader must accept what we are about to leave behind (duplicate names, mostly). */
static co_status check_header(const char *path, const co_text *header,
                              const co_tensor_source *tensors, size_t count, co_error *err)
{
    co_safetensors_header parsed = {0};
    uint64_t data_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        CO_TRY(check_source(path, &tensors[i], data_bytes, &data_bytes, err));
    }
    size_t length = header->length - LENGTH_BYTES;
    if (length > CO_SAFETENSORS_HEADER_MAX) {
        return co_fail(err, CO_INTERNAL, "%s: the header would have %zu bytes, more than %u", path,
                       length, CO_SAFETENSORS_HEADER_MAX);
    }
    co_status status = co_safetensors_parse(header->data + LENGTH_BYTES, length, data_bytes, path,
                                            &parsed, err);
    co_safetensors_header_free(&parsed);
    if (status == CO_FILE) {
        err->status = CO_INTERNAL; /* the message fits; the fault is the caller's */
        return CO_INTERNAL;
    }
    return status;
}

co_status co_tensor_source_bytes(const co_tensor_source *tensor, uint64_t *bytes, co_error *err)
{
    return check_source("a checkpoint", tensor, 0, bytes, err);
}

co_status co_safetensors_save_hashed(const co_files *files, const char *path,
                                     const co_tensor_source *tensors, size_t count,
                                     const co_metadata *metadata, size_t metadata_count,
                                     co_hash *hashes, uint64_t *header_bytes, co_error *err)
{
    co_text sized = co_text_over(NULL, 0);
    CO_TRY(build_header(&sized, path, tensors, count, metadata, metadata_count, err));
    void *block = NULL;
    CO_TRY(co_alloc(sized.length + 1, 1, "safetensors header", &block, err));
    co_text header = co_text_over(block, sized.length + 1);
    co_file_writer *writer = NULL;
    co_status status = build_header(&header, path, tensors, count, metadata, metadata_count, err);
    CO_TRY_GOTO(status, status, free_header);
    CO_TRY_GOTO(status, check_header(path, &header, tensors, count, err), free_header);
    if (hashes != NULL) {
        CO_TRY_GOTO(status, hash_sources(&header, tensors, count, hashes, err), free_header);
        *header_bytes = header.length;
    }
    CO_TRY_GOTO(status, open_writer(files, path, &header, tensors, count, &writer, err),
                free_header);
    status = write_file(writer, &header, tensors, count, err);
    if (status == CO_OK) {
        status = co_file_writer_commit(writer, err);
    } else {
        co_file_writer_abandon(writer);
    }
free_header:
    co_free(block);
    return status;
}

co_status co_safetensors_save(const co_files *files, const char *path,
                              const co_tensor_source *tensors, size_t count,
                              const co_metadata *metadata, size_t metadata_count, co_error *err)
{
    return co_safetensors_save_hashed(files, path, tensors, count, metadata, metadata_count, NULL,
                                      NULL, err);
}
