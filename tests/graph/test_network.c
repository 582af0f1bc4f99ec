/* Network files: every built-in model written and read back, blocks against the same graph built by
 * hand, and refusals with their places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "graph/models/models.h"
#include "graph/network.h"

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

static co_status try_read(const char *text, co_shape input, int classes, co_graph **out,
                          co_error *err)
{
    co_yaml *document = NULL;
    CO_TRY(co_yaml_parse("net.yaml", text, strlen(text), &document, err));
    co_status status = co_network_read(document, input, classes, out, err);
    co_yaml_free(document);
    return status;
}

static co_graph *read_text(const char *text, co_shape input, int classes)
{
    co_error err = {0};
    co_graph *graph = NULL;
    check(try_read(text, input, classes, &graph, &err), &err);
    return graph;
}

static void assert_same_layer(const co_layer *a, const co_layer *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->inputs[0], b->inputs[0]);
    assert_int_equal(a->inputs[1], b->inputs[1]);
    assert_memory_equal(&a->out, &b->out, sizeof(a->out));
    assert_int_equal(a->weight, b->weight);
    assert_int_equal(a->bias, b->bias);
    assert_int_equal(a->variance, b->variance);
    assert_int_equal(a->dropout_ordinal, b->dropout_ordinal);
    switch (a->kind) {
    case CO_LAYER_CONV2D:
        assert_int_equal(a->u.conv.stride_h, b->u.conv.stride_h);
        assert_int_equal(a->u.conv.stride_w, b->u.conv.stride_w);
        assert_int_equal(a->u.conv.pad_h, b->u.conv.pad_h);
        assert_int_equal(a->u.conv.pad_w, b->u.conv.pad_w);
        assert_int_equal(a->u.conv.groups, b->u.conv.groups);
        break;
    case CO_LAYER_MAX_POOL:
    case CO_LAYER_AVG_POOL:
        assert_memory_equal(&a->u.pool, &b->u.pool, sizeof(a->u.pool));
        break;
    case CO_LAYER_BATCH_NORM:
        assert_true(a->u.norm.momentum == b->u.norm.momentum);
        assert_true(a->u.norm.epsilon == b->u.norm.epsilon);
        break;
    case CO_LAYER_DROPOUT:
    case CO_LAYER_CHANNEL_DROPOUT:
        assert_true(a->u.probability == b->u.probability);
        break;
    case CO_LAYER_SCALE:
        assert_true(a->u.factor == b->u.factor);
        break;
    default:
        break;
    }
}

static void assert_same(const co_graph *a, const co_graph *b)
{
    assert_int_equal(a->layer_count, b->layer_count);
    for (int i = 0; i < a->layer_count; i++) {
        assert_same_layer(&a->layers[i], &b->layers[i]);
    }
    assert_int_equal(a->param_count, b->param_count);
    for (int i = 0; i < a->param_count; i++) {
        assert_string_equal(a->params[i].name, b->params[i].name);
        assert_memory_equal(a->params[i].shape, b->params[i].shape, sizeof(a->params[i].shape));
        assert_int_equal(a->params[i].offset, b->params[i].offset);
        assert_int_equal(a->params[i].init.kind, b->params[i].init.kind);
        assert_true(a->params[i].init.bound == b->params[i].init.bound);
    }
    assert_int_equal(a->param_floats, b->param_floats);
    assert_int_equal(a->stat_floats, b->stat_floats);
    assert_int_equal(a->logits, b->logits);
    assert_int_equal(a->features, b->features);
}

static void test_models_read_back(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *config;
        co_shape input;
    } rows[] = {
        {"lenet5", NULL, {1, 28, 28}},
        {"cnn1", NULL, {1, 28, 28}},
        {"cnn2", NULL, {3, 32, 32}},
        {"mnistnet", NULL, {1, 28, 28}},
        {"resnet", NULL, {3, 32, 32}},
        {"resnet", "{depth: 152, zero_init: true}", {3, 224, 224}},
        {"resnet-s1", "{depth: 34}", {3, 32, 32}},
        {"resnet18-keras", NULL, {3, 32, 32}},
        {"fastresnet", NULL, {3, 32, 32}},
        {"candlenet", NULL, {1, 1, 60483}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        co_error err = {0};
        co_graph *graph = NULL;
        char *text = NULL;
        check(co_model_build(rows[i].name, rows[i].config, rows[i].input, 7, &graph, &err), &err);
        check(co_network_write(graph, &text, &err), &err);
        co_graph *again = read_text(text, rows[i].input, 7);
        assert_string_equal(again->name, rows[i].name);
        assert_same(graph, again);
        co_graph *more = read_text(text, rows[i].input, 12); /* follows the data set's classes */
        assert_int_equal(more->layers[more->logits].out.channels, 12);
        co_graph_destroy(more);
        co_graph_destroy(again);
        co_graph_destroy(graph);
        co_free(text);
    }
}

