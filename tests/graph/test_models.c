/* The built-in models: exact parameter counts (docs/METHODS.md 2), names, shapes, faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/models/models.h"

static co_graph *build(const char *name, co_shape input, int classes)
{
    co_error err = {0};
    co_graph *graph = NULL;
    co_status status = co_model_build(name, NULL, input, classes, &graph, &err);
    if (status != CO_OK) {
        fail_msg("%s", err.text);
    }
    return graph;
}

static void test_parameter_counts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        co_shape input;
        int classes;
        size_t params;
        int features;
        double flops; /* by hand: 2 * sum of outputs * inputs per output */
    } rows[] = {
        {"lenet5",
         {1, 28, 28},
         10,
         61706,
         84,
         2.0 * (784 * 6 * 25 + 100 * 16 * 150 + 400 * 120 + 120 * 84 + 84 * 10)},
        {"cnn1",
         {1, 28, 28},
         10,
         1199882,
         128,
         2.0 * (676 * 32 * 9 + 576 * 64 * 288 + 9216 * 128 + 128 * 10)},
        {"cnn2",
         {3, 32, 32},
         10,
         2122186,
         512,
         2.0 * (1024 * 32 * 27 + 256 * 64 * 288 + 4096 * 512 + 512 * 10)},
        {"cnn2",
         {3, 32, 32},
         100,
         2168356,
         512,
         2.0 * (1024 * 32 * 27 + 256 * 64 * 288 + 4096 * 512 + 512 * 100)},
        {"mnistnet",
         {1, 28, 28},
         10,
         99376,
         50,
         2.0 * (676 * 32 * 9 + 121 * 64 * 288 + 1600 * 50 + 50 * 10)},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        co_graph *graph = build(rows[i].name, rows[i].input, rows[i].classes);
        assert_int_equal(co_graph_param_count(graph), rows[i].params);
        assert_int_equal(graph->layers[graph->logits].out.channels, rows[i].classes);
        assert_int_equal(co_shape_count(graph->layers[graph->features].out), rows[i].features);
        assert_int_equal((uint64_t)co_graph_flops(graph), (uint64_t)rows[i].flops);
        co_graph_destroy(graph);
    }
}

static void test_every_listed_model_builds(void **state)
{
    (void)state;
    int count = 0;
    const co_model_info *infos = co_models(&count);
    assert_true(count >= 4);
    for (int i = 0; i < count; i++) {
        co_graph *graph = build(infos[i].name, infos[i].input, infos[i].classes);
        assert_string_equal(graph->name, infos[i].name);
        co_graph_destroy(graph);
    }
}

static void test_names_and_layout_are_pytorchs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int dims;
        size_t shape[4];
        size_t offset;
    } rows[] = {
        {"conv1.weight", 4, {6, 1, 5, 5}, 0},    {"conv1.bias", 1, {6}, 160},
        {"conv2.weight", 4, {16, 6, 5, 5}, 176}, {"conv2.bias", 1, {16}, 2576},
        {"fc1.weight", 2, {120, 400}, 2592},     {"fc1.bias", 1, {120}, 50592},
        {"fc2.weight", 2, {84, 120}, 50720},     {"fc2.bias", 1, {84}, 60800},
        {"fc3.weight", 2, {10, 84}, 60896},      {"fc3.bias", 1, {10}, 61744},
    };
    co_graph *graph = build("lenet5", (co_shape){1, 28, 28}, 10);
    assert_int_equal(graph->param_count, 10);
    for (int i = 0; i < 10; i++) {
        const co_tensor *tensor = &graph->params[i];
        assert_string_equal(tensor->name, rows[i].name);
        assert_int_equal(tensor->dims, rows[i].dims);
        for (int d = 0; d < tensor->dims; d++) {
            assert_int_equal(tensor->shape[d], rows[i].shape[d]);
        }
        assert_int_equal(tensor->offset, rows[i].offset);
    }
    assert_int_equal(graph->param_floats, 61760);
    assert_int_equal(graph->stat_floats, 0);
    co_graph_destroy(graph);
}

static void test_mnistnet_features_are_before_relu(void **state)
{
    (void)state;
    co_graph *graph = build("mnistnet", (co_shape){1, 28, 28}, 10);
    const co_layer *features = &graph->layers[graph->features];
    assert_string_equal(features->name, "fc1");
    assert_int_equal(features->kind, CO_LAYER_LINEAR);
    assert_int_equal(graph->dropout_count, 2);
    co_graph_destroy(graph);
}

static void test_other_inputs(void **state)
{
    (void)state;
    co_graph *graph = build("lenet5", (co_shape){3, 32, 32}, 100);
    /* conv1 3->6, 16x16 after pooling, 12x12, 6x6: fc1 sees 576 */
    size_t params = 6 * 75 + 6 + 16 * 150 + 16 + 576 * 120 + 120 + 120 * 84 + 84 + 84 * 100 + 100;
    assert_int_equal(co_graph_param_count(graph), params);
    co_graph_destroy(graph);
}

static void expect_fault(const char *name, co_shape input, int classes, const char *part)
{
    co_error err = {0};
    co_graph *graph = NULL;
    assert_int_equal(co_model_build(name, NULL, input, classes, &graph, &err), CO_USAGE);
    assert_null(graph);
    if (strstr(err.text, part) == NULL) {
        fail_msg("'%s' is not in: %s", part, err.text);
    }
}

static void test_faults_name_the_layer(void **state)
{
    (void)state;
    expect_fault("lenet5", (co_shape){1, 6, 6}, 10,
                 "layer 'conv2' (conv2d): kernel 5x5 does not fit the padded input 3x3");
    expect_fault("lenet5", (co_shape){1, 1, 1}, 10, "layer 'pool1' (max_pool): kernel 2x2");
    expect_fault("lenet5", (co_shape){0, 28, 28}, 10, "layer 'input' (input): shape 0x28x28");
    expect_fault("cnn1", (co_shape){1, 28, 28}, 0, "0 classes");
    expect_fault("mnistnet", (co_shape){1, 1 << 24, 1 << 24}, 10, "layer 'input' (input)");
    expect_fault("lenet-6", (co_shape){1, 28, 28}, 10, "did you mean 'lenet5'?");
    expect_fault("transformer", (co_shape){1, 28, 28}, 10, "there are: lenet5, cnn1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameter_counts),
        cmocka_unit_test(test_every_listed_model_builds),
        cmocka_unit_test(test_names_and_layout_are_pytorchs),
        cmocka_unit_test(test_mnistnet_features_are_before_relu),
        cmocka_unit_test(test_other_inputs),
        cmocka_unit_test(test_faults_name_the_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
