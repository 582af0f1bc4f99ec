/* One IDX file, read strictly. The format (LeCun, Cortes, Burges: the MNIST page), big-endian:
 *
 *   byte 0-1  zero                 byte 3    number of dimensions: 3 for images, 1 for labels
 *   byte 2    0x08: unsigned byte  byte 4... one 32-bit size per dimension; then the data
 *
 * Plain, gzip or xz. Byte offsets in messages count in the unpacked content. A file is used by
 * one thread at a time; whoever opens it closes it.
 */
#ifndef CO_DATA_IDX_FILE_H
#define CO_DATA_IDX_FILE_H

#include "data/check.h"
#include "data/source.h"

typedef enum co_idx_kind { CO_IDX_LABELS = 1, CO_IDX_IMAGES = 3 } co_idx_kind; /* dimensions */

typedef struct co_idx_file {
    co_source source;
    uint32_t count;
    uint32_t height; /* 1 for labels */
    uint32_t width;  /* 1 for labels */
    size_t head_bytes;
    size_t total_bytes; /* header and data */
} co_idx_file;

#define CO_IDX_FILE_NONE ((co_idx_file){.source = CO_SOURCE_NONE})

/* Opens the file and checks its header; CO_DATA names file and byte. */
CO_MUST_CHECK co_status co_idx_file_open(const char *path, co_idx_kind kind, co_idx_file *out,
                                         co_error *err);
void co_idx_file_close(co_idx_file *file);

/* The whole content with the header; exactly total_bytes. */
CO_MUST_CHECK co_status co_idx_file_read(const co_idx_file *file, const atomic_bool *stop,
                                         co_bytes *out, co_error *err);

/* Images and labels of one split have the same count; train and test images the same size. */
CO_MUST_CHECK co_status co_idx_counts_agree(const co_idx_file *images, const co_idx_file *labels,
                                            co_error *err);
CO_MUST_CHECK co_status co_idx_shapes_agree(const co_idx_file *train, const co_idx_file *test,
                                            co_error *err);

/* *out: (count) labels, each below `classes`; freed with co_free. With `findings` all bad labels
 * are counted there (and *out has 0 in their place), without it the first one is the error. */
CO_MUST_CHECK co_status co_idx_labels_read(const co_idx_file *file, int classes,
                                           co_dataset_findings *findings, int32_t **out,
                                           co_error *err);

#endif
