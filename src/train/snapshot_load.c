/* Reading a snapshot. Of several workers the first one reads; the others get what is common to all
 * and what is their own by messages, so that the files need not be where they are. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "train/snapshot_parts.h"

typedef struct loading {
    const co_committed *committed;
    const co_graph *graph;
    co_safetensors *file; /* the one opened last */
    char name[CO_SNAPSHOT_FILE_NAME];
    size_t used; /* tensors of it that were read */
    co_snapshot_own own;
} loading;

static co_status close_file(loading *l, co_error *err)
{
    co_status status = CO_OK;
    if (l->file != NULL && co_safetensors_count(l->file) != l->used) {
        status = co_fail(err, CO_FILE,
                         "%s/%s: has %zu tensors, this run has %zu of them: the checkpoint is of "
                         "another model",
                         co_committed_folder(l->committed), l->name, co_safetensors_count(l->file),
                         l->used);
    }
    co_safetensors_close(l->file);
    l->file = NULL;
    return status;
}

static co_status open_file(loading *l, const char *name, co_error *err)
{
    char *path = NULL;
    if (l->file != NULL && strcmp(l->name, name) == 0) {
        return CO_OK;
    }
    CO_TRY(close_file(l, err));
    CO_TRY(co_committed_path(l->committed, name, &path, err));
    co_status status = co_safetensors_open(path, &l->file, err);
    co_free(path);
    (void)snprintf(l->name, sizeof(l->name), "%s", name);
    l->used = 0;
    return status;
}

/* ---- the first worker: from the files ---- */

static co_status read_slot(void *context, const char *path, co_visit_layout layout, float *values,
                           size_t count, co_error *err)
{
    loading *l = context;
    co_snapshot_slot s = {.layout = layout, .count = count};
    int tensor_count = 0;
    const co_tensor *tensors = co_snapshot_tensors_of(l->graph, layout, &tensor_count);
    CO_TRY(co_snapshot_name_slot(&s, path, err));
    CO_TRY(open_file(l, s.file, err));
    for (int i = 0; i < tensor_count; i++) {
        char name[CO_SNAPSHOT_TENSOR_NAME];
        uint64_t shape[4] = {0};
        (void)snprintf(name, sizeof(name), "%s%s", s.prefix, tensors[i].name);
        for (int d = 0; d < tensors[i].dims; d++) {
            shape[d] = tensors[i].shape[d];
        }
        CO_TRY(co_safetensors_read_f32(l->file, name, (unsigned)tensors[i].dims, shape,
                                       values + tensors[i].offset, err));
        l->used++;
    }
    return co_snapshot_add_own(&l->own, layout, values, count, 0, err);
}

/* Who wants the fields alone. */
static co_status note_slot(void *context, const char *path, co_visit_layout layout, float *values,
                           size_t count, co_error *err)
{
    (void)path;
    return co_snapshot_add_own(context, layout, values, count, 0, err);
}

/* What a worker of another world had of its own is not what anybody goes on with. */
static co_status skip_own(const co_snapshot_own *own, co_visitor *v, co_error *err)
{
    uint64_t number = 0;
    void *block = NULL;
    size_t most = 0;
    for (int i = 0; i < own->count; i++) {
        most = own->buffers[i].count > most ? own->buffers[i].count : most;
    }
    CO_TRY(co_alloc(most + 1, sizeof(float), "statistics", &block, err));
    co_status status = co_visit_begin(v, "worker", err);
    for (int i = 0; i < 2 && status == CO_OK; i++) {
        status = co_visit_u64(v, i == 0 ? "workers" : "rank", &number, err);
    }
    for (int i = 0; i < own->count && status == CO_OK; i++) {
        status = co_visit_f32_array(v, "statistics", block, own->buffers[i].count, err);
    }
    co_free(block);
    CO_TRY(status);
    return co_visit_end(v, err);
}

/* The state of one rank of the checkpoint; that of the first has the tensors beside it. */
static co_status visit_state(loading *l, int rank, co_visitor *v, const co_snapshot_target *to,
                             co_error *err)
{
    const co_visit_tensors all = {.visit = read_slot, .context = l};
    const co_visit_tensors none = {.visit = note_slot, .context = &l->own};
    v->tensors = rank == 0 ? &all : &none;
    if (to->world == NULL) {
        CO_TRY(co_run_state(to->job, to->progress, v, err));
        CO_TRY(co_snapshot_visit_own(to->job->comm, &l->own, v, err));
    } else {
        CO_TRY(co_run_state_of(to->job, to->progress, to->world, v, err));
        CO_TRY(to->workers > 1 ? skip_own(&l->own, v, err) : CO_OK);
    }
    if (rank == 0) {
        CO_TRY(co_snapshot_visit_files(v, to->files, err));
    }
    CO_TRY(co_visitor_finish(v, err));
    return close_file(l, err);
}

/* Messages on a state begin with "state:"; they are to name the file. */
static co_status name_file(co_status status, const char *folder, int rank, co_error *err)
{
    char name[CO_SNAPSHOT_FILE_NAME];
    if (status == CO_FILE && strncmp(err->text, "state:", 6) == 0) {
        char text[CO_ERROR_SIZE];
        (void)snprintf(text, sizeof(text), "%s", err->text);
        co_snapshot_state_file(name, rank);
        return co_fail(err, CO_FILE, "%s%s%s: %s", folder, folder[0] != '\0' ? "/" : "", name,
                       text);
    }
    return status;
}

