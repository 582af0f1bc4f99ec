/* One .npy file in memory, read strictly. The format (NumPy, "numpy.lib.format"):
 *
 *   byte 0-5   0x93 'N' 'U' 'M' 'P' 'Y'
 *   byte 6-7   version: 1.0, 2.0 or 3.0
 *   byte 8...  length of the header, little-endian: 16 bits in version 1, else 32
 *   then       the header, a Python dictionary: {'descr': '<f4', 'fortran_order': False,
 *              'shape': (60, 3, 32, 32), }, padded with blanks, a newline at its end; then the data
 *
 * Only what data sets need is accepted: bytes, float32 and integers, little-endian, in C order.
 * Plain files stay mapped, packed ones (gzip, xz) are unpacked. Whoever reads a file frees it; it
 * may then be read by any thread.
 */
#ifndef CO_DATA_NPY_FILE_H
#define CO_DATA_NPY_FILE_H

#include "data/source.h"

enum { CO_NPY_RANK_MAX = 4 };

typedef enum co_npy_type { CO_NPY_UINT, CO_NPY_INT, CO_NPY_FLOAT } co_npy_type;

typedef struct co_npy_file {
    char *path; /* owned */
    co_bytes content;
    size_t data_at; /* offset of the data in `content`; they end where it ends */
    co_npy_type type;
    int item_bytes; /* 1, 2, 4 or 8 */
    int rank;
    uint64_t shape[CO_NPY_RANK_MAX];
    uint64_t items; /* product of the shape, >= 1 */
} co_npy_file;

/* CO_DATA names file and byte. */
CO_MUST_CHECK co_status co_npy_file_read(const char *path, co_npy_file *out, co_error *err);
void co_npy_file_free(co_npy_file *file); /* leaves it empty; an empty one is allowed */

/* "float32 (60, 3, 32, 32)" */
void co_npy_file_text(const co_npy_file *file, char *buffer, size_t size);

/* Item i of an integer file. What does not fit 64 bits with a sign becomes -1. */
int64_t co_npy_integer(const co_npy_file *file, uint64_t i);

#endif
