/* Residual networks (He et al. 2016; docs/METHODS.md 2), with torchvision's tensor names: `resnet`
 * is true to its depth, `resnet-s1` has the widths and blocks of the continual-learning studies,
 * `resnet18-keras` is what S4 trained. */
#include <math.h>
#include <stdio.h>

#include "graph/models/family.h"

enum { MAX_STAGES = 4 };

typedef struct plan {
    int stages;
    int blocks[MAX_STAGES];
    bool bottleneck;
    int expansion; /* of a block's last convolution */
    int width;
    bool imagenet_stem;
    bool conv_bias;
    bool zero_init;
    float momentum;
    float epsilon;
    co_init_kind init; /* UNIFORM leaves PyTorch's default */
    bool fan_in;       /* else the fan of the outputs */
    co_init fc_init;   /* bound 0 leaves PyTorch's default */
} plan;

/* One block under way. */
typedef struct block {
    co_graph *graph;
    const plan *plan;
    char name[32]; /* "layer1.0."; "" for the stem */
} block;

static const char *name_of(const block *b, const char *part, char *out)
{
    (void)snprintf(out, CO_NAME_SIZE, "%s%s", b->name, part);
    return out;
}

static int conv(const block *b, const char *part, int input, int channels, int kernel, int stride)
{
    char name[CO_NAME_SIZE];
    co_conv2d desc = co_square_conv(channels, kernel, kernel / 2);
    desc.stride_h = stride;
    desc.stride_w = stride;
    desc.bias = b->plan->conv_bias;
    int x = co_graph_conv2d(b->graph, name_of(b, part, name), input, desc);
    if (x < 0 || b->plan->init == CO_INIT_UNIFORM) {
        return x;
    }
    int fan = b->plan->fan_in ? b->graph->layers[x].in.channels : channels;
    float deviation = (float)sqrt(2.0 / ((double)fan * kernel * kernel));
    co_graph_init_weight(b->graph, x, (co_init){b->plan->init, deviation});
    if (desc.bias) {
        co_graph_init_bias(b->graph, x, (co_init){CO_INIT_ZERO, 0.0f});
    }
    return x;
}

static int norm(const block *b, const char *part, int input)
{
    char name[CO_NAME_SIZE];
    return co_graph_batch_norm(b->graph, name_of(b, part, name), input, b->plan->momentum,
                               b->plan->epsilon);
}

static int relu(const block *b, const char *part, int input)
{
    char name[CO_NAME_SIZE];
    return co_graph_relu(b->graph, name_of(b, part, name), input);
}

/* 3x3, 3x3. The last layer is the block's last batch norm. */
static int basic_body(const block *b, int input, int width, int stride)
{
    int x = conv(b, "conv1", input, width, 3, stride);
    x = norm(b, "bn1", x);
    x = relu(b, "relu1", x);
    x = conv(b, "conv2", x, width * b->plan->expansion, 3, 1);
    return norm(b, "bn2", x);
}

/* 1x1, 3x3 (which has the stride), 1x1. */
static int bottleneck_body(const block *b, int input, int width, int stride)
{
    int x = conv(b, "conv1", input, width, 1, 1);
    x = norm(b, "bn1", x);
    x = relu(b, "relu1", x);
    x = conv(b, "conv2", x, width, 3, stride);
    x = norm(b, "bn2", x);
    x = relu(b, "relu2", x);
    x = conv(b, "conv3", x, width * b->plan->expansion, 1, 1);
    return norm(b, "bn3", x);
}

static int residual(const block *b, int input, int width, int stride)
{
    char name[CO_NAME_SIZE];
    int x = b->plan->bottleneck ? bottleneck_body(b, input, width, stride)
                                : basic_body(b, input, width, stride);
    if (x >= 0 && b->plan->zero_init) {
        co_graph_init_weight(b->graph, x, (co_init){CO_INIT_ZERO, 0.0f});
    }
    int out = width * b->plan->expansion;
    int shortcut = input;
    if (stride != 1 || (input >= 0 && b->graph->layers[input].out.channels != out)) {
        shortcut = conv(b, "downsample.0", input, out, 1, stride);
        shortcut = norm(b, "downsample.1", shortcut);
    }
    x = co_graph_add(b->graph, name_of(b, "add", name), x, shortcut);
    return relu(b, "relu", x);
}

