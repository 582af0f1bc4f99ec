#include "graph/shapes.h"

#include <math.h>

static const char *const kind_names[] = {
    [CO_LAYER_INPUT] = "input",
    [CO_LAYER_CONV2D] = "conv2d",
    [CO_LAYER_LINEAR] = "linear",
    [CO_LAYER_BATCH_NORM] = "batch_norm",
    [CO_LAYER_RELU] = "relu",
    [CO_LAYER_MAX_POOL] = "max_pool",
    [CO_LAYER_AVG_POOL] = "avg_pool",
    [CO_LAYER_GLOBAL_AVG_POOL] = "global_avg_pool",
    [CO_LAYER_GLOBAL_MAX_POOL] = "global_max_pool",
    [CO_LAYER_DROPOUT] = "dropout",
    [CO_LAYER_CHANNEL_DROPOUT] = "channel_dropout",
    [CO_LAYER_ADD] = "add",
    [CO_LAYER_FLATTEN] = "flatten",
    [CO_LAYER_SCALE] = "scale",
};

const char *co_layer_kind_name(co_layer_kind kind)
{
    size_t index = (size_t)kind;
    return index < sizeof(kind_names) / sizeof(kind_names[0]) ? kind_names[index] : "?";
}

/* The message's beginning is the same everywhere, so that a user finds the layer. */
#define LAYER_FAIL(layer, err, format, ...)                                                        \
    co_fail(err, CO_USAGE, "layer '%s' (%s): " format, (layer)->name,                              \
            co_layer_kind_name((layer)->kind), __VA_ARGS__)

co_status co_shape_check(const char *name, const char *kind, co_shape shape, co_error *err)
{
    const int dimensions[3] = {shape.channels, shape.height, shape.width};
    int64_t product = 1;
    for (int i = 0; i < 3; i++) {
        if (dimensions[i] < 1 || dimensions[i] > CO_MAX_DIMENSION) {
            return co_fail(err, CO_USAGE,
                           "layer '%s' (%s): shape %dx%dx%d has a dimension outside 1..%d", name,
                           kind, shape.channels, shape.height, shape.width, CO_MAX_DIMENSION);
        }
        product *= dimensions[i]; /* at most 2^54 before the next check */
        if (product > CO_MAX_SAMPLE) {
            return co_fail(err, CO_USAGE,
                           "layer '%s' (%s): one sample of shape %dx%dx%d has more than %d values",
                           name, kind, shape.channels, shape.height, shape.width, CO_MAX_SAMPLE);
        }
    }
    return CO_OK;
}

static bool in_range(int value, int low)
{
    return value >= low && value <= CO_MAX_DIMENSION;
}

/* floor((size + 2 pad - kernel) / stride) + 1 for both axes. */
static co_status infer_window(const co_layer *layer, co_pool2d w, co_shape in, co_shape *out,
                              co_error *err)
{
    if (!in_range(w.kernel_h, 1) || !in_range(w.kernel_w, 1) || !in_range(w.stride_h, 1) ||
        !in_range(w.stride_w, 1) || !in_range(w.pad_h, 0) || !in_range(w.pad_w, 0)) {
        return LAYER_FAIL(layer, err,
                          "kernel %dx%d, stride %dx%d, padding %dx%d: kernel and stride must be "
                          "at least 1, padding at least 0",
                          w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.pad_h, w.pad_w);
    }
    int height = in.height + 2 * w.pad_h;
    int width = in.width + 2 * w.pad_w;
    if (w.kernel_h > height || w.kernel_w > width) {
        return LAYER_FAIL(layer, err,
                          "kernel %dx%d does not fit the padded input %dx%d; use a larger input, "
                          "a smaller kernel or more padding",
                          w.kernel_h, w.kernel_w, height, width);
    }
    out->height = (height - w.kernel_h) / w.stride_h + 1;
    out->width = (width - w.kernel_w) / w.stride_w + 1;
    return CO_OK;
}

static co_status infer_conv(const co_layer *layer, co_shape in, co_shape *out, co_error *err)
{
    const co_conv2d *c = &layer->u.conv;
    if (!in_range(c->out_channels, 1)) {
        return LAYER_FAIL(layer, err, "%d output channels; there must be at least one",
                          c->out_channels);
    }
    if (in.channels != layer->in.channels) {
        return LAYER_FAIL(layer, err, "%d input channels, its weights have %d", in.channels,
                          layer->in.channels);
    }
    if (!in_range(c->groups, 1) || in.channels % c->groups != 0 ||
        c->out_channels % c->groups != 0) {
        return LAYER_FAIL(layer, err,
                          "%d groups do not divide %d input and %d output channels; use a common "
                          "divisor of both",
                          c->groups, in.channels, c->out_channels);
    }
    co_pool2d window = {c->kernel_h, c->kernel_w, c->stride_h, c->stride_w, c->pad_h, c->pad_w};
    CO_TRY(infer_window(layer, window, in, out, err));
    out->channels = c->out_channels;
    return CO_OK;
}

static co_status infer_pool(const co_layer *layer, co_shape in, co_shape *out, co_error *err)
{
    const co_pool2d *p = &layer->u.pool;
    CO_TRY(infer_window(layer, *p, in, out, err));
    if (p->pad_h > p->kernel_h / 2 || p->pad_w > p->kernel_w / 2) {
        return LAYER_FAIL(layer, err,
                          "padding %dx%d is more than half of the kernel %dx%d: some windows "
                          "would hold padding only",
                          p->pad_h, p->pad_w, p->kernel_h, p->kernel_w);
    }
    out->channels = in.channels;
    return CO_OK;
}

