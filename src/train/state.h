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

/* What in a state depends on the number of workers. */
typedef struct co_run_world {
    uint64_t steps_per_epoch;
    uint64_t samples; /* of a worker's epoch */
    uint64_t batches;
    co_loader_rest rest;
} co_run_world;

/* Loads the state that one of another number of workers saved: what depends on it comes to *world,
 * and the loader stays where it is. What progress says of the place in the epoch is the others'. */
CO_MUST_CHECK co_status co_run_state_of(co_job *job, co_progress *progress, co_run_world *world,
                                        co_visitor *v, co_error *err);

#endif
