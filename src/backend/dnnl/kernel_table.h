/* Which kernel runs: a pure function of shape, pass, instruction set, threads and library version.
 *
 * A convolution's answer comes from the rows of a tune file if one matches exactly, else from
 * the committed rules of kernel_table.c, first match wins. Nothing is ever timed here.
 *
 * A tune file is text, one row per line; empty lines and those that begin with # are skipped:
 *
 *     conv 32x26x26 -> 64x24x24 k3x3 s1x1 p0x0 g1 n64 forward avx512 t2 dnnl2.6.3 = lane_winograd
 *
 * input and output (channels x height x width), kernel, stride, padding, groups, batch, pass
 * (forward, weights, data), instruction set, threads, library, and the kernel. Rows of another
 * machine are kept, but never match. A thread reads a table that nobody writes.
 */
#ifndef CO_BACKEND_DNNL_KERNEL_TABLE_H
#define CO_BACKEND_DNNL_KERNEL_TABLE_H

#include <stdbool.h>

#include "backend/dnnl/lane/lane.h"
#include "base/status.h"
#include "graph/graph.h"

typedef enum co_kernel {
    CO_KERNEL_LANE_DIRECT,
    CO_KERNEL_LANE_WINOGRAD,
    CO_KERNEL_DNNL_DIRECT,   /* convolution_direct on blocked layouts */
    CO_KERNEL_DNNL_WINOGRAD, /* convolution_winograd; direct where the library has none */
    CO_KERNEL_DNNL_GEMM,     /* row-major activations */
    CO_KERNEL_COUNT,
} co_kernel;

enum { CO_PASSES = 3 };

/* One kernel per co_lane_pass (forward, data, weights). */
typedef struct co_kernel_choice {
    co_kernel pass[CO_PASSES];
} co_kernel_choice;

/* Tests force a family, so that both are tried on the same shapes. */
typedef enum co_family_choice { CO_FAMILY_TABLE, CO_FAMILY_LANE, CO_FAMILY_DNNL } co_family_choice;

/* What the answer depends on, beside the pass. */
typedef struct co_kernel_query {
    int batch;
    co_shape in;
    co_shape out;
    co_conv2d conv;
    co_lane_isa isa;
    int threads;
    int version[3]; /* of oneDNN */
} co_kernel_query;

typedef struct co_tune_row {
    co_kernel_query query;
    co_lane_pass pass;
    co_kernel kernel;
} co_tune_row;

typedef struct co_tuning {
    co_tune_row *rows;
    int count;
    int capacity;
} co_tuning;

const char *co_kernel_name(co_kernel kernel);
bool co_kernel_is_lane(co_kernel kernel);

/* Reads a tune file. CO_FILE where it cannot be read, CO_DATA with file:line where it is wrong.
 * tuning must be zeroed; free it also after a failure. */
CO_MUST_CHECK co_status co_tuning_load(co_tuning *tuning, const char *path, co_error *err);
/* Writes all rows: complete, or not at all. */
CO_MUST_CHECK co_status co_tuning_save(const co_tuning *tuning, const char *path, co_error *err);
/* Adds the row, or changes the kernel of the one that asks the same. */
CO_MUST_CHECK co_status co_tuning_set(co_tuning *tuning, const co_tune_row *row, co_error *err);
bool co_kernel_same_query(const co_kernel_query *a, const co_kernel_query *b);
void co_tuning_free(co_tuning *tuning);
/* One row as a line with its newline, cut at `size`. */
enum { CO_TUNE_LINE = 256 };
void co_tune_row_print(const co_tune_row *row, char line[CO_TUNE_LINE]);
/* Does this kernel exist for the convolution? (oneDNN's always do: they fall back.) */
bool co_kernel_fits(co_kernel kernel, const co_kernel_query *query);

/* The kernels of the three passes: one family (forward's row decides). tuning may be empty. */
co_kernel_choice co_kernel_choose(const co_kernel_query *query, const co_tuning *tuning,
                                  co_family_choice forced);

#endif
