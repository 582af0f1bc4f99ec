/* A model as a graph of layers and shapes; no numbers, no memory for activations.
 *
 * Built once by a function of models/ (or from a file), then read by everybody. The builder
 * functions return the index of the new layer; a fault (a shape that does not fit, say) is kept
 * in the graph, later calls do nothing, and co_graph_finish reports it. Layers are in
 * topological order: every input of a layer has a lower index. Not thread-safe while it is
 * built; constant afterwards.
 */
#ifndef CO_GRAPH_GRAPH_H
#define CO_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { CO_NAME_SIZE = 96, CO_MAX_LAYERS = 4096 };

typedef enum co_layer_kind {
    CO_LAYER_INPUT,
    CO_LAYER_CONV2D,
    CO_LAYER_LINEAR,
    CO_LAYER_BATCH_NORM,
    CO_LAYER_RELU,
    CO_LAYER_MAX_POOL,
    CO_LAYER_AVG_POOL,        /* padding counts as zeros (PyTorch's count_include_pad) */
    CO_LAYER_GLOBAL_AVG_POOL, /* output height = width = 1 */
    CO_LAYER_GLOBAL_MAX_POOL,
    CO_LAYER_DROPOUT,         /* per element */
    CO_LAYER_CHANNEL_DROPOUT, /* whole channels (Dropout2d) */
    CO_LAYER_ADD,
    CO_LAYER_FLATTEN, /* (C, H, W) -> (C*H*W, 1, 1) */
    CO_LAYER_SCALE,   /* multiplies by a constant */
} co_layer_kind;

/* Shape of one sample: (channels, height, width); features of a linear layer are (n, 1, 1). */
typedef struct co_shape {
    int channels;
    int height;
    int width;
} co_shape;

static inline size_t co_shape_count(co_shape s)
{
    return (size_t)s.channels * (size_t)s.height * (size_t)s.width;
}

typedef struct co_conv2d {
    int out_channels;
    int kernel_h;
    int kernel_w;
    int stride_h;
    int stride_w;
    int pad_h;
    int pad_w;
    int groups;
    bool bias;
} co_conv2d;

typedef struct co_pool2d {
    int kernel_h;
    int kernel_w;
    int stride_h;
    int stride_w;
    int pad_h;
    int pad_w;
} co_pool2d;

typedef struct co_layer {
    co_layer_kind kind;
    char name[CO_NAME_SIZE]; /* PyTorch's module name: "conv1", "layer1.0.bn2" */
    int inputs[2];           /* layer indices, -1 = none */
    co_shape in;             /* of inputs[0] */
    co_shape out;
    int weight; /* index of the parameter, -1 = none; a batch norm's gamma */
    int bias;   /* likewise; a batch norm's beta */
    int mean;   /* index of the statistic, -1 = none (batch norm) */
    int variance;
    int dropout_ordinal; /* 0, 1, ... among the dropout layers: part of the random key */
    union {
        co_conv2d conv;
        co_pool2d pool;
        struct {
            int out_features;
            bool bias;
        } linear;
        struct {
            float momentum; /* weight of the new value in the running statistics */
            float epsilon;
            bool frozen; /* training too normalises by the running statistics, and leaves them */
        } norm;
        float probability; /* dropout: of a zero */
        float factor;      /* scale */
    } u;
} co_layer;

typedef enum co_init_kind {
    CO_INIT_ZERO,
    CO_INIT_ONE,
    CO_INIT_UNIFORM, /* U(-bound, bound) */
    CO_INIT_NORMAL,  /* N(0, bound) */
    /* N(0, s) cut off at two s, with s such that the deviation is `bound` (Keras) */
    CO_INIT_TRUNCATED_NORMAL,
} co_init_kind;

typedef struct co_init {
    co_init_kind kind;
    float bound;
} co_init;

/* A tensor of a flat buffer: a parameter (and its gradient), or a batch norm statistic. */
typedef struct co_tensor {
    char name[CO_NAME_SIZE]; /* "conv1.weight", "bn1.running_mean" */
    int layer;
    int dims;
    size_t shape[4]; /* PyTorch's: conv (O, I/groups, KH, KW), linear (O, I) */
    size_t count;    /* product of shape, in floats */
    size_t offset;   /* in floats; a multiple of 16: slots are padded to 64 bytes */
    co_init init;
} co_tensor;

