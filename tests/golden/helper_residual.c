#include "golden/helper_residual.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "graph/models/models.h"
#include "state/safetensors.h"

enum { CHANNELS = 3, SEED = 5 };

const residual_row residual_rows[] = {
    {"resnet18", "resnet", "{depth: 18}", 32, 2, 5},
    {"resnet18-keras", "resnet18-keras", NULL, 32, 2, 340},
    {"fastresnet", "fastresnet", NULL, 32, 2, 397},
    {"resnet-s1", "resnet-s1", NULL, 32, 1, 726},
    {"resnet-s1-18", "resnet-s1", "{depth: 18}", 32, 2, 315},
    {0},
};

static co_rng rng_of(uint32_t sample)
{
    return co_rng_at(&(co_rng_key){.seed = SEED, .stream = CO_STREAM_TEST, .sample = sample});
}

static void draw_constants(const co_graph *graph, float *params)
{
    for (int i = 0; i < graph->param_count; i++) {
        const co_tensor *t = &graph->params[i];
        const co_layer *layer = &graph->layers[t->layer];
        bool gamma = layer->kind == CO_LAYER_BATCH_NORM && layer->weight == i;
        co_rng rng = rng_of((uint32_t)i);
        for (size_t k = 0; t->dims == 1 && k < t->count; k++) {
            params[t->offset + k] = (gamma ? 0.5f : -0.5f) + co_rng_uniform(&rng);
        }
    }
}

static void draw_batch(residual_case *c, int pick, int slot)
{
    const size_t rows = (size_t)c->row->batch;
    const size_t pixels = rows * co_shape_count(c->graph->layers[0].out);
    co_rng rng = rng_of(1000000U + (uint32_t)pick);
    for (size_t k = 0; k < pixels; k++) {
        c->pixels[(size_t)slot * pixels + k] = 3.4f * co_rng_uniform(&rng) - 1.7f;
    }
    for (size_t k = 0; k < rows; k++) {
        c->labels[(size_t)slot * rows + k] = (int32_t)(RESIDUAL_CLASSES * co_rng_uniform(&rng));
    }
}

static co_status hash_inputs(residual_case *c, co_error *err)
{
    const size_t rows = (size_t)c->batches * (size_t)c->row->batch;
    co_hasher *hasher = NULL;
    CO_TRY(co_hasher_create(&hasher, err));
    co_hasher_add(hasher, c->params, c->graph->param_floats * sizeof(float));
    co_hasher_add(hasher, c->pixels,
                  rows * co_shape_count(c->graph->layers[0].out) * sizeof(float));
    co_hasher_add(hasher, c->labels, rows * sizeof(int32_t));
    co_hash_text(co_hasher_result(hasher), c->inputs);
    co_hasher_destroy(hasher);
    return CO_OK;
}

static co_status fill_case(residual_case *c, int pick, co_error *err)
{
    const residual_row *row = c->row;
    const size_t rows = (size_t)c->batches * (size_t)row->batch;
    const co_shape shape = {CHANNELS, row->side, row->side};
    void *params = NULL;
    void *pixels = NULL;
    void *labels = NULL;
    CO_TRY(co_model_build(row->model, row->config, shape, RESIDUAL_CLASSES, &c->graph, err));
    CO_TRY(co_alloc(c->graph->param_floats, sizeof(float), "golden weights", &params, err));
    c->params = params;
    CO_TRY(co_alloc(rows * co_shape_count(shape), sizeof(float), "golden pixels", &pixels, err));
    c->pixels = pixels;
    CO_TRY(co_alloc(rows, sizeof(int32_t), "golden labels", &labels, err));
    c->labels = labels;
    co_graph_init_params(c->graph, SEED, c->params);
    draw_constants(c->graph, c->params);
    for (int i = 0; i < c->batches; i++) {
        draw_batch(c, pick + i, i);
    }
    return hash_inputs(c, err);
}

co_status residual_case_open(const residual_row *row, int pick, int batches, residual_case *out,
                             co_error *err)
{
    *out = (residual_case){.row = row, .batches = batches};
    co_status status = fill_case(out, pick, err);
    if (status != CO_OK) {
        residual_case_close(out);
    }
    return status;
}

