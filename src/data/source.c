#include "data/source.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"

enum {
    READ_BLOCK_BYTES = 128 * 1024,
    DEFLATE_MAX_RATIO = 1032, /* 258 bytes from 2 bits */
    START_BYTES = 64 * 1024,
    GZIP_TRAILER_BYTES = 8,
};

/* ---- files ---- */

static co_packing packing_of(const uint8_t *head, ssize_t got)
{
    static const uint8_t gzip[2] = {0x1F, 0x8B};
    static const uint8_t xz[6] = {0xFD, '7', 'z', 'X', 'Z', 0};
    if (got >= 2 && memcmp(head, gzip, sizeof(gzip)) == 0) {
        return CO_PACKING_GZIP;
    }
    return got >= 6 && memcmp(head, xz, sizeof(xz)) == 0 ? CO_PACKING_XZ : CO_PACKING_NONE;
}

static co_status look_at(co_source *source, co_error *err)
{
    struct stat info;
    if (fstat(source->fd, &info) != 0) {
        return co_fail_errno(err, CO_DATA, errno, "%s: cannot be examined", source->path);
    }
    if (!S_ISREG(info.st_mode)) {
        return co_fail(err, CO_DATA, "%s: is not a file", source->path);
    }
    source->file_bytes = (uint64_t)info.st_size;
    uint8_t head[6];
    ssize_t got = pread(source->fd, head, sizeof(head), 0);
    if (got < 0) {
        return co_fail_errno(err, CO_DATA, errno, "%s: byte 0: cannot be read", source->path);
    }
    source->packing = packing_of(head, got);
    return CO_OK;
}

co_status co_source_open(const char *path, co_source *out, co_error *err)
{
    co_source source = CO_SOURCE_NONE;
    CO_TRY(co_strdup(path, &source.path, err));
    co_status status = CO_OK;
    /* A pipe is refused, not waited for. */
    source.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (source.fd < 0) {
        status = co_fail_errno(err, CO_DATA, errno, "%s: cannot be opened", path);
    } else {
        status = look_at(&source, err);
    }
    if (status != CO_OK) {
        co_source_close(&source);
        return status;
    }
    *out = source;
    return CO_OK;
}

void co_source_close(co_source *source)
{
    if (source->fd >= 0) {
        close(source->fd);
    }
    co_free(source->path);
    *source = CO_SOURCE_NONE;
}

/* ---- pages ---- */

co_status co_bytes_reserve(size_t size, const char *what, co_bytes *out, co_error *err)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) {
        return co_fail_errno(err, CO_MEMORY, errno, "%s: cannot reserve %zu bytes", what, size);
    }
    *out = (co_bytes){.data = pages, .size = size, .pages = pages, .page_bytes = size};
    return CO_OK;
}

void co_bytes_free(co_bytes *bytes)
{
    if (bytes->pages != NULL) {
        munmap(bytes->pages, bytes->page_bytes);
    }
    *bytes = (co_bytes){0};
}

static co_status grow(co_bytes *bytes, size_t size, const char *path, co_error *err)
{
    void *pages = mremap(bytes->pages, bytes->page_bytes, size, MREMAP_MAYMOVE);
    if (pages == MAP_FAILED) {
        return co_fail_errno(err, CO_MEMORY, errno, "%s: cannot reserve %zu bytes", path, size);
    }
    *bytes = (co_bytes){.data = pages, .size = size, .pages = pages, .page_bytes = size};
    return CO_OK;
}

/* ---- unpacking ---- */

/* Where reading stands; lives on the stack of one call. */
typedef struct unpacker {
    const co_source *source;
    struct archive *archive;
    uint64_t done; /* unpacked bytes so far */
    bool at_end;
} unpacker;

static co_status archive_fault(const unpacker *unpack, co_error *err)
{
    const char *text = archive_error_string(unpack->archive);
    long long at = (long long)archive_filter_bytes(unpack->archive, -1);
    return co_fail(err, CO_DATA,
                   "%s: cannot be unpacked: %s (near byte %lld of the file, after %llu unpacked "
                   "bytes); it is damaged, get it again",
                   unpack->source->path, text != NULL ? text : "damaged", at < 0 ? 0 : at,
                   (unsigned long long)unpack->done);
}

