/* Builders, shape inference, layout of the flat buffers, initial values. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/graph.h"

static co_graph *create(co_shape input)
{
    co_error err = {0};
    co_graph *graph = NULL;
    assert_int_equal(co_graph_create("test", input, &graph, &err), CO_OK);
    return graph;
}

static void expect_fault(co_graph *graph, int logits, const char *part)
{
    co_error err = {0};
    assert_int_not_equal(co_graph_finish(graph, logits, logits, &err), CO_OK);
    if (strstr(err.text, part) == NULL) {
        fail_msg("'%s' is not in: %s", part, err.text);
    }
    co_graph_destroy(graph);
}

static co_conv2d conv(int out, int kernel, int stride, int pad, int groups)
{
    return (co_conv2d){out, kernel, kernel, stride, stride, pad, pad, groups, true};
}

/* A residual block with everything in it, globally pooled: takes any image size. */
static co_graph *residual(void)
{
    co_graph *g = create((co_shape){3, 9, 11});
    int x = co_graph_conv2d(g, "stem", 0, conv(8, 3, 2, 1, 1));
    x = co_graph_batch_norm(g, "layer1.0.bn1", x, 0.1f, 1e-5f);
    int left = co_graph_relu(g, "relu", x);
    x = co_graph_conv2d(g, "layer1.0.conv1", left, conv(8, 3, 1, 1, 4));
    x = co_graph_add(g, "layer1.0.add", x, left);
    x = co_graph_avg_pool(g, "avg", x, (co_pool2d){3, 2, 2, 1, 1, 0});
    x = co_graph_dropout(g, "drop2d", x, 0.5f, true);
    x = co_graph_global_max_pool(g, "pool", x);
    x = co_graph_dropout(g, "drop", x, 0.25f, false);
    int features = x;
    x = co_graph_linear(g, "fc", x, 5, false);
    x = co_graph_scale(g, "scale", x, 0.125f);
    co_error err = {0};
    if (co_graph_finish(g, x, features, &err) != CO_OK) {
        fail_msg("%s", err.text);
    }
    return g;
}

static void expect_shape(co_shape shape, int channels, int height, int width)
{
    assert_int_equal(shape.channels, channels);
    assert_int_equal(shape.height, height);
    assert_int_equal(shape.width, width);
}

static void test_shapes(void **state)
{
    (void)state;
    co_graph *g = residual();
    expect_shape(g->layers[1].out, 8, 5, 6); /* (9 + 2 - 3) / 2 + 1, (11 + 2 - 3) / 2 + 1 */
    expect_shape(g->layers[6].out, 8, 3, 5); /* (5 + 2 - 3) / 2 + 1, (6 - 2) / 1 + 1 */
    expect_shape(g->layers[8].out, 8, 1, 1);
    expect_shape(g->layers[10].out, 5, 1, 1);
    assert_int_equal(g->dropout_count, 2);
    assert_int_equal(g->layers[7].dropout_ordinal, 0);
    assert_int_equal(g->layers[9].dropout_ordinal, 1);
    for (int i = 1; i < g->layer_count; i++) {
        assert_true(g->layers[i].inputs[0] < i);
    }

    co_shape shapes[16];
    co_error err = {0};
    assert_int_equal(co_graph_shapes(g, 32, 17, shapes, &err), CO_OK);
    expect_shape(shapes[1], 8, 16, 9);
    expect_shape(shapes[6], 8, 8, 8);
    expect_shape(shapes[11], 5, 1, 1);
    assert_int_equal(co_graph_shapes(g, 1, 1, shapes, &err), CO_USAGE);
    assert_non_null(strstr(err.text, "layer 'avg' (avg_pool)"));
    co_graph_destroy(g);
}

