/* Plans of the reference backend: what they hold and where it lies in the slab. */
#include "backend/ref/plan.h"

#include <stdio.h>
#include <string.h>

#include "backend/slab.h"
#include "base/alloc.h"

static const char *const use_names[CO_REF_COUNT] = {
    "activations",         "gradients of activations",    "indices, masks and sums",
    "tables of the plans", "outputs and their gradients",
};

/* Hands out pieces of the slab; with a NULL slab it only adds up. */
typedef struct arena {
    unsigned char *slab;
    size_t used;
    size_t bytes[CO_REF_COUNT];
    bool overflow;
} arena;

static void *take(arena *a, co_ref_use use, size_t count, size_t size)
{
    size_t bytes = 0;
    size_t end = 0;
    if (!co_mul_size(count, size, &bytes) || bytes > SIZE_MAX / 4 ||
        !co_add_size(a->used, co_round_up(bytes, CO_ALIGNMENT), &end) || end > SIZE_MAX / 4) {
        a->overflow = true;
        return NULL;
    }
    void *piece = a->slab != NULL ? a->slab + a->used : NULL;
    a->bytes[use] += end - a->used;
    a->used = end;
    return piece;
}

const co_ref_kernels *co_ref_kernels_of(co_layer_kind kind)
{
    switch (kind) {
    case CO_LAYER_CONV2D:
        return &co_ref_conv2d;
    case CO_LAYER_LINEAR:
        return &co_ref_linear;
    case CO_LAYER_BATCH_NORM:
        return &co_ref_batch_norm;
    case CO_LAYER_RELU:
        return &co_ref_relu;
    case CO_LAYER_MAX_POOL:
    case CO_LAYER_GLOBAL_MAX_POOL:
        return &co_ref_max_pool;
    case CO_LAYER_AVG_POOL:
    case CO_LAYER_GLOBAL_AVG_POOL:
        return &co_ref_avg_pool;
    case CO_LAYER_DROPOUT:
    case CO_LAYER_CHANNEL_DROPOUT:
        return &co_ref_dropout;
    case CO_LAYER_ADD:
        return &co_ref_add;
    case CO_LAYER_FLATTEN:
        return &co_ref_flatten;
    case CO_LAYER_SCALE:
        return &co_ref_scale;
    case CO_LAYER_INPUT:
        break;
    }
    return NULL;
}

/* Doubles that a layer keeps besides its output: see co_ref_op.saved. */
static size_t saved_count(const co_layer *layer, co_shape in)
{
    switch (layer->kind) {
    case CO_LAYER_BATCH_NORM:
        return 4 * (size_t)in.channels + co_norm_moments(in.channels);
    case CO_LAYER_CONV2D:
        return (size_t)(in.channels / layer->u.conv.groups) * (size_t)layer->u.conv.kernel_h *
               (size_t)layer->u.conv.kernel_w;
    case CO_LAYER_LINEAR:
        return co_shape_count(in);
    default:
        return 0;
    }
}

static size_t mask_count(const co_layer *layer, co_shape in)
{
    if (layer->kind == CO_LAYER_DROPOUT) {
        return co_shape_count(in);
    }
    return layer->kind == CO_LAYER_CHANNEL_DROPOUT ? (size_t)in.channels : 0;
}

/* Sizes from arguments alone: the first pass has no tables to read from. */
static void take_layer(arena *a, const co_plan *plan, const co_shape *shapes,
                       const co_backward *backward, int index, co_ref_op *op, double **value,
                       double **grad)
{
    const co_layer *layer = &plan->model->graph->layers[index];
    size_t rows = (size_t)plan->spec.batch;
    co_shape in = layer->inputs[0] >= 0 ? shapes[layer->inputs[0]] : shapes[index];
    size_t out_count = rows * co_shape_count(shapes[index]);
    bool train = plan->spec.mode == CO_TRAIN;
    bool pools_maximum = layer->kind == CO_LAYER_MAX_POOL ||
                         layer->kind == CO_LAYER_GLOBAL_MAX_POOL;
    bool syncs = train && layer->kind == CO_LAYER_BATCH_NORM && !layer->u.norm.frozen;
    *value = take(a, CO_REF_VALUES, out_count, sizeof(double));
    *grad = NULL;
    if (train && backward->wanted[index]) {
        *grad = take(a, CO_REF_GRADIENTS, out_count, sizeof(double));
    }
    *op = (co_ref_op){
        .layer = layer,
        .rows = plan->spec.batch,
        .in = in,
        .out = shapes[index],
        .train = train,
        .sync = syncs ? plan->spec.sync : NULL,
        .saved = take(a, CO_REF_SAVED, saved_count(layer, in), sizeof(double)),
        .best = take(a, CO_REF_SAVED, pools_maximum ? out_count : 0, sizeof(int32_t)),
        .mask = take(a, CO_REF_SAVED, train ? rows * mask_count(layer, in) : 0, sizeof(float)),
    };
}

