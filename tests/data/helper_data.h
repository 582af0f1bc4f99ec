/* What the tests of data/ share: a temporary folder, IDX files of known content in it, and the
 * folder of the real data sets. */
#ifndef CO_TESTS_HELPER_DATA_H
#define CO_TESTS_HELPER_DATA_H

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/status.h"
#include "data/source.h"

enum {
    HELPER_PATH = 512,
    HELPER_TRAIN = 57,
    HELPER_TEST = 23,
    HELPER_HEIGHT = 5,
    HELPER_WIDTH = 3
};
enum { HELPER_SAMPLE = HELPER_HEIGHT * HELPER_WIDTH };

/* The content of one IDX file, built in memory. */
typedef struct idx_image {
    uint8_t *bytes; /* freed by idx_free */
    size_t size;
} idx_image;

/* rank 1 or 3; the data bytes are a known function of the seed, labels are below 10. */
idx_image idx_build(int rank, uint32_t count, uint32_t height, uint32_t width, uint64_t seed);
void idx_free(idx_image *image);

/* Test set-up and teardown: *state = path of a new empty folder; removed with all in it. */
int folder_make(void **state);
int folder_remove(void **state);

void put_bytes(const char *dir, const char *name, const void *bytes, size_t size);
/* Packs with libarchive; `name` without the ending, which it adds: "", ".gz", ".xz". */
void put_packed(const char *dir, const char *name, const void *bytes, size_t size,
                co_packing packing);
/* A file's content; freed by idx_free. */
idx_image get_bytes(const char *dir, const char *name);

/* The four files of a good set under their usual names: HELPER_TRAIN and HELPER_TEST samples. */
void put_set(const char *dir, co_packing packing);
/* The same content: split 0 = train, 1 = test. */
idx_image set_images(int split);
idx_image set_labels(int split);

/* The folder of the real data sets, or skips the test, saying so. */
const char *real_data(const char *sub, char path[HELPER_PATH]);

/* The status is `expected` and the message has each of the texts (NULL at the end). */
#define assert_fault(status, expected, err, ...)                                                   \
    assert_fault_texts(status, expected, err, (const char *const[]){__VA_ARGS__})
void assert_fault_texts(co_status status, co_status expected, const co_error *err,
                        const char *const *texts);
void assert_ok(co_status status, const co_error *err);
/* |a - b| <= most, in double (cmocka compares floats). */
void assert_close(double a, double b, double most);

#endif
