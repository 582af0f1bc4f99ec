/* The residual networks, candlenet and --model-config: exact parameter counts (docs/METHODS.md 2),
 * torchvision's names in its order, initial weights, refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/models/models.h"

static co_graph *build(const char *name, const char *config, co_shape input, int classes)
{
    co_error err = {0};
    co_graph *graph = NULL;
    if (co_model_build(name, config, input, classes, &graph, &err) != CO_OK) {
        fail_msg("%s", err.text);
    }
    return graph;
}

typedef struct count_row {
    const char *name;
    const char *config;
    co_shape input;
    int classes;
    size_t params;
    int features;
} count_row;

static void check_counts(const count_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const count_row *row = &rows[i];
        co_graph *graph = build(row->name, row->config, row->input, row->classes);
        if (co_graph_param_count(graph) != row->params) {
            fail_msg("%s %s: %zu parameters, not %zu", row->name,
                     row->config != NULL ? row->config : "", co_graph_param_count(graph),
                     row->params);
        }
        assert_int_equal(graph->layers[graph->logits].out.channels, row->classes);
        assert_int_equal(co_shape_count(graph->layers[graph->features].out), row->features);
        co_graph_destroy(graph);
    }
}

/* Those of 10 and 1000 classes are PyTorch's, counted there. */
static void test_resnet_is_true_to_its_depth(void **state)
{
    (void)state;
    static const count_row rows[] = {
        {"resnet", NULL, {3, 32, 32}, 10, 11173962, 512},
        {"resnet", "{}", {3, 32, 32}, 100, 11220132, 512},
        {"resnet", "{'depth': 34}", {3, 32, 32}, 10, 21282122, 512},
        {"resnet", "{'depth': 50}", {3, 32, 32}, 10, 23520842, 2048},
        {"resnet", "{'depth': 101}", {3, 32, 32}, 10, 42512970, 2048},
        {"resnet", "{'depth': 152}", {3, 32, 32}, 10, 58156618, 2048},
        {"resnet", NULL, {3, 224, 224}, 1000, 11689512, 512},
        {"resnet", "{depth: 34}", {3, 224, 224}, 1000, 21797672, 512},
        {"resnet", "{depth: 50}", {3, 64, 64}, 1000, 25557032, 2048},
        {"resnet", "{depth: 101, stem: imagenet}", {3, 32, 32}, 1000, 44549160, 2048},
        {"resnet", "{depth: 152}", {3, 224, 224}, 1000, 60192808, 2048},
        {"resnet", "{stem: cifar}", {3, 64, 64}, 10, 11173962, 512},
    };
    check_counts(rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_the_studies_own_networks(void **state)
{
    (void)state;
    static const count_row rows[] = {
        {"resnet-s1", "{depth: 18}", {3, 32, 32}, 10, 273150, 80},
        {"resnet-s1", "{depth: 34}", {3, 32, 32}, 10, 1087090, 160},
        {"resnet-s1", NULL, {3, 32, 32}, 10, 1902922, 256},
        {"resnet-s1", "{depth: 101}", {3, 32, 32}, 10, 1902922, 256},
        {"resnet-s1", "{depth: 152}", {3, 32, 32}, 10, 1902922, 256},
        {"resnet-s1", "{depth: 18}", {3, 32, 32}, 100, 280440, 80},
        {"resnet-s1", "{depth: 34}", {3, 32, 32}, 100, 1101580, 160},
        {"resnet-s1", "{depth: 50}", {3, 32, 32}, 100, 1926052, 256},
        {"resnet-s1", "{depth: 18}", {3, 224, 224}, 1000, 1256540, 160},
        {"resnet-s1", "{depth: 34}", {3, 224, 224}, 1000, 8641520, 320},
        {"resnet-s1", "{depth: 50}", {3, 224, 224}, 1000, 25557032, 2048},
        {"resnet-s1", "{depth: 101}", {3, 224, 224}, 1000, 44549160, 2048},
        {"resnet-s1", "{depth: 152}", {3, 224, 224}, 1000, 60192808, 2048},
        {"resnet-s1", "{depth: 18}", {3, 64, 64}, 200, 1127740, 160},
        {"resnet-s1", "{depth: 34}", {3, 64, 64}, 200, 8384720, 320},
        {"resnet-s1", "{depth: 50}", {3, 64, 64}, 200, 23917832, 2048},
        {"resnet-s1", "{depth: 101}", {3, 64, 64}, 200, 42909960, 2048},
        {"resnet-s1", "{depth: 152}", {3, 64, 64}, 200, 58553608, 2048},
        {"resnet18-keras", NULL, {3, 32, 32}, 100, 11224932, 512},
        {"fastresnet", NULL, {3, 32, 32}, 10, 6573120, 512},
        {"candlenet", NULL, {1, 1, 60483}, 2, 154922918, 20},
    };
    check_counts(rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_names_are_torchvisions(void **state)
{
    (void)state;
    static const struct {
        int index;
        const char *name;
    } rows[] = {
        {0, "conv1.weight"},
        {1, "bn1.weight"},
        {2, "bn1.bias"},
        {3, "layer1.0.conv1.weight"},
        {9, "layer1.0.conv3.weight"},
        {11, "layer1.0.bn3.bias"},
        {12, "layer1.0.downsample.0.weight"},
        {14, "layer1.0.downsample.1.bias"},
        {15, "layer1.1.conv1.weight"},
        {159, "fc.weight"},
        {160, "fc.bias"},
    };
    co_graph *graph = build("resnet", "{depth: 50}", (co_shape){3, 64, 64}, 10);
    assert_int_equal(graph->param_count, 161);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_string_equal(graph->params[rows[i].index].name, rows[i].name);
    }
    assert_int_equal(graph->stat_count, 106);
    assert_string_equal(graph->stats[1].name, "bn1.running_var");
    co_graph_destroy(graph);
}

/* Images get four times smaller in the ImageNet stem, and eight times after it. */
static void test_stems(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        int size;
        int last;
    } rows[] = {{NULL, 32, 4}, {NULL, 64, 2}, {"{stem: imagenet}", 32, 1}, {NULL, 224, 7}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        co_shape input = {3, rows[i].size, rows[i].size};
        co_graph *graph = build("resnet", rows[i].config, input, 10);
        const co_layer *pool = &graph->layers[graph->features];
        assert_int_equal(pool->kind, CO_LAYER_GLOBAL_AVG_POOL);
        assert_int_equal(pool->in.height, rows[i].last);
        co_graph_destroy(graph);
    }
}

static const co_tensor *param(const co_graph *graph, const char *name)
{
    for (int i = 0; i < graph->param_count; i++) {
        if (strcmp(graph->params[i].name, name) == 0) {
            return &graph->params[i];
        }
    }
    fail_msg("there is no %s", name);
    return NULL;
}

static double deviation(const float *values, const co_tensor *tensor)
{
    double sum = 0.0;
    double squares = 0.0;
    for (size_t i = 0; i < tensor->count; i++) {
        double value = (double)values[tensor->offset + i];
        sum += value;
        squares += value * value;
    }
    double mean = sum / (double)tensor->count;
    return sqrt(squares / (double)tensor->count - mean * mean);
}

static float *draw_weights(const co_graph *graph)
{
    float *values = malloc(graph->param_floats * sizeof(float));
    assert_non_null(values);
    co_graph_init_params(graph, 5, values);
    return values;
}

static void test_initial_weights_of_s1(void **state)
{
    (void)state;
    co_graph *graph = build("resnet-s1", "{depth: 34}", (co_shape){3, 32, 32}, 100);
    float *values = draw_weights(graph);
    const co_tensor *conv = param(graph, "layer3.1.conv2.weight"); /* 160 -> 160 */
    assert_true(fabs(deviation(values, conv) / sqrt(2.0 / (9 * 160)) - 1.0) < 0.01);
    assert_true(fabs(deviation(values, param(graph, "fc.weight")) / 0.01 - 1.0) < 0.03);
    assert_true(values[param(graph, "layer2.0.bn2.weight")->offset] == 0.0f);
    assert_true(values[param(graph, "layer2.0.bn1.weight")->offset] == 1.0f);
    assert_true(values[param(graph, "layer2.0.downsample.1.weight")->offset] == 1.0f);
    assert_true(values[param(graph, "fc.bias")->offset] == 0.0f);
    free(values);
    co_graph_destroy(graph);
}

static void test_initial_weights_of_keras(void **state)
{
    (void)state;
    co_graph *graph = build("resnet18-keras", NULL, (co_shape){3, 32, 32}, 100);
    float *values = draw_weights(graph);
    const co_tensor *conv = param(graph, "layer2.0.conv1.weight"); /* 64 -> 128 */
    const double expected = sqrt(2.0 / (9 * 64));
    float largest = 0.0f;
    for (size_t i = 0; i < conv->count; i++) {
        largest = fmaxf(largest, fabsf(values[conv->offset + i]));
    }
    assert_true(fabs(deviation(values, conv) / expected - 1.0) < 0.01);
    assert_true((double)largest < 2.28 * expected); /* cut at two standard deviations */
    assert_true((double)largest > 2.2 * expected);
    assert_true(values[param(graph, "layer2.0.conv1.bias")->offset] == 0.0f);
    const co_layer *norm = &graph->layers[2];
    assert_int_equal(norm->kind, CO_LAYER_BATCH_NORM);
    assert_true(norm->u.norm.momentum == 0.01f && norm->u.norm.epsilon == 1e-3f);
    free(values);
    co_graph_destroy(graph);
}

/* PyTorch's defaults on small images, He's (torchvision's) with the ImageNet stem. */
static void test_initial_weights_of_resnet(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        double expected; /* of layer2.0.conv1, 64 -> 128 */
        float last_norm;
    } rows[] = {
        {NULL, 1.0 / 24.0 / 1.7320508, 1.0f},  /* uniform within 1 / sqrt(576) */
        {"{stem: imagenet}", 0.0416667, 1.0f}, /* sqrt(2 / (9 * 128)) */
        {"{init: he, zero_init: true}", 0.0416667, 0.0f},
        {"{stem: imagenet, init: pytorch, zero-init: yes}", 1.0 / 24.0 / 1.7320508, 0.0f},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        co_graph *graph = build("resnet", rows[i].config, (co_shape){3, 32, 32}, 10);
        float *values = draw_weights(graph);
        const co_tensor *conv = param(graph, "layer2.0.conv1.weight");
        assert_true(fabs(deviation(values, conv) / rows[i].expected - 1.0) < 0.01);
        assert_true(values[param(graph, "layer4.1.bn2.weight")->offset] == rows[i].last_norm);
        free(values);
        co_graph_destroy(graph);
    }
}

static void test_fastresnet_ends_scaled(void **state)
{
    (void)state;
    co_graph *graph = build("fastresnet", NULL, (co_shape){3, 32, 32}, 10);
    const co_layer *scale = &graph->layers[graph->logits];
    assert_int_equal(scale->kind, CO_LAYER_SCALE);
    assert_true(scale->u.factor == 0.125f);
    assert_int_equal(graph->layers[graph->features].kind, CO_LAYER_GLOBAL_MAX_POOL);
    assert_int_equal(graph->layers[graph->features].in.height, 4);
    assert_non_null(param(graph, "layer1.2.conv2.0.weight"));
    co_graph_destroy(graph);
}

static void test_candlenet_shapes(void **state)
{
    (void)state;
    co_graph *graph = build("candlenet", NULL, (co_shape){1, 1, 60483}, 2);
    const co_tensor *conv = param(graph, "conv2.weight");
    assert_int_equal(conv->shape[2], 1);
    assert_int_equal(conv->shape[3], 10);
    assert_int_equal(param(graph, "fc1.weight")->shape[1], 773760);
    assert_string_equal(graph->layers[graph->features].name, "fc2");
    co_graph_destroy(graph);
}

static void test_faults_have_a_place(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *config;
        const char *part;
    } rows[] = {
        {"resnet", "{'dept': 34}",
         "--model-config:1:2: model 'resnet' has no parameter 'dept'; did you mean 'depth'?"},
        {"resnet", "{filters: 3}", "it has: depth, width, stem, init, zero_init"},
        {"resnet-s1", "{width: 3}",
         "model 'resnet-s1' has no parameter 'width'; it has: depth, stem"},
        {"cnn2", "{depth: 3}", "model 'cnn2' has no parameter 'depth': it has none"},
        {"resnet", "{'depth': 33}",
         "--model-config:1:11: depth must be 18, 34, 50, 101 or 152, not 33"},
        {"resnet", "{depth: deep}", "--model-config:1:9: depth: 'deep' is not a whole number"},
        {"resnet", "{depth: [18]}", "depth: expected a whole number, found a list"},
        {"resnet", "{width: 0}", "--model-config:1:9: width must be 1 to 4096"},
        {"resnet", "{stem: big}", "--model-config:1:8: stem must be one of: auto, cifar, imagenet"},
        {"resnet", "{init: []}", "init must be one of: auto, pytorch, he"},
        {"resnet", "{zero_init: 2}", "zero_init: '2' is not true or false"},
        {"resnet", "[34]", "--model-config:1:1: expected a mapping such as {depth: 34}"},
        {"resnet", "{depth: 18", "--model-config:2:1: not valid YAML"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        co_error err = {0};
        co_graph *graph = NULL;
        co_shape input = {3, 32, 32};
        assert_int_equal(co_model_build(rows[i].name, rows[i].config, input, 10, &graph, &err),
                         CO_USAGE);
        assert_null(graph);
        if (strstr(err.text, rows[i].part) == NULL) {
            fail_msg("'%s' is not in: %s", rows[i].part, err.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resnet_is_true_to_its_depth),
        cmocka_unit_test(test_the_studies_own_networks),
        cmocka_unit_test(test_names_are_torchvisions),
        cmocka_unit_test(test_stems),
        cmocka_unit_test(test_initial_weights_of_s1),
        cmocka_unit_test(test_initial_weights_of_keras),
        cmocka_unit_test(test_initial_weights_of_resnet),
        cmocka_unit_test(test_fastresnet_ends_scaled),
        cmocka_unit_test(test_candlenet_shapes),
        cmocka_unit_test(test_faults_have_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
