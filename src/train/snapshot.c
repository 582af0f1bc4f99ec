#include "train/snapshot_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

enum { SLOTS_MAX = 16, TENSOR_NAME_SIZE = CO_SNAPSHOT_TENSOR_NAME };

typedef co_snapshot_slot slot;

struct co_snapshot {
    co_job *job;           /* borrowed */
    co_progress *progress; /* borrowed */
    bool staged;
    slot slots[SLOTS_MAX];
    int slot_count;
    int next;             /* slot, during a pass over the state */
    unsigned char *state; /* the saved form of everything but the slots, then of the files */
    size_t state_bytes;
    size_t files_bytes;
    /* With several workers: */
    co_snapshot_own own;
    unsigned char *others; /* the first worker's: states of rank 1, rank 2, ... */
    uint64_t *bytes_of;    /* (workers) of their states */
    co_request *requests;  /* (workers) the first worker's: of what they send */
};

/* --- names ----------------------------------------------------------------------------- */

const co_tensor *co_snapshot_tensors_of(const co_graph *graph, co_visit_layout layout, int *count)
{
    bool params = layout == CO_VISIT_LIKE_PARAMS;
    *count = params ? graph->param_count : graph->stat_count;
    return params ? graph->params : graph->stats;
}

static size_t floats_of(const co_graph *graph, co_visit_layout layout)
{
    return layout == CO_VISIT_LIKE_PARAMS ? graph->param_floats : graph->stat_floats;
}

co_status co_snapshot_name_slot(slot *s, const char *path, co_error *err)
{
    const char *dot = strchr(path, '.');
    if (dot == NULL || (size_t)(dot - path) + sizeof(".safetensors") > sizeof(s->file) ||
        strlen(dot) + 1 > sizeof(s->prefix)) {
        return co_fail(err, CO_INTERNAL, "state: the buffer %s is in no section", path);
    }
    (void)snprintf(s->file, sizeof(s->file), "%.*s.safetensors", (int)(dot - path), path);
    bool plain = strcmp(dot, ".params") == 0 || strcmp(dot, ".stats") == 0;
    if (!plain) {
        (void)snprintf(s->prefix, sizeof(s->prefix), "%s.", dot + 1);
    }
    return CO_OK;
}

void co_snapshot_state_file(char out[CO_SNAPSHOT_FILE_NAME], int rank)
{
    (void)snprintf(out, CO_SNAPSHOT_FILE_NAME, "rank-%04d.state", rank);
}

/* --- what is each worker's own --------------------------------------------------------- */

co_status co_snapshot_add_own(co_snapshot_own *own, co_visit_layout layout, float *values,
                              size_t count, int slot_number, co_error *err)
{
    if (layout != CO_VISIT_LIKE_STATS) {
        return CO_OK;
    }
    if (own->count == CO_SNAPSHOT_OWN_MAX) {
        return co_fail(err, CO_INTERNAL, "state: more than %d buffers like the statistics",
                       (int)CO_SNAPSHOT_OWN_MAX);
    }
    own->buffers[own->count].values = values;
    own->buffers[own->count].count = count;
    own->buffers[own->count].slot = slot_number;
    own->count++;
    return CO_OK;
}

co_status co_snapshot_visit_own(const co_comm *comm, co_snapshot_own *own, co_visitor *v,
                                co_error *err)
{
    if (co_comm_alone(comm)) {
        return CO_OK;
    }
    CO_TRY(co_visit_begin(v, "worker", err));
    CO_TRY(co_visit_same_u64(v, "workers", (uint64_t)comm->size, err));
    CO_TRY(co_visit_same_u64(v, "rank", (uint64_t)comm->rank, err));
    for (int i = 0; i < own->count; i++) {
        size_t count = own->buffers[i].count;
        CO_TRY(co_visit_f32_array(v, "statistics", own->buffers[i].values, count, err));
        own->buffers[i].offset = v->offset - count * sizeof(float);
    }
    return co_visit_end(v, err);
}

/* --- making ---------------------------------------------------------------------------- */

/* The first worker writes. The mean of several workers' statistics is not what it goes on with. */
static bool has_copy(const co_snapshot *snapshot, co_visit_layout layout)
{
    const co_job *job = snapshot->job;
    bool mean = layout == CO_VISIT_LIKE_STATS && !co_comm_alone(job->comm) &&
                job->settings->bn_workers == CO_CONF_BN_WORKERS_AVERAGE;
    return job->comm->rank == 0 && (snapshot->staged || mean);
}

