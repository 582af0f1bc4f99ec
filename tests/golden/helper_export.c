/* The inputs of the golden values as safetensors files. */
#include <stdio.h>

#include "base/alloc.h"
#include "golden/helper_case.h"
#include "state/safetensors.h"

enum { INPUT_TENSORS = 4 }; /* besides the parameters */

static co_tensor_source input(const char *name, co_dtype dtype, uint64_t count, const void *data)
{
    return (co_tensor_source){
        .name = name, .dtype = dtype, .rank = 1, .shape = {count}, .data = data};
}

static co_tensor_source parameter(const co_tensor *tensor, const float *params)
{
    co_tensor_source source = {
        .name = tensor->name,
        .dtype = CO_DTYPE_F32,
        .rank = (unsigned)tensor->dims,
        .data = params + tensor->offset,
    };
    for (int d = 0; d < tensor->dims; d++) {
        source.shape[d] = tensor->shape[d];
    }
    return source;
}

static co_status save(const golden_case *c, const char *path, co_tensor_source *tensors,
                      co_error *err)
{
    const co_graph *graph = c->graph;
    const uint64_t rows = (uint64_t)GOLDEN_STEPS * GOLDEN_BATCH;
    const uint64_t channels = (uint64_t)c->map.channels;
    size_t count = 0;
    for (int i = 0; i < graph->param_count; i++) {
        tensors[count++] = parameter(&graph->params[i], c->params);
    }
    const co_shape shape = graph->layers[0].out;
    co_tensor_source pixels = input("pixels", CO_DTYPE_U8, rows, c->pixels);
    pixels.rank = 4;
    pixels.shape[1] = (uint64_t)shape.channels;
    pixels.shape[2] = (uint64_t)shape.height;
    pixels.shape[3] = (uint64_t)shape.width;
    tensors[count++] = pixels;
    tensors[count++] = input("labels", CO_DTYPE_I32, rows, c->labels);
    tensors[count++] = input("scale", CO_DTYPE_F32, channels, c->map.scale);
    tensors[count++] = input("shift", CO_DTYPE_F32, channels, c->map.shift);
    const co_metadata metadata = {"inputs", c->inputs};
    return co_safetensors_save(&co_files_system, path, tensors, count, &metadata, 1, err);
}

static co_status export_model(const char *folder, const char *model, co_error *err)
{
    char path[4096];
    if (snprintf(path, sizeof(path), "%s/%s.safetensors", folder, model) >= (int)sizeof(path)) {
        return co_fail(err, CO_USAGE, "the folder's name is too long: %s", folder);
    }
    golden_case c;
    CO_TRY(golden_case_open(model, &c, err));
    void *tensors = NULL;
    co_status status = co_alloc((size_t)c.graph->param_count + INPUT_TENSORS,
                                sizeof(co_tensor_source), "list of tensors", &tensors, err);
    if (status == CO_OK) {
        status = save(&c, path, tensors, err);
    }
    co_free(tensors);
    golden_case_close(&c);
    return status;
}

co_status golden_export(const char *folder, co_error *err)
{
    for (int i = 0; golden_models[i] != NULL; i++) {
        CO_TRY(export_model(folder, golden_models[i], err));
    }
    return CO_OK;
}
