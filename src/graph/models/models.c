#include "graph/models/models.h"

#include <stdio.h>
#include <string.h>

#include "conf/hint.h"
#include "graph/models/family.h"

static const co_model_info infos[] = {
    {"lenet5", "2 convolutions 5x5, 3 linear, max pooling, ReLU", {1, 28, 28}, 10},
    {"cnn1", "2 convolutions 3x3, 2 linear, dropout; for 28x28", {1, 28, 28}, 10},
    {"cnn2", "2 padded convolutions 3x3, 2 linear, dropout; for 32x32", {3, 32, 32}, 10},
    {"mnistnet", "2 convolutions 3x3, 2 linear, channel dropout", {1, 28, 28}, 10},
};

/* In the order of `infos`. */
static const co_model_func builders[] = {
    co_model_lenet5,
    co_model_cnn1,
    co_model_cnn2,
    co_model_mnistnet,
};

enum { MODEL_COUNT = sizeof(infos) / sizeof(infos[0]), MAX_CLASSES = 1 << 20 };
_Static_assert(sizeof(builders) / sizeof(builders[0]) == MODEL_COUNT, "one builder per model");

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

co_status co_model_build(const char *name, co_shape input, int classes, co_graph **out,
                         co_error *err)
{
    int index = find(name);
    if (index < 0) {
        return fail_unknown(name, err);
    }
    if (classes < 1 || classes > MAX_CLASSES) {
        return co_fail(err, CO_USAGE, "model '%s': %d classes; give 1 to %d", name, classes,
                       MAX_CLASSES);
    }
    co_graph *graph = NULL;
    CO_TRY(co_graph_create(name, input, &graph, err));
    co_model_outputs outputs = builders[index](graph, classes);
    co_status status = co_graph_finish(graph, outputs.logits, outputs.features, err);
    if (status != CO_OK) {
        co_graph_destroy(graph);
        return status;
    }
    *out = graph;
    return CO_OK;
}
