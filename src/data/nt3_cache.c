#include "data/nt3_cache.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

enum { VERSION = 1, ENDIAN = 0x01020304, HEADER_BYTES = 8192, END_BYTES = 64 * 1024 };

static const char magic[8] = {'c', 'o', 'h', 'o', 'r', 't', 'N', 'T'};

typedef struct cache_header {
    char magic[8];
    uint32_t version;
    uint32_t endian;
    uint32_t features;
    uint32_t samples[CO_SPLITS];
    uint32_t padding;
    co_nt3_key keys[CO_SPLITS];
    uint64_t left_out;
    char listed[CO_BAD_LISTED][CO_ERROR_SIZE];
    co_hash payload; /* of all that follows the header */
    co_hash self;    /* of the header before this place */
} cache_header;

static_assert(sizeof(cache_header) <= HEADER_BYTES, "the header fits its place");

/* ---- keys ---- */

static co_status hash_ends(int fd, const char *path, uint64_t size, co_hash *out, co_error *err)
{
    void *block = NULL;
    size_t first = size < END_BYTES ? (size_t)size : END_BYTES;
    CO_TRY(co_alloc(2, END_BYTES, "checksum", &block, err));
    uint8_t *bytes = block;
    ssize_t head = pread(fd, bytes, first, 0);
    ssize_t tail = pread(fd, bytes + first, first, (off_t)(size - first));
    co_status status = CO_OK;
    if (head != (ssize_t)first || tail != (ssize_t)first) {
        status = co_fail(err, CO_DATA, "%s: cannot be read", path);
    } else {
        *out = co_hash_bytes(bytes, 2 * first);
    }
    co_free(block);
    return status;
}

co_status co_nt3_key_of(const char *path, co_nt3_key *out, co_error *err)
{
    struct stat info;
    co_nt3_key key = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return co_fail_errno(err, CO_DATA, errno, "%s: cannot be opened", path);
    }
    co_status status = CO_OK;
    if (fstat(fd, &info) != 0) {
        status = co_fail_errno(err, CO_DATA, errno, "%s: cannot be examined", path);
    } else if (!S_ISREG(info.st_mode)) {
        status = co_fail(err, CO_DATA, "%s: is not a file", path);
    } else {
        key.bytes = (uint64_t)info.st_size;
        key.changed_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
        status = hash_ends(fd, path, key.bytes, &key.ends, err);
    }
    close(fd);
    if (status == CO_OK) {
        *out = key;
    }
    return status;
}

static bool same_key(const co_nt3_key *a, const co_nt3_key *b)
{
    return a->bytes == b->bytes && a->changed_ns == b->changed_ns &&
           co_hash_equal(a->ends, b->ends);
}

void co_nt3_content_free(co_nt3_content *content)
{
    co_bytes_free(&content->mapped);
    for (int split = 0; split < CO_SPLITS; split++) {
        co_csv_table_free(&content->parsed[split]);
    }
    *content = (co_nt3_content){0};
}

/* ---- layout ---- */

/* Bytes of the labels with the padding after them. */
static uint64_t label_bytes(const uint32_t samples[CO_SPLITS])
{
    uint64_t labels = (uint64_t)samples[0] + samples[1];
    return (labels * sizeof(int32_t) + CO_ALIGNMENT - 1) / CO_ALIGNMENT * CO_ALIGNMENT;
}

/* Of the whole file; 0 when that is more than there can be. */
static uint64_t file_bytes(uint32_t features, const uint32_t samples[CO_SPLITS])
{
    size_t values = 0;
    size_t bytes = 0;
    bool fits = co_mul_size((size_t)samples[0] + samples[1], features, &values) &&
                co_mul_size(values, sizeof(float), &bytes) &&
                co_add_size(bytes, HEADER_BYTES + (size_t)label_bytes(samples), &bytes);
    return fits ? bytes : 0;
}

static co_hash header_hash(const cache_header *header)
{
    return co_hash_bytes(header, offsetof(cache_header, self));
}

/* ---- reading ---- */

static bool map_file(const char *path, co_bytes *out)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool good = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    if (good && info.st_size > 0) {
        size_t size = (size_t)info.st_size;
        void *pages = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        good = pages != MAP_FAILED;
        *out = good ? (co_bytes){pages, size, pages, size} : (co_bytes){0};
    }
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static co_nt3_found judge(const co_bytes *file, const co_nt3_key keys[CO_SPLITS])
{
    const cache_header *header = (const cache_header *)file->data;
    if (file->size < HEADER_BYTES || memcmp(header->magic, magic, sizeof(magic)) != 0) {
        return CO_NT3_DAMAGED;
    }
    if (header->version != VERSION || header->endian != ENDIAN) {
        return CO_NT3_STALE;
    }
    if (!co_hash_equal(header->self, header_hash(header)) ||
        file->size != file_bytes(header->features, header->samples)) {
        return CO_NT3_DAMAGED;
    }
    if (!same_key(&header->keys[0], &keys[0]) || !same_key(&header->keys[1], &keys[1])) {
        return CO_NT3_STALE;
    }
    co_hash payload = co_hash_bytes(file->data + HEADER_BYTES, file->size - HEADER_BYTES);
    return co_hash_equal(payload, header->payload) ? CO_NT3_GOOD : CO_NT3_DAMAGED;
}

