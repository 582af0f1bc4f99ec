/* Factors of groups of parameters: which parameter gets which, and what a step does with them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "optim/groups.h"
#include "optim/optimizer.h"

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

static co_graph *make_graph(void)
{
    co_error err = {0};
    co_graph *graph = NULL;
    check(co_graph_create("net", (co_shape){2, 6, 6}, &graph, &err), &err);
    const co_conv2d conv = {3, 3, 3, 1, 1, 1, 1, 1, true};
    int at = co_graph_conv2d(graph, "conv1", 0, conv);
    at = co_graph_batch_norm(graph, "bn1", at, 0.1f, 1e-5f);
    at = co_graph_conv2d(graph, "conv2", at, conv);
    at = co_graph_flatten(graph, "flat", at);
    at = co_graph_linear(graph, "fc", at, 5, true);
    check(co_graph_finish(graph, at, at, &err), &err);
    return graph;
}

/* The run that holds a parameter, by name. */
static const co_group_run *run_of(const co_graph *graph, const co_groups *groups, const char *name)
{
    for (int i = 0; i < graph->param_count; i++) {
        const co_tensor *t = &graph->params[i];
        for (int k = 0; k < groups->count && strcmp(t->name, name) == 0; k++) {
            const co_group_run *run = &groups->runs[k];
            if (t->offset >= run->offset && t->offset + t->count <= run->offset + run->count) {
                return run;
            }
        }
    }
    fail_msg("no run holds %s", name);
    return NULL;
}

static void test_who_gets_what(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double lr;
        double decay;
    } expected[] = {
        {"conv1.weight", 1, 0.5}, {"conv1.bias", 64, 0}, {"bn1.weight", 2, 0}, {"bn1.bias", 2, 0},
        {"conv2.weight", 0, 0.5}, {"conv2.bias", 0, 0},  {"fc.weight", 1, 3},  {"fc.bias", 64, 3},
    };
    co_graph *graph = make_graph();
    co_groups groups = {0};
    co_error err = {0};
    check(co_groups_read(graph, "{bias: 64, norm: 2, conv2.*: 0}",
                         "{weight: 0.5, bias: 0, norm: 0, 'f?.*': 3}", &groups, &err),
          &err);
    assert_int_equal(graph->param_count, 8);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        const co_group_run *run = run_of(graph, &groups, expected[i].name);
        assert_true(fabs(run->lr_scale - expected[i].lr) < 1e-15);
        assert_true(fabs(run->decay_scale - expected[i].decay) < 1e-15);
    }
    size_t end = 0; /* without gaps, over the whole buffer */
    for (int k = 0; k < groups.count; k++) {
        assert_int_equal(groups.runs[k].offset, end);
        end += groups.runs[k].count;
    }
    assert_int_equal(end, graph->param_floats);
    assert_int_equal(groups.count, 7); /* the two of bn1 are one */
    co_groups_free(&groups);
    check(co_groups_read(graph, NULL, NULL, &groups, &err), &err);
    assert_int_equal(groups.count, 0);
    co_graph_destroy(graph);
}

static void refuse(const char *lr, const char *decay, const char *words)
{
    co_graph *graph = make_graph();
    co_groups groups = {0};
    co_error err = {0};
    assert_int_equal(co_groups_read(graph, lr, decay, &groups, &err), CO_USAGE);
    if (strstr(err.text, words) == NULL) {
        fail_msg("no '%s' in: %s", words, err.text);
    }
    assert_null(groups.runs);
    co_graph_destroy(graph);
}

static void test_refused(void **state)
{
    (void)state;
    refuse("{bias: 2, conv9.*: 1}", NULL,
           "--lr-scales:1:11: no parameter of net is called 'conv9.*'");
    refuse(NULL, "{bais: 0}", "--decay-scales:1:2: no parameter of net is called 'bais'");
    refuse("{bias: -1}", NULL, "--lr-scales:1:8: the factor of 'bias' must be 0 to 1e+06");
    refuse("{bias: .nan}", NULL, "--lr-scales:1:8");
    refuse("{bias: much}", NULL, "--lr-scales:1:8: bias");
    refuse("[1, 2]", NULL, "--lr-scales must be a mapping");
}

typedef struct rig {
    co_team *team;
    co_backend *backend;
    co_model *model;
    co_optimizer *optimizer;
} rig;

