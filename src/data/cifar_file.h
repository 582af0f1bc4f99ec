/* The files of CIFAR-10 and CIFAR-100 in memory, read strictly. The format (Krizhevsky: the CIFAR
 * page): records of one label byte (CIFAR-100: coarse, then fine) and 3072 pixels, the planes red,
 * green, blue of 32 x 32. How many records there are is what the files hold.
 *
 * Plain files stay mapped; packed ones and members of an archive are unpacked into memory. Byte
 * offsets in messages count in the unpacked content. Whoever read the files frees them; they may
 * then be read by any thread.
 */
#ifndef CO_DATA_CIFAR_FILE_H
#define CO_DATA_CIFAR_FILE_H

#include "data/check.h"
#include "data/cifar_find.h"
#include "data/source.h"

enum { CO_CIFAR_SIDE = 32, CO_CIFAR_PIXELS = 3 * CO_CIFAR_SIDE * CO_CIFAR_SIDE };

typedef struct co_cifar_file {
    char *path; /* for messages, owned; NULL: not there */
    co_bytes content;
    uint32_t records;
    co_status status; /* of reading */
    co_error fault;
} co_cifar_file;

typedef struct co_cifar_files {
    const co_cifar_family *family;
    co_cifar_file file[CO_CIFAR_FILES_MAX];        /* by role */
    char *names_text;                              /* owned; NULL: no list of names */
    const char *class_names[CO_CIFAR_CLASSES_MAX]; /* into names_text */
} co_cifar_files;

static inline size_t co_cifar_record_bytes(const co_cifar_family *family)
{
    return (size_t)family->label_bytes + CO_CIFAR_PIXELS;
}

/* Reads and checks all files; `threaded`: packed ones by several threads at once. With `findings`
 * every fault of the data is listed there and *out is only good for co_cifar_files_free; without,
 * the first one is the error. */
CO_MUST_CHECK co_status co_cifar_files_read(const co_cifar_family *family, const char *dir,
                                            bool threaded, co_dataset_findings *findings,
                                            co_cifar_files **out, co_error *err);
void co_cifar_files_free(co_cifar_files *files); /* NULL is allowed */

/* The records of a split: files [*begin, *end). */
void co_cifar_files_of(const co_cifar_family *family, co_split split, int *begin, int *end);

#endif