static void point_into(co_nt3_content *content)
{
    const cache_header *header = (const cache_header *)content->mapped.data;
    const uint8_t *at = content->mapped.data + HEADER_BYTES;
    content->features = header->features;
    content->bad.count = header->left_out;
    for (int split = 0; split < CO_SPLITS; split++) {
        content->samples[split] = header->samples[split];
        content->labels[split] = (const int32_t *)(const void *)at;
        at += header->samples[split] * sizeof(int32_t);
    }
    at = content->mapped.data + HEADER_BYTES + label_bytes(header->samples);
    for (int split = 0; split < CO_SPLITS; split++) {
        content->values[split] = (const float *)(const void *)at;
        at += (size_t)header->samples[split] * header->features * sizeof(float);
    }
    for (uint64_t i = 0; i < header->left_out && i < CO_BAD_LISTED; i++) {
        memcpy(content->bad.listed[i].text, header->listed[i], CO_ERROR_SIZE);
        content->bad.listed[i].text[CO_ERROR_SIZE - 1] = '\0';
        content->bad.listed[i].status = CO_DATA;
    }
}

co_nt3_found co_nt3_cache_load(const char *path, const co_nt3_key keys[CO_SPLITS],
                               co_nt3_content *out)
{
    co_nt3_content content = {0};
    if (!map_file(path, &content.mapped)) {
        return CO_NT3_NONE;
    }
    co_nt3_found found = judge(&content.mapped, keys);
    if (found != CO_NT3_GOOD) {
        co_nt3_content_free(&content);
        return found;
    }
    point_into(&content);
    *out = content;
    return CO_NT3_GOOD;
}

/* ---- writing ---- */

/* The pieces of a file after its header, in their order. */
typedef struct piece {
    const void *data;
    size_t bytes;
} piece;

enum { PIECES = 5 };

static void list_pieces(const co_nt3_content *content, const char padding[CO_ALIGNMENT],
                        piece out[PIECES])
{
    size_t labels = 0;
    for (int split = 0; split < CO_SPLITS; split++) {
        size_t samples = content->samples[split];
        out[split] = (piece){content->labels[split], samples * sizeof(int32_t)};
        out[3 + split] = (piece){content->values[split],
                                 samples * content->features * sizeof(float)};
        labels += out[split].bytes;
    }
    out[2] = (piece){padding, (size_t)label_bytes(content->samples) - labels};
}

static void fill_header(const co_nt3_content *content, const co_nt3_key keys[CO_SPLITS],
                        cache_header *header)
{
    memcpy(header->magic, magic, sizeof(magic));
    header->version = VERSION;
    header->endian = ENDIAN;
    header->features = content->features;
    header->left_out = content->bad.count;
    for (int split = 0; split < CO_SPLITS; split++) {
        header->samples[split] = content->samples[split];
        header->keys[split] = keys[split];
    }
    for (uint64_t i = 0; i < content->bad.count && i < CO_BAD_LISTED; i++) {
        memcpy(header->listed[i], content->bad.listed[i].text, CO_ERROR_SIZE);
    }
}

static co_status hash_pieces(const piece pieces[PIECES], co_hash *out, co_error *err)
{
    co_hasher *hasher = NULL;
    CO_TRY(co_hasher_create(&hasher, err));
    for (int i = 0; i < PIECES; i++) {
        co_hasher_add(hasher, pieces[i].data, pieces[i].bytes);
    }
    *out = co_hasher_result(hasher);
    co_hasher_destroy(hasher);
    return CO_OK;
}

static co_status write_file(const char *path, const void *header, const piece pieces[PIECES],
                            co_error *err)
{
    co_file_writer *writer = NULL;
    CO_TRY(co_file_writer_open(&co_files_system, path, &writer, err));
    co_status status = co_file_writer_add(writer, header, HEADER_BYTES, err);
    for (int i = 0; i < PIECES && status == CO_OK; i++) {
        status = co_file_writer_add(writer, pieces[i].data, pieces[i].bytes, err);
    }
    if (status != CO_OK) {
        co_file_writer_abandon(writer);
        return status;
    }
    return co_file_writer_commit(writer, err);
}

co_status co_nt3_cache_save(const char *path, const co_nt3_key keys[CO_SPLITS],
                            const co_nt3_content *content, co_error *err)
{
    static const char padding[CO_ALIGNMENT] = {0};
    piece pieces[PIECES];
    void *block = NULL;
    CO_TRY(co_alloc(HEADER_BYTES, 1, "cache", &block, err));
    cache_header *header = block;
    list_pieces(content, padding, pieces);
    fill_header(content, keys, header);
    co_status status = hash_pieces(pieces, &header->payload, err);
    if (status == CO_OK) {
        header->self = header_hash(header);
        status = write_file(path, header, pieces, err);
    }
    co_free(block);
    return status;
}
