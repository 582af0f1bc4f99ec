/* SGD, Adam and AdamW on the reference backend: against PyTorch, and against loops written out
 * here. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "optim/optimizer.h"

typedef struct rig {
    co_graph *graph;
    co_team *team;
    co_backend *backend;
    co_model *model;
    co_optimizer *optimizer;
} rig;

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

static rig open_rig(co_optimizer_kind kind, int inputs)
{
    co_error err = {0};
    rig r = {0};
    check(co_graph_create("test", (co_shape){inputs, 1, 1}, &r.graph, &err), &err);
    int fc = co_graph_linear(r.graph, "fc", 0, 1, true);
    check(co_graph_finish(r.graph, fc, fc, &err), &err);
    check(co_team_create(1, &r.team, &err), &err);
    check(co_ref_backend_create(NULL, r.team, &r.backend, &err), &err);
    check(r.backend->ops->model_create(r.backend, r.graph, &r.model, &err), &err);
    check(co_optimizer_create(kind, r.graph, &r.optimizer, &err), &err);
    return r;
}

static void close_rig(rig *r)
{
    co_optimizer_destroy(r->optimizer);
    r->backend->ops->model_destroy(r->model);
    r->backend->ops->destroy(r->backend);
    co_team_destroy(r->team);
    co_graph_destroy(r->graph);
}

static void step(const rig *r, size_t offset, size_t count, const co_hyper *hyper)
{
    co_error err = {0};
    check(co_optimizer_step(r->optimizer, r->model, offset, count, hyper, &err), &err);
}

static void check_pytorch(co_optimizer_kind kind, const co_hyper *hyper, const double *expected)
{
    rig r = open_rig(kind, 3);
    const float start[3] = {0.5f, -1.25f, 3.0f};
    memcpy(r.model->params, start, sizeof(start));
    for (int k = 0; k < 5; k++) {
        r.model->grads[0] = (float)sin(k + 1.0);
        r.model->grads[1] = (float)cos(2.0 * k);
        r.model->grads[2] = (float)(0.1 * (k + 1));
        co_optimizer_begin(r.optimizer);
        step(&r, 0, r.graph->param_floats, hyper);
    }
    for (int i = 0; i < 3; i++) {
        if (!(fabs((double)r.model->params[i] - expected[i]) <= 1e-6)) {
            fail_msg("value %d: %.9g, PyTorch %.9g", i, (double)r.model->params[i], expected[i]);
        }
    }
    for (size_t i = 3; i < r.graph->param_floats; i++) {
        assert_float_equal(r.model->params[i], 0.0f, 0.0f); /* padding stays zero */
    }
    close_rig(&r);
}

/* Constants: five steps of torch.optim 1.13 in float64. */
static void test_pytorch(void **state)
{
    (void)state;
    co_hyper h = {.lr = 0.1};
    check_pytorch(CO_OPTIMIZER_SGD, &h, (const double[]){0.482383835028, -1.32448797954, 2.85});
    h.momentum = 0.9;
    h.weight_decay = 0.01;
    check_pytorch(CO_OPTIMIZER_SGD, &h,
                  (const double[]){0.0398288758742, -1.48956277403, 2.64413566754});
    h.nesterov = true;
    check_pytorch(CO_OPTIMIZER_SGD, &h,
                  (const double[]){0.0683287681216, -1.53272631392, 2.51559025829});
    h = (co_hyper){.lr = 0.02, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01};
    check_pytorch(CO_OPTIMIZER_ADAM, &h,
                  (const double[]){0.439084079034, -1.28247478511, 2.90204809925});
    h = (co_hyper){.lr = 0.02, .beta1 = 0.99, .beta2 = 0.999, .epsilon = 1e-6};
    check_pytorch(CO_OPTIMIZER_ADAM, &h,
                  (const double[]){0.434331063961, -1.28646638931, 2.90588133498});
}

static void fill(float *values, size_t count, double phase)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = (float)sin(0.37 * (double)i + phase);
    }
}

