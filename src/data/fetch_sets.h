/* What `cohort data fetch` knows: where the public archives are and what their checksums are.
 * Constant data. */
#ifndef CO_DATA_FETCH_SETS_H
#define CO_DATA_FETCH_SETS_H

#include <stddef.h>
#include <stdint.h>

enum { CO_FETCH_FILES_MAX = 4, CO_FETCH_MIRRORS_MAX = 3 };

typedef struct co_fetch_file {
    const char *name; /* below each mirror's address; NULL after the last */
    const char *sum;  /* "sha256:..." or "md5:..."; NULL: none was ever published */
} co_fetch_file;

typedef struct co_fetch_set {
    const char *name;                          /* as --dataset has it */
    const char *product;                       /* below the folder: what is there afterwards */
    uint64_t most_bytes;                       /* of one file, and of all that is unpacked */
    int unpack;                                /* else the files are kept as they are */
    const char *mirrors[CO_FETCH_MIRRORS_MAX]; /* tried in this order; NULL after the last */
    co_fetch_file files[CO_FETCH_FILES_MAX];
    const char *terms; /* what its makers ask for */
} co_fetch_set;

/* The i-th set, NULL after the last. */
const co_fetch_set *co_fetch_set_at(size_t index);
/* By a name that data sets have here or elsewhere: '-', '_' and capitals make no difference. */
const co_fetch_set *co_fetch_set_find(const char *name);
/* Why a known set cannot be fetched and how to get it by hand; NULL for others. */
const char *co_fetch_by_hand(const char *name);

#endif
