/* A data set of random pixels in memory, for benchmarks: no files, nothing drawn on demand.
 * Closed with co_dataset_close. */
#ifndef CO_BENCH_RANDOM_SET_H
#define CO_BENCH_RANDOM_SET_H

#include "data/dataset.h"
#include "graph/graph.h"

/* `samples` training samples (C, H, W) and no test samples. */
CO_MUST_CHECK co_status co_random_set_open(co_shape shape, int classes, uint32_t samples,
                                           co_dataset **out, co_error *err);

#endif