/* One step may run over several ranges: the same as over all at once, bit for bit. */
static void check_ranges(co_optimizer_kind kind)
{
    const co_hyper hyper = {.lr = 0.05,
                            .momentum = 0.8,
                            .weight_decay = 0.02,
                            .nesterov = true,
                            .beta1 = 0.9,
                            .beta2 = 0.99,
                            .epsilon = 1e-8};
    rig whole = open_rig(kind, 100);
    rig parts = open_rig(kind, 100);
    size_t floats = whole.graph->param_floats;
    fill(whole.model->params, floats, 0.0);
    fill(parts.model->params, floats, 0.0);
    for (int k = 0; k < 4; k++) {
        fill(whole.model->grads, floats, 1.0 + k);
        fill(parts.model->grads, floats, 1.0 + k);
        co_optimizer_begin(whole.optimizer);
        step(&whole, 0, floats, &hyper);
        co_optimizer_begin(parts.optimizer);
        step(&parts, 112, floats - 112, &hyper);
        step(&parts, 0, 112, &hyper);
    }
    assert_memory_equal(whole.model->params, parts.model->params, floats * sizeof(float));
    co_error err = {0};
    assert_int_equal(co_optimizer_step(whole.optimizer, whole.model, floats, 1, &hyper, &err),
                     CO_INTERNAL);
    close_rig(&parts);
    close_rig(&whole);
}

static void test_ranges(void **state)
{
    (void)state;
    check_ranges(CO_OPTIMIZER_SGD);
    check_ranges(CO_OPTIMIZER_ADAM);
    check_ranges(CO_OPTIMIZER_ADAMW);
}

/* SGD's velocity as a sum over the past, which needs no recurrence: v = sum 0.9^(k-j) g_j. */
static void test_momentum_is_a_sum_over_the_past(void **state)
{
    (void)state;
    rig r = open_rig(CO_OPTIMIZER_SGD, 7);
    const co_hyper hyper = {.lr = 0.01, .momentum = 0.9};
    double expected = 0.0;
    for (int k = 0; k < 12; k++) {
        r.model->grads[4] = (float)cos(k);
        co_optimizer_begin(r.optimizer);
        step(&r, 0, r.graph->param_floats, &hyper);
        for (int j = 0; j <= k; j++) {
            expected -= 0.01 * pow(0.9, k - j) * cos(j);
        }
    }
    assert_true(fabs((double)r.model->params[4] - expected) < 1e-7);
    close_rig(&r);
}

/* With a constant gradient Adam's bias-corrected moments are exact: each step is lr. */
static void test_adam_corrects_its_bias(void **state)
{
    (void)state;
    rig r = open_rig(CO_OPTIMIZER_ADAM, 7);
    const co_hyper hyper = {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-12};
    for (int k = 1; k <= 20; k++) {
        r.model->grads[2] = -3.0f;
        co_optimizer_begin(r.optimizer);
        step(&r, 0, r.graph->param_floats, &hyper);
        assert_true(fabs((double)r.model->params[2] - 0.01 * k) < 1e-5 * k * 0.01);
    }
    co_optimizer_reset(r.optimizer);
    co_error err = {0};
    assert_int_equal(co_optimizer_step(r.optimizer, r.model, 0, 16, &hyper, &err), CO_INTERNAL);
    co_optimizer_begin(r.optimizer);
    r.model->params[2] = 0.0f;
    step(&r, 0, r.graph->param_floats, &hyper);
    assert_true(fabs((double)r.model->params[2] - 0.01) < 1e-7);
    close_rig(&r);
}

/* AdamW without a recurrence: moments as sums over the past, the weights shrunk before each step.
 * With decay the L2 form of Adam must come out elsewhere. */
static void test_adamw_decays_the_weights(void **state)
{
    (void)state;
    const co_hyper hyper = {
        .lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.3};
    rig r = open_rig(CO_OPTIMIZER_ADAMW, 7);
    rig l2 = open_rig(CO_OPTIMIZER_ADAM, 7);
    double expected = 2.0;
    r.model->params[5] = 2.0f;
    l2.model->params[5] = 2.0f;
    for (int k = 1; k <= 12; k++) {
        r.model->grads[5] = (float)cos(k);
        l2.model->grads[5] = (float)cos(k);
        co_optimizer_begin(r.optimizer);
        step(&r, 0, r.graph->param_floats, &hyper);
        co_optimizer_begin(l2.optimizer);
        step(&l2, 0, l2.graph->param_floats, &hyper);
        double m = 0.0;
        double v = 0.0;
        for (int j = 1; j <= k; j++) {
            m += 0.2 * pow(0.8, k - j) * cos(j);
            v += 0.05 * pow(0.95, k - j) * cos(j) * cos(j);
        }
        m /= 1.0 - pow(0.8, k);
        v /= 1.0 - pow(0.95, k);
        expected = expected * (1.0 - 0.02 * 0.3) - 0.02 * m / (sqrt(v) + 1e-6);
        assert_true(fabs((double)r.model->params[5] - expected) < 1e-6);
    }
    assert_true(fabs((double)l2.model->params[5] - expected) > 1e-2);
    close_rig(&l2);
    close_rig(&r);
}

