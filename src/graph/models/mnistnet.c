/* `mnistnet` of the continual-learning studies (docs/METHODS.md 2, S0 and S1). */
#include "graph/models/family.h"

co_model_outputs co_model_mnistnet(co_graph *graph, const co_model_params *params)
{
    int x = co_graph_conv2d(graph, "conv1", 0, co_square_conv(32, 3, 0));
    x = co_graph_max_pool(graph, "pool1", x, co_half_pool());
    x = co_graph_relu(graph, "relu1", x);
    x = co_graph_conv2d(graph, "conv2", x, co_square_conv(64, 3, 0));
    x = co_graph_dropout(graph, "conv2_drop", x, 0.5f, true);
    x = co_graph_max_pool(graph, "pool2", x, co_half_pool());
    x = co_graph_relu(graph, "relu2", x);
    x = co_graph_flatten(graph, "flatten", x);
    int features = co_graph_linear(graph, "fc1", x, 50, true); /* before the ReLU */
    x = co_graph_relu(graph, "relu3", features);
    x = co_graph_dropout(graph, "dropout", x, 0.5f, false);
    int logits = co_graph_linear(graph, "fc2", x, params->classes, true);
    return (co_model_outputs){logits, features};
}
