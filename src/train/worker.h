/* The worker's loop: epochs of steps, evaluation, events, and when to stop.
 *
 * A step goes: batch -> agent.before -> forward -> loss terms -> backward phase by phase, each
 * range handed to the strategy as soon as it is final -> reduce -> agent.gradient -> is it finite?
 * -> clip -> apply -> average of the weights -> agent.after -> events. A step of several batches
 * (--accumulate) goes as far as backward with each, and on with their mean after the last. It
 * allocates nothing and takes no lock of ours.
 */
#ifndef CO_TRAIN_WORKER_H
#define CO_TRAIN_WORKER_H

#include <stdatomic.h>

#include "event/announce.h"
#include "train/job.h"

typedef struct co_train_result {
    uint64_t steps;            /* done */
    uint32_t epochs;           /* completed */
    co_score train;            /* last epoch, as the batches were seen */
    co_score test;             /* rows = 0: not evaluated */
    co_score validation;       /* rows = 0: not evaluated */
    double train_seconds;      /* training steps only */
    uint64_t images;           /* trained on */
    uint64_t skipped;          /* steps left out by --nan-policy skip */
    double first_step_seconds; /* from the announcer's start until the first step was done */
} co_train_result;

/* Trains the job to its end, or until *stop is not 0 (then the step under way is finished first).
 * Returns CO_OK, CO_STOPPED (*result is valid, the model usable), CO_FAILED for a loss or gradient
 * that is not finite, or what a part failed with. */
CO_MUST_CHECK co_status co_train(co_job *job, const co_announcer *announcer, const atomic_int *stop,
                                 co_train_result *result, co_error *err);

#endif
