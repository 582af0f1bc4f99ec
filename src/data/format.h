/* The formats of data sets (private to data/): one row each, beside the code that reads it. */
#ifndef CO_DATA_FORMAT_H
#define CO_DATA_FORMAT_H

#include "data/check.h"

typedef struct co_dataset_format {
    /* name: as in the table of format.c. dir: not NULL where there is a `check`. options: never
     * NULL. */
    co_status (*open)(const char *name, const char *dir, const co_dataset_options *options,
                      co_dataset **out, co_error *err);
    /* NULL: the format has no files. */
    co_status (*check)(const char *name, const char *dir, co_dataset_findings *findings,
                       co_error *err);
    bool can_skip; /* --bad-samples skip: it can do without single samples */
} co_dataset_format;

extern const co_dataset_format co_format_idx;
extern const co_dataset_format co_format_cifar;
extern const co_dataset_format co_format_images;
extern const co_dataset_format co_format_npy;
extern const co_dataset_format co_format_nt3;
extern const co_dataset_format co_format_glyphs;

/* *known: the data set's own name, however it was spelt. CO_USAGE for an unknown one, or when its
 * files have no folder. */
CO_MUST_CHECK co_status co_dataset_format_find(const char *name, const char *dir,
                                               const char **known, const co_dataset_format **out,
                                               co_error *err);

#endif
