/* LeNet-5 as it is taught today (LeCun et al. 1998, with ReLU, max pooling and full second
 * convolution): the `lenet5` of the parameter-server studies (docs/METHODS.md 2, S3). */
#include "graph/models/family.h"

co_model_outputs co_model_lenet5(co_graph *graph, const co_model_params *params)
{
    int x = co_graph_conv2d(graph, "conv1", 0, co_square_conv(6, 5, 2));
    x = co_graph_relu(graph, "relu1", x);
    x = co_graph_max_pool(graph, "pool1", x, co_half_pool());
    x = co_graph_conv2d(graph, "conv2", x, co_square_conv(16, 5, 0));
    x = co_graph_relu(graph, "relu2", x);
    x = co_graph_max_pool(graph, "pool2", x, co_half_pool());
    x = co_graph_flatten(graph, "flatten", x);
    x = co_graph_linear(graph, "fc1", x, 120, true);
    x = co_graph_relu(graph, "relu3", x);
    x = co_graph_linear(graph, "fc2", x, 84, true);
    int features = co_graph_relu(graph, "relu4", x);
    int logits = co_graph_linear(graph, "fc3", features, params->classes, true);
    return (co_model_outputs){logits, features};
}
