#include "train/weights.h"

#include <string.h>

#include "base/alloc.h"
#include "state/safetensors.h"

/* PyTorch keeps a counter per batch norm; other tools expect it, we have no use for it. */
static const char ignored_suffix[] = ".num_batches_tracked";

static co_tensor_source source_of(const co_tensor *tensor, const float *values)
{
    co_tensor_source source = {
        .name = tensor->name,
        .dtype = CO_DTYPE_F32,
        .rank = (unsigned)tensor->dims,
        .data = values + tensor->offset,
    };
    for (int i = 0; i < tensor->dims; i++) {
        source.shape[i] = tensor->shape[i];
    }
    return source;
}

co_status co_weights_save(const co_files *files, const char *path, const co_model *model,
                          co_error *err)
{
    const co_graph *graph = model->graph;
    size_t count = (size_t)graph->param_count + (size_t)graph->stat_count;
    void *block = NULL;
    CO_TRY(co_alloc(count, sizeof(co_tensor_source), "list of tensors", &block, err));
    co_tensor_source *sources = block;
    for (int i = 0; i < graph->param_count; i++) {
        sources[i] = source_of(&graph->params[i], model->params);
    }
    for (int i = 0; i < graph->stat_count; i++) {
        sources[graph->param_count + i] = source_of(&graph->stats[i], model->stats);
    }
    const co_metadata metadata[] = {{"format", "pt"}, {"model", graph->name}};
    co_status status = co_safetensors_save(files, path, sources, count, metadata,
                                           sizeof(metadata) / sizeof(metadata[0]), err);
    co_free(sources);
    return status;
}

static co_status load_tensors(co_safetensors *file, const co_tensor *tensors, int count,
                              float *values, co_error *err)
{
    for (int i = 0; i < count; i++) {
        uint64_t shape[4] = {0};
        for (int d = 0; d < tensors[i].dims; d++) {
            shape[d] = tensors[i].shape[d];
        }
        CO_TRY(co_safetensors_read_f32(file, tensors[i].name, (unsigned)tensors[i].dims, shape,
                                       values + tensors[i].offset, err));
    }
    return CO_OK;
}

static bool has_name(const co_tensor *tensors, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(tensors[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_ignored(const char *name)
{
    size_t length = strlen(name);
    size_t suffix = sizeof(ignored_suffix) - 1;
    return length > suffix && strcmp(name + length - suffix, ignored_suffix) == 0;
}

static co_status check_no_others(co_safetensors *file, const char *path, const co_graph *graph,
                                 co_error *err)
{
    for (size_t i = 0; i < co_safetensors_count(file); i++) {
        const char *name = co_safetensors_entry(file, i)->name;
        if (!has_name(graph->params, graph->param_count, name) &&
            !has_name(graph->stats, graph->stat_count, name) && !is_ignored(name)) {
            return co_fail(err, CO_FILE,
                           "%s: tensor '%s' does not belong to the model '%s'; give the --model "
                           "that the file was made with",
                           path, name, graph->name);
        }
    }
    return CO_OK;
}

co_status co_weights_load(const char *path, co_model *model, co_error *err)
{
    const co_graph *graph = model->graph;
    co_safetensors *file = NULL;
    CO_TRY(co_safetensors_open(path, &file, err));
    co_status status = check_no_others(file, path, graph, err);
    if (status == CO_OK) {
        status = load_tensors(file, graph->params, graph->param_count, model->params, err);
    }
    if (status == CO_OK) {
        status = load_tensors(file, graph->stats, graph->stat_count, model->stats, err);
    }
    co_safetensors_close(file);
    CO_TRY(status);
    return model->backend->ops->refresh(model, 0, graph->param_floats, err);
}
