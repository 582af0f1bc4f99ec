#include "train/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

enum { SLOTS_MAX = 16, FILE_NAME_SIZE = 48, PREFIX_SIZE = 64, TENSOR_NAME_SIZE = 192 };

#define STATE_FILE "rank-0000.state"

/* One buffer laid out like the model's. */
typedef struct slot {
    char file[FILE_NAME_SIZE]; /* "optimizer.safetensors" */
    char prefix[PREFIX_SIZE];  /* of its tensors' names: "momentum." */
    co_visit_layout layout;
    size_t count;      /* floats */
    const float *live; /* borrowed from the module */
    float *copy;       /* NULL when not staged */
} slot;

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
};

/* --- names ----------------------------------------------------------------------------- */

static const co_tensor *tensors_of(const co_graph *graph, co_visit_layout layout, int *count)
{
    bool params = layout == CO_VISIT_LIKE_PARAMS;
    *count = params ? graph->param_count : graph->stat_count;
    return params ? graph->params : graph->stats;
}

static size_t floats_of(const co_graph *graph, co_visit_layout layout)
{
    return layout == CO_VISIT_LIKE_PARAMS ? graph->param_floats : graph->stat_floats;
}

/* "optimizer.momentum" -> optimizer.safetensors, "momentum."; "ema.params" -> ema.safetensors, ""
 */
static co_status name_slot(slot *s, const char *path, co_error *err)
{
    const char *dot = strchr(path, '.');
    if (dot == NULL || (size_t)(dot - path) + sizeof(".safetensors") > FILE_NAME_SIZE ||
        strlen(dot) + 1 > PREFIX_SIZE) {
        return co_fail(err, CO_INTERNAL, "state: the buffer %s is in no section", path);
    }
    (void)snprintf(s->file, sizeof(s->file), "%.*s.safetensors", (int)(dot - path), path);
    bool plain = strcmp(dot, ".params") == 0 || strcmp(dot, ".stats") == 0;
    if (!plain) {
        (void)snprintf(s->prefix, sizeof(s->prefix), "%s.", dot + 1);
    }
    return CO_OK;
}

/* --- making ---------------------------------------------------------------------------- */

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
    CO_TRY(name_slot(s, path, err));
    snapshot->slot_count++;
    if (snapshot->staged && count > 0) {
        void *block = NULL;
        CO_TRY(co_alloc(count, sizeof(float), "copy of the state", &block, err));
        s->copy = block;
    }
    return CO_OK;
}

static co_status visit_files(co_visitor *v, co_mark_files *files, co_error *err)
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
    snapshot->state_bytes = v.offset;
    v = co_visitor_sizing();
    CO_TRY(visit_files(&v, &files, err));
    snapshot->files_bytes = v.offset;
    void *block = NULL;
    CO_TRY(co_alloc(snapshot->state_bytes + snapshot->files_bytes, 1, "copy of the state", &block,
                    err));
    snapshot->state = block;
    return CO_OK;
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
    co_status status = measure(snapshot, err);
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
    co_free(snapshot->state);
    co_free(snapshot);
}

size_t co_snapshot_memory_bytes(const co_snapshot *snapshot)
{
    size_t bytes = snapshot->state_bytes + snapshot->files_bytes;
    for (int i = 0; i < snapshot->slot_count; i++) {
        bytes += snapshot->staged ? snapshot->slots[i].count * sizeof(float) : 0;
    }
    return bytes;
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
    return CO_OK;
}

co_status co_snapshot_take(co_snapshot *snapshot, co_error *err)
{
    const co_visit_tensors hook = {.visit = take_slot, .context = snapshot};
    co_visitor v = co_visitor_saving(snapshot->state, snapshot->state_bytes);
    v.tensors = &hook;
    snapshot->next = 0;
    CO_TRY(co_run_state(snapshot->job, snapshot->progress, &v, err));
    return co_visitor_finish(&v, err);
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
    const co_tensor *tensors = tensors_of(graph, s->layout, &count);
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

co_status co_snapshot_write(co_snapshot *snapshot, co_commit *commit, const co_mark_files *files,
                            co_error *err)
{
    co_mark_files own = *files;
    co_visitor v = co_visitor_saving(snapshot->state + snapshot->state_bytes,
                                     snapshot->files_bytes);
    CO_TRY(visit_files(&v, &own, err));
    CO_TRY(co_visitor_finish(&v, err));
    for (int i = 0; i < snapshot->slot_count; i++) {
        if (begins_file(snapshot, i)) {
            CO_TRY(write_tensors(snapshot, snapshot->slots[i].file, commit, err));
        }
    }
    return co_commit_bytes(commit, STATE_FILE, snapshot->state,
                           snapshot->state_bytes + snapshot->files_bytes, err);
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

/* --- loading --------------------------------------------------------------------------- */

typedef struct loading {
    const co_committed *committed;
    const co_graph *graph;
    co_safetensors *file; /* the one opened last */
    char name[FILE_NAME_SIZE];
    size_t used; /* tensors of it that were read */
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

static co_status load_slot(void *context, const char *path, co_visit_layout layout, float *values,
                           size_t count, co_error *err)
{
    loading *l = context;
    slot s = {.layout = layout, .count = count};
    int tensor_count = 0;
    const co_tensor *tensors = tensors_of(l->graph, layout, &tensor_count);
    CO_TRY(name_slot(&s, path, err));
    CO_TRY(open_file(l, s.file, err));
    for (int i = 0; i < tensor_count; i++) {
        char name[TENSOR_NAME_SIZE];
        uint64_t shape[4] = {0};
        (void)snprintf(name, sizeof(name), "%s%s", s.prefix, tensors[i].name);
        for (int d = 0; d < tensors[i].dims; d++) {
            shape[d] = tensors[i].shape[d];
        }
        CO_TRY(co_safetensors_read_f32(l->file, name, (unsigned)tensors[i].dims, shape,
                                       values + tensors[i].offset, err));
        l->used++;
    }
    return CO_OK;
}

static co_status load_state(loading *l, const char *state, size_t bytes, co_job *job,
                            co_progress *progress, co_mark_files *files, co_error *err)
{
    const co_visit_tensors hook = {.visit = load_slot, .context = l};
    co_visitor v = co_visitor_loading(state, bytes);
    v.tensors = &hook;
    CO_TRY(co_run_state(job, progress, &v, err));
    CO_TRY(visit_files(&v, files, err));
    CO_TRY(co_visitor_finish(&v, err));
    return close_file(l, err);
}

co_status co_snapshot_load(const co_committed *committed, co_job *job, co_progress *progress,
                           co_mark_files *files, co_error *err)
{
    loading l = {.committed = committed, .graph = job->graph};
    char *state = NULL;
    size_t bytes = 0;
    CO_TRY(co_committed_read(committed, STATE_FILE, &state, &bytes, err));
    co_status status = load_state(&l, state, bytes, job, progress, files, err);
    co_safetensors_close(l.file);
    co_free(state);
    if (status == CO_FILE && strncmp(err->text, "state:", 6) == 0) {
        char text[CO_ERROR_SIZE];
        (void)snprintf(text, sizeof(text), "%s", err->text);
        return co_fail(err, CO_FILE, "%s/%s: %s", co_committed_folder(committed), STATE_FILE, text);
    }
    return status;
}
