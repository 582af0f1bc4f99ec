/* What the files of a snapshot share: snapshot.c takes and writes, snapshot_load.c reads. Not for
 * others.
 */
#ifndef CO_TRAIN_SNAPSHOT_PARTS_H
#define CO_TRAIN_SNAPSHOT_PARTS_H

#include "train/snapshot.h"

enum {
    CO_SNAPSHOT_FILE_NAME = 48,
    CO_SNAPSHOT_PREFIX = 64,
    CO_SNAPSHOT_TENSOR_NAME = 192,
    CO_SNAPSHOT_OWN_MAX = 4,
    CO_SNAPSHOT_TAG_STATE = 101, /* of messages between workers */
};

/* One buffer laid out like the model's. */
typedef struct co_snapshot_slot {
    char file[CO_SNAPSHOT_FILE_NAME]; /* "optimizer.safetensors" */
    char prefix[CO_SNAPSHOT_PREFIX];  /* of its tensors' names: "momentum." */
    co_visit_layout layout;
    size_t count;      /* floats */
    const float *live; /* borrowed from the module */
    float *copy;       /* NULL when not staged */
} co_snapshot_slot;

/* Buffers of which each of several workers has its own: those like the statistics. */
typedef struct co_snapshot_own {
    struct {
        float *values;
        size_t count;
        size_t offset; /* of the values in a worker's saved state */
        int slot;
    } buffers[CO_SNAPSHOT_OWN_MAX];
    int count;
} co_snapshot_own;

/* "optimizer.momentum" -> optimizer.safetensors, "momentum."; "ema.params" -> ema.safetensors, ""
 */
CO_MUST_CHECK co_status co_snapshot_name_slot(co_snapshot_slot *slot, const char *path,
                                              co_error *err);
const co_tensor *co_snapshot_tensors_of(const co_graph *graph, co_visit_layout layout, int *count);

CO_MUST_CHECK co_status co_snapshot_add_own(co_snapshot_own *own, co_visit_layout layout,
                                            float *values, size_t count, int slot, co_error *err);
/* Behind the run's state, where there are several workers: whose it is, and its own buffers. */
CO_MUST_CHECK co_status co_snapshot_visit_own(const co_comm *comm, co_snapshot_own *own,
                                              co_visitor *v, co_error *err);
/* The last part of the first worker's state: lengths of the sinks' files. */
CO_MUST_CHECK co_status co_snapshot_visit_files(co_visitor *v, co_mark_files *files, co_error *err);
/* Where a state is read to. */
typedef struct co_snapshot_target {
    co_job *job;
    co_progress *progress;
    co_mark_files *files; /* of the first worker's state */
    co_run_world *world;  /* NULL: the state is of as many workers */
    int workers;          /* else of so many */
} co_snapshot_target;

/* Reads the state of one rank of a checkpoint; for rank 0 the tensors as well. Only its fields and
 * buffers like the parameters, and the common statistics, where it is of another world. */
CO_MUST_CHECK co_status co_snapshot_read(const co_committed *committed, int rank,
                                         const co_snapshot_target *to, co_error *err);

/* "rank-0003.state" */
void co_snapshot_state_file(char out[CO_SNAPSHOT_FILE_NAME], int rank);

#endif