static int stem(const block *b)
{
    const plan *p = b->plan;
    const co_pool2d pool = {3, 3, 2, 2, 1, 1};
    int x = p->imagenet_stem ? conv(b, "conv1", 0, p->width, 7, 2)
                             : conv(b, "conv1", 0, p->width, 3, 1);
    x = norm(b, "bn1", x);
    x = relu(b, "relu", x);
    return p->imagenet_stem ? co_graph_max_pool(b->graph, "maxpool", x, pool) : x;
}

static co_model_outputs build(co_graph *graph, const plan *p, int classes)
{
    block b = {.graph = graph, .plan = p};
    int x = stem(&b);
    for (int stage = 0; stage < p->stages; stage++) {
        for (int i = 0; i < p->blocks[stage]; i++) {
            (void)snprintf(b.name, sizeof(b.name), "layer%d.%d.", stage + 1, i);
            x = residual(&b, x, p->width << stage, stage > 0 && i == 0 ? 2 : 1);
        }
    }
    int features = co_graph_global_avg_pool(graph, "avgpool", x);
    int logits = co_graph_linear(graph, "fc", features, classes, true);
    if (logits >= 0 && p->fc_init.bound > 0.0f) {
        co_graph_init_weight(graph, logits, p->fc_init);
        co_graph_init_bias(graph, logits, (co_init){CO_INIT_ZERO, 0.0f});
    }
    return (co_model_outputs){logits, features};
}

/* Images of 64 pixels and more begin as ImageNet's do: also Tiny ImageNet's. */
static bool wants_imagenet_stem(const co_graph *graph, int stem)
{
    co_shape in = graph->layers[0].out;
    return stem == CO_STEM_IMAGENET ||
           (stem == CO_STEM_AUTO && (in.height < in.width ? in.height : in.width) >= 64);
}

static void set_depth(plan *p, int depth)
{
    static const struct {
        int depth;
        int blocks[MAX_STAGES];
    } rows[] = {
        {18, {2, 2, 2, 2}},   {34, {3, 4, 6, 3}},   {50, {3, 4, 6, 3}},
        {101, {3, 4, 23, 3}}, {152, {3, 8, 36, 3}},
    };
    p->stages = MAX_STAGES;
    p->bottleneck = depth >= 50;
    p->expansion = depth >= 50 ? 4 : 1;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int stage = 0; rows[i].depth == depth && stage < MAX_STAGES; stage++) {
            p->blocks[stage] = rows[i].blocks[stage];
        }
    }
}

co_model_outputs co_model_resnet(co_graph *graph, const co_model_params *params)
{
    plan p = {.width = params->width,
              .imagenet_stem = wants_imagenet_stem(graph, params->stem),
              .zero_init = params->zero_init,
              .momentum = 0.1f,
              .epsilon = 1e-5f,
              .init = CO_INIT_UNIFORM};
    set_depth(&p, params->depth);
    if (params->init == CO_MODEL_INIT_HE ||
        (params->init == CO_MODEL_INIT_AUTO && p.imagenet_stem)) {
        p.init = CO_INIT_NORMAL;
    }
    return build(graph, &p, params->classes);
}

/* For small images three stages of two blocks whatever the depth, which changes the kind of block
 * and the width only; a bottleneck does not widen. */
co_model_outputs co_model_resnet_s1(co_graph *graph, const co_model_params *params)
{
    const int depth = params->depth;
    const int width = depth == 18 ? 20 : depth == 34 ? 40 : 64;
    plan p = {.width = width,
              .imagenet_stem = wants_imagenet_stem(graph, params->stem),
              .zero_init = true,
              .momentum = 0.1f,
              .epsilon = 1e-5f,
              .init = CO_INIT_NORMAL,
              .fc_init = {CO_INIT_NORMAL, 0.01f}};
    set_depth(&p, depth);
    if (!p.imagenet_stem) {
        p.stages = 3;
        p.expansion = 1;
        for (int stage = 0; stage < p.stages; stage++) {
            p.blocks[stage] = 2;
        }
    }
    return build(graph, &p, params->classes);
}

/* Keras' momentum .99 is the weight of the old value, ours that of the new one. Its linear layers
 * start from Glorot's uniform distribution. */
co_model_outputs co_model_resnet18_keras(co_graph *graph, const co_model_params *params)
{
    const double fan = 8.0 * params->width + params->classes;
    plan p = {.width = params->width,
              .conv_bias = true,
              .momentum = 0.01f,
              .epsilon = 1e-3f,
              .init = CO_INIT_TRUNCATED_NORMAL,
              .fan_in = true,
              .fc_init = {CO_INIT_UNIFORM, (float)sqrt(6.0 / fan)}};
    set_depth(&p, 18);
    return build(graph, &p, params->classes);
}