typedef struct co_graph {
    char name[CO_NAME_SIZE];
    co_layer *layers;
    int layer_count;
    int layer_capacity;
    co_tensor *params;
    int param_count;
    int param_capacity;
    size_t param_floats; /* size of the flat parameter buffer, padding included */
    co_tensor *stats;
    int stat_count;
    int stat_capacity;
    size_t stat_floats;
    int dropout_count;
    int logits;   /* index of the layer whose output this is */
    int features; /* likewise: what the classifier sees */
    co_status status;
    co_error error;
} co_graph;

CO_MUST_CHECK co_status co_graph_create(const char *name, co_shape input, co_graph **out,
                                        co_error *err);
void co_graph_destroy(co_graph *graph); /* NULL is allowed */

/* Builders: `input` is a layer index (0 is the input layer); they return the new layer's. */
int co_graph_conv2d(co_graph *graph, const char *name, int input, co_conv2d desc);
int co_graph_linear(co_graph *graph, const char *name, int input, int out_features, bool bias);
/* Defaults of PyTorch: momentum 0.1, epsilon 1e-5. */
int co_graph_batch_norm(co_graph *graph, const char *name, int input, float momentum,
                        float epsilon);
int co_graph_relu(co_graph *graph, const char *name, int input);
int co_graph_max_pool(co_graph *graph, const char *name, int input, co_pool2d desc);
int co_graph_avg_pool(co_graph *graph, const char *name, int input, co_pool2d desc);
int co_graph_global_avg_pool(co_graph *graph, const char *name, int input);
int co_graph_global_max_pool(co_graph *graph, const char *name, int input);
int co_graph_dropout(co_graph *graph, const char *name, int input, float probability,
                     bool whole_channels);
int co_graph_add(co_graph *graph, const char *name, int left, int right);
int co_graph_flatten(co_graph *graph, const char *name, int input);
int co_graph_scale(co_graph *graph, const char *name, int input, float factor);

/* Overrides the default initialisation of a layer's weight (bias); PyTorch's is the default:
 * weight and bias of convolution and linear U(-1/sqrt(fan_in), 1/sqrt(fan_in)). */
void co_graph_init_weight(co_graph *graph, int layer, co_init init);
void co_graph_init_bias(co_graph *graph, int layer, co_init init);

/* Overrides what the model says for all its batch norms. */
typedef struct co_norm_choice {
    double momentum; /* below 0: the model's own */
    double epsilon;  /* 0: the model's own */
    bool frozen;
} co_norm_choice;
void co_graph_choose_norms(co_graph *graph, const co_norm_choice *choice);

/* Names the outputs, lays out the flat buffers; reports the first fault of the builders. */
CO_MUST_CHECK co_status co_graph_finish(co_graph *graph, int logits, int features, co_error *err);

/* Parameters without the padding of the slots. */
size_t co_graph_param_count(const co_graph *graph);

/* shapes[0..layer_count): every layer's output for an input of another height and width (the
 * convolutions must come out at least 1x1, and a linear layer must see its number of features). */
CO_MUST_CHECK co_status co_graph_shapes(const co_graph *graph, int height, int width,
                                        co_shape *shapes, co_error *err);

/* Multiply-accumulates of a layer's forward pass for one sample (0 for layers without). */
double co_layer_macs(const co_layer *layer);
/* Likewise for other shapes of its input and output (co_graph_shapes). */
double co_layer_macs_at(const co_layer *layer, co_shape in, co_shape out);
/* Floating-point operations of a forward pass for one sample: two per multiply-accumulate of
 * the convolutions and linear layers; bias, activation, norm and pooling are not counted. */
double co_graph_flops(const co_graph *graph);

const char *co_layer_kind_name(co_layer_kind kind); /* "conv2d", "linear", ... */

/* Fills values[0..param_floats) with initial weights: a pure function of the seed, each tensor
 * from its own key (stream INIT, sample = tensor index). Padding is zero. */
void co_graph_init_params(const co_graph *graph, uint64_t seed, float *values);
/* Running mean 0, running variance 1. */
void co_graph_init_stats(const co_graph *graph, float *values);

#endif
