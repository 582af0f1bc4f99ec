/* Going on from a checkpoint: which one, does it fit, and the state in it.
 *
 * `target` is a checkpoint's folder or a run folder; what belongs to a run must be as it was:
 * settings that decide results may not differ, the environment may only without --deterministic.
 */
#ifndef CO_TRAIN_RESUME_H
#define CO_TRAIN_RESUME_H

#include "train/checkpoint.h"

/* The folder of a run's checkpoints, beside its other files. */
#define CO_CHECKPOINTS_FOLDER "checkpoints"

/* Finds and verifies it, see co_checkpoint_newest for a run folder. *out NULL: the run folder has
 * none (only when fall_back, else CO_FILE). */
CO_MUST_CHECK co_status co_resume_find(const char *target, bool fall_back,
                                       const co_announcer *announcer, co_committed **out,
                                       co_error *err);

/* The run folder that a target belongs to, "" where that cannot be told; CO_FILE when its path is
 * too long. */
CO_MUST_CHECK co_status co_resume_run_folder(const char *target, char *out, size_t size,
                                             co_error *err);

/* Compares, and loads the state into job and progress. All workers together, committed NULL but on
 * the first; they fail together. */
CO_MUST_CHECK co_status co_resume_load(const co_committed *committed, co_job *job,
                                       const co_announcer *announcer, co_progress *progress,
                                       co_mark_files *files, co_error *err);

/* Back to a checkpoint of the run under way, which fits; it may have been made by another number of
 * workers, before the run was resumed. Likewise together. */
CO_MUST_CHECK co_status co_resume_back(const co_committed *committed, co_job *job,
                                       const co_announcer *announcer, co_progress *progress,
                                       co_error *err);

#endif
