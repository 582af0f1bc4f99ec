#include "backend/ref/ref.h"

#include "base/alloc.h"

static void destroy(co_backend *backend)
{
    co_free(backend);
}

static void model_destroy(co_model *model)
{
    if (model == NULL) {
        return;
    }
    co_free(model->stats);
    co_free(model->grads);
    co_free(model->params);
    co_free(model);
}

static co_status alloc_floats(size_t count, const char *what, float **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(count, sizeof(float), what, &block, err));
    *out = block;
    return CO_OK;
}

static co_status model_create(co_backend *backend, const co_graph *graph, co_model **out,
                              co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_model), "a model", &block, err));
    co_model *model = block;
    model->backend = backend;
    model->graph = graph;
    co_status status = CO_OK;
    CO_TRY_GOTO(status, alloc_floats(graph->param_floats, "parameters", &model->params, err),
                destroy_model);
    CO_TRY_GOTO(status, alloc_floats(graph->param_floats, "gradients", &model->grads, err),
                destroy_model);
    CO_TRY_GOTO(status, alloc_floats(graph->stat_floats, "statistics", &model->stats, err),
                destroy_model);
    *out = model;
    return CO_OK;

destroy_model:
    model_destroy(model);
    return status;
}

/* There are no private copies. */
static co_status refresh(co_model *model, size_t offset, size_t count, co_error *err)
{
    (void)model;
    (void)offset;
    (void)count;
    (void)err;
    return CO_OK;
}

static const co_backend_ops ops = {
    .name = "ref",
    .destroy = destroy,
    .model_create = model_create,
    .model_destroy = model_destroy,
    .refresh = refresh,
    .plans_create = co_ref_plans_create,
    .plans_destroy = co_ref_plans_destroy,
    .plan = co_ref_plan,
    .memory = co_ref_memory,
    .forward = co_ref_forward,
    .backward = co_ref_backward,
    .phases = co_ref_phases,
    .output = co_ref_output,
    .output_gradient = co_ref_output_gradient,
    .observe = co_ref_observe,
    .sgd = co_ref_sgd,
    .adam = co_ref_adam,
    .axpy = co_ref_axpy,
    .lerp = co_ref_lerp,
    .scale = co_ref_multiply,
    .sum_squares = co_ref_sum_squares,
};

co_status co_ref_backend_create(const co_backend_options *options, co_team *team, co_backend **out,
                                co_error *err)
{
    (void)options; /* plain C on every processor, nothing to tune */
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_backend), "the backend", &block, err));
    co_backend *backend = block;
    backend->ops = &ops;
    backend->isa = "plain";
    backend->team = team;
    *out = backend;
    return CO_OK;
}
