#include "helper_ref.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

static void fill(co_rng *rng, float *values, size_t count, float bound)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = (2.0f * co_rng_uniform(rng) - 1.0f) * bound;
    }
}

int ref_random(co_rng *rng, int low, int high)
{
    return low + (int)co_rng_below(rng, (uint32_t)(high - low + 1));
}

ref_rig ref_rig_open(co_graph *graph, int logits, int features, co_plan_spec spec, uint64_t seed)
{
    co_error err = {0};
    ref_rig rig = {.graph = graph};
    check(co_graph_finish(graph, logits, features, &err), &err);
    check(co_team_create(1, &rig.team, &err), &err);
    check(co_ref_backend_create(NULL, rig.team, &rig.backend, &err), &err);
    const co_backend_ops *ops = rig.backend->ops;
    check(ops->model_create(rig.backend, graph, &rig.model, &err), &err);
    check(ops->plans_create(rig.model, &spec, 1, NULL, &rig.plans, &err), &err);
    rig.plan = ops->plan(rig.plans, 0);
    co_graph_init_stats(graph, rig.model->stats);

    co_rng rng = co_rng_at(&(co_rng_key){.seed = seed, .stream = CO_STREAM_TEST, .sample = 1});
    for (int i = 0; i < graph->param_count; i++) {
        fill(&rng, rig.model->params + graph->params[i].offset, graph->params[i].count, 0.5f);
    }
    co_shape shape = graph->layers[0].out;
    shape.height = spec.height > 0 ? spec.height : shape.height;
    shape.width = spec.width > 0 ? spec.width : shape.width;
    size_t rows = (size_t)spec.batch;
    size_t count = rows * co_shape_count(shape);
    rig.pixels = malloc(count * sizeof(float));
    rig.samples = malloc(rows * sizeof(uint32_t));
    fill(&rng, rig.pixels, count, 1.0f);
    for (size_t i = 0; i < rows; i++) {
        rig.samples[i] = (uint32_t)(100 + 3 * i);
    }
    rig.batch = (co_batch){.rows = spec.batch,
                           .pixel = CO_PIXEL_F32,
                           .pixels = rig.pixels,
                           .samples = rig.samples,
                           .epoch = 2,
                           .seed = seed};
    return rig;
}

void ref_rig_close(ref_rig *rig)
{
    free(rig->samples);
    free(rig->pixels);
    const co_backend_ops *ops = rig->backend->ops;
    ops->plans_destroy(rig->plans);
    ops->model_destroy(rig->model);
    ops->destroy(rig->backend);
    co_team_destroy(rig->team);
    co_graph_destroy(rig->graph);
}
