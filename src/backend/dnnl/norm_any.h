/* The parts of a batch norm in the layouts that oneDNN's kernels like: row-major, channels last, or
 * channels in blocks. oneDNN's own batch norm cannot stop in the middle to ask other workers for
 * their sums. Formulas and arguments as those of lane.h (norm_moments, norm_normalise, norm_sums,
 * norm_gradient); sums are in double. An item is a group of channels; results do not depend on who
 * does which. Pure functions over the caller's memory.
 */
#ifndef CO_BACKEND_DNNL_NORM_ANY_H
#define CO_BACKEND_DNNL_NORM_ANY_H

#include <stddef.h>

#include "backend/dnnl/lane/lane.h"

enum { CO_NORM_GROUP = 16 }; /* the most channels of a group */

/* Float k of a run belongs to channel k % group of its group. */
typedef struct co_norm_layout {
    int group;            /* channels of an item: 1, 8 or 16; the last item may have fewer */
    int runs;             /* of an item in a sample */
    int run;              /* floats of a run; channels last: of a whole group */
    ptrdiff_t row;        /* floats from a sample to the next */
    ptrdiff_t item;       /* from an item to the next */
    ptrdiff_t run_stride; /* from a run to the next */
} co_norm_layout;

co_norm_layout co_norm_rows_layout(int channels, int h, int w);
co_norm_layout co_norm_last_layout(int channels, int h, int w);             /* channels last */
co_norm_layout co_norm_block_layout(int channels, int h, int w, int block); /* 8 or 16 */
int co_norm_items(const co_norm_layout *layout, int channels);

void co_norm_any_moments(const co_lane_norm *d, const co_norm_layout *l, const float *x,
                         double *mean, double *squares, int begin, int end);
void co_norm_any_normalise(const co_lane_norm *d, const co_norm_layout *l,
                           const co_lane_norm_args *a, const double *mean, const double *rstd,
                           int begin, int end);
void co_norm_any_sums(const co_lane_norm *d, const co_norm_layout *l, const co_lane_norm_args *a,
                      double *sum_dy, double *sum_dyx, int begin, int end);
void co_norm_any_gradient(const co_lane_norm *d, const co_norm_layout *l,
                          const co_lane_norm_args *a, const double *mean_dy, const double *mean_dyx,
                          int begin, int end);

#endif
