/* The builders behind the table of models; internal to graph/models/.
 *
 * A builder appends the layers of its model to a graph that holds only the input, and says which
 * layers are the logits and the features. Faults stay in the graph.
 */
#ifndef CO_GRAPH_MODELS_FAMILY_H
#define CO_GRAPH_MODELS_FAMILY_H

#include "graph/graph.h"

typedef struct co_model_outputs {
    int logits;
    int features;
} co_model_outputs;

/* How a network begins: a 3x3 convolution, or 7x7 with stride 2 and a max pool. */
typedef enum co_stem { CO_STEM_AUTO, CO_STEM_CIFAR, CO_STEM_IMAGENET } co_stem;

/* Initial weights: PyTorch's defaults, or He et al. 2015; AUTO follows the stem. */
typedef enum co_model_init {
    CO_MODEL_INIT_AUTO,
    CO_MODEL_INIT_PYTORCH,
    CO_MODEL_INIT_HE
} co_model_init;

/* What --model-config can set; a model reads those that its row of the table names. */
typedef struct co_model_params {
    int classes;
    int depth;
    int width;      /* channels of the first stage */
    int stem;       /* co_stem */
    int init;       /* co_model_init */
    bool zero_init; /* the last batch norm of each block starts at 0 */
} co_model_params;

typedef co_model_outputs (*co_model_func)(co_graph *graph, const co_model_params *params);

co_model_outputs co_model_lenet5(co_graph *graph, const co_model_params *params);
co_model_outputs co_model_cnn1(co_graph *graph, const co_model_params *params);
co_model_outputs co_model_cnn2(co_graph *graph, const co_model_params *params);
co_model_outputs co_model_mnistnet(co_graph *graph, const co_model_params *params);
co_model_outputs co_model_resnet(co_graph *graph, const co_model_params *params);
co_model_outputs co_model_resnet_s1(co_graph *graph, const co_model_params *params);
co_model_outputs co_model_resnet18_keras(co_graph *graph, const co_model_params *params);
co_model_outputs co_model_fastresnet(co_graph *graph, const co_model_params *params);
co_model_outputs co_model_candlenet(co_graph *graph, const co_model_params *params);

/* A square convolution with bias, stride 1. */
static inline co_conv2d co_square_conv(int out_channels, int kernel, int pad)
{
    return (co_conv2d){.out_channels = out_channels,
                       .kernel_h = kernel,
                       .kernel_w = kernel,
                       .stride_h = 1,
                       .stride_w = 1,
                       .pad_h = pad,
                       .pad_w = pad,
                       .groups = 1,
                       .bias = true};
}

/* 2x2, stride 2. */
static inline co_pool2d co_half_pool(void)
{
    return (co_pool2d){.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2};
}

#endif
