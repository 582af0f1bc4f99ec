#include "graph/models/models.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "conf/hint.h"
#include "conf/yaml.h"
#include "graph/models/config.h"
#include "graph/network.h"

static const co_model_info infos[] = {
    {"lenet5", "2 convolutions 5x5, 3 linear, max pooling, ReLU", {1, 28, 28}, 10},
    {"cnn1", "2 convolutions 3x3, 2 linear, dropout; for 28x28", {1, 28, 28}, 10},
    {"cnn2", "2 padded convolutions 3x3, 2 linear, dropout; for 32x32", {3, 32, 32}, 10},
    {"mnistnet", "2 convolutions 3x3, 2 linear, channel dropout", {1, 28, 28}, 10},
    {"resnet", "depth 18 (34, 50, 101, 152), stem by image size; S3", {3, 32, 32}, 10},
    {"resnet-s1", "S1's own widths and blocks, depth 50 (18 to 152)", {3, 32, 32}, 10},
    {"resnet18-keras", "ResNet-18 with biases, as S4 trained it", {3, 32, 32}, 100},
    {"fastresnet", "David Page's ResNet-9; S2", {3, 32, 32}, 10},
    {"candlenet", "2 convolutions in 1-D, 3 linear: CANDLE's NT3", {1, 1, 60483}, 2},
};

/* Builder, parameters it takes, and their defaults; in the order of `infos`. */
static const struct {
    co_model_func build;
    unsigned accepted;
    co_model_params params;
} rows[] = {
    {co_model_lenet5, 0, {0}},
    {co_model_cnn1, 0, {0}},
    {co_model_cnn2, 0, {0}},
    {co_model_mnistnet, 0, {0}},
    {co_model_resnet,
     CO_PARAM_DEPTH | CO_PARAM_WIDTH | CO_PARAM_STEM | CO_PARAM_INIT | CO_PARAM_ZERO_INIT,
     {.depth = 18, .width = 64}},
    {co_model_resnet_s1, CO_PARAM_DEPTH | CO_PARAM_STEM, {.depth = 50}},
    {co_model_resnet18_keras, CO_PARAM_WIDTH, {.width = 64}},
    {co_model_fastresnet, CO_PARAM_WIDTH, {.width = 64}},
    {co_model_candlenet, CO_PARAM_WIDTH, {.width = 128}},
};

enum { MODEL_COUNT = sizeof(infos) / sizeof(infos[0]), MAX_CLASSES = 1 << 20 };
_Static_assert(sizeof(rows) / sizeof(rows[0]) == MODEL_COUNT, "one row per model");

const co_model_info *co_models(int *count)
{
    *count = MODEL_COUNT;
    return infos;
}

static int find(const char *name)
{
    for (int i = 0; i < MODEL_COUNT; i++) {
        if (strcmp(infos[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static co_status fail_unknown(const char *name, co_error *err)
{
    char known[256] = "";
    for (int i = 0; i < MODEL_COUNT; i++) {
        size_t used = strlen(known);
        (void)snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "",
                       infos[i].name);
    }
    co_nearest nearest = {0};
    for (int i = 0; i < MODEL_COUNT; i++) {
        co_nearest_offer(&nearest, name, infos[i].name);
    }
    if (nearest.name != NULL) {
        return co_fail(err, CO_USAGE, "there is no model '%s'; did you mean '%s'? There are: %s",
                       name, nearest.name, known);
    }
    return co_fail(err, CO_USAGE, "there is no model '%s'; there are: %s", name, known);
}

static co_status build_builtin(int index, const char *config, co_shape input, int classes,
                               co_graph **out, co_error *err)
{
    co_model_params params = rows[index].params;
    CO_TRY(co_model_config_read(infos[index].name, config, rows[index].accepted, &params, err));
    params.classes = classes;
    co_graph *graph = NULL;
    CO_TRY(co_graph_create(infos[index].name, input, &graph, err));
    co_model_outputs outputs = rows[index].build(graph, &params);
    co_status status = co_graph_finish(graph, outputs.logits, outputs.features, err);
    if (status != CO_OK) {
        co_graph_destroy(graph);
        return status;
    }
    *out = graph;
    return CO_OK;
}

bool co_model_is_file(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static co_status check_classes(const char *name, int classes, co_error *err)
{
    if (classes < 1 || classes > MAX_CLASSES) {
        return co_fail(err, CO_USAGE, "model '%s': %d classes; give 1 to %d", name, classes,
                       MAX_CLASSES);
    }
    return CO_OK;
}

/* A file says everything itself. */
co_status co_model_build_text(const char *path, const char *text, size_t length, const char *config,
                              co_shape input, int classes, co_graph **out, co_error *err)
{
    co_model_params none = {0};
    co_yaml *document = NULL;
    CO_TRY(check_classes(path, classes, err));
    CO_TRY(co_model_config_read(path, config, 0, &none, err));
    CO_TRY(co_yaml_parse(path, text, length, &document, err));
    co_status status = co_network_read(document, input, classes, out, err);
    co_yaml_free(document);
    return status;
}

static co_status build_from_file(const char *path, const char *config, co_shape input, int classes,
                                 co_graph **out, co_error *err)
{
    char *text = NULL;
    size_t length = 0;
    CO_TRY(co_file_read(path, CO_YAML_MAX_BYTES, CO_USAGE, &text, &length, err));
    co_status status = co_model_build_text(path, text, length, config, input, classes, out, err);
    co_free(text);
    return status;
}

co_status co_model_build(const char *name, const char *config, co_shape input, int classes,
                         co_graph **out, co_error *err)
{
    int index = find(name);
    if (index >= 0) {
        CO_TRY(check_classes(name, classes, err));
        return build_builtin(index, config, input, classes, out, err);
    }
    return co_model_is_file(name) ? build_from_file(name, config, input, classes, out, err)
                                  : fail_unknown(name, err);
}

static co_status describe_file(const char *path, co_model_info *out, co_error *err)
{
    co_model_info info = {.name = path, .summary = "a network file"};
    co_yaml *document = NULL;
    CO_TRY(co_yaml_load(path, &document, err));
    co_status status = co_network_describe(document, &info.input, &info.classes, err);
    co_yaml_free(document);
    if (status == CO_OK) {
        *out = info;
    }
    return status;
}

co_status co_model_describe(const char *name, co_model_info *out, co_error *err)
{
    int index = find(name);
    if (index >= 0) {
        *out = infos[index];
        return CO_OK;
    }
    return co_model_is_file(name) ? describe_file(name, out, err) : fail_unknown(name, err);
}
