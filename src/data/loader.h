/* The loader: batches of a data set in the order of each epoch's permutation.
 *
 * Which samples are in which batch is a pure function of (seed, replica, epoch, position): it
 * does not depend on the number of threads, on timing, or on where the loader was started.
 * Batches follow one another without end: after the last one of an epoch comes the first of the
 * next, so that threads prefetch across the border; co_loader_batches says how many make an epoch.
 * So is what augmentation does to a sample; it happens where the sample is gathered.
 *
 * With threads > 0, helper threads gather into a ring of buffers that is allocated up front; with
 * 0 the caller gathers in co_loader_next. Neither allocates. One thread owns a loader and makes
 * all calls. The data set is borrowed and must outlive the loader; so is the list of indices.
 */
#ifndef CO_DATA_LOADER_H
#define CO_DATA_LOADER_H

#include "data/augment.h"
#include "data/dataset.h"
#include "event/timeline.h"

typedef struct co_loader co_loader;

typedef struct co_loader_options {
    co_split split;
    const uint32_t *indices; /* (count) the samples to use, borrowed; NULL = the whole split */
    uint32_t count;          /* of indices; ignored when that is NULL */
    int batch;               /* samples per batch, >= 1 */
    bool shuffle;            /* else in the order of `indices` */
    bool drop_last;          /* leave out an incomplete last batch */
    int threads;             /* 0 = gather in the caller */
    bool once;               /* helpers stop at the end of an epoch, until the next seek */
    int depth;               /* batches in the ring (threads > 0); 0 = a good number */
    uint64_t seed;           /* with replica: keys the permutations, and is copied to the batches */
    uint32_t piece_begin;    /* without indices: the first sample, and ... */
    uint32_t piece_count;    /* ... how many; 0: the whole split */
    uint32_t deal;      /* not 0: the order of an epoch is dealt out to so many workers, and ... */
    uint32_t dealt;     /* ... this one takes entries dealt, dealt + deal, ... of it */
    bool deal_padded;   /* where it does not divide: begin again, or leave out the rest */
    uint32_t replica;   /* 0 where data are partitioned */
    co_augment augment; /* of CO_PIXEL_U8 samples; all zero: none */
    bool counts_only;   /* batches have their rows and nothing else; nothing is read; threads 0 */
} co_loader_options;

/* Waits for the split. Fails with CO_USAGE when there is no whole batch to make, or when the
 * augmentation does not fit the samples. */
CO_MUST_CHECK co_status co_loader_create(co_dataset *set, const co_loader_options *options,
                                         co_loader **out, co_error *err);
void co_loader_destroy(co_loader *loader); /* NULL is allowed */

uint32_t co_loader_samples(const co_loader *loader);    /* of one epoch, without the dropped ones */
uint32_t co_loader_batches(const co_loader *loader);    /* of one epoch */
size_t co_loader_memory_bytes(const co_loader *loader); /* buffers and permutation */
int co_loader_depth(const co_loader_options *options);  /* batches in the ring */
int co_loader_readers(const co_loader_options *options); /* threads that gather */

/* The next batch will be number `batch` (from 0) of `epoch`; batch = co_loader_batches is the
 * start of the epoch after. Starts the prefetching. Takes back the batch handed out last. A new
 * loader stands at epoch 0, batch 0. */
CO_MUST_CHECK co_status co_loader_seek(co_loader *loader, uint32_t epoch, uint32_t batch,
                                       co_error *err);

/* Where co_loader_next will go on: what a checkpoint keeps. */
void co_loader_position(const co_loader *loader, uint32_t *epoch, uint32_t *batch);

/* One epoch of which other workers, or another number of them, took the first `used` entries of the
 * order: from batch `batch` on, whole batches (or the only one, where an epoch does not fill it)
 * are dealt out of the others, and at the end the order begins again. used 0: there is no such
 * epoch. Before the seek that goes there. */
typedef struct co_loader_rest {
    uint32_t epoch;
    uint32_t batch;
    uint32_t used;
} co_loader_rest;

void co_loader_set_rest(co_loader *loader, const co_loader_rest *rest);
co_loader_rest co_loader_get_rest(const co_loader *loader);

/* Tells the timeline of the owner's track when batches are gathered, on a track for each helper
 * thread; without helpers on the owner's own. NULL: no more. Before or between calls of next. */
CO_MUST_CHECK co_status co_loader_observe(co_loader *loader, co_track *owner, co_error *err);

/* *out: the next batch, valid until the next call of this, of seek, or of destroy. */
CO_MUST_CHECK co_status co_loader_next(co_loader *loader, const co_batch **out, co_error *err);

#endif
