/* `candlenet`: NT3 of the CANDLE benchmarks (docs/METHODS.md 2, S0 and S1), which tells tumours
 * from normal tissue by 60,483 gene expressions. One-dimensional convolutions and pools are those
 * in two dimensions with height 1; a weight has the shape (out, in, 1, kernel). */
#include "graph/models/family.h"

static co_conv2d conv1d(int out_channels, int kernel)
{
    return (co_conv2d){.out_channels = out_channels,
                       .kernel_h = 1,
                       .kernel_w = kernel,
                       .stride_h = 1,
                       .stride_w = 1,
                       .groups = 1,
                       .bias = true};
}

/* The original's first pool has width 1: it changes nothing and is left out. */
co_model_outputs co_model_candlenet(co_graph *graph, const co_model_params *params)
{
    const co_pool2d tenth = {.kernel_h = 1, .kernel_w = 10, .stride_h = 1, .stride_w = 10};
    const int width = params->width;
    int x = co_graph_conv2d(graph, "conv1", 0, conv1d(width, 20));
    x = co_graph_relu(graph, "relu1", x);
    x = co_graph_conv2d(graph, "conv2", x, conv1d(width, 10));
    x = co_graph_relu(graph, "relu2", x);
    x = co_graph_max_pool(graph, "pool2", x, tenth);
    x = co_graph_flatten(graph, "flatten", x);
    x = co_graph_linear(graph, "fc1", x, 200, true);
    x = co_graph_relu(graph, "relu3", x);
    x = co_graph_dropout(graph, "dropout", x, 0.1f, false);
    int features = co_graph_linear(graph, "fc2", x, 20, true); /* before the ReLU */
    x = co_graph_relu(graph, "relu4", features);
    int logits = co_graph_linear(graph, "fc3", x, params->classes, true);
    return (co_model_outputs){logits, features};
}