static float *slot(float *buffer, const co_tensor *tensors, int index)
{
    return index >= 0 ? buffer + tensors[index].offset : NULL;
}

/* Pointers between layers and into the model's flat buffers. */
static void connect(co_plan *plan, int index)
{
    co_model *model = plan->model;
    const co_graph *graph = model->graph;
    co_ref_op *op = &plan->ops[index];
    const co_layer *layer = op->layer;
    op->y = plan->values[index];
    op->dy = plan->grads[index];
    for (int k = 0; k < 2; k++) {
        if (layer->inputs[k] >= 0) {
            op->x[k] = plan->values[layer->inputs[k]];
            op->dx[k] = plan->grads[layer->inputs[k]];
        }
    }
    op->weight = slot(model->params, graph->params, layer->weight);
    op->bias = slot(model->params, graph->params, layer->bias);
    op->dweight = slot(model->grads, graph->params, layer->weight);
    op->dbias = slot(model->grads, graph->params, layer->bias);
    op->running_mean = slot(model->stats, graph->stats, layer->mean);
    op->running_variance = slot(model->stats, graph->stats, layer->variance);
}

static void take_plan(arena *a, co_plan *plan, const co_shape *shapes, const co_backward *backward)
{
    const co_graph *graph = plan->model->graph;
    size_t layers = (size_t)graph->layer_count;
    plan->ops = take(a, CO_REF_TABLES, layers, sizeof(co_ref_op));
    plan->values = take(a, CO_REF_TABLES, layers, sizeof(double *));
    plan->grads = take(a, CO_REF_TABLES, layers, sizeof(double *));
    for (int i = 0; i < graph->layer_count; i++) {
        co_ref_op op;
        double *value = NULL;
        double *grad = NULL;
        take_layer(a, plan, shapes, backward, i, &op, &value, &grad);
        if (a->slab != NULL) {
            plan->ops[i] = op;
            plan->values[i] = value;
            plan->grads[i] = grad;
        }
    }
    const int layer_of[CO_OUTPUT_COUNT] = {graph->logits, graph->features};
    for (int k = 0; k < CO_OUTPUT_COUNT; k++) {
        size_t count = (size_t)plan->spec.batch * co_shape_count(shapes[layer_of[k]]);
        plan->outputs[k] = take(a, CO_REF_OUTPUTS, count, sizeof(float));
        plan->output_grads[k] = NULL;
        if (plan->spec.mode == CO_TRAIN) {
            plan->output_grads[k] = take(a, CO_REF_OUTPUTS, count, sizeof(float));
        }
    }
    for (int i = 0; a->slab != NULL && i < graph->layer_count; i++) {
        connect(plan, i);
    }
}

static co_status check_norms(const co_plan *plan, co_error *err)
{
    const co_graph *graph = plan->model->graph;
    if (plan->spec.sync != NULL && plan->spec.sync->workers > 1) {
        return CO_OK; /* the others have values too */
    }
    for (int i = 0; i < graph->layer_count; i++) {
        co_shape s = plan->shapes[i];
        if (graph->layers[i].kind == CO_LAYER_BATCH_NORM && plan->spec.mode == CO_TRAIN &&
            !graph->layers[i].u.norm.frozen &&
            (size_t)plan->spec.batch * (size_t)s.height * (size_t)s.width < 2) {
            return co_fail(err, CO_USAGE,
                           "layer '%s' (batch_norm): a batch of 1 with one value per channel has "
                           "no variance to train with; use a larger batch",
                           graph->layers[i].name);
        }
    }
    return CO_OK;
}

