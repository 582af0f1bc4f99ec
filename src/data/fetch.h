/* Public data sets: downloaded, compared with their published checksums, unpacked, and put in place
 * whole or not at all.
 *
 * Everything unfinished lies in <dir>/.fetch-<name>, which also holds the lock that keeps a second
 * fetch out; after a failure the next run goes on from what is there. One thread.
 */
#ifndef CO_DATA_FETCH_H
#define CO_DATA_FETCH_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/status.h"

/* What the user is told meanwhile; either may be NULL. */
typedef struct co_fetch_listener {
    void (*say)(void *context, const char *text); /* one line */
    void (*progress)(void *context, const char *file, uint64_t done, uint64_t total);
    void *context;
} co_fetch_listener;

typedef struct co_fetch_options {
    const char *from;     /* address of a folder to get the files from instead; or NULL */
    const char *checksum; /* of the only file of the set, instead of the published one; or NULL */
    const char *cacert;   /* a file of certificates to trust; or NULL */
    const atomic_int *stop;
    co_fetch_listener listener;
} co_fetch_options;

/* Puts the data set into `dir` such that co_dataset_open finds it there. CO_USAGE: no such set;
 * CO_DATA: it is not to be had, or not what its checksum says; CO_FILE: the disk, or another fetch
 * is at it. */
CO_MUST_CHECK co_status co_fetch(const char *name, const char *dir, const co_fetch_options *options,
                                 co_error *err);

#endif
