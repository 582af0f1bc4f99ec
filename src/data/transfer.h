/* One file over HTTPS into a file on disk, going on where an earlier transfer stopped. Needs
 * libcurl, which a build may lack. One thread per transfer.
 */
#ifndef CO_DATA_TRANSFER_H
#define CO_DATA_TRANSFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef struct co_transfer {
    const char *url;        /* https; http and file only because the user named such a one */
    const char *path;       /* grows as bytes arrive; <path>.tag remembers which version it is */
    const char *cacert;     /* a file of certificates to trust instead of the system's; or NULL */
    uint64_t most_bytes;    /* more than that is an error */
    bool plain_allowed;     /* http:// and file:// are allowed too */
    const atomic_int *stop; /* ends it when not 0; may be NULL */
    void (*progress)(void *context, uint64_t done,
                     uint64_t total); /* total 0: unknown; may be NULL */
    void *context;
} co_transfer;

typedef struct co_transferred {
    uint64_t bytes;   /* of the whole file */
    uint64_t resumed; /* of these were there before */
} co_transferred;

/* libcurl's version; NULL when this build has none. */
const char *co_transfer_library(void);

/* Gets the whole file. What is at `path` is continued when the server can and still has the same
 * version, else replaced; lost connections are tried again a few times. On failure what arrived
 * stays at `path` for the next time. CO_DATA: not to be had (the message says why and what to do);
 * CO_FILE: the disk; CO_STOPPED; CO_UNSUPPORTED: no libcurl. */
CO_MUST_CHECK co_status co_transfer_run(const co_transfer *transfer, co_transferred *out,
                                        co_error *err);
/* Removes `path` and its tag. */
void co_transfer_forget(const char *path);

#endif
