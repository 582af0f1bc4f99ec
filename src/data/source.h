/* A data file in memory: mapped when it is plain, unpacked when it is gzip or xz (told by its
 * content, not by its name).
 *
 * A source is used by one thread at a time; the bytes it gave may be read by any. Nothing is
 * believed about sizes: memory grows with what the file really yields, never with what its header
 * promises, up to the number of bytes that the caller expects. A plain file stays mapped: it must
 * not be shortened while it is in use (that ends the process with SIGBUS, as for every mapping).
 */
#ifndef CO_DATA_SOURCE_H
#define CO_DATA_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum co_packing { CO_PACKING_NONE, CO_PACKING_GZIP, CO_PACKING_XZ } co_packing;

typedef struct co_source {
    int fd;     /* -1: not open */
    char *path; /* owned, for messages */
    uint64_t file_bytes;
    co_packing packing;
} co_source;

#define CO_SOURCE_NONE ((co_source){.fd = -1})

/* Pages of their own: mapped from the file or anonymous. */
typedef struct co_bytes {
    const uint8_t *data; /* (size) */
    size_t size;
    void *pages; /* NULL: none */
    size_t page_bytes;
} co_bytes;

CO_MUST_CHECK co_status co_source_open(const char *path, co_source *out, co_error *err);
void co_source_close(co_source *source);

/* Unpacks the first `count` bytes; *got is less when the content is shorter. */
CO_MUST_CHECK co_status co_source_head(const co_source *source, size_t count, uint8_t *head,
                                       size_t *got, co_error *err);

/* The whole content, which must be `expect` bytes long (> 0). Ends early with CO_STOPPED when
 * *stop becomes true (stop may be NULL). */
CO_MUST_CHECK co_status co_source_read(const co_source *source, size_t expect,
                                       const atomic_bool *stop, co_bytes *out, co_error *err);
/* The whole content, however long it is: 1 to `most` bytes. */
CO_MUST_CHECK co_status co_source_read_all(const co_source *source, size_t most, co_bytes *out,
                                           co_error *err);
void co_bytes_free(co_bytes *bytes);

/* Pages of zeros that take memory only when they are touched; freed by co_bytes_free. */
CO_MUST_CHECK co_status co_bytes_reserve(size_t size, const char *what, co_bytes *out,
                                         co_error *err);

#endif
