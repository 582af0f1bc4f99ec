/* One-dimensional layers and channel dropout, written as a user writes them, against PyTorch's
 * Conv1d, MaxPool1d, AvgPool1d and Dropout2d: outputs and every gradient, on both backends. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/network.h"
#include "helper_dnnl.h"

enum { ROWS = 3, LENGTH = 40, CHANNELS = 4, CLASSES = 3, PARAMS = 6 };

static const char text[] = "input: [2, 1, 40]\n"
                           "classes: 3\n"
                           "layers:\n"
                           "  - conv1d: {name: first, out: 4, kernel: 5, stride: 2, pad: 1}\n"
                           "  - relu\n"
                           "  - channel_dropout: {name: drop, p: 0.6}\n"
                           "  - max_pool1d: {kernel: 3, stride: 2, pad: 1}\n"
                           "  - conv1d: {name: second, out: 6, kernel: 3, groups: 2}\n"
                           "  - avg_pool1d: {kernel: 2}\n"
                           "  - flatten\n"
                           "  - linear: {name: fc, out: classes}\n";

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

static co_graph *build(void)
{
    co_error err = {0};
    co_yaml *document = NULL;
    co_graph *graph = NULL;
    check(co_yaml_parse("net.yaml", text, strlen(text), &document, &err), &err);
    check(co_network_read(document, (co_shape){2, 1, LENGTH}, CLASSES, &graph, &err), &err);
    co_yaml_free(document);
    assert_int_equal(graph->param_count, PARAMS);
    return graph;
}

/* Weights, samples and gradients of the logits are formulas, the same in PyTorch. */
static void write_inputs(side *s, random_batch *b)
{
    co_error err = {0};
    for (int t = 0; t < PARAMS; t++) {
        const co_tensor *p = &s->graph->params[t];
        for (size_t i = 0; i < p->count; i++) {
            s->model->params[p->offset + i] = (float)(0.5 * sin(0.7 * (double)i + (double)t));
        }
    }
    check(s->ops->refresh(s->model, 0, s->graph->param_floats, &err), &err);
    for (int k = 0; k < ROWS * 2 * LENGTH; k++) {
        b->pixels[k] = (float)cos(0.3 * k);
    }
}

static void run_step(side *s, const co_batch *batch)
{
    co_error err = {0};
    co_plan *plan = s->ops->plan(s->plans, 0);
    check(s->ops->forward(plan, batch, &err), &err);
    for (int k = 0; k < ROWS * CLASSES; k++) {
        s->ops->output_gradient(plan, CO_OUTPUT_LOGITS)[k] = (float)cos(k);
    }
    int count = 0;
    s->ops->phases(plan, &count);
    for (int i = 0; i < count; i++) {
        check(s->ops->backward(plan, i, &err), &err);
    }
}

/* PyTorch 1.13 in float64. What is dropped is ours to draw: channels 0 to 3 of the three samples
 * are kept as KEPT says (docs/METHODS.md 7), and PyTorch was given that mask. */
#define KEPT "0011 0010 1010"
static const double torch_logits[ROWS * CLASSES] = {
    -2.92926322024, 4.67226927186, -2.05044215369,  -1.02963914761, 3.15031945367,
    -2.54780685453, 2.6478104464,  -0.408107493878, -2.94667429543};
static const double torch_probes[PARAMS] = {
    1.3924774766,   -0.308201511686, -2.36655540853,
    -1.39470875631, -2.60377159516,  1.37972901159}; /* sum of g[i] cos(1.3 i) */
static const double torch_norms[PARAMS] = {5.2604251671,  3.61500535189, 6.95401657933,
                                           2.28270086587, 11.273876703,  1.19534040549};

