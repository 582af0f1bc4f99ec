#include "backend/phases.h"

#include "base/alloc.h"

/* Below-or-at parameters, and above-or-at an output whose gradient is given. */
static void mark_wanted(const co_graph *graph, bool feature_gradient, bool *wanted)
{
    for (int i = 0; i < graph->layer_count; i++) {
        const co_layer *layer = &graph->layers[i];
        wanted[i] = layer->weight >= 0 || layer->bias >= 0;
        for (int k = 0; k < 2; k++) {
            wanted[i] = wanted[i] || (layer->inputs[k] >= 0 && wanted[layer->inputs[k]]);
        }
    }
    /* The second condition spreads downwards; consumers have been decided before. */
    for (int i = graph->layer_count - 1; i >= 0; i--) {
        bool reached = i == graph->logits || (feature_gradient && i == graph->features);
        for (int j = i + 1; j < graph->layer_count && !reached; j++) {
            const co_layer *reader = &graph->layers[j];
            reached = wanted[j] && (reader->inputs[0] == i || reader->inputs[1] == i);
        }
        wanted[i] = wanted[i] && reached;
    }
}

static bool has_params(const co_layer *layer)
{
    return layer->weight >= 0 || layer->bias >= 0;
}

static bool has_data_op(const co_layer *layer, const bool *wanted, int index)
{
    bool into_left = layer->inputs[0] >= 0 && wanted[layer->inputs[0]];
    bool into_right = layer->inputs[1] >= 0 && wanted[layer->inputs[1]];
    return wanted[index] && (into_left || into_right);
}

/* Slots lie in the order of the layers, weight before bias: one contiguous range. */
static co_phase phase_of(const co_graph *graph, int index)
{
    const co_layer *layer = &graph->layers[index];
    int first = layer->weight >= 0 ? layer->weight : layer->bias;
    int last = layer->bias >= 0 ? layer->bias : layer->weight;
    size_t begin = graph->params[first].offset;
    size_t end = last + 1 < graph->param_count ? graph->params[last + 1].offset
                                               : graph->param_floats;
    return (co_phase){.layer = index, .offset = begin, .count = end - begin};
}

/* Multiply-accumulates; layers without them cost about one operation per value. */
static double cost_of(const co_graph *graph, const co_shape *shapes, int index)
{
    const co_layer *layer = &graph->layers[index];
    co_shape in = layer->inputs[0] >= 0 ? shapes[layer->inputs[0]] : shapes[index];
    double macs = co_layer_macs_at(layer, in, shapes[index]);
    double values = (double)co_shape_count(shapes[index]);
    return macs > values ? macs : values;
}

static void normalise_shares(co_backward *b)
{
    double sum = 0.0;
    for (int i = 0; i < b->phase_count; i++) {
        sum += b->phases[i].share;
    }
    for (int i = 0; i < b->phase_count; i++) {
        b->phases[i].share /= sum; /* above 0: every phase has a weight operation */
    }
}

static void list_ops(const co_graph *graph, const co_shape *shapes, co_backward *b)
{
    int ops = 0;
    int phase = 0;
    double cost = 0.0;
    b->first_op[0] = 0;
    for (int i = graph->layer_count - 1; i >= 0; i--) {
        const co_layer *layer = &graph->layers[i];
        if (has_params(layer)) {
            b->ops[ops++] = (co_backward_op){i, CO_BACKWARD_WEIGHTS};
            b->phases[phase] = phase_of(graph, i);
            b->phases[phase].share = cost + cost_of(graph, shapes, i);
            b->first_op[++phase] = ops;
            cost = 0.0;
        }
        if (has_data_op(layer, b->wanted, i)) {
            b->ops[ops++] = (co_backward_op){i, CO_BACKWARD_DATA};
            cost += cost_of(graph, shapes, i);
        }
    }
    normalise_shares(b);
}

co_status co_backward_create(const co_graph *graph, const co_shape *shapes, bool feature_gradient,
                             co_backward *out, co_error *err)
{
    co_backward b = {0};
    for (int i = 0; i < graph->layer_count; i++) {
        b.phase_count += has_params(&graph->layers[i]);
    }
    size_t layers = (size_t)graph->layer_count;
    size_t phases = (size_t)b.phase_count;
    static const char what[] = "the phases of backward";
    co_status status = CO_OK;
    void *blocks[4] = {0};
    CO_TRY_GOTO(status, co_alloc(phases, sizeof(co_phase), what, &blocks[0], err), free_blocks);
    CO_TRY_GOTO(status, co_alloc(2 * layers, sizeof(co_backward_op), what, &blocks[1], err),
                free_blocks);
    CO_TRY_GOTO(status, co_alloc(phases + 1, sizeof(int), what, &blocks[2], err), free_blocks);
    CO_TRY_GOTO(status, co_alloc(layers, sizeof(bool), what, &blocks[3], err), free_blocks);
    b.phases = blocks[0];
    b.ops = blocks[1];
    b.first_op = blocks[2];
    b.wanted = blocks[3];
    mark_wanted(graph, feature_gradient, b.wanted);
    list_ops(graph, shapes, &b);
    *out = b;
    return CO_OK;

free_blocks:
    for (int i = 0; i < 4; i++) {
        co_free(blocks[i]);
    }
    return status;
}

void co_backward_destroy(co_backward *backward)
{
    co_free(backward->wanted);
    co_free(backward->first_op);
    co_free(backward->ops);
    co_free(backward->phases);
    *backward = (co_backward){0};
}
