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

#include "train/checkpoint.h"
#include "train/trace.h"

/* Everything but the announcer may be NULL. */
typedef struct co_train_options {
    const co_announcer *announcer;
    const atomic_int *stop; /* not 0: finish the step under way, save, and stop */
    co_checkpoints *checkpoints;
    co_trace *trace;       /* of the weights */
    const co_files *files; /* with run_dir */
    const char *run_dir;   /* where the best models, and reports of bad steps, are written */
} co_train_options;

/* Trains the job from where *progress says (co_progress_start, or a checkpoint) to its end, or
 * until a limit or *stop. Returns CO_OK, CO_STOPPED (the state is saved where there are
 * checkpoints; the model is usable), CO_FAILED for a loss or gradient that is not finite, or what a
 * part failed with. progress->result is valid for the first two. */
CO_MUST_CHECK co_status co_train_from(co_job *job, const co_train_options *options,
                                      co_progress *progress, co_error *err);

/* The same from the beginning, without files. */
CO_MUST_CHECK co_status co_train(co_job *job, const co_announcer *announcer, const atomic_int *stop,
                                 co_train_result *result, co_error *err);

#endif
