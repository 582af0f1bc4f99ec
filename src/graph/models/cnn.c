/* The "alternative" models of the parameter-server studies (docs/METHODS.md 2, S3): `cnn1` for
 * 1x28x28, `cnn2` for 3x32x32. */
#include "graph/models/family.h"

/* The second convolution has no ReLU of its own: the original's, kept. */
co_model_outputs co_model_cnn1(co_graph *graph, const co_model_params *params)
{
    int x = co_graph_conv2d(graph, "conv1", 0, co_square_conv(32, 3, 0));
    x = co_graph_relu(graph, "relu1", x);
    x = co_graph_conv2d(graph, "conv2", x, co_square_conv(64, 3, 0));
    x = co_graph_max_pool(graph, "pool", x, co_half_pool());
    x = co_graph_dropout(graph, "dropout1", x, 0.25f, false);
    x = co_graph_flatten(graph, "flatten", x);
    x = co_graph_linear(graph, "fc1", x, 128, true);
    x = co_graph_relu(graph, "relu2", x);
    int features = co_graph_dropout(graph, "dropout2", x, 0.5f, false);
    int logits = co_graph_linear(graph, "fc2", features, params->classes, true);
    return (co_model_outputs){logits, features};
}

co_model_outputs co_model_cnn2(co_graph *graph, const co_model_params *params)
{
    int x = co_graph_conv2d(graph, "conv1", 0, co_square_conv(32, 3, 1));
    x = co_graph_relu(graph, "relu1", x);
    x = co_graph_max_pool(graph, "pool1", x, co_half_pool());
    x = co_graph_conv2d(graph, "conv2", x, co_square_conv(64, 3, 1));
    x = co_graph_relu(graph, "relu2", x);
    x = co_graph_max_pool(graph, "pool2", x, co_half_pool());
    x = co_graph_dropout(graph, "dropout1", x, 0.25f, false);
    x = co_graph_flatten(graph, "flatten", x);
    x = co_graph_linear(graph, "fc1", x, 512, true);
    x = co_graph_relu(graph, "relu3", x);
    int features = co_graph_dropout(graph, "dropout2", x, 0.5f, false);
    int logits = co_graph_linear(graph, "fc2", features, params->classes, true);
    return (co_model_outputs){logits, features};
}