static co_status add_slot(void *context, const char *path, co_visit_layout layout, float *values,
                          size_t count, co_error *err)
{
    co_snapshot *snapshot = context;
    if (snapshot->slot_count == SLOTS_MAX || count != floats_of(snapshot->job->graph, layout)) {
        return co_fail(err, CO_INTERNAL, "state: the buffer %s of %zu floats is not like the model",
                       path, count);
    }
    slot *s = &snapshot->slots[snapshot->slot_count];
    *s = (slot){.layout = layout, .count = count, .live = values};
    CO_TRY(co_snapshot_name_slot(s, path, err));
    CO_TRY(co_snapshot_add_own(&snapshot->own, layout, values, count, snapshot->slot_count, err));
    snapshot->slot_count++;
    if (count > 0 && has_copy(snapshot, layout)) {
        void *block = NULL;
        CO_TRY(co_alloc(count, sizeof(float), "copy of the state", &block, err));
        s->copy = block;
    }
    return CO_OK;
}

co_status co_snapshot_visit_files(co_visitor *v, co_mark_files *files, co_error *err)
{
    CO_TRY(co_visit_begin(v, "files", err));
    CO_TRY(co_visit_u32(v, "count", &files->count, err));
    for (int i = 0; i < CO_MARK_FILES_MAX; i++) {
        co_mark_file *file = &files->files[i];
        CO_TRY(co_visit_bytes(v, "name", file->name, sizeof(file->name), err));
        CO_TRY(co_visit_u64(v, "bytes", &file->bytes, err));
        file->name[sizeof(file->name) - 1] = '\0';
    }
    CO_TRY(co_visit_end(v, err));
    if (files->count > CO_MARK_FILES_MAX) {
        return co_fail(err, CO_FILE, "state: %u files, more than %d", files->count,
                       (int)CO_MARK_FILES_MAX);
    }
    return CO_OK;
}

static co_status measure(co_snapshot *snapshot, co_error *err)
{
    const co_visit_tensors hook = {.visit = add_slot, .context = snapshot};
    co_mark_files files = {0};
    co_visitor v = co_visitor_sizing();
    v.tensors = &hook;
    CO_TRY(co_run_state(snapshot->job, snapshot->progress, &v, err));
    CO_TRY(co_snapshot_visit_own(snapshot->job->comm, &snapshot->own, &v, err));
    snapshot->state_bytes = v.offset;
    v = co_visitor_sizing();
    CO_TRY(co_snapshot_visit_files(&v, &files, err));
    snapshot->files_bytes = v.offset;
    void *block = NULL;
    CO_TRY(co_alloc(snapshot->state_bytes + snapshot->files_bytes, 1, "copy of the state", &block,
                    err));
    snapshot->state = block;
    return CO_OK;
}

/* Room for what the others will send. */
static co_status make_room(co_snapshot *snapshot, co_error *err)
{
    const co_comm *comm = snapshot->job->comm;
    void *block = NULL;
    size_t bytes = 0;
    if (comm->rank != 0) {
        return CO_OK;
    }
    for (int rank = 1; rank < comm->size; rank++) {
        bytes += snapshot->bytes_of[rank];
    }
    CO_TRY(co_alloc(bytes, 1, "state of the workers", &block, err));
    snapshot->others = block;
    CO_TRY(co_alloc((size_t)comm->size, sizeof(co_request), "requests", &block, err));
    snapshot->requests = block;
    return CO_OK;
}

static co_status meet_others(co_snapshot *snapshot, co_error *err)
{
    co_comm *comm = snapshot->job->comm;
    void *block = NULL;
    if (co_comm_alone(comm)) {
        return CO_OK;
    }
    co_status status = co_alloc((size_t)comm->size, sizeof(uint64_t), "sizes of states", &block,
                                err);
    snapshot->bytes_of = block;
    CO_TRY(co_comm_agree(comm, status, err));
    const uint64_t bytes = snapshot->state_bytes;
    CO_TRY(co_comm_gather(comm, &bytes, sizeof(bytes), snapshot->bytes_of, err));
    return co_comm_agree(comm, make_room(snapshot, err), err);
}

co_status co_snapshot_create(co_job *job, co_progress *progress, bool staged, co_snapshot **out,
                             co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_snapshot), "snapshot", &block, err));
    co_snapshot *snapshot = block;
    snapshot->job = job;
    snapshot->progress = progress;
    snapshot->staged = staged;
    co_status status = co_comm_agree(job->comm, measure(snapshot, err), err);
    if (status == CO_OK) {
        status = meet_others(snapshot, err);
    }
    if (status != CO_OK) {
        co_snapshot_destroy(snapshot);
        return status;
    }
    *out = snapshot;
    return CO_OK;
}

