/* `fastresnet` of the training recipe S2 (docs/METHODS.md 2): David Page's ResNet-9, with the
 * tensor names of its PyTorch form. */
#include <stdio.h>

#include "graph/models/family.h"

/* Convolution, batch norm and ReLU: a Sequential called `name`. */
static int conv_norm_relu(co_graph *graph, const char *name, int input, int channels)
{
    char full[CO_NAME_SIZE];
    co_conv2d conv = co_square_conv(channels, 3, 1);
    conv.bias = false;
    (void)snprintf(full, sizeof(full), "%s.0", name);
    int x = co_graph_conv2d(graph, full, input, conv);
    (void)snprintf(full, sizeof(full), "%s.1", name);
    x = co_graph_batch_norm(graph, full, x, 0.1f, 1e-5f);
    (void)snprintf(full, sizeof(full), "%s.2", name);
    return co_graph_relu(graph, full, x);
}

/* Doubles the channels and halves the image; with two more convolutions around which the input
 * goes unchanged. No ReLU follows the sum. */
static int stage(co_graph *graph, const char *name, int input, int channels, bool residual)
{
    char full[CO_NAME_SIZE];
    (void)snprintf(full, sizeof(full), "%s.0", name);
    int x = conv_norm_relu(graph, full, input, channels);
    (void)snprintf(full, sizeof(full), "%s.1", name);
    x = co_graph_max_pool(graph, full, x, co_half_pool());
    if (!residual) {
        return x;
    }
    (void)snprintf(full, sizeof(full), "%s.2.conv1", name);
    int body = conv_norm_relu(graph, full, x, channels);
    (void)snprintf(full, sizeof(full), "%s.2.conv2", name);
    body = conv_norm_relu(graph, full, body, channels);
    (void)snprintf(full, sizeof(full), "%s.2.add", name);
    return co_graph_add(graph, full, body, x);
}

co_model_outputs co_model_fastresnet(co_graph *graph, const co_model_params *params)
{
    const int width = params->width;
    int x = conv_norm_relu(graph, "prep", 0, width);
    x = stage(graph, "layer1", x, 2 * width, true);
    x = stage(graph, "layer2", x, 4 * width, false);
    x = stage(graph, "layer3", x, 8 * width, true);
    int features = co_graph_global_max_pool(graph, "pool", x);
    x = co_graph_linear(graph, "classifier", features, params->classes, false);
    int logits = co_graph_scale(graph, "scale", x, 0.125f);
    return (co_model_outputs){logits, features};
}