void residual_case_close(residual_case *c)
{
    co_free(c->labels);
    co_free(c->pixels);
    co_free(c->params);
    co_graph_destroy(c->graph);
    *c = (residual_case){0};
}

/* Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (OOPSLA 2014): SplitMix64.
 * Bit k is the sign in vector k. */
static uint64_t signs_of(size_t element)
{
    uint64_t z = ((uint64_t)element + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

void residual_summarise(const float *values, size_t count, float *summary)
{
    double sums[RESIDUAL_SIGNS] = {0.0};
    double squares = 0.0;
    for (size_t i = 0; i < count; i++) {
        uint64_t signs = signs_of(i);
        double value = (double)values[i];
        for (int k = 0; k < RESIDUAL_SIGNS; k++) {
            sums[k] += (signs >> k & 1) != 0 ? -value : value;
        }
        squares += value * value;
    }
    for (int k = 0; k < RESIDUAL_SIGNS; k++) {
        summary[k] = (float)sums[k];
    }
    summary[RESIDUAL_SIGNS] = (float)sqrt(squares);
}

double residual_distance(const float *a, const float *b)
{
    double squares = 0.0;
    for (int k = 0; k < RESIDUAL_SIGNS; k++) {
        double d = (double)a[k] - (double)b[k];
        squares += d * d;
    }
    double result = sqrt(squares / RESIDUAL_SIGNS) / (double)b[RESIDUAL_SIGNS];
    return isfinite(result) ? result : INFINITY;
}

/* ------------------------------------------------------------------ export */

static co_status save(const residual_case *c, const char *path, co_tensor_source *tensors,
                      co_error *err)
{
    const co_graph *graph = c->graph;
    const uint64_t side = (uint64_t)c->row->side;
    const uint64_t batches = (uint64_t)c->batches;
    const uint64_t rows = (uint64_t)c->row->batch;
    size_t count = 0;
    for (int i = 0; i < graph->param_count; i++) {
        const co_tensor *t = &graph->params[i];
        co_tensor_source *s = &tensors[count++];
        *s = (co_tensor_source){
            t->name, CO_DTYPE_F32, (unsigned)t->dims, {0}, c->params + t->offset};
        for (int d = 0; d < t->dims; d++) {
            s->shape[d] = t->shape[d];
        }
    }
    tensors[count++] = (co_tensor_source){
        "pixels", CO_DTYPE_F32, 5, {batches, rows, CHANNELS, side, side}, c->pixels};
    tensors[count++] = (co_tensor_source){"labels", CO_DTYPE_I32, 2, {batches, rows}, c->labels};
    const co_metadata metadata[] = {
        {"inputs", c->inputs},
        {"model", c->row->model},
        {"config", c->row->config != NULL ? c->row->config : "{}"},
    };
    return co_safetensors_save(&co_files_system, path, tensors, count, metadata,
                               sizeof(metadata) / sizeof(metadata[0]), err);
}

static co_status export_row(const char *folder, const residual_row *row, int batches, co_error *err)
{
    enum { INPUTS = 2 }; /* besides the parameters */
    char path[4096];
    if (snprintf(path, sizeof(path), "%s/%s.safetensors", folder, row->name) >= (int)sizeof(path)) {
        return co_fail(err, CO_USAGE, "the folder's name is too long: %s", folder);
    }
    residual_case c;
    CO_TRY(
        residual_case_open(row, batches > 0 ? 0 : row->pick, batches > 0 ? batches : 1, &c, err));
    void *tensors = NULL;
    co_status status = co_alloc((size_t)c.graph->param_count + INPUTS, sizeof(co_tensor_source),
                                "list of tensors", &tensors, err);
    if (status == CO_OK) {
        status = save(&c, path, tensors, err);
    }
    co_free(tensors);
    residual_case_close(&c);
    return status;
}

co_status residual_export(const char *folder, int batches, co_error *err)
{
    for (const residual_row *row = residual_rows; row->name != NULL; row++) {
        CO_TRY(export_row(folder, row, batches, err));
    }
    return CO_OK;
}