static const char blocks_text[] =
    "name: blocks\n"
    "input: [2, 8, 6]\n"
    "classes: 3\n"
    "layers:\n"
    "  - conv2d: {name: stem, out: 4, kernel: [3, 1], pad: [1, 0]}\n"
    "  - repeat:\n"
    "      name: stage\n"
    "      times: 2\n"
    "      layers:\n"
    "        - residual:\n"
    "            name: a\n"
    "            body:\n"
    "              - conv2d: {out: 4, kernel: 1, bias: false}\n"
    "              - relu\n"
    "            shortcut: [batch_norm: {name: short.1}]\n"
    "        - relu\n"
    "  - max_pool: {kernel: 3, stride: 2, pad: 1}\n"
    "  - dropout: {p: 0.25}\n"
    "  - add: {from: [dropout1, max_pool1]}\n"
    "  - global_avg_pool\n"
    "  - linear: {out: classes, init: {normal: 0.5}, bias_init: one}\n";

static co_graph *blocks_by_hand(void)
{
    co_error err = {0};
    co_graph *g = NULL;
    check(co_graph_create("blocks", (co_shape){2, 8, 6}, &g, &err), &err);
    int x = co_graph_conv2d(g, "stem", 0, (co_conv2d){4, 3, 1, 1, 1, 1, 0, 1, true});
    for (int i = 0; i < 2; i++) {
        char name[CO_NAME_SIZE];
        snprintf(name, sizeof(name), "stage.%d.a.conv2d1", i);
        int body = co_graph_conv2d(g, name, x, (co_conv2d){4, 1, 1, 1, 1, 0, 0, 1, false});
        snprintf(name, sizeof(name), "stage.%d.a.relu1", i);
        body = co_graph_relu(g, name, body);
        snprintf(name, sizeof(name), "stage.%d.a.short.1", i);
        x = co_graph_batch_norm(g, name, x, 0.1f, 1e-5f);
        snprintf(name, sizeof(name), "stage.%d.a.add", i);
        x = co_graph_add(g, name, body, x);
        snprintf(name, sizeof(name), "stage.%d.relu1", i);
        x = co_graph_relu(g, name, x);
    }
    int pool = co_graph_max_pool(g, "max_pool1", x, (co_pool2d){3, 3, 2, 2, 1, 1});
    x = co_graph_dropout(g, "dropout1", pool, 0.25f, false);
    x = co_graph_add(g, "add1", x, pool);
    int features = co_graph_global_avg_pool(g, "global_avg_pool1", x);
    x = co_graph_linear(g, "linear1", features, 3, true);
    co_graph_init_weight(g, x, (co_init){CO_INIT_NORMAL, 0.5f});
    co_graph_init_bias(g, x, (co_init){CO_INIT_ONE, 0.0f});
    check(co_graph_finish(g, x, features, &err), &err);
    return g;
}

static void test_blocks(void **state)
{
    (void)state;
    co_graph *hand = blocks_by_hand();
    co_graph *file = read_text(blocks_text, (co_shape){2, 8, 6}, 3);
    assert_same(file, hand);
    co_graph_destroy(file);
    co_graph_destroy(hand);
}

static void test_one_dimension(void **state)
{
    (void)state;
    co_graph *g = read_text("{input: [1, 1, 100], classes: 2, layers: ["
                            "conv1d: {out: 8, kernel: 5, stride: 2, pad: 1},"
                            "max_pool1d: {kernel: 4}, flatten, linear: {out: classes}]}",
                            (co_shape){1, 1, 100}, 2);
    const co_shape conv = {8, 1, 49};
    const co_shape pool = {8, 1, 12};
    assert_memory_equal(&g->layers[1].out, &conv, sizeof(conv));
    assert_memory_equal(&g->layers[2].out, &pool, sizeof(pool));
    assert_string_equal(g->layers[g->features].name, "flatten1");
    co_graph_destroy(g);
}

