#include "golden/helper_case.h"

#include <string.h>

#include "base/alloc.h"
#include "data/loader.h"
#include "data/normalise.h"
#include "graph/models/models.h"

const char *const golden_models[] = {"lenet5", "mnistnet", NULL};

static co_status build_graph(golden_case *c, const co_dataset_info *info, co_error *err)
{
    const co_shape shape = {info->channels, info->height, info->width};
    CO_TRY(co_model_build(c->model, NULL, shape, info->classes, &c->graph, err));
    for (int i = 0; i < c->graph->layer_count; i++) {
        co_layer *layer = &c->graph->layers[i];
        if (layer->kind == CO_LAYER_DROPOUT || layer->kind == CO_LAYER_CHANNEL_DROPOUT) {
            layer->u.probability = 0.0f;
        }
    }
    void *params = NULL;
    CO_TRY(co_alloc(c->graph->param_floats, sizeof(float), "golden weights", &params, err));
    c->params = params;
    co_graph_init_params(c->graph, GOLDEN_SEED, c->params);
    return CO_OK;
}

static co_status read_batches(golden_case *c, co_loader *loader, co_error *err)
{
    for (int step = 0; step < GOLDEN_STEPS; step++) {
        const co_batch *batch = NULL;
        CO_TRY(co_loader_next(loader, &batch, err));
        size_t row = (size_t)step * GOLDEN_BATCH;
        memcpy(c->pixels + row * c->sample_bytes, batch->pixels, GOLDEN_BATCH * c->sample_bytes);
        memcpy(c->labels + row, batch->labels, GOLDEN_BATCH * sizeof(int32_t));
        memcpy(c->samples + row, batch->samples, GOLDEN_BATCH * sizeof(uint32_t));
    }
    return CO_OK;
}

static co_status load_batches(golden_case *c, co_dataset *set, co_error *err)
{
    const size_t rows = (size_t)GOLDEN_STEPS * GOLDEN_BATCH;
    const co_loader_options options = {
        .split = CO_SPLIT_TRAIN,
        .batch = GOLDEN_BATCH,
        .shuffle = true,
        .drop_last = true,
        .seed = GOLDEN_SEED,
    };
    void *pixels = NULL;
    void *labels = NULL;
    void *samples = NULL;
    c->sample_bytes = co_dataset_describe(set)->sample_bytes;
    CO_TRY(co_alloc(rows, c->sample_bytes, "golden pixels", &pixels, err));
    c->pixels = pixels;
    CO_TRY(co_alloc(rows, sizeof(int32_t), "golden labels", &labels, err));
    c->labels = labels;
    CO_TRY(co_alloc(rows, sizeof(uint32_t), "golden samples", &samples, err));
    c->samples = samples;
    co_loader *loader = NULL;
    CO_TRY(co_loader_create(set, &options, &loader, err));
    co_status status = read_batches(c, loader, err);
    co_loader_destroy(loader);
    return status;
}

static co_status hash_inputs(golden_case *c, co_error *err)
{
    const size_t rows = (size_t)GOLDEN_STEPS * GOLDEN_BATCH;
    const size_t channels = (size_t)c->map.channels;
    co_hasher *hasher = NULL;
    CO_TRY(co_hasher_create(&hasher, err));
    co_hasher_add(hasher, c->params, c->graph->param_floats * sizeof(float));
    co_hasher_add(hasher, c->map.scale, channels * sizeof(float));
    co_hasher_add(hasher, c->map.shift, channels * sizeof(float));
    co_hasher_add(hasher, c->pixels, rows * c->sample_bytes);
    co_hasher_add(hasher, c->labels, rows * sizeof(int32_t));
    co_hash_text(co_hasher_result(hasher), c->inputs);
    co_hasher_destroy(hasher);
    return CO_OK;
}

static co_status fill_case(golden_case *c, co_dataset *set, co_error *err)
{
    CO_TRY(co_dataset_require(set, CO_SPLIT_TRAIN, err));
    CO_TRY(co_normalise(set, CO_NORMALISE_GLOBAL, &c->map, err));
    CO_TRY(build_graph(c, co_dataset_describe(set), err));
    CO_TRY(load_batches(c, set, err));
    return hash_inputs(c, err);
}

co_status golden_case_open(const char *model, golden_case *out, co_error *err)
{
    *out = (golden_case){.model = model};
    co_dataset *set = NULL;
    CO_TRY(co_dataset_open("glyphs", NULL, NULL, &set, err));
    co_status status = fill_case(out, set, err);
    co_dataset_close(set);
    if (status != CO_OK) {
        golden_case_close(out);
    }
    return status;
}

void golden_case_close(golden_case *c)
{
    co_free(c->samples);
    co_free(c->labels);
    co_free(c->pixels);
    co_free(c->params);
    co_graph_destroy(c->graph);
    *c = (golden_case){0};
}

co_batch golden_case_batch(const golden_case *c, int step)
{
    size_t row = (size_t)step * GOLDEN_BATCH;
    return (co_batch){
        .rows = GOLDEN_BATCH,
        .pixel = CO_PIXEL_U8,
        .pixels = c->pixels + row * c->sample_bytes,
        .labels = c->labels + row,
        .samples = c->samples + row,
        .seed = GOLDEN_SEED,
    };
}