static void test_layout(void **state)
{
    (void)state;
    co_graph *g = residual();
    static const char *const names[] = {"stem.weight",
                                        "stem.bias",
                                        "layer1.0.bn1.weight",
                                        "layer1.0.bn1.bias",
                                        "layer1.0.conv1.weight",
                                        "layer1.0.conv1.bias",
                                        "fc.weight"};
    assert_int_equal(g->param_count, 7);
    size_t end = 0;
    for (int i = 0; i < g->param_count; i++) {
        assert_string_equal(g->params[i].name, names[i]);
        assert_int_equal(g->params[i].offset % 16, 0);
        assert_int_equal(g->params[i].offset, end);
        end += (g->params[i].count + 15) / 16 * 16;
    }
    assert_int_equal(g->param_floats, end);
    assert_int_equal(g->params[4].shape[1], 2); /* 8 channels in 4 groups */
    assert_int_equal(co_graph_param_count(g), 8 * 27 + 8 + 16 + 8 * 18 + 8 + 40);
    assert_int_equal(g->stat_count, 2);
    assert_string_equal(g->stats[0].name, "layer1.0.bn1.running_mean");
    assert_string_equal(g->stats[1].name, "layer1.0.bn1.running_var");
    assert_int_equal(g->stat_floats, 32);
    assert_int_equal((int)co_layer_macs(&g->layers[4]), 8 * 30 * 18);
    co_graph_destroy(g);
}

static void test_initial_values(void **state)
{
    (void)state;
    co_graph *g = residual();
    float *a = calloc(g->param_floats, sizeof(float));
    float *b = calloc(g->param_floats, sizeof(float));
    memset(a, 0xff, g->param_floats * sizeof(float));
    co_graph_init_params(g, 5, a);
    co_graph_init_params(g, 5, b);
    assert_memory_equal(a, b, g->param_floats * sizeof(float));
    co_graph_init_params(g, 6, b);
    assert_memory_not_equal(a, b, 8 * sizeof(float));

    float bound = 1.0f / sqrtf(27.0f);
    double sum = 0.0;
    float largest = 0.0f;
    for (int i = 0; i < 216; i++) {
        largest = fmaxf(largest, fabsf(a[i]));
        sum += (double)a[i];
    }
    assert_true(largest <= bound && largest > 0.9f * bound);
    assert_true(fabs(sum / 216) < 4.0 * (double)bound / sqrt(3.0 * 216.0)); /* 4 sigma */
    for (int i = 0; i < 8; i++) {
        assert_true(fabsf(a[g->params[1].offset + (size_t)i]) <= bound);
        assert_float_equal(a[g->params[2].offset + (size_t)i], 1.0f, 0.0f);
        assert_float_equal(a[g->params[3].offset + (size_t)i], 0.0f, 0.0f);
    }
    for (int i = 0; i < g->param_count; i++) { /* the padding */
        const co_tensor *t = &g->params[i];
        for (size_t k = t->count; k % 16 != 0; k++) {
            assert_float_equal(a[t->offset + k], 0.0f, 0.0f);
        }
    }
    float stats[32];
    co_graph_init_stats(g, stats);
    assert_float_equal(stats[7], 0.0f, 0.0f);
    assert_float_equal(stats[16], 1.0f, 0.0f);
    assert_float_equal(stats[24], 0.0f, 0.0f);
    free(b);
    free(a);
    co_graph_destroy(g);
}

static void test_init_overrides(void **state)
{
    (void)state;
    co_graph *g = create((co_shape){64, 1, 1});
    int fc = co_graph_linear(g, "fc", 0, 64, true);
    co_graph_init_weight(g, fc, (co_init){CO_INIT_NORMAL, 0.01f});
    co_graph_init_bias(g, fc, (co_init){CO_INIT_ZERO, 0.0f});
    co_error err = {0};
    assert_int_equal(co_graph_finish(g, fc, fc, &err), CO_OK);
    float values[64 * 64 + 64];
    co_graph_init_params(g, 1, values);
    double squares = 0.0;
    for (int i = 0; i < 4096; i++) {
        squares += (double)values[i] * (double)values[i];
    }
    /* the standard deviation's own is sigma / sqrt(2 n) = 1.1 % */
    assert_true(fabs(sqrt(squares / 4096.0) / 0.01 - 1.0) < 0.045);
    assert_float_equal(values[4096], 0.0f, 0.0f);
    co_graph_destroy(g);
}

