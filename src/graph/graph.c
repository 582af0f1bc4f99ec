#include "graph/graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "graph/shapes.h"

enum {
    SLOT_FLOATS = 16,  /* slots of the flat buffers: one cache line */
    SUFFIX_SIZE = 16,  /* ".running_mean" fits */
    MAX_DROPOUTS = 190 /* streams above CO_STREAM_DROPOUT */
};

/* Doubles *block (count items in use) when it is full. */
static co_status grow(void **block, int count, int *capacity, size_t size, co_error *err)
{
    if (count < *capacity) {
        return CO_OK;
    }
    int wider = *capacity > 0 ? 2 * *capacity : 16;
    void *fresh = NULL;
    CO_TRY(co_alloc((size_t)wider, size, "the layers of a model", &fresh, err));
    if (count > 0) {
        memcpy(fresh, *block, (size_t)count * size);
    }
    co_free(*block);
    *block = fresh;
    *capacity = wider;
    return CO_OK;
}

static bool has_layer(const co_graph *graph, const char *name)
{
    for (int i = 0; i < graph->layer_count; i++) {
        if (strcmp(graph->layers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static co_status name_layer(const co_graph *graph, co_layer *layer, const char *name, co_error *err)
{
    size_t length = strlen(name);
    if (length == 0 || length + SUFFIX_SIZE > CO_NAME_SIZE) {
        return co_fail(err, CO_USAGE,
                       "model '%s': the layer name '%.*s' must have 1 to %d characters",
                       graph->name, CO_NAME_SIZE, name, CO_NAME_SIZE - SUFFIX_SIZE);
    }
    if (has_layer(graph, name)) {
        return co_fail(err, CO_USAGE, "model '%s': two layers are called '%s'", graph->name, name);
    }
    memcpy(layer->name, name, length + 1);
    return CO_OK;
}

static bool is_layer(const co_graph *graph, int index)
{
    return index >= 0 && index < graph->layer_count;
}

static co_status append_layer(co_graph *graph, const char *name, const co_layer *desc)
{
    co_error *err = &graph->error;
    if (graph->layer_count == CO_MAX_LAYERS) {
        return co_fail(err, CO_USAGE, "model '%s' has more than %d layers", graph->name,
                       CO_MAX_LAYERS);
    }
    co_layer layer = *desc;
    CO_TRY(name_layer(graph, &layer, name, err));
    if (!is_layer(graph, layer.inputs[0]) ||
        (layer.kind == CO_LAYER_ADD && !is_layer(graph, layer.inputs[1]))) {
        return co_fail(err, CO_INTERNAL, "layer '%s' (%s): its input is not a layer of model '%s'",
                       name, co_layer_kind_name(layer.kind), graph->name);
    }
    layer.in = graph->layers[layer.inputs[0]].out;
    co_shape right = layer.inputs[1] >= 0 ? graph->layers[layer.inputs[1]].out : layer.in;
    CO_TRY(co_layer_infer(&layer, layer.in, right, &layer.out, err));
    void *block = graph->layers;
    CO_TRY(grow(&block, graph->layer_count, &graph->layer_capacity, sizeof(co_layer), err));
    graph->layers = block;
    graph->layers[graph->layer_count++] = layer;
    return CO_OK;
}

/* The index of the new layer, -1 once anything has failed. */
static int add_layer(co_graph *graph, const char *name, const co_layer *desc)
{
    if (graph->status != CO_OK) {
        return -1;
    }
    graph->status = append_layer(graph, name, desc);
    return graph->status == CO_OK ? graph->layer_count - 1 : -1;
}

static co_layer layer_of(co_layer_kind kind, int input)
{
    return (co_layer){
        .kind = kind,
        .inputs = {input, -1},
        .weight = -1,
        .bias = -1,
        .mean = -1,
        .variance = -1,
        .dropout_ordinal = -1,
    };
}

static co_status name_tensor(co_tensor *tensor, const co_layer *layer, const char *suffix,
                             co_error *err)
{
    int length = snprintf(tensor->name, sizeof(tensor->name), "%s.%s", layer->name, suffix);
    if (length < 0 || (size_t)length >= sizeof(tensor->name)) {
        return co_fail(err, CO_INTERNAL, "layer '%s': its name is too long", layer->name);
    }
    return CO_OK;
}

static co_status append_tensor(co_graph *graph, bool statistic, co_tensor tensor,
                               const char *suffix)
{
    co_error *err = &graph->error;
    CO_TRY(name_tensor(&tensor, &graph->layers[tensor.layer], suffix, err));
    tensor.count = 1;
    for (int i = 0; i < tensor.dims; i++) {
        if (!co_mul_size(tensor.count, tensor.shape[i], &tensor.count) ||
            tensor.count > SIZE_MAX / 64) {
            return co_fail(err, CO_USAGE, "tensor '%s' is too large", tensor.name);
        }
    }
    int *count = statistic ? &graph->stat_count : &graph->param_count;
    void *block = statistic ? graph->stats : graph->params;
    co_status status = grow(&block, *count,
                            statistic ? &graph->stat_capacity : &graph->param_capacity,
                            sizeof(co_tensor), err);
    if (status != CO_OK) {
        return status;
    }
    co_tensor *tensors = block;
    tensors[(*count)++] = tensor;
    if (statistic) {
        graph->stats = tensors;
    } else {
        graph->params = tensors;
    }
    return CO_OK;
}

static int add_param(co_graph *graph, co_tensor tensor, const char *suffix)
{
    if (graph->status != CO_OK) {
        return -1;
    }
    graph->status = append_tensor(graph, false, tensor, suffix);
    return graph->status == CO_OK ? graph->param_count - 1 : -1;
}

static int add_stat(co_graph *graph, co_tensor tensor, const char *suffix)
{
    if (graph->status != CO_OK) {
        return -1;
    }
    graph->status = append_tensor(graph, true, tensor, suffix);
    return graph->status == CO_OK ? graph->stat_count - 1 : -1;
}

/* PyTorch's kaiming_uniform(a = sqrt 5) comes down to this bound, for weight and bias alike. */
static co_init default_init(size_t fan_in)
{
    return (co_init){CO_INIT_UNIFORM, (float)(1.0 / sqrt((double)fan_in))};
}

co_status co_graph_create(const char *name, co_shape input, co_graph **out, co_error *err)
{
    CO_TRY(co_shape_check("input", "input", input, err));
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_graph), "a model", &block, err));
    co_graph *graph = block;
    (void)snprintf(graph->name, sizeof(graph->name), "%s", name);
    graph->logits = -1;
    graph->features = -1;
    co_layer layer = layer_of(CO_LAYER_INPUT, -1);
    (void)snprintf(layer.name, sizeof(layer.name), "input");
    layer.in = input;
    layer.out = input;
    void *layers = NULL;
    co_status status = grow(&layers, 0, &graph->layer_capacity, sizeof(co_layer), err);
    if (status != CO_OK) {
        co_graph_destroy(graph);
        return status;
    }
    graph->layers = layers;
    graph->layers[graph->layer_count++] = layer;
    *out = graph;
    return CO_OK;
}

void co_graph_destroy(co_graph *graph)
{
    if (graph == NULL) {
        return;
    }
    co_free(graph->stats);
    co_free(graph->params);
    co_free(graph->layers);
    co_free(graph);
}

int co_graph_conv2d(co_graph *graph, const char *name, int input, co_conv2d desc)
{
    co_layer layer = layer_of(CO_LAYER_CONV2D, input);
    layer.u.conv = desc;
    int index = add_layer(graph, name, &layer);
    if (index < 0) {
        return -1;
    }
    size_t out = (size_t)desc.out_channels;
    size_t in = (size_t)(graph->layers[index].in.channels / desc.groups);
    size_t fan_in = in * (size_t)desc.kernel_h * (size_t)desc.kernel_w;
    co_tensor weight = {.layer = index,
                        .dims = 4,
                        .shape = {out, in, (size_t)desc.kernel_h, (size_t)desc.kernel_w},
                        .init = default_init(fan_in)};
    graph->layers[index].weight = add_param(graph, weight, "weight");
    if (desc.bias) {
        co_tensor bias = {.layer = index, .dims = 1, .shape = {out}, .init = default_init(fan_in)};
        graph->layers[index].bias = add_param(graph, bias, "bias");
    }
    return graph->status == CO_OK ? index : -1;
}

int co_graph_linear(co_graph *graph, const char *name, int input, int out_features, bool bias)
{
    co_layer layer = layer_of(CO_LAYER_LINEAR, input);
    layer.u.linear.out_features = out_features;
    layer.u.linear.bias = bias;
    int index = add_layer(graph, name, &layer);
    if (index < 0) {
        return -1;
    }
    size_t out = (size_t)out_features;
    size_t in = (size_t)graph->layers[index].in.channels;
    co_tensor weight = {.layer = index, .dims = 2, .shape = {out, in}, .init = default_init(in)};
    graph->layers[index].weight = add_param(graph, weight, "weight");
    if (bias) {
        co_tensor b = {.layer = index, .dims = 1, .shape = {out}, .init = default_init(in)};
        graph->layers[index].bias = add_param(graph, b, "bias");
    }
    return graph->status == CO_OK ? index : -1;
}

void co_graph_choose_norms(co_graph *graph, const co_norm_choice *choice)
{
    for (int i = 0; i < graph->layer_count; i++) {
        co_layer *layer = &graph->layers[i];
        if (layer->kind != CO_LAYER_BATCH_NORM) {
            continue;
        }
        if (choice->momentum >= 0.0) {
            layer->u.norm.momentum = (float)choice->momentum;
        }
        if (choice->epsilon > 0.0) {
            layer->u.norm.epsilon = (float)choice->epsilon;
        }
        layer->u.norm.frozen = choice->frozen;
    }
}

int co_graph_batch_norm(co_graph *graph, const char *name, int input, float momentum, float epsilon)
{
    co_layer layer = layer_of(CO_LAYER_BATCH_NORM, input);
    layer.u.norm.momentum = momentum;
    layer.u.norm.epsilon = epsilon;
    int index = add_layer(graph, name, &layer);
    if (index < 0) {
        return -1;
    }
    size_t channels = (size_t)graph->layers[index].in.channels;
    co_tensor one = {.layer = index, .dims = 1, .shape = {channels}, .init = {CO_INIT_ONE, 0.0f}};
    co_tensor zero = one;
    zero.init.kind = CO_INIT_ZERO;
    graph->layers[index].weight = add_param(graph, one, "weight");
    graph->layers[index].bias = add_param(graph, zero, "bias");
    graph->layers[index].mean = add_stat(graph, zero, "running_mean");
    graph->layers[index].variance = add_stat(graph, one, "running_var");
    return graph->status == CO_OK ? index : -1;
}

int co_graph_relu(co_graph *graph, const char *name, int input)
{
    co_layer layer = layer_of(CO_LAYER_RELU, input);
    return add_layer(graph, name, &layer);
}

int co_graph_max_pool(co_graph *graph, const char *name, int input, co_pool2d desc)
{
    co_layer layer = layer_of(CO_LAYER_MAX_POOL, input);
    layer.u.pool = desc;
    return add_layer(graph, name, &layer);
}

int co_graph_avg_pool(co_graph *graph, const char *name, int input, co_pool2d desc)
{
    co_layer layer = layer_of(CO_LAYER_AVG_POOL, input);
    layer.u.pool = desc;
    return add_layer(graph, name, &layer);
}

int co_graph_global_avg_pool(co_graph *graph, const char *name, int input)
{
    co_layer layer = layer_of(CO_LAYER_GLOBAL_AVG_POOL, input);
    return add_layer(graph, name, &layer);
}

int co_graph_global_max_pool(co_graph *graph, const char *name, int input)
{
    co_layer layer = layer_of(CO_LAYER_GLOBAL_MAX_POOL, input);
    return add_layer(graph, name, &layer);
}

int co_graph_dropout(co_graph *graph, const char *name, int input, float probability,
                     bool whole_channels)
{
    co_layer layer = layer_of(whole_channels ? CO_LAYER_CHANNEL_DROPOUT : CO_LAYER_DROPOUT, input);
    layer.u.probability = probability;
    layer.dropout_ordinal = graph->dropout_count;
    if (graph->status == CO_OK && graph->dropout_count == MAX_DROPOUTS) {
        graph->status = co_fail(&graph->error, CO_USAGE, "model '%s' has more than %d dropouts",
                                graph->name, MAX_DROPOUTS);
    }
    int index = add_layer(graph, name, &layer);
    graph->dropout_count += index >= 0;
    return index;
}

int co_graph_add(co_graph *graph, const char *name, int left, int right)
{
    co_layer layer = layer_of(CO_LAYER_ADD, left);
    layer.inputs[1] = right;
    return add_layer(graph, name, &layer);
}

int co_graph_flatten(co_graph *graph, const char *name, int input)
{
    co_layer layer = layer_of(CO_LAYER_FLATTEN, input);
    return add_layer(graph, name, &layer);
}

int co_graph_scale(co_graph *graph, const char *name, int input, float factor)
{
    co_layer layer = layer_of(CO_LAYER_SCALE, input);
    layer.u.factor = factor;
    return add_layer(graph, name, &layer);
}

static void override_init(co_graph *graph, int layer, bool weight, co_init init)
{
    if (graph->status != CO_OK) {
        return;
    }
    int index = -1;
    if (is_layer(graph, layer)) {
        index = weight ? graph->layers[layer].weight : graph->layers[layer].bias;
    }
    if (index < 0) {
        graph->status = co_fail(&graph->error, CO_INTERNAL, "model '%s': layer %d has no %s",
                                graph->name, layer, weight ? "weight" : "bias");
        return;
    }
    graph->params[index].init = init;
}

void co_graph_init_weight(co_graph *graph, int layer, co_init init)
{
    override_init(graph, layer, true, init);
}

void co_graph_init_bias(co_graph *graph, int layer, co_init init)
{
    override_init(graph, layer, false, init);
}

/* The end of the buffer in *floats. */
static co_status lay_out(co_tensor *tensors, int count, size_t *floats, co_error *err)
{
    size_t offset = 0;
    for (int i = 0; i < count; i++) {
        tensors[i].offset = offset;
        if (!co_add_size(offset, co_round_up(tensors[i].count, SLOT_FLOATS), &offset) ||
            offset > SIZE_MAX / 64) {
            return co_fail(err, CO_USAGE, "the parameters up to '%s' are too large",
                           tensors[i].name);
        }
    }
    *floats = offset;
    return CO_OK;
}

/* A layer that feeds neither an output nor another layer is a mistake of the model's author. */
static co_status check_used(const co_graph *graph, co_error *err)
{
    for (int i = 0; i < graph->layer_count; i++) {
        bool used = i == graph->logits || i == graph->features;
        for (int j = i + 1; j < graph->layer_count && !used; j++) {
            used = graph->layers[j].inputs[0] == i || graph->layers[j].inputs[1] == i;
        }
        if (!used) {
            return co_fail(err, CO_USAGE, "layer '%s' (%s): its output is not used",
                           graph->layers[i].name, co_layer_kind_name(graph->layers[i].kind));
        }
    }
    return CO_OK;
}

co_status co_graph_finish(co_graph *graph, int logits, int features, co_error *err)
{
    if (graph->status != CO_OK) {
        return co_fail(err, graph->status, "%s", graph->error.text);
    }
    if (!is_layer(graph, logits) || !is_layer(graph, features)) {
        return co_fail(err, CO_INTERNAL, "model '%s': its outputs %d and %d are not layers",
                       graph->name, logits, features);
    }
    co_shape out = graph->layers[logits].out;
    if (out.height != 1 || out.width != 1) {
        return co_fail(err, CO_USAGE, "layer '%s' (%s): the logits must be a vector, not %dx%dx%d",
                       graph->layers[logits].name, co_layer_kind_name(graph->layers[logits].kind),
                       out.channels, out.height, out.width);
    }
    graph->logits = logits;
    graph->features = features;
    CO_TRY(check_used(graph, err));
    CO_TRY(lay_out(graph->params, graph->param_count, &graph->param_floats, err));
    return lay_out(graph->stats, graph->stat_count, &graph->stat_floats, err);
}

size_t co_graph_param_count(const co_graph *graph)
{
    size_t count = 0;
    for (int i = 0; i < graph->param_count; i++) {
        count += graph->params[i].count;
    }
    return count;
}
