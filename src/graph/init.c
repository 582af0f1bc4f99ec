#include <string.h>

#include "base/rng.h"
#include "graph/graph.h"

/* Deviation of a standard normal variable that is cut off at two: Keras divides by it. */
static const float truncated_deviation = 0.87962566103423978f;

static float draw_truncated(co_rng *rng)
{
    float value = co_rng_normal(rng);
    while (!(value >= -2.0f && value <= 2.0f)) { /* one in 22 */
        value = co_rng_normal(rng);
    }
    return value / truncated_deviation;
}

static float draw(co_rng *rng, co_init init)
{
    switch (init.kind) {
    case CO_INIT_ZERO:
        return 0.0f;
    case CO_INIT_ONE:
        return 1.0f;
    case CO_INIT_UNIFORM:
        return (2.0f * co_rng_uniform(rng) - 1.0f) * init.bound;
    case CO_INIT_NORMAL:
        return co_rng_normal(rng) * init.bound;
    case CO_INIT_TRUNCATED_NORMAL:
        return draw_truncated(rng) * init.bound;
    }
    return 0.0f;
}

/* Also for a model without such values, whose buffer is NULL. */
static void clear(size_t count, float *values)
{
    if (count > 0) {
        memset(values, 0, count * sizeof(float));
    }
}

static void fill(const co_tensor *tensor, uint32_t index, uint64_t seed, float *values)
{
    co_rng rng = co_rng_at(
        &(co_rng_key){.seed = seed, .stream = (uint32_t)CO_STREAM_INIT, .sample = index});
    for (size_t i = 0; i < tensor->count; i++) {
        values[tensor->offset + i] = draw(&rng, tensor->init);
    }
}

void co_graph_init_params(const co_graph *graph, uint64_t seed, float *values)
{
    clear(graph->param_floats, values);
    for (int i = 0; i < graph->param_count; i++) {
        fill(&graph->params[i], (uint32_t)i, seed, values);
    }
}

void co_graph_init_stats(const co_graph *graph, float *values)
{
    clear(graph->stat_floats, values);
    for (int i = 0; i < graph->stat_count; i++) {
        fill(&graph->stats[i], 0, 0, values); /* constants: nothing is drawn */
    }
}
