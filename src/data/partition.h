/* Which worker trains on which samples (docs/METHODS.md 9).
 *
 * A partition deals out the samples of a subset to W workers. It is a pure function of its
 * arguments: every worker computes the whole of it and takes its part. Any thread may call.
 */
#ifndef CO_DATA_PARTITION_H
#define CO_DATA_PARTITION_H

#include "data/split.h"

typedef enum co_partition_kind {
    CO_PARTITION_WHOLE,           /* all samples, to each worker */
    CO_PARTITION_SHARD,           /* a random order, dealt out one by one */
    CO_PARTITION_DATASET,         /* contiguous pieces of a random order, the first ones larger */
    CO_PARTITION_LABELS,          /* labels dealt out; all as many samples as the smallest has */
    CO_PARTITION_LABELS_UNSCALED, /* labels dealt out; whatever samples they have */
    CO_PARTITION_DIRICHLET,       /* of each label, shares drawn from Dirichlet(alpha) */
} co_partition_kind;

typedef enum co_uneven {
    CO_UNEVEN_KEEP, /* as dealt */
    CO_UNEVEN_PAD,  /* all as many as the largest, repeating their own */
    CO_UNEVEN_DROP, /* all as many as the smallest */
} co_uneven;

typedef struct co_partition_rule {
    co_partition_kind kind;
    co_uneven uneven;
    double alpha; /* dirichlet */
    uint32_t workers;
    uint64_t seed;
} co_partition_rule;

typedef struct co_partition {
    uint32_t workers;
    uint32_t *indices; /* the samples of worker 0, then those of worker 1, ... */
    uint32_t *begin; /* (workers + 1) worker w has indices[begin[w]] to indices[begin[w + 1] - 1] */
} co_partition;

/* subset: the samples to deal out; labels: of all samples of the split, 0..classes-1. CO_USAGE when
 * a worker would be left without samples, or labels do not divide by the workers (says which
 * numbers do). */
CO_MUST_CHECK co_status co_partition_make(const co_partition_rule *rule, const co_subset *subset,
                                          const int32_t *labels, int classes, co_partition *out,
                                          co_error *err);
void co_partition_free(co_partition *partition); /* leaves it empty; an empty one is allowed */

static inline uint32_t co_partition_count(const co_partition *partition, uint32_t worker)
{
    return partition->begin[worker + 1] - partition->begin[worker];
}

/* The part of one worker, as a subset of its own: *out belongs to the caller. */
CO_MUST_CHECK co_status co_partition_take(const co_partition *partition, uint32_t worker,
                                          co_subset *out, co_error *err);

#endif
