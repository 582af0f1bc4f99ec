#include "optim/ema.h"

#include <string.h>

#include "base/alloc.h"

struct co_ema {
    co_model *model; /* borrowed */
    double decay;
    uint64_t updates;
    float *params; /* like the model's */
    float *stats;
};

co_status co_ema_create(co_model *model, double decay, co_ema **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_ema), "the average of the weights", &block, err));
    co_ema *ema = block;
    ema->model = model;
    ema->decay = decay;
    co_status status = CO_OK;
    void *buffer = NULL;
    CO_TRY_GOTO(status,
                co_alloc(model->graph->param_floats, sizeof(float), "the average of the weights",
                         &buffer, err),
                destroy_ema);
    ema->params = buffer;
    CO_TRY_GOTO(status,
                co_alloc(model->graph->stat_floats, sizeof(float), "the average of the statistics",
                         &buffer, err),
                destroy_ema);
    ema->stats = buffer;
    *out = ema;
    return CO_OK;

destroy_ema:
    co_ema_destroy(ema);
    return status;
}

void co_ema_destroy(co_ema *ema)
{
    if (ema == NULL) {
        return;
    }
    co_free(ema->params);
    co_free(ema->stats);
    co_free(ema);
}

size_t co_ema_bytes(const co_ema *ema)
{
    const co_graph *graph = ema->model->graph;
    return (graph->param_floats + graph->stat_floats) * sizeof(float);
}

static void average(const co_ema *ema, size_t count, const float *values, float *mean)
{
    co_backend *backend = ema->model->backend;
    if (count == 0) {
        return;
    }
    if (ema->updates == 0) {
        memcpy(mean, values, count * sizeof(float));
    } else {
        backend->ops->lerp(backend, count, (float)(1.0 - ema->decay), values, mean);
    }
}

void co_ema_update(co_ema *ema)
{
    const co_model *model = ema->model;
    average(ema, model->graph->param_floats, model->params, ema->params);
    average(ema, model->graph->stat_floats, model->stats, ema->stats);
    ema->updates++;
}

static void exchange(size_t count, float *a, float *b)
{
    for (size_t i = 0; i < count; i++) {
        float keep = a[i];
        a[i] = b[i];
        b[i] = keep;
    }
}

void co_ema_swap_params(void *ema, size_t offset, size_t count)
{
    const co_ema *own = ema;
    if (own->updates > 0) {
        exchange(count, own->model->params + offset, own->params + offset);
    }
}

void co_ema_swap_stats(co_ema *ema)
{
    if (ema->updates > 0) {
        exchange(ema->model->graph->stat_floats, ema->model->stats, ema->stats);
    }
}

co_status co_ema_state(co_ema *ema, co_visitor *visitor, co_error *err)
{
    const co_graph *graph = ema->model->graph;
    CO_TRY(co_visit_begin(visitor, "ema", err));
    CO_TRY(co_visit_u64(visitor, "updates", &ema->updates, err));
    CO_TRY(co_visit_buffer(visitor, "params", CO_VISIT_LIKE_PARAMS, ema->params,
                           graph->param_floats, err));
    CO_TRY(co_visit_buffer(visitor, "stats", CO_VISIT_LIKE_STATS, ema->stats, graph->stat_floats,
                           err));
    return co_visit_end(visitor, err);
}