static void compare(const side *s, double tolerance)
{
    const float *logits = s->ops->output(s->ops->plan(s->plans, 0), CO_OUTPUT_LOGITS);
    for (int k = 0; k < ROWS * CLASSES; k++) {
        if (!(fabs((double)logits[k] - torch_logits[k]) <= tolerance)) {
            fail_msg("logit %d: %.9g, PyTorch %.9g", k, (double)logits[k], torch_logits[k]);
        }
    }
    for (int t = 0; t < PARAMS; t++) {
        const co_tensor *p = &s->graph->params[t];
        double probe = 0.0;
        double squares = 0.0;
        for (size_t i = 0; i < p->count; i++) {
            double g = (double)s->model->grads[p->offset + i];
            probe += g * cos(1.3 * (double)i);
            squares += g * g;
        }
        double allowed = tolerance * torch_norms[t];
        if (!(fabs(probe - torch_probes[t]) <= allowed * 10.0) ||
            !(fabs(sqrt(squares) - torch_norms[t]) <= allowed)) {
            fail_msg("%s: %.12g, %.12g; PyTorch %.12g, %.12g", p->name, probe, sqrt(squares),
                     torch_probes[t], torch_norms[t]);
        }
    }
}

static void test_against_pytorch(void **state)
{
    (void)state;
    static const struct {
        side_options options;
        double tolerance;
    } rows[] = {
        {{.backend = "ref"}, 1e-6},
        {{.backend = "dnnl"}, 1e-5},
        {{.backend = "dnnl", .family = CO_FAMILY_LANE}, 1e-5},
        {{.backend = "dnnl", .family = CO_FAMILY_DNNL}, 1e-5},
        {{.backend = "dnnl", .isa = "plain"}, 1e-5},
    };
    co_graph *graph = build();
    const co_plan_spec spec = {.batch = ROWS, .mode = CO_TRAIN};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        side s = side_open(&rows[i].options, graph, &spec, 1, 1);
        random_batch b = random_batch_make(graph, &spec, 1);
        write_inputs(&s, &b);
        run_step(&s, &b.batch);
        compare(&s, rows[i].tolerance);
        random_batch_free(&b);
        side_close(&s);
    }
    co_graph_destroy(graph);
}

/* The mask that PyTorch was given is the one that we draw: a network that ends with the dropout
 * shows it. A whole channel is dropped, or kept and scaled by 1 / (1 - p) = 2.5. */
static void test_the_mask(void **state)
{
    (void)state;
    static const char *const backends[] = {"ref", "dnnl"};
    co_error err = {0};
    co_graph *graph = NULL;
    check(co_graph_create("mask", (co_shape){CHANNELS, 1, 20}, &graph, &err), &err);
    int last = co_graph_flatten(graph, "flat", co_graph_dropout(graph, "drop", 0, 0.6f, true));
    check(co_graph_finish(graph, last, last, &err), &err);
    const co_plan_spec spec = {.batch = ROWS, .mode = CO_TRAIN};
    for (int k = 0; k < 2; k++) {
        side s = side_open(&(side_options){.backend = backends[k]}, graph, &spec, 1, 1);
        random_batch b = random_batch_make(graph, &spec, 1);
        for (int i = 0; i < ROWS * CHANNELS * 20; i++) {
            b.pixels[i] = 3.0f;
        }
        check(s.ops->forward(s.ops->plan(s.plans, 0), &b.batch, &err), &err);
        const float *out = s.ops->output(s.ops->plan(s.plans, 0), CO_OUTPUT_LOGITS);
        char kept[] = KEPT;
        for (int i = 0; i < ROWS * CHANNELS; i++) {
            float value = out[(size_t)i * 20];
            kept[i + i / CHANNELS] = value > 0.0f ? '1' : '0';
            assert_true(fabsf(value) <= 0.0f || fabsf(value - 7.5f) < 1e-6f);
            for (int j = 1; j < 20; j++) {
                assert_memory_equal(&out[(size_t)i * 20 + (size_t)j], &value, sizeof(value));
            }
        }
        assert_string_equal(kept, KEPT);
        random_batch_free(&b);
        side_close(&s);
    }
    co_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_mask),
        cmocka_unit_test(test_against_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
