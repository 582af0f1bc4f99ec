/* Where the four files of an IDX data set are: its own folder or a usual sub-folder, under the
 * usual names, plain or packed. Pure look-ups in the file system; any thread may call. */
#ifndef CO_DATA_IDX_FIND_H
#define CO_DATA_IDX_FIND_H

#include <limits.h>

#include "data/idx_file.h"

enum { CO_IDX_FILES = 4, CO_IDX_CLASSES_MAX = 256 };

/* In the order of co_idx_paths. */
typedef enum co_idx_role {
    CO_IDX_TRAIN_IMAGES,
    CO_IDX_TRAIN_LABELS,
    CO_IDX_TEST_IMAGES,
    CO_IDX_TEST_LABELS,
} co_idx_role;

typedef struct co_idx_family {
    const char *name;
    int classes;
    const char *const *class_names;
    const char *const *folders; /* tried in this order, NULL at the end; "." is dir itself */
    const char *help;           /* how to get the files */
} co_idx_family;

typedef struct co_idx_paths {
    char folder[PATH_MAX];
    char file[CO_IDX_FILES][PATH_MAX]; /* empty: not there */
} co_idx_paths;

/* NULL for an unknown name. */
const co_idx_family *co_idx_family_find(const char *name);

/* The first folder that has most of the four files. CO_DATA when none has any: the message says
 * what was looked for, where, and how to get it. */
CO_MUST_CHECK co_status co_idx_find(const co_idx_family *family, const char *dir, co_idx_paths *out,
                                    co_error *err);
/* The message for a file that is not in the folder where others are. */
co_status co_idx_missing(const co_idx_family *family, const co_idx_paths *paths, co_idx_role role,
                         co_error *err);

/* The format's `check` (format.h). */
CO_MUST_CHECK co_status co_idx_check(const char *name, const char *dir,
                                     co_dataset_findings *findings, co_error *err);

#endif
