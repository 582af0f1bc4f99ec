/* The whole state of a run, in the order in which its parts are opened: model, optimizer, average
 * of the weights, strategy, agent, data cursor, progress. What is a pure function of the settings
 * (the schedule, every random draw) is not in it; that the settings are the same is the caller's to
 * see to. Batches are gathered within a step only, and checkpoints lie between steps.
 */
#ifndef CO_TRAIN_STATE_H
#define CO_TRAIN_STATE_H

#include "train/job.h"
#include "train/progress.h"

/* After loading the loader stands where it stood, and the backend has the weights. */
CO_MUST_CHECK co_status co_run_state(co_job *job, co_progress *progress, co_visitor *v,
                                     co_error *err);

#endif