static co_status unpack_begin(const co_source *source, unpacker *out, co_error *err)
{
    unpacker unpack = {.source = source, .archive = archive_read_new()};
    if (unpack.archive == NULL) {
        return co_fail(err, CO_MEMORY, "%s: no memory to unpack it", source->path);
    }
    *out = unpack;
    int ready = source->packing == CO_PACKING_GZIP
                    ? archive_read_support_filter_gzip(unpack.archive)
                    : archive_read_support_filter_xz(unpack.archive);
    if (ready != ARCHIVE_OK) {
        return co_fail(err, CO_UNSUPPORTED,
                       "%s: this libarchive cannot unpack %s; unpack the file by hand",
                       source->path, source->packing == CO_PACKING_GZIP ? "gzip" : "xz");
    }
    archive_read_support_format_raw(unpack.archive);
    archive_read_support_format_empty(unpack.archive);
    if (lseek(source->fd, 0, SEEK_SET) != 0) {
        return co_fail_errno(err, CO_DATA, errno, "%s: byte 0: cannot be read", source->path);
    }
    if (archive_read_open_fd(unpack.archive, source->fd, READ_BLOCK_BYTES) != ARCHIVE_OK) {
        return archive_fault(&unpack, err);
    }
    struct archive_entry *entry = NULL;
    int found = archive_read_next_header(unpack.archive, &entry);
    if (found != ARCHIVE_OK && found != ARCHIVE_EOF) {
        return archive_fault(&unpack, err);
    }
    out->at_end = found == ARCHIVE_EOF;
    return CO_OK;
}

/* *count = 0 at the end of the content. The block belongs to the archive. */
static co_status unpack_block(unpacker *unpack, const void **block, size_t *count, co_error *err)
{
    la_int64_t offset = 0;
    *count = 0;
    while (!unpack->at_end && *count == 0) {
        int got = archive_read_data_block(unpack->archive, block, count, &offset);
        if (got == ARCHIVE_EOF) {
            unpack->at_end = true;
            *count = 0;
        } else if (got != ARCHIVE_OK) {
            return archive_fault(unpack, err);
        }
    }
    unpack->done += *count;
    return CO_OK;
}

static void unpack_end(unpacker *unpack)
{
    if (unpack->archive != NULL) {
        archive_read_free(unpack->archive);
    }
}

static co_status head_of_packed(const co_source *source, size_t count, uint8_t *head, size_t *got,
                                co_error *err)
{
    unpacker unpack = {0};
    size_t filled = 0;
    co_status status = unpack_begin(source, &unpack, err);
    while (status == CO_OK && filled < count) {
        const void *block = NULL;
        size_t bytes = 0;
        status = unpack_block(&unpack, &block, &bytes, err);
        if (status != CO_OK || bytes == 0) {
            break;
        }
        size_t take = bytes < count - filled ? bytes : count - filled;
        memcpy(head + filled, block, take);
        filled += take;
    }
    unpack_end(&unpack);
    if (status == CO_OK) {
        *got = filled;
    }
    return status;
}

co_status co_source_head(const co_source *source, size_t count, uint8_t *head, size_t *got,
                         co_error *err)
{
    if (source->packing != CO_PACKING_NONE) {
        return head_of_packed(source, count, head, got, err);
    }
    ssize_t bytes = pread(source->fd, head, count, 0);
    if (bytes < 0) {
        return co_fail_errno(err, CO_DATA, errno, "%s: byte 0: cannot be read", source->path);
    }
    *got = (size_t)bytes;
    return CO_OK;
}

static co_status empty_fault(const co_source *source, co_error *err)
{
    return co_fail(err, CO_DATA, "%s: byte 0: has no content; it is truncated, get it again",
                   source->path);
}

static co_status limit_fault(const co_source *source, size_t most, co_error *err)
{
    return co_fail(err, CO_DATA, "%s: byte %zu: more content than a file of this kind can have",
                   source->path, most);
}

static co_status size_fault(const co_source *source, size_t expect, uint64_t found, bool more,
                            co_error *err)
{
    const char *where = source->packing == CO_PACKING_NONE ? "" : " of the unpacked data";
    if (more) {
        return co_fail(err, CO_DATA,
                       "%s: byte %zu%s: the header promises %zu bytes, but more follow; the file "
                       "is damaged or not what its name says",
                       source->path, expect, where, expect);
    }
    return co_fail(err, CO_DATA,
                   "%s: byte %llu%s: the file ends here, the header promises %zu bytes; it is "
                   "truncated, get it again",
                   source->path, (unsigned long long)found, where, expect);
}

/* A gzip file ends with the checksum and the size of what was packed. */
static co_status check_trailer(const co_source *source, uint32_t crc, uint64_t size, co_error *err)
{
    uint8_t trailer[GZIP_TRAILER_BYTES] = {0};
    off_t at = (off_t)(source->file_bytes - GZIP_TRAILER_BYTES);
    if (source->file_bytes < GZIP_TRAILER_BYTES ||
        pread(source->fd, trailer, sizeof(trailer), at) != GZIP_TRAILER_BYTES) {
        return co_fail(err, CO_DATA, "%s: the checksum at its end cannot be read", source->path);
    }
    uint32_t stored[2];
    for (int i = 0; i < 2; i++) {
        const uint8_t *b = trailer + 4 * i;
        stored[i] = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
                    (uint32_t)b[3] << 24;
    }
    if (stored[0] != crc || stored[1] != (uint32_t)size) {
        return co_fail(
            err, CO_DATA,
            "%s: byte %lld: the gzip checksum is %08x for %u bytes, the content has %08x "
            "for %llu; the file is damaged or bytes follow its end, get it again",
            source->path, (long long)at, stored[0], stored[1], crc, (unsigned long long)size);
    }
    return CO_OK;
}

