/* Where a run stands: what the loop counts, averages and decides on, apart from the model and the
 * optimizer. A checkpoint keeps all of it; a new run starts from co_progress_start.
 */
#ifndef CO_TRAIN_PROGRESS_H
#define CO_TRAIN_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "state/visitor.h"
#include "train/loss.h"

enum { CO_BEST_MAX = 16 };

typedef struct co_train_result {
    uint64_t steps;            /* done */
    uint32_t epochs;           /* completed */
    co_score train;            /* last epoch, as the batches were seen */
    co_score test;             /* rows = 0: not evaluated */
    co_score validation;       /* rows = 0: not evaluated */
    co_score train_evaluated;  /* the training samples without augmentation, likewise */
    double train_seconds;      /* training steps only */
    uint64_t images;           /* trained on */
    uint64_t skipped;          /* steps left out by --nan-policy skip */
    double first_step_seconds; /* from the announcer's start until the first step was done; of this
                                  process, not kept */
    double communication_seconds; /* of steps that were logged: mean over the workers; likewise */
    uint64_t communication_steps;
} co_train_result;

/* One of the best models so far. */
typedef struct co_best {
    uint32_t epoch; /* completed when it was evaluated */
    double value;   /* of the metric */
} co_best;

typedef struct co_progress {
    uint64_t step;          /* done */
    uint32_t epoch;         /* under way, from 0 */
    uint32_t step_in_epoch; /* done in it; all of them: its end has not been told yet */
    double running_loss;
    co_score epoch_score; /* of its batches so far */
    double epoch_seconds; /* that these took */
    co_train_result result;
    co_best best[CO_BEST_MAX]; /* the best first */
    uint32_t best_count;
    bool has_early_best;
    double early_best; /* of the metric, for --early-stop */
    uint32_t waited;   /* evaluations since */
    uint32_t rollbacks;
    double lr_factor;    /* what these have made of the learning rate */
    uint64_t trace_rows; /* written to the trajectory */
    /* What the schedule is ahead of `step`: not 0 when the number of workers changed, and with it
     * what a step is. */
    int64_t schedule_shift;
} co_progress;

void co_progress_start(co_progress *progress);
CO_MUST_CHECK co_status co_progress_state(co_progress *progress, co_visitor *v, co_error *err);

#endif
