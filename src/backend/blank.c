#include "backend/blank.h"

#include "backend/phases.h"
#include "base/alloc.h"

struct co_plan {
    co_backward backward;
};

struct co_plans {
    co_plan *items;
    int count;
};

static void destroy(co_backend *backend)
{
    co_free(backend);
}

/* ---- models ---- */

static void model_destroy(co_model *model)
{
    if (model != NULL) {
        co_free(model->stats);
        co_free(model);
    }
}

static co_status model_create(co_backend *backend, const co_graph *graph, co_model **out,
                              co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_model), "a model", &block, err));
    co_model *model = block;
    model->backend = backend;
    model->graph = graph;
    void *stats = NULL;
    co_status status = co_alloc(graph->stat_floats, sizeof(float), "statistics", &stats, err);
    if (status != CO_OK) {
        model_destroy(model);
        return status;
    }
    model->stats = stats;
    *out = model;
    return CO_OK;
}

static co_status refresh(co_model *model, size_t offset, size_t count, co_error *err)
{
    (void)model;
    (void)offset;
    (void)count;
    (void)err;
    return CO_OK;
}

/* ---- plans ---- */

static void plans_destroy(co_plans *plans)
{
    if (plans == NULL) {
        return;
    }
    for (int i = 0; i < plans->count; i++) {
        co_backward_destroy(&plans->items[i].backward);
    }
    co_free(plans->items);
    co_free(plans);
}

static co_status list_phases(const co_graph *graph, const co_plan_spec *spec, co_plan *plan,
                             co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc((size_t)graph->layer_count, sizeof(co_shape), "the shapes of a plan", &block,
                    err));
    co_shape *shapes = block;
    int height = spec->height > 0 ? spec->height : graph->layers[0].out.height;
    int width = spec->width > 0 ? spec->width : graph->layers[0].out.width;
    co_status status = co_graph_shapes(graph, height, width, shapes, err);
    if (status == CO_OK && spec->mode == CO_TRAIN) {
        status = co_backward_create(graph, shapes, spec->feature_gradient, &plan->backward, err);
    }
    co_free(shapes);
    return status;
}

static co_status plans_create(co_model *model, const co_plan_spec *specs, int count,
                              const co_pixel_map *pixels, co_plans **out, co_error *err)
{
    (void)pixels;
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_plans), "a set of plans", &block, err));
    co_plans *plans = block;
    void *items = NULL;
    co_status status = co_alloc((size_t)count, sizeof(co_plan), "a set of plans", &items, err);
    plans->items = items;
    for (int i = 0; i < count && status == CO_OK; i++) {
        plans->count = i + 1;
        status = list_phases(model->graph, &specs[i], &plans->items[i], err);
    }
    if (status != CO_OK) {
        plans_destroy(plans);
        return status;
    }
    *out = plans;
    return CO_OK;
}

static co_plan *plan_at(co_plans *plans, int index)
{
    return &plans->items[index];
}

static int memory(const co_plans *plans, co_memory_item *items)
{
    (void)plans;
    (void)items;
    return 0;
}

static co_status forward(co_plan *plan, const co_batch *batch, co_error *err)
{
    (void)plan;
    (void)batch;
    (void)err;
    return CO_OK;
}

static co_status backward(co_plan *plan, int index, co_error *err)
{
    (void)plan;
    (void)index;
    (void)err;
    return CO_OK;
}

static const co_phase *phases(const co_plan *plan, int *count)
{
    *count = plan->backward.phase_count;
    return plan->backward.phases;
}

static const float *output(const co_plan *plan, co_output which)
{
    (void)plan;
    (void)which;
    return NULL;
}

static float *output_gradient(co_plan *plan, co_output which)
{
    (void)plan;
    (void)which;
    return NULL;
}

static co_status observe(co_plan *plan, const co_observer *observer, co_error *err)
{
    (void)plan;
    (void)observer;
    (void)err;
    return CO_OK;
}

/* ---- vectors ---- */

static void sgd(co_model *model, size_t offset, size_t count, const co_sgd *hyper, float *momentum)
{
    (void)model;
    (void)offset;
    (void)count;
    (void)hyper;
    (void)momentum;
}

static void adam(co_model *model, size_t offset, size_t count, const co_adam *hyper, float *m,
                 float *v)
{
    (void)model;
    (void)offset;
    (void)count;
    (void)hyper;
    (void)m;
    (void)v;
}

static void mix(co_backend *backend, size_t count, float a, const float *x, float *y)
{
    (void)backend;
    (void)count;
    (void)a;
    (void)x;
    (void)y;
}

static void scale(co_backend *backend, size_t count, float a, float *x)
{
    (void)backend;
    (void)count;
    (void)a;
    (void)x;
}

static double sum_squares(co_backend *backend, size_t count, const float *x)
{
    (void)backend;
    (void)count;
    (void)x;
    return 0.0;
}

static const co_backend_ops blank_ops = {
    .name = "blank",
    .destroy = destroy,
    .model_create = model_create,
    .model_destroy = model_destroy,
    .refresh = refresh,
    .plans_create = plans_create,
    .plans_destroy = plans_destroy,
    .plan = plan_at,
    .memory = memory,
    .forward = forward,
    .backward = backward,
    .phases = phases,
    .output = output,
    .output_gradient = output_gradient,
    .observe = observe,
    .sgd = sgd,
    .adam = adam,
    .axpy = mix,
    .lerp = mix,
    .scale = scale,
    .sum_squares = sum_squares,
};

co_status co_blank_backend_create(co_team *team, co_backend **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_backend), "the backend", &block, err));
    co_backend *backend = block;
    backend->ops = &blank_ops;
    backend->isa = "none";
    backend->team = team;
    *out = backend;
    return CO_OK;
}
