/* Small CIFAR data sets of known content: files in a folder, or members of a tar archive. */
#ifndef CO_TESTS_HELPER_CIFAR_H
#define CO_TESTS_HELPER_CIFAR_H

#include "data/helper_data.h"

enum { CIFAR_PIXELS = 3072 };

/* `records` records of `labels` label bytes (1 or 2) and random pixels; record i has the class
 * (i + seed) % 10, in CIFAR-100 the coarse class i % 20 and the fine class (i * 7 + seed) % 100. */
idx_image cifar_build(int labels, uint32_t records, uint32_t seed);

typedef struct tar_member {
    const char *path;
    const void *bytes;
    size_t size;
    char kind;         /* '0' a file, '2' a symbolic link, '5' a folder */
    uint64_t promised; /* what the header says; 0: size */
} tar_member;

/* A tar archive of these members (ended by one with path NULL), written by hand: libarchive, which
 * reads it, would not write most of the wrong ones. */
idx_image tar_build(const tar_member *members);

#endif
