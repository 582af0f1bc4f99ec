/* What a run shows of its insides, where somebody wants to see it: histograms of weights and
 * gradients, and samples that it got wrong. Training thread only; allocates nothing. */
#ifndef CO_TRAIN_PICTURES_H
#define CO_TRAIN_PICTURES_H

#include "backend/backend.h"
#include "data/dataset.h"
#include "event/announce.h"

/* One histogram of the weights and one of the gradients for each tensor of the model. */
void co_announce_histograms(const co_announcer *announcer, const co_model *model, uint64_t step,
                            uint32_t epoch);
/* How many blobs that takes at once. */
uint32_t co_histogram_blobs(const co_graph *graph);

enum { CO_MISTAKES_MAX = 100 };

/* Gathers samples that one evaluation got wrong: the first of each pair (label, prediction), up to
 * `most`. */
typedef struct co_mistakes {
    const co_announcer *announcer; /* borrowed; NULL: none are wanted */
    const co_dataset_info *info;   /* borrowed */
    uint64_t step;
    uint32_t epoch;
    int most;
    int count;
    struct {
        int32_t label;
        int32_t predicted;
    } seen[CO_MISTAKES_MAX];
} co_mistakes;

/* `most` 0: wants none. */
void co_mistakes_begin(co_mistakes *mistakes, const co_announcer *announcer,
                       const co_dataset_info *info, int most, uint64_t step, uint32_t epoch);
/* Of a row that was predicted wrongly. NULL is allowed. */
void co_mistakes_add(co_mistakes *mistakes, const co_batch *batch, int row, int32_t predicted);
/* Of the blob that a mistake takes. */
size_t co_mistake_bytes(const co_dataset_info *info);

#endif
