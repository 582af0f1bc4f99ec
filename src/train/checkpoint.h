/* Checkpoints of a run: folders `step-000800` in the run's folder `checkpoints`, each complete or
 * not there at all (state/commit.h), with config.yaml and the environment beside the state
 * (train/snapshot.h).
 *
 * With `background` a thread writes: saving costs the loop the copy of the state, into memory made
 * up front. When the one before is still being written the new one is left out, and a note says so
 * (or the loop waits: `wait`).
 * A failed checkpoint is a warning, until there were too many in a row; older ones are removed only
 * after a newer one was written and read back. The training thread makes all calls.
 *
 * Several workers each have one, and make the calls together, unless they say otherwise. The first
 * worker decides, writes and tells; the others hand it their part (train/snapshot.h), and need no
 * folder.
 */
#ifndef CO_TRAIN_CHECKPOINT_H
#define CO_TRAIN_CHECKPOINT_H

#include "train/snapshot.h"

/* Beside the environment, of several workers: how they share the run. */
#define CO_WORKERS_FILE "workers"

typedef struct co_checkpoints co_checkpoints;

typedef struct co_checkpoint_options {
    const co_files *files;         /* borrowed */
    const co_announcer *announcer; /* borrowed */
    const char *folder;            /* of all checkpoints */
    const char *config;            /* YAML; copied */
    uint64_t every;                /* steps; 0: not by steps */
    double minutes;                /* 0: not by time */
    int keep_last;
    int failures_max; /* in a row; 0: any number */
    bool background;
    bool wait; /* for the checkpoint before, rather than leave one out */
} co_checkpoint_options;

CO_MUST_CHECK co_status co_checkpoints_create(const co_checkpoint_options *options, co_job *job,
                                              co_progress *progress, co_checkpoints **out,
                                              co_error *err);
/* Waits for what is being written. NULL is allowed. */
void co_checkpoints_destroy(co_checkpoints *checkpoints);
const char *co_checkpoints_folder(const co_checkpoints *checkpoints);

/* During a step: whether it is to be saved after it. The first worker's word counts; it reaches the
 * others with the gradient (co_strategy.save). */
bool co_checkpoints_wish(co_checkpoints *checkpoints);
/* After the step: saves if that was wished. CO_FILE after too many failures. */
CO_MUST_CHECK co_status co_checkpoints_step(co_checkpoints *checkpoints, bool wished,
                                            co_error *err);
/* Saves now and waits until it is done; nothing to do when this step is saved already. */
CO_MUST_CHECK co_status co_checkpoints_save(co_checkpoints *checkpoints, co_error *err);
/* The last step is done: likewise, where checkpoints are made regularly; a failure is a warning. */
CO_MUST_CHECK co_status co_checkpoints_last(co_checkpoints *checkpoints, co_error *err);
/* Waits for what is being written; CO_FILE after too many failures. Longer than --deadline, as long
 * as the disk takes something within it. */
CO_MUST_CHECK co_status co_checkpoints_wait(co_checkpoints *checkpoints, co_error *err);
/* The state at this step came from a checkpoint: it need not be saved again. */
void co_checkpoints_loaded(co_checkpoints *checkpoints);

/* The first worker alone, after all have waited: the model's weights as a file of their own, in the
 * background where there is one; afterwards the file `old` ("": none), which it takes the place of,
 * is removed. */
CO_MUST_CHECK co_status co_checkpoints_save_model(co_checkpoints *checkpoints, const char *path,
                                                  const char *old, co_error *err);

/* --- finding --------------------------------------------------------------------------- */

/* The newest checkpoint of the folder, verified; leftovers are told as a warning. *out NULL: there
 * is none. With `fall_back` damaged ones are told as warnings and the newest whole one is taken;
 * CO_FILE when there is none, and without it for a damaged one. */
CO_MUST_CHECK co_status co_checkpoint_newest(const char *folder, bool fall_back,
                                             const co_announcer *announcer, co_committed **out,
                                             co_error *err);
/* This one, verified. */
CO_MUST_CHECK co_status co_checkpoint_open(const char *path, co_committed **out, co_error *err);
/* A run goes on from `step`: checkpoints of a later one belong to a course that was given up. They
 * get the name step-....old, by which nothing finds them but a user, in place of earlier such. */
CO_MUST_CHECK co_status co_checkpoint_set_aside(const co_files *files, const char *folder,
                                                uint64_t step, const co_announcer *announcer,
                                                co_error *err);
/* Removes checkpoints older than `step` but for the `keep` newest of them, and leftovers. */
CO_MUST_CHECK co_status co_checkpoint_prune(const co_files *files, const char *folder,
                                            uint64_t step, int keep, co_error *err);

#endif
