/* A graph as a network file (network.h). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/string.h"
#include "graph/network.h"

static void add_pair(co_string *text, const char *key, int height, int width, int standard)
{
    if (height == standard && width == standard) {
        return;
    }
    if (height == width) {
        co_string_format(text, ", %s: %d", key, height);
    } else {
        co_string_format(text, ", %s: [%d, %d]", key, height, width);
    }
}

/* The shortest decimal that reads back to the same float. */
static void add_number(co_string *text, float value)
{
    char digits[32];
    for (int precision = 1; precision <= 9; precision++) {
        (void)snprintf(digits, sizeof(digits), "%.*g", precision, (double)value);
        if ((float)strtod(digits, NULL) == value) {
            break;
        }
    }
    co_string_add(text, digits);
}

static void add_float(co_string *text, const char *key, float value)
{
    co_string_format(text, ", %s: ", key);
    add_number(text, value);
}

static bool is_default(const co_graph *graph, const co_layer *layer, const co_tensor *tensor,
                       bool weight)
{
    if (layer->kind == CO_LAYER_BATCH_NORM) {
        return tensor->init.kind == (weight ? CO_INIT_ONE : CO_INIT_ZERO);
    }
    const co_tensor *w = &graph->params[layer->weight];
    const size_t fan_in = w->count / w->shape[0];
    float bound = (float)(1.0 / sqrt((double)fan_in));
    return tensor->init.kind == CO_INIT_UNIFORM && tensor->init.bound == bound;
}

static void add_init(co_string *text, const co_graph *graph, const co_layer *layer, bool weight)
{
    static const char *const words[] = {
        [CO_INIT_ZERO] = "zero",
        [CO_INIT_ONE] = "one",
        [CO_INIT_UNIFORM] = "uniform",
        [CO_INIT_NORMAL] = "normal",
        [CO_INIT_TRUNCATED_NORMAL] = "truncated_normal",
    };
    const int index = weight ? layer->weight : layer->bias;
    if (index < 0 || is_default(graph, layer, &graph->params[index], weight)) {
        return;
    }
    const co_init init = graph->params[index].init;
    const char *key = weight ? "init" : "bias_init";
    if (init.kind == CO_INIT_ZERO || init.kind == CO_INIT_ONE) {
        co_string_format(text, ", %s: %s", key, words[init.kind]);
    } else {
        co_string_format(text, ", %s: {%s: ", key, words[init.kind]);
        add_number(text, init.bound);
        co_string_add(text, "}");
    }
}

static void add_conv(co_string *text, const co_conv2d *c)
{
    co_string_format(text, ", out: %d", c->out_channels);
    add_pair(text, "kernel", c->kernel_h, c->kernel_w, 0);
    add_pair(text, "stride", c->stride_h, c->stride_w, 1);
    add_pair(text, "pad", c->pad_h, c->pad_w, 0);
    if (c->groups != 1) {
        co_string_format(text, ", groups: %d", c->groups);
    }
    co_string_add(text, c->bias ? "" : ", bias: false");
}

static void add_pool(co_string *text, const co_pool2d *p)
{
    add_pair(text, "kernel", p->kernel_h, p->kernel_w, 0);
    if (p->stride_h != p->kernel_h || p->stride_w != p->kernel_w) {
        add_pair(text, "stride", p->stride_h, p->stride_w, 0);
    }
    add_pair(text, "pad", p->pad_h, p->pad_w, 0);
}

static void add_norm(co_string *text, const co_layer *layer)
{
    if (layer->u.norm.momentum != 0.1f) {
        add_float(text, "momentum", layer->u.norm.momentum);
    }
    if (layer->u.norm.epsilon != 1e-5f) {
        add_float(text, "epsilon", layer->u.norm.epsilon);
    }
}

/* The layer that gives the logits their number: they follow the data set's classes. */
static bool makes_classes(const co_graph *graph, int index)
{
    int i = graph->logits;
    while (graph->layers[i].kind == CO_LAYER_SCALE) {
        i = graph->layers[i].inputs[0];
    }
    return i == index;
}

static void add_linear(co_string *text, const co_graph *graph, int index)
{
    const co_layer *layer = &graph->layers[index];
    if (makes_classes(graph, index)) {
        co_string_add(text, ", out: classes");
    } else {
        co_string_format(text, ", out: %d", layer->u.linear.out_features);
    }
    co_string_add(text, layer->u.linear.bias ? "" : ", bias: false");
}

static void add_from(co_string *text, const co_graph *graph, int index)
{
    const co_layer *layer = &graph->layers[index];
    if (layer->kind == CO_LAYER_ADD) {
        co_string_format(text, ", from: [%s, %s]", graph->layers[layer->inputs[0]].name,
                         graph->layers[layer->inputs[1]].name);
    } else if (layer->inputs[0] != index - 1) {
        co_string_format(text, ", from: %s", graph->layers[layer->inputs[0]].name);
    }
}

static void add_layer(co_string *text, const co_graph *graph, int index)
{
    const co_layer *layer = &graph->layers[index];
    co_string_format(text, "  - %s: {name: %s", co_layer_kind_name(layer->kind), layer->name);
    add_from(text, graph, index);
    switch (layer->kind) {
    case CO_LAYER_CONV2D:
        add_conv(text, &layer->u.conv);
        break;
    case CO_LAYER_LINEAR:
        add_linear(text, graph, index);
        break;
    case CO_LAYER_BATCH_NORM:
        add_norm(text, layer);
        break;
    case CO_LAYER_MAX_POOL:
    case CO_LAYER_AVG_POOL:
        add_pool(text, &layer->u.pool);
        break;
    case CO_LAYER_DROPOUT:
    case CO_LAYER_CHANNEL_DROPOUT:
        add_float(text, "p", layer->u.probability);
        break;
    case CO_LAYER_SCALE:
        add_float(text, "factor", layer->u.factor);
        break;
    default:
        break;
    }
    add_init(text, graph, layer, true);
    add_init(text, graph, layer, false);
    co_string_add(text, "}\n");
}

co_status co_network_write(const co_graph *graph, char **out, co_error *err)
{
    const co_shape in = graph->layers[0].out;
    co_string text = {0};
    co_string_format(&text, "name: %s\ninput: [%d, %d, %d]\nclasses: %d\nlayers:\n", graph->name,
                     in.channels, in.height, in.width, graph->layers[graph->logits].out.channels);
    for (int i = 1; i < graph->layer_count; i++) {
        add_layer(&text, graph, i);
    }
    co_string_format(&text, "logits: %s\nfeatures: %s\n", graph->layers[graph->logits].name,
                     graph->layers[graph->features].name);
    return co_string_take(&text, out, err);
}
