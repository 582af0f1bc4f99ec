/* NT3's tables as one binary file that is mapped: what the CSV files said, already scaled.
 *
 *   byte 0      header: magic, version, byte order, sizes, of which CSV files (size, time of the
 *               last change, hash of both ends), what was left out, hash of the rest and of itself
 *   byte 8192   labels of the training rows, then of the test rows: int32
 *   then        at the next multiple of 64: features of the training rows, then of the test rows
 *
 * A cache is of this machine's byte order and of one version; any other is made anew. It is written
 * beside its name and renamed, and checked against its hash before it is used. The content belongs
 * to whoever got it (co_nt3_content_free) and may then be read by any thread.
 */
#ifndef CO_DATA_NT3_CACHE_H
#define CO_DATA_NT3_CACHE_H

#include "base/hash.h"
#include "data/csv.h"
#include "data/dataset.h"

enum { CO_NT3_CLASSES = 2 };

/* What tells one version of a file from another without reading all of it. */
typedef struct co_nt3_key {
    uint64_t bytes;
    int64_t changed_ns;
    co_hash ends; /* of its first and last 64 KiB */
} co_nt3_key;

CO_MUST_CHECK co_status co_nt3_key_of(const char *path, co_nt3_key *out, co_error *err);

typedef struct co_nt3_content {
    uint32_t features;
    uint32_t samples[CO_SPLITS];
    const int32_t *labels[CO_SPLITS]; /* (samples), in `mapped` or `parsed` */
    const float *values[CO_SPLITS];   /* (samples, features) */
    co_bad_samples bad;               /* what was left out */
    co_bytes mapped;                  /* the cache */
    co_csv_table parsed[CO_SPLITS];   /* without a cache */
} co_nt3_content;

void co_nt3_content_free(co_nt3_content *content); /* leaves it empty; an empty one is allowed */

typedef enum co_nt3_found {
    CO_NT3_GOOD,
    CO_NT3_NONE,    /* there is no file, or it cannot be read */
    CO_NT3_STALE,   /* of other CSV files, or of another version of cohort */
    CO_NT3_DAMAGED, /* cut, or its hash is wrong */
} co_nt3_found;

/* Maps the cache at `path` if it is one of these two CSV files; *out is written only when it is
 * good. */
co_nt3_found co_nt3_cache_load(const char *path, const co_nt3_key keys[CO_SPLITS],
                               co_nt3_content *out);
CO_MUST_CHECK co_status co_nt3_cache_save(const char *path, const co_nt3_key keys[CO_SPLITS],
                                          const co_nt3_content *content, co_error *err);

#endif