static co_status prepare_plan(co_plans *plans, int index, const co_plan_spec *spec, co_error *err)
{
    co_plan *plan = &plans->plans[index];
    const co_graph *graph = plans->model->graph;
    if (spec->batch < 1) {
        return co_fail(err, CO_INTERNAL, "plan %d: a batch of %d rows", index, spec->batch);
    }
    plan->plans = plans;
    plan->model = plans->model;
    plan->spec = *spec;
    plan->next_phase = -1;
    void *block = NULL;
    CO_TRY(co_alloc((size_t)graph->layer_count, sizeof(co_shape), "the shapes of a plan", &block,
                    err));
    plan->shapes = block;
    int height = spec->height > 0 ? spec->height : graph->layers[0].out.height;
    int width = spec->width > 0 ? spec->width : graph->layers[0].out.width;
    CO_TRY(co_graph_shapes(graph, height, width, plan->shapes, err));
    CO_TRY(check_norms(plan, err));
    return co_backward_create(graph, plan->shapes, spec->feature_gradient, &plan->backward, err);
}

/* The same walk twice: once to measure, once to hand out. */
static co_status take_slab(co_plans *plans, const co_plan_spec *specs, co_error *err)
{
    arena a = {0};
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < plans->count; i++) {
            co_plan *plan = &plans->plans[i];
            take_plan(&a, plan, plan->shapes, &plan->backward);
        }
        if (pass == 0) {
            if (a.overflow) {
                return co_fail(err, CO_MEMORY, "the plans need more memory than can be addressed");
            }
            void *block = NULL;
            CO_TRY(co_slab_alloc(NULL, specs, plans->count, a.used, &block, err));
            plans->slab = block;
            memcpy(plans->bytes, a.bytes, sizeof(a.bytes));
            a = (arena){.slab = block};
        }
    }
    return CO_OK;
}

co_status co_ref_plans_create(co_model *model, const co_plan_spec *specs, int count,
                              const co_pixel_map *pixels, co_plans **out, co_error *err)
{
    int channels = model->graph->layers[0].out.channels;
    if (pixels != NULL && pixels->channels != channels) {
        return co_fail(err, CO_INTERNAL, "model '%s' has %d input channels, the pixel map %d",
                       model->graph->name, channels, pixels->channels);
    }
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_plans), "a set of plans", &block, err));
    co_plans *plans = block;
    plans->model = model;
    plans->mapped = pixels != NULL;
    if (pixels != NULL) {
        plans->pixels = *pixels;
    }
    co_status status = CO_OK;
    void *array = NULL;
    CO_TRY_GOTO(status, co_alloc((size_t)count, sizeof(co_plan), "a set of plans", &array, err),
                destroy_plans);
    plans->plans = array;
    plans->count = count;
    for (int i = 0; i < count; i++) {
        CO_TRY_GOTO(status, prepare_plan(plans, i, &specs[i], err), destroy_plans);
    }
    CO_TRY_GOTO(status, take_slab(plans, specs, err), destroy_plans);
    *out = plans;
    return CO_OK;

destroy_plans:
    co_ref_plans_destroy(plans);
    return status;
}

void co_ref_plans_destroy(co_plans *plans)
{
    if (plans == NULL) {
        return;
    }
    for (int i = 0; i < plans->count; i++) {
        co_backward_destroy(&plans->plans[i].backward);
        co_free(plans->plans[i].shapes);
    }
    co_free(plans->slab);
    co_free(plans->plans);
    co_free(plans);
}

co_plan *co_ref_plan(co_plans *plans, int index)
{
    return &plans->plans[index];
}

static int add_item(co_memory_item *items, int count, const char *name, size_t bytes)
{
    (void)snprintf(items[count].name, sizeof(items[count].name), "%s", name);
    items[count].bytes = bytes;
    return count + 1;
}

int co_ref_memory(const co_plans *plans, co_memory_item *items)
{
    const co_graph *graph = plans->model->graph;
    int count = 0;
    count = add_item(items, count, "parameters", graph->param_floats * sizeof(float));
    count = add_item(items, count, "gradients", graph->param_floats * sizeof(float));
    if (graph->stat_floats > 0) {
        count = add_item(items, count, "statistics", graph->stat_floats * sizeof(float));
    }
    for (int use = 0; use < CO_REF_COUNT; use++) {
        count = add_item(items, count, use_names[use], plans->bytes[use]);
    }
    return count;
}
