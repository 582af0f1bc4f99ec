/* The state of a run between two steps, in the form of a checkpoint's files.
 *
 *     model.safetensors       parameters and batch norm statistics under PyTorch's names
 *     optimizer.safetensors   "momentum.conv1.weight", ...; one such file per module that has
 *     ema.safetensors         buffers laid out like the model's
 *     rank-0000.state         everything else (state/visitor.h), and the lengths of the sinks'
 *                             files
 *     rank-0001.state ...     the same of the other workers, each with its own statistics
 *
 * Several workers make, take and load one together: the first one writes and reads, what is the
 * others' own comes and goes by messages. In the window of a host each has its share of the
 * optimizer's state; taking completes it.
 *
 * A staged snapshot has memory of its own, made once: taking it costs the copy, and another thread
 * may write it while the training goes on. One that is not staged is of the live buffers, which
 * must then stand still until it is written.
 */
#ifndef CO_TRAIN_SNAPSHOT_H
#define CO_TRAIN_SNAPSHOT_H

#include "event/announce.h"
#include "state/commit.h"
#include "train/state.h"

typedef struct co_snapshot co_snapshot;

/* Job and progress are borrowed. On a failure all workers fail. */
CO_MUST_CHECK co_status co_snapshot_create(co_job *job, co_progress *progress, bool staged,
                                           co_snapshot **out, co_error *err);
void co_snapshot_destroy(co_snapshot *snapshot); /* NULL is allowed */

/* Copies the state as it is now; allocates nothing. All workers together. */
CO_MUST_CHECK co_status co_snapshot_take(co_snapshot *snapshot, co_error *err);
/* Likewise the first worker's model alone: enough for co_snapshot_write_model. */
void co_snapshot_take_model(co_snapshot *snapshot);

/* The first worker writes what was taken; any thread, as long as nothing is taken meanwhile. */
CO_MUST_CHECK co_status co_snapshot_write(co_snapshot *snapshot, co_commit *commit,
                                          const co_mark_files *files, co_error *err);
CO_MUST_CHECK co_status co_snapshot_write_model(const co_snapshot *snapshot, const co_files *files,
                                                const char *path, co_error *err);

/* Brings job and progress to the state in the checkpoint, whose files were verified (NULL but on
 * the first worker). On failure they are a mixture and must not be used; another load makes up for
 * that. All workers together, and they fail together. */
CO_MUST_CHECK co_status co_snapshot_load(const co_committed *committed, co_job *job,
                                         co_progress *progress, co_mark_files *files,
                                         co_error *err);

/* What a checkpoint of another number of workers was made with. */
typedef struct co_run_before {
    int workers;
    int batch_size;
    int accumulate;
    bool sampler; /* that partition: an epoch's order is dealt out, entry by entry */
} co_run_before;

/* The same from a checkpoint of another number of workers (before: only on the first). With the
 * sampler the epoch goes on with the samples that were not used, otherwise it begins again; all
 * have the statistics of the checkpoint's model. The count of the steps goes on. */
CO_MUST_CHECK co_status co_snapshot_regroup(const co_committed *committed,
                                            const co_run_before *before, co_job *job,
                                            const co_announcer *announcer, co_progress *progress,
                                            co_mark_files *files, co_error *err);

#endif