/* How many bytes there must or may be. */
typedef struct expected_size {
    size_t most;
    bool exactly;
} expected_size;

static co_status check_size(const unpacker *unpack, expected_size expect, co_error *err)
{
    const co_source *source = unpack->source;
    if (expect.exactly && unpack->done < expect.most) {
        return size_fault(source, expect.most, unpack->done, false, err);
    }
    return unpack->done == 0 ? empty_fault(source, err) : CO_OK;
}

/* Everything that the archive yields, into pages that grow on demand. */
static co_status unpack_all(unpacker *unpack, expected_size expect, const atomic_bool *stop,
                            co_bytes *out, co_error *err)
{
    const co_source *source = unpack->source;
    uint32_t crc = 0;
    for (;;) {
        const void *block = NULL;
        size_t count = 0;
        size_t filled = (size_t)unpack->done;
        CO_TRY(unpack_block(unpack, &block, &count, err));
        if (count == 0) {
            break;
        }
        if (stop != NULL && atomic_load_explicit(stop, memory_order_relaxed)) {
            return co_fail(err, CO_STOPPED, "%s: reading was stopped", source->path);
        }
        if (count > expect.most - filled) {
            return expect.exactly ? size_fault(source, expect.most, 0, true, err)
                                  : limit_fault(source, expect.most, err);
        }
        while (count > out->size - filled) {
            size_t size = out->size > expect.most / 2 ? expect.most : 2 * out->size;
            CO_TRY(grow(out, size, source->path, err));
        }
        memcpy((uint8_t *)out->pages + filled, block, count);
        if (source->packing == CO_PACKING_GZIP) {
            crc = (uint32_t)crc32_z(crc, block, count);
        }
    }
    CO_TRY(check_size(unpack, expect, err));
    return source->packing == CO_PACKING_GZIP ? check_trailer(source, crc, unpack->done, err)
                                              : CO_OK;
}

/* Gives back the pages behind the content, which were reserved in vain. */
static co_status trim(co_bytes *bytes, uint64_t size, const char *path, co_error *err)
{
    if (size < bytes->size) {
        CO_TRY(grow(bytes, (size_t)size, path, err));
    }
    return CO_OK;
}

static co_status read_packed(const co_source *source, expected_size expect, const atomic_bool *stop,
                             co_bytes *out, co_error *err)
{
    uint64_t yield = source->file_bytes * DEFLATE_MAX_RATIO + START_BYTES;
    co_bytes bytes = {0};
    size_t first = yield < expect.most ? (size_t)yield : expect.most;
    CO_TRY(co_bytes_reserve(first, source->path, &bytes, err));
    /* Pages of 2 MiB where there are any: a tenth of the time goes into faults on small ones. They
     * are filled from the start, so none is taken in vain; a refusal changes nothing. */
    (void)madvise(bytes.pages, bytes.page_bytes, MADV_HUGEPAGE);
    unpacker unpack = {0};
    co_status status = unpack_begin(source, &unpack, err);
    if (status == CO_OK) {
        status = unpack_all(&unpack, expect, stop, &bytes, err);
    }
    if (status == CO_OK) {
        status = trim(&bytes, unpack.done, source->path, err);
    }
    unpack_end(&unpack);
    if (status != CO_OK) {
        co_bytes_free(&bytes);
        return status;
    }
    *out = bytes;
    return CO_OK;
}

static co_status map_plain(const co_source *source, size_t size, co_bytes *out, co_error *err)
{
    void *pages = mmap(NULL, size, PROT_READ, MAP_PRIVATE, source->fd, 0);
    if (pages == MAP_FAILED) {
        return co_fail_errno(err, CO_DATA, errno, "%s: cannot be mapped", source->path);
    }
    *out = (co_bytes){.data = pages, .size = size, .pages = pages, .page_bytes = size};
    return CO_OK;
}

co_status co_source_read(const co_source *source, size_t expect, const atomic_bool *stop,
                         co_bytes *out, co_error *err)
{
    if (source->packing != CO_PACKING_NONE) {
        return read_packed(source, (expected_size){expect, true}, stop, out, err);
    }
    if (source->file_bytes != expect) {
        return size_fault(source, expect, source->file_bytes, source->file_bytes > expect, err);
    }
    return map_plain(source, expect, out, err);
}

co_status co_source_read_all(const co_source *source, size_t most, co_bytes *out, co_error *err)
{
    if (source->packing != CO_PACKING_NONE) {
        return read_packed(source, (expected_size){most, false}, NULL, out, err);
    }
    if (source->file_bytes == 0) {
        return empty_fault(source, err);
    }
    if (source->file_bytes > most) {
        return limit_fault(source, most, err);
    }
    return map_plain(source, (size_t)source->file_bytes, out, err);
}