void co_snapshot_destroy(co_snapshot *snapshot)
{
    if (snapshot == NULL) {
        return;
    }
    for (int i = 0; i < snapshot->slot_count; i++) {
        co_free(snapshot->slots[i].copy);
    }
    co_free(snapshot->requests);
    co_free(snapshot->bytes_of);
    co_free(snapshot->others);
    co_free(snapshot->state);
    co_free(snapshot);
}

/* --- taking ---------------------------------------------------------------------------- */

static void copy_slot(slot *s)
{
    if (s->copy != NULL) {
        memcpy(s->copy, s->live, s->count * sizeof(float));
    }
}

static co_status take_slot(void *context, const char *path, co_visit_layout layout, float *values,
                           size_t count, co_error *err)
{
    co_snapshot *snapshot = context;
    if (snapshot->next == snapshot->slot_count) {
        return co_fail(err, CO_INTERNAL, "state: the buffer %s was not there before", path);
    }
    slot *s = &snapshot->slots[snapshot->next++];
    if (s->layout != layout || s->count != count) {
        return co_fail(err, CO_INTERNAL, "state: the buffer %s has changed its form", path);
    }
    s->live = values;
    copy_slot(s);
    return co_snapshot_add_own(&snapshot->own, layout, values, count, snapshot->next - 1, err);
}

static co_status take_own(co_snapshot *snapshot, co_error *err)
{
    const co_visit_tensors hook = {.visit = take_slot, .context = snapshot};
    co_visitor v = co_visitor_saving(snapshot->state, snapshot->state_bytes);
    v.tensors = &hook;
    snapshot->next = 0;
    snapshot->own.count = 0;
    CO_TRY(co_run_state(snapshot->job, snapshot->progress, &v, err));
    CO_TRY(co_snapshot_visit_own(snapshot->job->comm, &snapshot->own, &v, err));
    return co_visitor_finish(&v, err);
}

static co_status collect_states(co_snapshot *snapshot, co_error *err)
{
    co_comm *comm = snapshot->job->comm;
    unsigned char *place = snapshot->others;
    if (comm->rank != 0) {
        return co_comm_send(comm, snapshot->state, snapshot->state_bytes, 0, CO_SNAPSHOT_TAG_STATE,
                            err);
    }
    for (int rank = 1; rank < comm->size; rank++) {
        CO_TRY(co_comm_start_receive(comm, place, snapshot->bytes_of[rank], rank,
                                     CO_SNAPSHOT_TAG_STATE, &snapshot->requests[rank - 1], err));
        place += snapshot->bytes_of[rank];
    }
    return co_comm_wait(comm, snapshot->requests, comm->size - 1, err);
}

static float float_at(const unsigned char *state, size_t offset, size_t index)
{
    float value = 0.0F;
    memcpy(&value, state + offset + index * sizeof(float), sizeof(value));
    return value;
}

/* --bn-workers average: the model that is saved has the mean, as co_job_common_stats_begin makes
 * it; states are of one form on all workers. */
static void average_own(const co_snapshot *snapshot)
{
    const int workers = snapshot->job->comm->size;
    for (int b = 0; b < snapshot->own.count; b++) {
        float *mean = snapshot->slots[snapshot->own.buffers[b].slot].copy;
        size_t offset = snapshot->own.buffers[b].offset;
        for (size_t i = 0; i < snapshot->own.buffers[b].count; i++) {
            const unsigned char *state = snapshot->others;
            double sum = (double)float_at(snapshot->state, offset, i);
            for (int rank = 1; rank < workers; rank++) {
                sum += (double)float_at(state, offset, i);
                state += snapshot->bytes_of[rank];
            }
            mean[i] = (float)(sum / (double)workers);
        }
    }
}

co_status co_snapshot_take(co_snapshot *snapshot, co_error *err)
{
    co_job *job = snapshot->job;
    CO_TRY(job->strategy->ops->complete(job->strategy, err));
    CO_TRY(take_own(snapshot, err));
    if (co_comm_alone(job->comm)) {
        return CO_OK;
    }
    CO_TRY(collect_states(snapshot, err));
    if (job->comm->rank == 0 && job->settings->bn_workers == CO_CONF_BN_WORKERS_AVERAGE) {
        average_own(snapshot);
    }
    return CO_OK;
}

static bool is_of_model(const slot *s)
{
    return strcmp(s->file, "model.safetensors") == 0;
}

void co_snapshot_take_model(co_snapshot *snapshot)
{
    for (int i = 0; i < snapshot->slot_count; i++) {
        if (is_of_model(&snapshot->slots[i])) {
            copy_slot(&snapshot->slots[i]);
        }
    }
}

/* --- writing --------------------------------------------------------------------------- */