/* Layers are on line 4 and below. */
#define HEAD "input: [3, 8, 8]\nclasses: 4\nlayers:\n"
#define TAIL "  - global_avg_pool\n  - linear: {out: classes}\n"

/* Texts, and a part of the message that each gets. */
static const struct {
    const char *text;
    const char *part;
} faults[] = {
    {"", "net.yaml: the network file is empty"},
    {"[1]", "net.yaml:1:1: a network is a mapping"},
    {"input: [3, 8, 8]\nclasses: 4\n", "net.yaml:1:1: a network needs 'layers'"},
    {HEAD TAIL "feature: x\n", "net.yaml:6:1: a network has no 'feature'; did you mean 'features'"},
    {"input: [3, 8]\nclasses: 4\nlayers: [relu]\n",
     "net.yaml:1:8: input must be [channels, height, width]"},
    {"input: [3, 8, 0]\nclasses: 4\nlayers: [relu]\n", "net.yaml:1:15: input must be 1 to"},
    {"input: [3, 8, 8]\nclasses: few\nlayers: [relu]\n", "net.yaml:2:10: classes: 'few'"},
    {"input: [3, 8, 8]\nclasses: 4\nlayers: []\n",
     "net.yaml:3:9: expected a list of layers, found an empty one"},
    {HEAD "  - conv3d: {out: 4}\n" TAIL,
     "net.yaml:4:5: there is no layer 'conv3d'; did you mean 'conv2d'?"},
    {HEAD "  - {relu: , flatten: }\n" TAIL, "net.yaml:4:5: a layer is its kind alone"},
    {HEAD "  - relu: 3\n" TAIL, "net.yaml:4:11: relu: expected a mapping"},
    {HEAD "  - conv2d: {out: 4}\n" TAIL, "net.yaml:4:5: conv2d needs 'kernel'"},
    {HEAD "  - conv2d: {out: 4, kernal: 3}\n" TAIL,
     "net.yaml:4:22: conv2d has no key 'kernal'; did you mean 'kernel'?"},
    {HEAD "  - relu: {out: 4}\n" TAIL, "net.yaml:4:12: relu has no key 'out'; it has: name, from"},
    {HEAD "  - conv2d: {out: 4, kernel: [1, 2, 3]}\n" TAIL,
     "net.yaml:4:30: kernel must be one number, or [height, width]"},
    {HEAD "  - conv2d: {out: 0, kernel: 1}\n" TAIL, "net.yaml:4:19: out must be 1 to"},
    {HEAD "  - conv2d: {out: 4, kernel: 9}\n" TAIL,
     "net.yaml:4:5: layer 'conv2d1' (conv2d): kernel 9x9 does not fit"},
    {HEAD "  - linear: {out: 4}\n" TAIL,
     "net.yaml:4:5: layer 'linear1' (linear): the input is 3x8x8"},
    {HEAD "  - relu: {name: a}\n  - relu: {name: a}\n" TAIL,
     "net.yaml:5:5: model 'network': two layers are called 'a'"},
    {HEAD "  - relu: {name: 'a b'}\n" TAIL, "net.yaml:4:18: name must be a name of letters"},
    {HEAD "  - relu: {from: b}\n  - relu: {name: b}\n" TAIL,
     "net.yaml:4:18: the layer 'b' is not finished here: a network has no cycles"},
    {HEAD "  - relu: {name: a, from: a}\n" TAIL, "net.yaml:4:27: the layer 'a' is not finished"},
    {HEAD "  - relu: {name: first}\n  - relu: {from: frist}\n" TAIL,
     "net.yaml:5:18: there is no layer 'frist'; did you mean 'first'?"},
    {HEAD TAIL "logits: head\n", "net.yaml:6:9: there is no layer 'head'"},
    {HEAD TAIL "features: linear2\n",
     "net.yaml:6:11: there is no layer 'linear2'; did you mean 'linear1'?"},
    {HEAD "  - residual: {name: a, body: [relu: {from: a}]}\n" TAIL,
     "net.yaml:4:45: the layer 'a' is not finished here: a network has no cycles"},
    {HEAD "  - residual: {body: [relu: {from: late}]}\n  - relu: {name: late}\n" TAIL,
     "net.yaml:4:36: the layer 'late' is not finished here: a network has no cycles"},
    {HEAD "  - residual: {name: a, body: [relu]}\n  - residual: {name: a, body: [relu]}\n" TAIL,
     "net.yaml:5:5: model 'network': two layers are called 'a.add'"},
    {HEAD "  - repeat: {times: 2, layers: [relu: {name: x}]}\n  - relu: {from: x}\n" TAIL,
     "net.yaml:5:18: there is no layer 'x' here; outside of its block it is called 'repeat1.1.x'"},
    {HEAD "  - add: {from: input}\n" TAIL, "net.yaml:4:17: an add needs two: from: [left, right]"},
    {HEAD "  - conv2d: {out: 4, kernel: 1}\n  - add: {from: [input, conv2d1]}\n" TAIL,
     "net.yaml:5:5: layer 'add1' (add): the inputs 3x8x8 and 4x8x8 differ"},
    {HEAD "  - residual: {body: [conv2d: {out: 4, kernel: 1}]}\n" TAIL,
     "3x8x8 differ; let the body keep the shape, or give the block a shortcut"},
    {HEAD "  - residual: {body: []}\n" TAIL, "net.yaml:4:22: expected a list of layers"},
    {HEAD "  - repeat: {times: 0, layers: [relu]}\n" TAIL, "net.yaml:4:21: times must be 1 to"},
    {HEAD "  - repeat: {times: 16000000, layers: [relu]}\n" TAIL, "has more than 4096 layers"},
    {HEAD "  - relu: {name: lost}\n  - global_avg_pool: {from: input}\n"
          "  - linear: {out: classes}\n",
     "net.yaml:4:3: layer 'lost' (relu): its output is not used"},
    {HEAD "  - global_avg_pool\n  - linear: {out: 5}\n",
     "the logits, layer 'linear1', are 5 values, but there are 4 classes"},
    {HEAD TAIL "features: input\n", "net.yaml:6:11: features cannot be the input"},
    {HEAD "  - batch_norm: {init: {gauss: 1}}\n" TAIL, "net.yaml:4:24: initial weights are zero"},
    {HEAD "  - conv2d: {out: 2, kernel: 1, bias: false, bias_init: one}\n" TAIL,
     "layer 'conv2d1' has no bias"},
    {HEAD "  - dropout: {p: 1}\n" TAIL, "net.yaml:4:5: layer 'dropout1' (dropout): probability 1"},
};