static void test_faults(void **state)
{
    (void)state;
    co_graph *g = create((co_shape){4, 8, 8});
    int x = co_graph_conv2d(g, "a", 0, conv(6, 3, 1, 0, 4));
    expect_fault(g, x, "layer 'a' (conv2d): 4 groups do not divide 4 input and 6 output");

    g = create((co_shape){4, 8, 8});
    x = co_graph_conv2d(g, "a", 0, conv(4, 3, 0, 0, 1));
    expect_fault(g, x, "layer 'a' (conv2d): kernel 3x3, stride 0x0");

    g = create((co_shape){4, 8, 8});
    x = co_graph_linear(g, "fc", 0, 3, true);
    expect_fault(g, x, "layer 'fc' (linear): the input is 4x8x8, not a vector");

    g = create((co_shape){4, 8, 8});
    x = co_graph_max_pool(g, "p", 0, (co_pool2d){2, 2, 2, 2, 2, 2});
    expect_fault(g, x, "layer 'p' (max_pool): padding 2x2 is more than half");

    g = create((co_shape){4, 8, 8});
    x = co_graph_max_pool(g, "p", 0, (co_pool2d){2, 2, 2, 2, 0, 0});
    x = co_graph_add(g, "sum", x, 0);
    expect_fault(g, x, "layer 'sum' (add): the inputs 4x4x4 and 4x8x8 differ");

    g = create((co_shape){4, 8, 8});
    x = co_graph_dropout(g, "d", 0, 1.0f, false);
    expect_fault(g, x, "layer 'd' (dropout): probability 1 ");

    g = create((co_shape){4, 1, 1});
    x = co_graph_relu(g, "r", 0);
    x = co_graph_relu(g, "r", x);
    expect_fault(g, x, "two layers are called 'r'");

    g = create((co_shape){4, 1, 1});
    x = co_graph_relu(g, "r", 0);
    (void)co_graph_relu(g, "dead", x);
    expect_fault(g, x, "layer 'dead' (relu): its output is not used");

    g = create((co_shape){4, 2, 1});
    x = co_graph_relu(g, "r", 0);
    expect_fault(g, x, "the logits must be a vector");

    g = create((co_shape){4, 1, 1});
    expect_fault(g, co_graph_relu(g, "r", 7), "layer 'r' (relu): its input is not a layer");
}

static void test_first_fault_is_kept(void **state)
{
    (void)state;
    co_graph *g = create((co_shape){1, 4, 4});
    int x = co_graph_conv2d(g, "one", 0, conv(2, 5, 1, 0, 1));
    assert_int_equal(x, -1);
    x = co_graph_linear(g, "two", x, 3, true);
    assert_int_equal(x, -1);
    expect_fault(g, x, "layer 'one' (conv2d): kernel 5x5 does not fit the padded input 4x4");
}

static void test_norms_can_be_overridden(void **state)
{
    (void)state;
    co_error err = {0};
    co_graph *g = NULL;
    assert_int_equal(co_graph_create("norms", (co_shape){3, 4, 4}, &g, &err), CO_OK);
    int a = co_graph_batch_norm(g, "a", 0, 0.1f, 1e-5f);
    int relu = co_graph_relu(g, "relu", a);
    int b = co_graph_batch_norm(g, "b", relu, 0.01f, 1e-3f);
    co_graph_choose_norms(g, &(co_norm_choice){.momentum = -1.0}); /* the model's own */
    assert_float_equal(g->layers[a].u.norm.momentum, 0.1f, 0.0f);
    assert_float_equal(g->layers[b].u.norm.epsilon, 1e-3f, 0.0f);
    assert_false(g->layers[b].u.norm.frozen);
    co_graph_choose_norms(g, &(co_norm_choice){.momentum = 0.0, .epsilon = 0.5, .frozen = true});
    const int norms[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        assert_float_equal(g->layers[norms[i]].u.norm.momentum, 0.0f, 0.0f);
        assert_float_equal(g->layers[norms[i]].u.norm.epsilon, 0.5f, 0.0f);
        assert_true(g->layers[norms[i]].u.norm.frozen);
    }
    co_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_initial_values),
        cmocka_unit_test(test_init_overrides),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_first_fault_is_kept),
        cmocka_unit_test(test_norms_can_be_overridden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
