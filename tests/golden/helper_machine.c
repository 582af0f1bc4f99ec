#include "golden/helper_machine.h"

#include <string.h>

#include "train/loss.h"

const variant golden_variants[GOLDEN_VARIANTS] = {
    {"ref", "auto", 1},   {"dnnl", "avx512", 1}, {"dnnl", "avx2", 1},
    {"dnnl", "plain", 1}, {"dnnl", "auto", 2},
};

void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s: %s", co_status_name(status), err->text);
    }
}

bool machine_open(machine *m, const variant *v, const co_graph *graph, const float *params,
                  const co_pixel_map *map, const co_plan_spec *specs, int count)
{
    co_error err;
    const co_backend_options options = {.isa = v->isa};
    *m = (machine){0};
    check(co_team_create(v->threads, &m->team, &err), &err);
    co_status status = co_backend_create(v->backend, &options, m->team, &m->backend, &err);
    if (status == CO_UNSUPPORTED) {
        print_message("  skipped: %s\n", err.text);
        co_team_destroy(m->team);
        return false;
    }
    check(status, &err);
    const co_backend_ops *ops = m->backend->ops;
    check(ops->model_create(m->backend, graph, &m->model, &err), &err);
    memcpy(m->model->params, params, graph->param_floats * sizeof(float));
    co_graph_init_stats(graph, m->model->stats);
    check(ops->refresh(m->model, 0, graph->param_floats, &err), &err);
    check(ops->plans_create(m->model, specs, count, map, &m->plans, &err), &err);
    return true;
}

void machine_close(machine *m)
{
    const co_backend_ops *ops = m->backend->ops;
    ops->plans_destroy(m->plans);
    ops->model_destroy(m->model);
    ops->destroy(m->backend);
    co_team_destroy(m->team);
}

double machine_gradient(machine *m, const co_batch *batch, int classes)
{
    co_error err;
    const co_backend_ops *ops = m->backend->ops;
    co_plan *plan = ops->plan(m->plans, 0);
    const co_loss_term term = {
        .kind = CO_LOSS_CROSS_ENTROPY,
        .row_end = batch->rows,
        .labels = batch->labels,
        .weight = 1.0f,
    };
    co_score score = {0};
    check(ops->forward(plan, batch, &err), &err);
    double loss = co_loss_compute(&term, 1, batch->rows, classes,
                                  ops->output(plan, CO_OUTPUT_LOGITS),
                                  ops->output_gradient(plan, CO_OUTPUT_LOGITS), &score);
    int phases = 0;
    ops->phases(plan, &phases);
    for (int i = 0; i < phases; i++) {
        check(ops->backward(plan, i, &err), &err);
    }
    return loss;
}
