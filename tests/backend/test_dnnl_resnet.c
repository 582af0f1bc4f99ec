/* Residual networks and candlenet on the dnnl backend against the reference backend: one step, and
 * the weights after several. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/models/models.h"
#include "helper_dnnl.h"

static co_graph *build(const char *model, const char *config, co_shape input)
{
    co_error err = {0};
    co_graph *graph = NULL;
    if (co_model_build(model, config, input, 10, &graph, &err) != CO_OK) {
        fail_msg("%s", err.text);
    }
    return graph;
}

static double norm(const float *values, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)values[i] * (double)values[i];
    }
    return sqrt(sum);
}

/* The gradient of a bias before a batch norm is zero but for rounding, of which a relative distance
 * says nothing. */
static void clear_dead_biases(side *s)
{
    const co_graph *graph = s->graph;
    for (int i = 0; i + 1 < graph->layer_count; i++) {
        const co_layer *layer = &graph->layers[i];
        if (layer->kind != CO_LAYER_CONV2D || layer->bias < 0 ||
            graph->layers[i + 1].kind != CO_LAYER_BATCH_NORM) {
            continue;
        }
        const co_tensor *weight = &graph->params[layer->weight];
        const co_tensor *bias = &graph->params[layer->bias];
        float *grads = s->model->grads;
        assert_true(norm(grads + bias->offset, bias->count) <
                    1e-4 * norm(grads + weight->offset, weight->count));
        memset(grads + bias->offset, 0, bias->count * sizeof(float));
    }
}

enum { DRAWS = 3 };

/* The best of a few draws: rounding may decide the sign of a ReLU's input, see test_dnnl_kinks. */
static void compare(const char *model, const char *config, co_shape input, co_plan_spec spec)
{
    co_graph *graph = build(model, config, input);
    side ref = side_open(&(side_options){.backend = "ref"}, graph, &spec, 1, 1);
    side own = side_open(&(side_options){.backend = "dnnl"}, graph, &spec, 1, 1);
    char what[CO_NAME_SIZE];
    double best = INFINITY;
    for (uint64_t seed = 1; seed <= DRAWS && best > 1e-4; seed++) {
        random_batch b = random_batch_make(graph, &spec, seed);
        side_draw(&ref, seed);
        side_draw(&own, seed);
        side_run(&ref, 0, &spec, &b.batch, seed);
        side_run(&own, 0, &spec, &b.batch, seed);
        random_batch_free(&b);
        if (spec.mode == CO_TRAIN) {
            clear_dead_biases(&ref);
            clear_dead_biases(&own);
        }
        best = fmin(best, side_distance(&own, &ref, 0, &spec, what));
    }
    if (best > 1e-4) {
        fail_msg("%s %s, batch %d: %s is off by %.2e", model, config, spec.batch, what, best);
    }
    side_close(&ref);
    side_close(&own);
    co_graph_destroy(graph);
}

static void one_step_is_right(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        const char *config;
        co_shape input;
        int batch;
    } rows[] = {
        {"resnet", "{width: 8}", {3, 32, 32}, 6},
        {"resnet", "{width: 4, depth: 50}", {3, 16, 16}, 8},
        {"resnet", "{width: 8, depth: 34, stem: imagenet}", {3, 64, 64}, 3},
        {"resnet-s1", "{depth: 18}", {3, 32, 32}, 4},
        {"resnet-s1", "{depth: 50}", {3, 16, 16}, 4},
        {"resnet18-keras", "{width: 8}", {3, 32, 32}, 5},
        {"fastresnet", "{width: 8}", {3, 32, 32}, 6},
        {"candlenet", "{width: 16}", {1, 1, 500}, 5},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        co_plan_spec train = {
            .batch = rows[i].batch, .mode = CO_TRAIN, .feature_gradient = i % 2 == 1};
        co_plan_spec eval = {.batch = 3, .mode = CO_EVAL};
        compare(rows[i].model, rows[i].config, rows[i].input, train);
        compare(rows[i].model, rows[i].config, rows[i].input, eval);
    }
}

static void descend(side *s, float rate)
{
    co_error err = {0};
    const size_t count = s->graph->param_floats;
    for (size_t i = 0; i < count; i++) {
        s->model->params[i] -= rate * s->model->grads[i];
    }
    assert_int_equal(s->ops->refresh(s->model, 0, count, &err), CO_OK);
}

/* From the model's own initial weights, on a new random batch each step. */
static void several_steps_stay_together(void **state)
{
    (void)state;
    enum { STEPS = 3 };
    co_graph *graph = build("resnet", "{depth: 18, width: 8}", (co_shape){3, 32, 32});
    const co_plan_spec spec = {.batch = 8, .mode = CO_TRAIN};
    side sides[2] = {
        side_open(&(side_options){.backend = "ref"}, graph, &spec, 1, 1),
        side_open(&(side_options){.backend = "dnnl"}, graph, &spec, 1, 1),
    };
    float *start = calloc(graph->param_floats, sizeof(float));
    co_graph_init_params(graph, 3, start);
    for (int i = 0; i < 2; i++) {
        memcpy(sides[i].model->params, start, graph->param_floats * sizeof(float));
        co_graph_init_stats(graph, sides[i].model->stats);
        descend(&sides[i], 0.0f);
        for (uint64_t step = 1; step <= STEPS; step++) {
            random_batch b = random_batch_make(graph, &spec, step);
            side_run(&sides[i], 0, &spec, &b.batch, step);
            random_batch_free(&b);
            descend(&sides[i], 1e-3f);
        }
    }
    const float *ref = sides[0].model->params;
    assert_true(distance(ref, start, graph->param_floats) > 1e-3); /* it moved */
    assert_true(distance(sides[1].model->params, ref, graph->param_floats) < 1e-5);
    assert_true(distance(sides[1].model->stats, sides[0].model->stats, graph->stat_floats) < 1e-5);
    free(start);
    side_close(&sides[0]);
    side_close(&sides[1]);
    co_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_step_is_right),
        cmocka_unit_test(several_steps_stay_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
