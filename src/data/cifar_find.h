/* Where the files of CIFAR-10 and CIFAR-100 (binary version) are: in a folder or a usual
 * sub-folder, plain or packed, or still in the archive they are published in. Pure look-ups in the
 * file system; any thread may call. */
#ifndef CO_DATA_CIFAR_FIND_H
#define CO_DATA_CIFAR_FIND_H

#include <limits.h>
#include <stdbool.h>

#include "base/status.h"

/* Roles of files: the training files in their order, the test file, the list of class names. */
enum { CO_CIFAR_FILES_MAX = 7, CO_CIFAR_LABELS_MAX = 2, CO_CIFAR_CLASSES_MAX = 100 };

typedef struct co_cifar_family {
    const char *name;
    int classes;
    int label_bytes;                 /* of a record, before the pixels */
    int limits[CO_CIFAR_LABELS_MAX]; /* each label byte is below this */
    int label;                       /* which of them is the class */
    int train_files;
    const char *const *stems;   /* by role, without .gz or .xz */
    const char *const *folders; /* tried in this order, NULL at the end; "." is dir itself */
    const char *archive;        /* without .tar, .tar.gz or .tar.xz */
} co_cifar_family;

static inline int co_cifar_test_role(const co_cifar_family *family)
{
    return family->train_files;
}
static inline int co_cifar_names_role(const co_cifar_family *family)
{
    return family->train_files + 1;
}
static inline int co_cifar_roles(const co_cifar_family *family)
{
    return family->train_files + 2;
}

typedef struct co_cifar_place {
    char path[PATH_MAX]; /* the folder, or the archive */
    bool is_archive;
    char file[CO_CIFAR_FILES_MAX][PATH_MAX]; /* by role, of a folder; empty: not there */
} co_cifar_place;

/* NULL for an unknown name. */
const co_cifar_family *co_cifar_family_find(const char *name);

/* dir: a folder, or the archive itself. The first folder that has most of the files; an archive
 * only where no folder has any. CO_DATA says what was looked for, where, and how to get it. */
CO_MUST_CHECK co_status co_cifar_find(const co_cifar_family *family, const char *dir,
                                      co_cifar_place *out, co_error *err);

/* The role of a file, by the last component of its path without .gz or .xz; -1: none. */
int co_cifar_role(const co_cifar_family *family, const char *path);

#endif
