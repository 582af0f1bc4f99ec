#include "backend/backend.h"

size_t co_output_width(const co_graph *graph, co_output which)
{
    int layer = which == CO_OUTPUT_LOGITS ? graph->logits : graph->features;
    return co_shape_count(graph->layers[layer].out);
}