co_status co_snapshot_read(const co_committed *committed, int rank, const co_snapshot_target *to,
                           co_error *err)
{
    loading l = {.committed = committed, .graph = to->job->graph};
    char name[CO_SNAPSHOT_FILE_NAME];
    char *state = NULL;
    size_t bytes = 0;
    co_snapshot_state_file(name, rank);
    CO_TRY(co_committed_read(committed, name, &state, &bytes, err));
    co_visitor v = co_visitor_loading(state, bytes);
    co_status status = visit_state(&l, rank, &v, to, err);
    co_safetensors_close(l.file);
    co_free(state);
    return name_file(status, co_committed_folder(committed), rank, err);
}

/* ---- all others: by messages ---- */

/* The states of the others, in the first worker's hands. */
typedef struct states {
    char **text; /* (workers) of ranks 1, 2, ... */
    size_t *bytes;
} states;

static void free_states(states *s, int workers)
{
    for (int rank = 1; s->text != NULL && rank < workers; rank++) {
        co_free(s->text[rank]);
    }
    co_free(s->text);
    co_free(s->bytes);
}

static co_status read_states(const co_committed *committed, int workers, states *s, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc((size_t)workers, sizeof(char *), "states of the workers", &block, err));
    s->text = block;
    CO_TRY(co_alloc((size_t)workers, sizeof(size_t), "states of the workers", &block, err));
    s->bytes = block;
    for (int rank = 1; rank < workers; rank++) {
        char name[CO_SNAPSHOT_FILE_NAME];
        co_snapshot_state_file(name, rank);
        CO_TRY(co_committed_read(committed, name, &s->text[rank], &s->bytes[rank], err));
    }
    return CO_OK;
}

/* What all workers have in common: everything like the parameters. */
static co_status share_slot(void *context, const char *path, co_visit_layout layout, float *values,
                            size_t count, co_error *err)
{
    co_comm *comm = context;
    (void)path;
    return layout == CO_VISIT_LIKE_PARAMS
               ? co_comm_broadcast(comm, values, count * sizeof(float), 0, err)
               : CO_OK;
}

static co_status share_buffers(co_job *job, co_progress *progress, co_error *err)
{
    const co_visit_tensors hook = {.visit = share_slot, .context = job->comm};
    co_visitor v = co_visitor_sizing();
    v.tensors = &hook;
    return co_run_state(job, progress, &v, err);
}

static co_status send_states(co_comm *comm, const states *s, co_error *err)
{
    for (int rank = 1; rank < comm->size; rank++) {
        const uint64_t bytes = s->bytes[rank];
        CO_TRY(co_comm_send(comm, &bytes, sizeof(bytes), rank, CO_SNAPSHOT_TAG_STATE, err));
        CO_TRY(co_comm_send(comm, s->text[rank], bytes, rank, CO_SNAPSHOT_TAG_STATE, err));
    }
    return CO_OK;
}

/* Buffers like the parameters are there already; a worker's own follow the run's state. */
static co_status take_state(const void *state, size_t bytes, co_job *job, co_progress *progress,
                            co_error *err)
{
    co_snapshot_own own = {0};
    const co_visit_tensors hook = {.visit = note_slot, .context = &own};
    co_visitor v = co_visitor_loading(state, bytes);
    v.tensors = &hook;
    CO_TRY(co_run_state(job, progress, &v, err));
    CO_TRY(co_snapshot_visit_own(job->comm, &own, &v, err));
    return co_visitor_finish(&v, err);
}

static co_status receive_state(co_job *job, co_progress *progress, co_error *err)
{
    co_comm *comm = job->comm;
    uint64_t bytes = 0;
    void *state = NULL;
    CO_TRY(co_comm_receive(comm, &bytes, sizeof(bytes), 0, CO_SNAPSHOT_TAG_STATE, err));
    CO_TRY(co_alloc(bytes, 1, "state", &state, err));
    co_status status = co_comm_receive(comm, state, bytes, 0, CO_SNAPSHOT_TAG_STATE, err);
    if (status == CO_OK) {
        status = name_file(take_state(state, bytes, job, progress, err), "", comm->rank, err);
    }
    co_free(state);
    return status;
}

static co_status share(const states *s, co_job *job, co_progress *progress, co_error *err)
{
    co_comm *comm = job->comm;
    CO_TRY(share_buffers(job, progress, err));
    co_status status = comm->rank == 0 ? send_states(comm, s, err)
                                       : receive_state(job, progress, err);
    return co_comm_agree(comm, status, err);
}

co_status co_snapshot_load(const co_committed *committed, co_job *job, co_progress *progress,
                           co_mark_files *files, co_error *err)
{
    co_comm *comm = job->comm;
    states s = {0};
    co_status status = CO_OK;
    *files = (co_mark_files){0};
    if (comm->rank == 0) {
        const co_snapshot_target to = {.job = job, .progress = progress, .files = files};
        status = co_snapshot_read(committed, 0, &to, err);
    }
    if (comm->rank == 0 && !co_comm_alone(comm) && status == CO_OK) {
        status = read_states(committed, comm->size, &s, err);
    }
    status = co_comm_agree(comm, status, err);
    if (status == CO_OK && !co_comm_alone(comm)) {
        status = share(&s, job, progress, err);
    }
    if (status == CO_OK) {
        co_job_count_steps(job, progress->schedule_shift);
    }
    free_states(&s, comm->size);
    return status;
}
