/* The strategy of a single worker: its own gradient is the average. */
#include <math.h>

#include "base/alloc.h"
#include "strategy/strategy.h"

static void local_destroy(co_strategy *strategy)
{
    co_free(strategy);
}

static co_status local_ready(co_strategy *strategy, size_t offset, size_t count, co_error *err)
{
    (void)strategy;
    (void)offset;
    (void)count;
    (void)err;
    return CO_OK;
}

static co_status local_reduce(co_strategy *strategy, co_reduction *out, co_error *err)
{
    (void)err;
    const co_model *model = strategy->model;
    co_backend *backend = model->backend;
    double sum = backend->ops->sum_squares(backend, model->graph->param_floats, model->grads);
    out->sum_squares = sum;
    out->finite = isfinite(sum);
    out->loss = strategy->loss;
    out->stop = strategy->stop;
    out->save = strategy->save;
    return CO_OK;
}

static co_status local_apply(co_strategy *strategy, const co_hyper *hyper, co_error *err)
{
    size_t count = strategy->model->graph->param_floats;
    co_optimizer_begin(strategy->optimizer);
    CO_TRY(co_optimizer_step(strategy->optimizer, strategy->model, 0, count, hyper, err));
    return strategy->model->backend->ops->refresh(strategy->model, 0, count, err);
}

static co_status local_rewrite(co_strategy *strategy, co_rewrite write, void *arg, co_error *err)
{
    size_t count = strategy->model->graph->param_floats;
    write(arg, 0, count);
    return strategy->model->backend->ops->refresh(strategy->model, 0, count, err);
}

static co_status local_complete(co_strategy *strategy, co_error *err)
{
    (void)strategy;
    (void)err;
    return CO_OK;
}

co_status co_strategy_no_state(co_strategy *strategy, co_visitor *visitor, co_error *err)
{
    (void)strategy;
    (void)visitor;
    (void)err;
    return CO_OK;
}

static const co_strategy_ops local_ops = {
    .name = "local",
    .destroy = local_destroy,
    .ready = local_ready,
    .reduce = local_reduce,
    .apply = local_apply,
    .rewrite = local_rewrite,
    .complete = local_complete,
    .show_gradient = local_complete, /* it is whole, too */
    .state = co_strategy_no_state,
};

co_status co_strategy_local(co_model *model, co_optimizer *optimizer, co_strategy **out,
                            co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_strategy), "local strategy", &block, err));
    co_strategy *strategy = block;
    strategy->ops = &local_ops;
    strategy->model = model;
    strategy->optimizer = optimizer;
    strategy->repeatable = true;
    *out = strategy;
    return CO_OK;
}
