/* The moving average of weights and statistics, against its formula in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "optim/ema.h"

typedef struct rig {
    co_graph *graph;
    co_team *team;
    co_backend *backend;
    co_model *model;
    co_ema *ema;
} rig;

static const double decay = 0.9;

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

static rig open_rig(void)
{
    co_error err = {0};
    rig r = {0};
    check(co_graph_create("net", (co_shape){3, 4, 4}, &r.graph, &err), &err);
    int at = co_graph_batch_norm(r.graph, "bn", 0, 0.1f, 1e-5f);
    at = co_graph_flatten(r.graph, "flat", at);
    at = co_graph_linear(r.graph, "fc", at, 4, true);
    check(co_graph_finish(r.graph, at, at, &err), &err);
    check(co_team_create(1, &r.team, &err), &err);
    check(co_ref_backend_create(NULL, r.team, &r.backend, &err), &err);
    check(r.backend->ops->model_create(r.backend, r.graph, &r.model, &err), &err);
    check(co_ema_create(r.model, decay, &r.ema, &err), &err);
    return r;
}

static void close_rig(rig *r)
{
    co_ema_destroy(r->ema);
    r->backend->ops->model_destroy(r->model);
    r->backend->ops->destroy(r->backend);
    co_team_destroy(r->team);
    co_graph_destroy(r->graph);
}

static float value_at(int step, size_t i)
{
    return (float)(sin(1.3 * step + 0.1 * (double)i) + 0.05 * step);
}

static void write_weights(const rig *r, int step)
{
    for (size_t i = 0; i < r->graph->param_floats; i++) {
        r->model->params[i] = value_at(step, i);
    }
    for (size_t i = 0; i < r->graph->stat_floats; i++) {
        r->model->stats[i] = value_at(step, i + 1000);
    }
}

/* As a sum over the past: the first weights count decay^(n-1), the k-th (1 - decay) decay^(n-k). */
static double expected_at(int steps, size_t i)
{
    double sum = pow(decay, steps - 1) * (double)value_at(1, i);
    for (int k = 2; k <= steps; k++) {
        sum += (1.0 - decay) * pow(decay, steps - k) * (double)value_at(k, i);
    }
    return sum;
}

static void swap(const rig *r)
{
    co_ema_swap_params(r->ema, 0, r->graph->param_floats);
    co_ema_swap_stats(r->ema);
}

static void check_average(const rig *r, int steps)
{
    for (size_t i = 0; i < r->graph->param_floats; i++) {
        assert_true(fabs((double)r->model->params[i] - expected_at(steps, i)) < 1e-6);
    }
    for (size_t i = 0; i < r->graph->stat_floats; i++) {
        assert_true(fabs((double)r->model->stats[i] - expected_at(steps, i + 1000)) < 1e-6);
    }
}

static void test_formula(void **state)
{
    (void)state;
    rig r = open_rig();
    write_weights(&r, 99);
    swap(&r); /* no average yet: nothing changes */
    assert_true(fabsf(r.model->params[3] - value_at(99, 3)) <= 0.0f);
    swap(&r);
    for (int step = 1; step <= 12; step++) {
        write_weights(&r, step);
        co_ema_update(r.ema);
        swap(&r);
        check_average(&r, step);
        swap(&r);
        assert_true(fabsf(r.model->params[3] - value_at(step, 3)) <= 0.0f);
        assert_true(fabsf(r.model->stats[2] - value_at(step, 1002)) <= 0.0f);
    }
    assert_int_equal(co_ema_bytes(r.ema), (r.graph->param_floats + r.graph->stat_floats) * 4);
    close_rig(&r);
}

/* Saved after two steps and loaded elsewhere, it goes on to the same bits. */
static void test_state(void **state)
{
    (void)state;
    co_error err = {0};
    rig a = open_rig();
    rig b = open_rig();
    for (int step = 1; step <= 5; step++) {
        write_weights(&a, step);
        co_ema_update(a.ema);
        if (step == 2) {
            co_visitor sizing = co_visitor_sizing();
            check(co_ema_state(a.ema, &sizing, &err), &err);
            void *bytes = malloc(sizing.offset);
            co_visitor saving = co_visitor_saving(bytes, sizing.offset);
            check(co_ema_state(a.ema, &saving, &err), &err);
            check(co_visitor_finish(&saving, &err), &err);
            co_visitor loading = co_visitor_loading(bytes, sizing.offset);
            check(co_ema_state(b.ema, &loading, &err), &err);
            check(co_visitor_finish(&loading, &err), &err);
            free(bytes);
        } else if (step > 2) {
            write_weights(&b, step);
            co_ema_update(b.ema);
        }
    }
    swap(&a);
    swap(&b);
    assert_memory_equal(a.model->params, b.model->params, a.graph->param_floats * sizeof(float));
    assert_memory_equal(a.model->stats, b.model->stats, a.graph->stat_floats * sizeof(float));
    close_rig(&b);
    close_rig(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