/* Saved after three steps and loaded elsewhere, it goes on to the same bits. */
static void check_state(co_optimizer_kind kind)
{
    const co_hyper hyper = {
        .lr = 0.05, .momentum = 0.8, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};
    rig a = open_rig(kind, 40);
    rig b = open_rig(kind, 40);
    size_t floats = a.graph->param_floats;
    co_error err = {0};
    for (int k = 0; k < 6; k++) {
        fill(a.model->grads, floats, k);
        co_optimizer_begin(a.optimizer);
        step(&a, 0, floats, &hyper);
        if (k == 2) {
            co_visitor sizing = co_visitor_sizing();
            check(co_optimizer_state(a.optimizer, &sizing, &err), &err);
            void *bytes = malloc(sizing.offset);
            co_visitor saving = co_visitor_saving(bytes, sizing.offset);
            check(co_optimizer_state(a.optimizer, &saving, &err), &err);
            check(co_visitor_finish(&saving, &err), &err);
            co_visitor loading = co_visitor_loading(bytes, sizing.offset);
            check(co_optimizer_state(b.optimizer, &loading, &err), &err);
            check(co_visitor_finish(&loading, &err), &err);
            free(bytes);
            memcpy(b.model->params, a.model->params, floats * sizeof(float));
        } else if (k > 2) {
            fill(b.model->grads, floats, k);
            co_optimizer_begin(b.optimizer);
            step(&b, 0, floats, &hyper);
        }
    }
    assert_memory_equal(a.model->params, b.model->params, floats * sizeof(float));
    close_rig(&b);
    close_rig(&a);
}

static void test_state(void **state)
{
    (void)state;
    check_state(CO_OPTIMIZER_SGD);
    check_state(CO_OPTIMIZER_ADAM);
    check_state(CO_OPTIMIZER_ADAMW);
}

static void test_vector_operations(void **state)
{
    (void)state;
    rig r = open_rig(CO_OPTIMIZER_SGD, 3);
    const co_backend_ops *ops = r.backend->ops;
    enum { N = 5000 };
    float *x = malloc(N * sizeof(float));
    float *y = malloc(N * sizeof(float));
    fill(x, N, 0.5);
    fill(y, N, 2.5);
    double y7 = (double)y[7];
    ops->axpy(r.backend, N, -2.0f, x, y);
    assert_float_equal(y[7], (float)(y7 - 2.0 * (double)x[7]), 1e-7f);
    y7 = (double)y[7];
    ops->lerp(r.backend, N, 0.25f, x, y);
    assert_float_equal(y[7], (float)(0.75 * y7 + 0.25 * (double)x[7]), 1e-7f);
    y7 = (double)y[7];
    ops->scale(r.backend, N, -1.5f, y);
    assert_float_equal(y[7], (float)(-1.5 * y7), 1e-7f);
    double sum = 0.0;
    for (int i = 0; i < N; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    assert_true(fabs(ops->sum_squares(r.backend, N, x) - sum) < 1e-10 * sum);
    x[N - 1] = NAN;
    assert_true(!isfinite(ops->sum_squares(r.backend, N, x)));
    x[N - 1] = INFINITY;
    assert_true(!isfinite(ops->sum_squares(r.backend, N, x)));
    assert_float_equal(ops->sum_squares(r.backend, 0, x), 0.0, 0.0);
    free(y);
    free(x);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pytorch),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_momentum_is_a_sum_over_the_past),
        cmocka_unit_test(test_adam_corrects_its_bias),
        cmocka_unit_test(test_adamw_decays_the_weights),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_vector_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