/* The tensors of one file. */
typedef struct tensor_list {
    co_tensor_source *sources;
    char (*names)[TENSOR_NAME_SIZE];
    size_t count;
} tensor_list;

static void list_slot(tensor_list *list, const co_graph *graph, const slot *s)
{
    int count = 0;
    const co_tensor *tensors = co_snapshot_tensors_of(graph, s->layout, &count);
    const float *values = s->copy != NULL ? s->copy : s->live;
    for (int i = 0; i < count; i++) {
        char *name = list->names[list->count];
        (void)snprintf(name, TENSOR_NAME_SIZE, "%s%s", s->prefix, tensors[i].name);
        co_tensor_source source = {
            .name = name,
            .dtype = CO_DTYPE_F32,
            .rank = (unsigned)tensors[i].dims,
            .data = values + tensors[i].offset,
        };
        for (int d = 0; d < tensors[i].dims; d++) {
            source.shape[d] = tensors[i].shape[d];
        }
        list->sources[list->count++] = source;
    }
}

static void free_list(tensor_list *list)
{
    co_free(list->sources);
    co_free(list->names);
}

static co_status list_file(const co_snapshot *snapshot, const char *file, tensor_list *out,
                           co_error *err)
{
    const co_graph *graph = snapshot->job->graph;
    tensor_list list = {0};
    size_t most = (size_t)snapshot->slot_count *
                  ((size_t)graph->param_count + (size_t)graph->stat_count);
    void *block = NULL;
    CO_TRY(co_alloc(most, sizeof(co_tensor_source), "list of tensors", &block, err));
    list.sources = block;
    co_status status = co_alloc(most, TENSOR_NAME_SIZE, "names of tensors", &block, err);
    if (status != CO_OK) {
        free_list(&list);
        return status;
    }
    list.names = block;
    for (int i = 0; i < snapshot->slot_count; i++) {
        if (strcmp(snapshot->slots[i].file, file) == 0) {
            list_slot(&list, graph, &snapshot->slots[i]);
        }
    }
    *out = list;
    return CO_OK;
}

static co_status write_tensors(const co_snapshot *snapshot, const char *file, co_commit *commit,
                               co_error *err)
{
    const co_metadata metadata[] = {{"format", "pt"}, {"model", snapshot->job->graph->name}};
    tensor_list list = {0};
    CO_TRY(list_file(snapshot, file, &list, err));
    co_status status = co_commit_tensors(commit, file, list.sources, list.count, metadata,
                                         sizeof(metadata) / sizeof(metadata[0]), err);
    free_list(&list);
    return status;
}

/* Slots of one file follow one another. */
static bool begins_file(const co_snapshot *snapshot, int i)
{
    return i == 0 || strcmp(snapshot->slots[i].file, snapshot->slots[i - 1].file) != 0;
}

static co_status write_states(const co_snapshot *snapshot, co_commit *commit, co_error *err)
{
    char name[CO_SNAPSHOT_FILE_NAME];
    const unsigned char *state = snapshot->others;
    co_snapshot_state_file(name, 0);
    CO_TRY(co_commit_bytes(commit, name, snapshot->state,
                           snapshot->state_bytes + snapshot->files_bytes, err));
    for (int rank = 1; rank < snapshot->job->comm->size; rank++) {
        co_snapshot_state_file(name, rank);
        CO_TRY(co_commit_bytes(commit, name, state, snapshot->bytes_of[rank], err));
        state += snapshot->bytes_of[rank];
    }
    return CO_OK;
}

co_status co_snapshot_write(co_snapshot *snapshot, co_commit *commit, const co_mark_files *files,
                            co_error *err)
{
    co_mark_files own = *files;
    co_visitor v = co_visitor_saving(snapshot->state + snapshot->state_bytes,
                                     snapshot->files_bytes);
    CO_TRY(co_snapshot_visit_files(&v, &own, err));
    CO_TRY(co_visitor_finish(&v, err));
    for (int i = 0; i < snapshot->slot_count; i++) {
        if (begins_file(snapshot, i)) {
            CO_TRY(write_tensors(snapshot, snapshot->slots[i].file, commit, err));
        }
    }
    return write_states(snapshot, commit, err);
}

co_status co_snapshot_write_model(const co_snapshot *snapshot, const co_files *files,
                                  const char *path, co_error *err)
{
    const co_metadata metadata[] = {{"format", "pt"}, {"model", snapshot->job->graph->name}};
    tensor_list list = {0};
    CO_TRY(list_file(snapshot, "model.safetensors", &list, err));
    co_status status = co_safetensors_save(files, path, list.sources, list.count, metadata,
                                           sizeof(metadata) / sizeof(metadata[0]), err);
    free_list(&list);
    return status;
}
