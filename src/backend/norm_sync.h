/* Batch norm over the batches of several workers (PyTorch's SyncBatchNorm): what their plans
 * exchange in the middle of forward and backward, and how it is put together.
 *
 * Whoever opens the plans fills in a co_norm_sync (co_plan_spec.sync) and owns it; the plans borrow
 * it and call it from the thread that drives them. What is exchanged are doubles, put together in
 * the order of the workers by code that is the same for all backends and instruction sets: every
 * worker gets the same bits.
 */
#ifndef CO_BACKEND_NORM_SYNC_H
#define CO_BACKEND_NORM_SYNC_H

#include "base/status.h"
#include "graph/graph.h"

typedef struct co_norm_sync co_norm_sync;

struct co_norm_sync {
    int workers;
    /* All workers call it at the same places of a step, in the same order, with the same count, at
     * most co_norm_sync_doubles of the graph. `mine` (count) is copied. */
    co_status (*exchange)(co_norm_sync *sync, const double *mine, size_t count, co_error *err);
    /* (workers) what each gave in the last exchange, the same order on all; until the next. */
    const double *const *parts;
};

/* Moments of `channels` channels: the number of values of each, the means, the sums of squares
 * about them. */
static inline size_t co_norm_moments(int channels)
{
    return 1 + 2 * (size_t)channels;
}

/* The most doubles that a plan of this graph exchanges at once; 0: it has no batch norm whose
 * statistics are the batch's. */
size_t co_norm_sync_doubles(const co_graph *graph);

/* moments (co_norm_moments) of this worker's values become those of all workers' (Chan, Golub and
 * LeVeque 1983). */
CO_MUST_CHECK co_status co_norm_sync_moments(co_norm_sync *sync, int channels, double *moments,
                                             co_error *err);
/* sums (count) become the sums over the workers. */
CO_MUST_CHECK co_status co_norm_sync_sums(co_norm_sync *sync, size_t count, double *sums,
                                          co_error *err);

#endif