static void test_faults_have_a_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        co_error err = {0};
        co_graph *graph = NULL;
        co_status status = try_read(faults[i].text, (co_shape){3, 8, 8}, 4, &graph, &err);
        if (status != CO_USAGE || strstr(err.text, faults[i].part) == NULL) {
            fail_msg("'%s' is not in: %s", faults[i].part, status == CO_OK ? "success" : err.text);
        }
        assert_null(graph);
    }
}

static void test_models_by_path(void **state)
{
    (void)state;
    char path[] = "/tmp/cohort-network-XXXXXX.yaml";
    int file = mkstemps(path, 5);
    assert_true(file >= 0);
    assert_int_equal(write(file, blocks_text, strlen(blocks_text)), (long)strlen(blocks_text));
    close(file);
    co_error err = {0};
    co_model_info info = {0};
    co_graph *graph = NULL;
    check(co_model_describe(path, &info, &err), &err);
    assert_int_equal(info.input.height, 8);
    assert_int_equal(info.classes, 3);
    check(co_model_build(path, "{}", info.input, info.classes, &graph, &err), &err);
    assert_string_equal(graph->name, "blocks");
    co_graph_destroy(graph);
    graph = NULL;
    assert_int_equal(co_model_build(path, "{depth: 1}", info.input, 3, &graph, &err), CO_USAGE);
    assert_non_null(strstr(err.text, "it has none"));
    unlink(path);
    assert_int_not_equal(co_model_build(path, NULL, info.input, 3, &graph, &err), CO_OK);
    assert_non_null(strstr(err.text, path));
    assert_null(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models_read_back), cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_one_dimension),    cmocka_unit_test(test_faults_have_a_place),
        cmocka_unit_test(test_models_by_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