static co_status infer_linear(const co_layer *layer, co_shape in, co_shape *out, co_error *err)
{
    if (in.height != 1 || in.width != 1) {
        return LAYER_FAIL(layer, err,
                          "the input is %dx%dx%d, not a vector; put a flatten or a global pool "
                          "before it",
                          in.channels, in.height, in.width);
    }
    if (in.channels != layer->in.channels) {
        return LAYER_FAIL(layer, err,
                          "%d input features, its weights have %d; only a model that pools "
                          "globally takes other image sizes",
                          in.channels, layer->in.channels);
    }
    if (!in_range(layer->u.linear.out_features, 1)) {
        return LAYER_FAIL(layer, err, "%d output features; there must be at least one",
                          layer->u.linear.out_features);
    }
    *out = (co_shape){layer->u.linear.out_features, 1, 1};
    return CO_OK;
}

static co_status infer_norm(const co_layer *layer, co_shape in, co_shape *out, co_error *err)
{
    float momentum = layer->u.norm.momentum;
    float epsilon = layer->u.norm.epsilon;
    if (!(momentum >= 0.0f && momentum <= 1.0f) || !(epsilon > 0.0f) || !isfinite(epsilon)) {
        return LAYER_FAIL(layer, err,
                          "momentum %g, epsilon %g: momentum must be in 0..1, epsilon above 0",
                          (double)momentum, (double)epsilon);
    }
    if (in.channels != layer->in.channels) {
        return LAYER_FAIL(layer, err, "%d channels, its weights have %d", in.channels,
                          layer->in.channels);
    }
    *out = in;
    return CO_OK;
}

static co_status infer_add(const co_layer *layer, co_shape left, co_shape right, co_shape *out,
                           co_error *err)
{
    if (left.channels != right.channels || left.height != right.height ||
        left.width != right.width) {
        return LAYER_FAIL(layer, err, "the inputs %dx%dx%d and %dx%dx%d differ", left.channels,
                          left.height, left.width, right.channels, right.height, right.width);
    }
    *out = left;
    return CO_OK;
}

static co_status infer_kind(const co_layer *layer, co_shape left, co_shape right, co_shape *out,
                            co_error *err)
{
    switch (layer->kind) {
    case CO_LAYER_CONV2D:
        return infer_conv(layer, left, out, err);
    case CO_LAYER_LINEAR:
        return infer_linear(layer, left, out, err);
    case CO_LAYER_BATCH_NORM:
        return infer_norm(layer, left, out, err);
    case CO_LAYER_MAX_POOL:
    case CO_LAYER_AVG_POOL:
        return infer_pool(layer, left, out, err);
    case CO_LAYER_GLOBAL_AVG_POOL:
    case CO_LAYER_GLOBAL_MAX_POOL:
        *out = (co_shape){left.channels, 1, 1};
        return CO_OK;
    case CO_LAYER_DROPOUT:
    case CO_LAYER_CHANNEL_DROPOUT:
        if (!(layer->u.probability >= 0.0f && layer->u.probability < 1.0f)) {
            return LAYER_FAIL(layer, err, "probability %g is not in [0, 1)",
                              (double)layer->u.probability);
        }
        break;
    case CO_LAYER_ADD:
        return infer_add(layer, left, right, out, err);
    case CO_LAYER_FLATTEN:
        *out = (co_shape){(int)co_shape_count(left), 1, 1};
        return CO_OK;
    case CO_LAYER_SCALE:
        if (!isfinite(layer->u.factor)) {
            return LAYER_FAIL(layer, err, "factor %g is not finite", (double)layer->u.factor);
        }
        break;
    case CO_LAYER_INPUT:
    case CO_LAYER_RELU:
        break;
    }
    *out = left;
    return CO_OK;
}

co_status co_layer_infer(const co_layer *layer, co_shape left, co_shape right, co_shape *out,
                         co_error *err)
{
    co_shape shape = {0};
    CO_TRY(infer_kind(layer, left, right, &shape, err));
    CO_TRY(co_shape_check(layer->name, co_layer_kind_name(layer->kind), shape, err));
    *out = shape;
    return CO_OK;
}

co_status co_graph_shapes(const co_graph *graph, int height, int width, co_shape *shapes,
                          co_error *err)
{
    const co_layer *input = &graph->layers[0];
    co_shape first = {input->out.channels, height, width};
    CO_TRY(co_shape_check(input->name, co_layer_kind_name(input->kind), first, err));
    shapes[0] = first;
    for (int i = 1; i < graph->layer_count; i++) {
        const co_layer *layer = &graph->layers[i];
        co_shape left = shapes[layer->inputs[0]];
        co_shape right = layer->inputs[1] >= 0 ? shapes[layer->inputs[1]] : left;
        CO_TRY(co_layer_infer(layer, left, right, &shapes[i], err));
    }
    return CO_OK;
}

double co_layer_macs_at(const co_layer *layer, co_shape in, co_shape out)
{
    switch (layer->kind) {
    case CO_LAYER_CONV2D: {
        const co_conv2d *c = &layer->u.conv;
        int in_each_group = in.channels / c->groups;
        double per_output = (double)in_each_group * c->kernel_h * c->kernel_w;
        return (double)co_shape_count(out) * per_output;
    }
    case CO_LAYER_LINEAR:
        return (double)co_shape_count(in) * (double)co_shape_count(out);
    default:
        return 0.0;
    }
}

double co_layer_macs(const co_layer *layer)
{
    return co_layer_macs_at(layer, layer->in, layer->out);
}

double co_graph_flops(const co_graph *graph)
{
    double macs = 0.0;
    for (int i = 0; i < graph->layer_count; i++) {
        macs += co_layer_macs(&graph->layers[i]);
    }
    return 2.0 * macs;
}