static rig open_rig(const co_graph *graph, co_optimizer_kind kind)
{
    co_error err = {0};
    rig r = {0};
    co_groups groups = {0};
    check(co_team_create(1, &r.team, &err), &err);
    check(co_ref_backend_create(NULL, r.team, &r.backend, &err), &err);
    check(r.backend->ops->model_create(r.backend, graph, &r.model, &err), &err);
    check(co_optimizer_create(kind, graph, &r.optimizer, &err), &err);
    check(co_groups_read(graph, "{bias: 8, norm: 0.5}", "{bias: 0, norm: 0}", &groups, &err), &err);
    co_optimizer_use_groups(r.optimizer, &groups);
    assert_null(groups.runs);
    for (int i = 0; i < graph->param_count; i++) {
        for (size_t k = 0; k < graph->params[i].count; k++) {
            r.model->params[graph->params[i].offset + k] = (float)sin(i + 0.1 * (double)k);
        }
    }
    return r;
}

static void close_rig(rig *r)
{
    co_optimizer_destroy(r->optimizer);
    r->backend->ops->model_destroy(r->model);
    r->backend->ops->destroy(r->backend);
    co_team_destroy(r->team);
}

static double gradient_at(int step, size_t index)
{
    return (double)(float)cos(0.7 * (double)index + step);
}

static void take_steps(const rig *r, const co_graph *graph, const co_hyper *hyper, bool in_parts)
{
    co_error err = {0};
    size_t cut = graph->params[3].offset;
    size_t floats = graph->param_floats;
    for (int s = 0; s < 3; s++) {
        for (int i = 0; i < graph->param_count; i++) {
            for (size_t k = 0; k < graph->params[i].count; k++) {
                size_t at = graph->params[i].offset + k;
                r->model->grads[at] = (float)gradient_at(s, at);
            }
        }
        co_optimizer_begin(r->optimizer);
        size_t first = in_parts ? cut : 0;
        check(co_optimizer_step(r->optimizer, r->model, first, floats - first, hyper, &err), &err);
        if (in_parts) {
            check(co_optimizer_step(r->optimizer, r->model, 0, cut, hyper, &err), &err);
        }
    }
}

static bool has_suffix(const char *text, const char *suffix)
{
    size_t length = strlen(text);
    return length >= strlen(suffix) && strcmp(text + length - strlen(suffix), suffix) == 0;
}

/* SGD without momentum, in double, with each parameter's own rate and decay by its name. */
static void test_step(void **state)
{
    (void)state;
    co_graph *graph = make_graph();
    rig r = open_rig(graph, CO_OPTIMIZER_SGD);
    const co_hyper hyper = {.lr = 0.05, .weight_decay = 0.1};
    take_steps(&r, graph, &hyper, false);
    for (int i = 0; i < graph->param_count; i++) {
        const co_tensor *t = &graph->params[i];
        bool norm = strncmp(t->name, "bn", 2) == 0;
        bool bias = !norm && has_suffix(t->name, ".bias");
        double lr = norm ? 0.025 : bias ? 0.4 : 0.05;
        double decay = norm || bias ? 0.0 : 0.1;
        for (size_t k = 0; k < t->count; k++) {
            double w = (double)(float)sin(i + 0.1 * (double)k);
            for (int s = 0; s < 3; s++) {
                w -= lr * (gradient_at(s, t->offset + k) + decay * w);
            }
            assert_true(fabs((double)r.model->params[t->offset + k] - w) < 1e-6);
        }
    }
    close_rig(&r);
    co_graph_destroy(graph);
}

static void test_parts(void **state)
{
    (void)state;
    const co_optimizer_kind kinds[] = {CO_OPTIMIZER_SGD, CO_OPTIMIZER_ADAM, CO_OPTIMIZER_ADAMW};
    const co_hyper hyper = {.lr = 0.05,
                            .momentum = 0.9,
                            .weight_decay = 0.1,
                            .beta1 = 0.9,
                            .beta2 = 0.99,
                            .epsilon = 1e-8};
    co_graph *graph = make_graph();
    for (int i = 0; i < 3; i++) {
        rig whole = open_rig(graph, kinds[i]);
        rig parts = open_rig(graph, kinds[i]);
        take_steps(&whole, graph, &hyper, false);
        take_steps(&parts, graph, &hyper, true);
        assert_memory_equal(whole.model->params, parts.model->params,
                            graph->param_floats * sizeof(float));
        close_rig(&whole);
        close_rig(&parts);
    }
    co_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_gets_what),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
