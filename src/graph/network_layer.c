#include "graph/network_layer.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "conf/hint.h"
#include "conf/string.h"

typedef enum key_type {
    KEY_NAME,
    KEY_NODE,
    KEY_OUT,
    KEY_PAIR, /* one number, or [height, width] */
    KEY_COUNT,
    KEY_BOOL,
    KEY_NUMBER
} key_type;

typedef struct key {
    const char *name;
    key_type type;
    size_t offset;
    int min; /* of KEY_PAIR and KEY_COUNT */
} key;

enum {
    NAME,
    FROM,
    OUT,
    KERNEL,
    STRIDE,
    PAD,
    GROUPS,
    BIAS,
    INIT,
    BIAS_INIT,
    MOMENTUM,
    EPSILON,
    PROBABILITY,
    FACTOR,
    BODY,
    SHORTCUT,
    TIMES,
    LAYERS,
    KEY_ROWS
};

static const key keys[] = {
    [NAME] = {"name", KEY_NAME, offsetof(co_entry, name), 0},
    [FROM] = {"from", KEY_NODE, offsetof(co_entry, from), 0},
    [OUT] = {"out", KEY_OUT, offsetof(co_entry, out), 1},
    [KERNEL] = {"kernel", KEY_PAIR, offsetof(co_entry, kernel), 1},
    [STRIDE] = {"stride", KEY_PAIR, offsetof(co_entry, stride), 1},
    [PAD] = {"pad", KEY_PAIR, offsetof(co_entry, pad), 0},
    [GROUPS] = {"groups", KEY_COUNT, offsetof(co_entry, groups), 1},
    [BIAS] = {"bias", KEY_BOOL, offsetof(co_entry, bias), 0},
    [INIT] = {"init", KEY_NODE, offsetof(co_entry, init), 0},
    [BIAS_INIT] = {"bias_init", KEY_NODE, offsetof(co_entry, bias_init), 0},
    [MOMENTUM] = {"momentum", KEY_NUMBER, offsetof(co_entry, momentum), 0},
    [EPSILON] = {"epsilon", KEY_NUMBER, offsetof(co_entry, epsilon), 0},
    [PROBABILITY] = {"p", KEY_NUMBER, offsetof(co_entry, probability), 0},
    [FACTOR] = {"factor", KEY_NUMBER, offsetof(co_entry, factor), 0},
    [BODY] = {"body", KEY_NODE, offsetof(co_entry, body), 0},
    [SHORTCUT] = {"shortcut", KEY_NODE, offsetof(co_entry, shortcut), 0},
    [TIMES] = {"times", KEY_COUNT, offsetof(co_entry, times), 1},
    [LAYERS] = {"layers", KEY_NODE, offsetof(co_entry, layers), 0},
};
_Static_assert(sizeof(keys) / sizeof(keys[0]) == KEY_ROWS, "one row per key");

#define BIT(key)    (1u << (key))
#define COMMON_KEYS (BIT(NAME) | BIT(FROM))
#define WINDOW_KEYS (COMMON_KEYS | BIT(KERNEL) | BIT(STRIDE) | BIT(PAD))
#define INIT_KEYS   (BIT(INIT) | BIT(BIAS_INIT))
#define CONV_KEYS   (WINDOW_KEYS | BIT(OUT) | BIT(GROUPS) | BIT(BIAS) | INIT_KEYS)

static const struct {
    const char *name;
    unsigned accepted;
    unsigned required;
} kinds[] = {
    [CO_ENTRY_CONV2D] = {"conv2d", CONV_KEYS, BIT(OUT) | BIT(KERNEL)},
    [CO_ENTRY_CONV1D] = {"conv1d", CONV_KEYS, BIT(OUT) | BIT(KERNEL)},
    [CO_ENTRY_LINEAR] = {"linear", COMMON_KEYS | BIT(OUT) | BIT(BIAS) | INIT_KEYS, BIT(OUT)},
    [CO_ENTRY_BATCH_NORM] = {"batch_norm", COMMON_KEYS | BIT(MOMENTUM) | BIT(EPSILON) | INIT_KEYS,
                             0},
    [CO_ENTRY_RELU] = {"relu", COMMON_KEYS, 0},
    [CO_ENTRY_MAX_POOL] = {"max_pool", WINDOW_KEYS, BIT(KERNEL)},
    [CO_ENTRY_MAX_POOL1D] = {"max_pool1d", WINDOW_KEYS, BIT(KERNEL)},
    [CO_ENTRY_AVG_POOL] = {"avg_pool", WINDOW_KEYS, BIT(KERNEL)},
    [CO_ENTRY_AVG_POOL1D] = {"avg_pool1d", WINDOW_KEYS, BIT(KERNEL)},
    [CO_ENTRY_GLOBAL_AVG_POOL] = {"global_avg_pool", COMMON_KEYS, 0},
    [CO_ENTRY_GLOBAL_MAX_POOL] = {"global_max_pool", COMMON_KEYS, 0},
    [CO_ENTRY_DROPOUT] = {"dropout", COMMON_KEYS | BIT(PROBABILITY), BIT(PROBABILITY)},
    [CO_ENTRY_CHANNEL_DROPOUT] = {"channel_dropout", COMMON_KEYS | BIT(PROBABILITY),
                                  BIT(PROBABILITY)},
    [CO_ENTRY_ADD] = {"add", COMMON_KEYS, BIT(FROM)},
    [CO_ENTRY_FLATTEN] = {"flatten", COMMON_KEYS, 0},
    [CO_ENTRY_SCALE] = {"scale", COMMON_KEYS | BIT(FACTOR), BIT(FACTOR)},
    [CO_ENTRY_RESIDUAL] = {"residual", COMMON_KEYS | BIT(BODY) | BIT(SHORTCUT), BIT(BODY)},
    [CO_ENTRY_REPEAT] = {"repeat", BIT(NAME) | BIT(TIMES) | BIT(LAYERS), BIT(TIMES) | BIT(LAYERS)},
};
_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == CO_ENTRY_KINDS, "one row per kind");

const char *co_entry_kind_name(co_entry_kind kind)
{
    return kinds[kind].name;
}

co_status co_network_name(const co_yaml_node *node, const char *what, const char **out,
                          co_error *err)
{
    size_t length = node->kind == CO_YAML_SCALAR ? strlen(node->text) : 0;
    bool fits = length > 0 && length < CO_NAME_SIZE;
    for (size_t i = 0; fits && i < length; i++) {
        unsigned char c = (unsigned char)node->text[i];
        fits = c < 128 && (isalnum(c) || c == '_' || (i > 0 && (c == '-' || c == '.')));
    }
    if (!fits) {
        return co_yaml_fail(err, CO_USAGE, node,
                            "%s must be a name of letters, digits, '_', '-' and '.', which begins "
                            "with none of the last two and is shorter than %d",
                            what, CO_NAME_SIZE);
    }
    *out = node->text;
    return CO_OK;
}

co_status co_network_integer(const co_yaml_node *node, const char *what, int min, int max, int *out,
                             co_error *err)
{
    int64_t number = 0;
    CO_TRY(co_yaml_integer(node, what, &number, err));
    if (number < min || number > max) {
        return co_yaml_fail(err, CO_USAGE, node, "%s must be %d to %d", what, min, max);
    }
    *out = (int)number;
    return CO_OK;
}

static bool is_flat(co_entry_kind kind)
{
    return kind == CO_ENTRY_CONV1D || kind == CO_ENTRY_MAX_POOL1D || kind == CO_ENTRY_AVG_POOL1D;
}

static co_status read_pair(const co_yaml_node *value, const key *k, co_entry_kind kind, int pair[2],
                           co_error *err)
{
    if (is_flat(kind)) { /* along the width; the height of such a layer is 1 */
        pair[0] = k->min;
        return co_network_integer(value, k->name, k->min, CO_NETWORK_LARGEST, &pair[1], err);
    }
    if (value->kind == CO_YAML_SEQUENCE && value->count == 2) {
        const co_yaml_node *second = value->first->next;
        CO_TRY(
            co_network_integer(value->first, k->name, k->min, CO_NETWORK_LARGEST, &pair[0], err));
        return co_network_integer(second, k->name, k->min, CO_NETWORK_LARGEST, &pair[1], err);
    }
    if (value->kind != CO_YAML_SCALAR) {
        return co_yaml_fail(err, CO_USAGE, value, "%s must be one number, or [height, width]",
                            k->name);
    }
    CO_TRY(co_network_integer(value, k->name, k->min, CO_NETWORK_LARGEST, &pair[0], err));
    pair[1] = pair[0];
    return CO_OK;
}

static co_status read_number(const co_yaml_node *value, const key *k, double *out, co_error *err)
{
    double number = 0.0;
    CO_TRY(co_yaml_number(value, k->name, &number, err));
    if (!(fabs(number) <= 1e30)) {
        return co_yaml_fail(err, CO_USAGE, value, "%s is out of range", k->name);
    }
    *out = number;
    return CO_OK;
}

static co_status read_value(const co_yaml_node *value, const key *k, int classes, co_entry *entry,
                            co_error *err)
{
    void *field = (char *)entry + k->offset;
    switch (k->type) {
    case KEY_NAME:
        return co_network_name(value, k->name, field, err);
    case KEY_NODE:
        *(const co_yaml_node **)field = value;
        return CO_OK;
    case KEY_OUT:
        if (value->kind == CO_YAML_SCALAR && strcmp(value->text, "classes") == 0) {
            *(int *)field = classes;
            return CO_OK;
        }
        return co_network_integer(value, k->name, k->min, CO_NETWORK_LARGEST, field, err);
    case KEY_PAIR:
        return read_pair(value, k, entry->kind, field, err);
    case KEY_COUNT:
        return co_network_integer(value, k->name, k->min, CO_NETWORK_LARGEST, field, err);
    case KEY_BOOL:
        return co_yaml_bool(value, k->name, field, err);
    case KEY_NUMBER:
        return read_number(value, k, field, err);
    }
    return CO_OK;
}

static co_status refuse_key(const co_yaml_node *name, co_entry_kind kind, co_error *err)
{
    char known[160] = "";
    co_nearest best = {0};
    for (int i = 0; i < KEY_ROWS; i++) {
        if ((kinds[kind].accepted & BIT(i)) != 0) {
            size_t used = strlen(known);
            (void)snprintf(known + used, sizeof(known) - used, "%s%s", used > 0 ? ", " : "",
                           keys[i].name);
            co_nearest_offer(&best, name->text, keys[i].name);
        }
    }
    if (best.name != NULL) {
        return co_yaml_fail(err, CO_USAGE, name, "%s has no key '%.60s'; did you mean '%s'?",
                            kinds[kind].name, name->text, best.name);
    }
    return co_yaml_fail(err, CO_USAGE, name, "%s has no key '%.60s'; it has: %s", kinds[kind].name,
                        name->text, known);
}

static co_status read_keys(const co_yaml_node *map, int classes, co_entry *entry, co_error *err)
{
    for (const co_yaml_node *value = map->first; value != NULL; value = value->next) {
        int i = 0;
        while (i < KEY_ROWS && ((kinds[entry->kind].accepted & BIT(i)) == 0 ||
                                !co_same_name(value->key->text, keys[i].name))) {
            i++;
        }
        if (i == KEY_ROWS) {
            return refuse_key(value->key, entry->kind, err);
        }
        CO_TRY(read_value(value, &keys[i], classes, entry, err));
        entry->set |= BIT(i);
    }
    return CO_OK;
}

static co_status check_required(const co_entry *entry, co_error *err)
{
    for (int i = 0; i < KEY_ROWS; i++) {
        if ((kinds[entry->kind].required & ~entry->set & BIT(i)) != 0) {
            return co_yaml_fail(err, CO_USAGE, entry->node, "%s needs '%s'",
                                kinds[entry->kind].name, keys[i].name);
        }
    }
    return CO_OK;
}

static co_status find_kind(const co_yaml_node *name, co_entry_kind *out, co_error *err)
{
    co_nearest best = {0};
    for (int i = 0; i < CO_ENTRY_KINDS; i++) {
        if (co_same_name(name->text, kinds[i].name)) {
            *out = (co_entry_kind)i;
            return CO_OK;
        }
        co_nearest_offer(&best, name->text, kinds[i].name);
    }
    return co_yaml_fail(err, CO_USAGE, name, "there is no layer '%.60s'%s%s%s", name->text,
                        best.name != NULL ? "; did you mean '" : "",
                        best.name != NULL ? best.name : "", best.name != NULL ? "'?" : "");
}

co_status co_entry_read(const co_yaml_node *item, int classes, co_entry *out, co_error *err)
{
    bool alone = item->kind == CO_YAML_SCALAR;
    if (!alone && (item->kind != CO_YAML_MAP || item->count != 1)) {
        return co_yaml_fail(err, CO_USAGE, item,
                            "a layer is its kind alone, or its kind with its keys in braces, such "
                            "as conv2d: {out: 8, kernel: 3}");
    }
    const co_yaml_node *kind = alone ? item : item->first->key;
    const co_yaml_node *map = alone ? NULL : item->first;
    co_entry entry = {.node = kind,
                      .stride = {1, 1},
                      .groups = 1,
                      .times = 1,
                      .bias = true,
                      .momentum = 0.1,
                      .epsilon = 1e-5};
    CO_TRY(find_kind(kind, &entry.kind, err));
    if (map != NULL && !co_yaml_is_null(map)) {
        if (map->kind != CO_YAML_MAP) {
            return co_yaml_fail(err, CO_USAGE, map, "%s: expected a mapping of its keys, found %s",
                                kinds[entry.kind].name, co_yaml_kind_name(map->kind));
        }
        CO_TRY(read_keys(map, classes, &entry, err));
    }
    CO_TRY(check_required(&entry, err));
    *out = entry;
    return CO_OK;
}

static int append_conv(const co_entry *e, co_graph *graph, const char *name, int input)
{
    return co_graph_conv2d(graph, name, input,
                           (co_conv2d){.out_channels = e->out,
                                       .kernel_h = e->kernel[0],
                                       .kernel_w = e->kernel[1],
                                       .stride_h = e->stride[0],
                                       .stride_w = e->stride[1],
                                       .pad_h = e->pad[0],
                                       .pad_w = e->pad[1],
                                       .groups = e->groups,
                                       .bias = e->bias});
}

/* A pool's stride is its kernel where none is given. */
static int append_pool(const co_entry *e, co_graph *graph, const char *name, int input, bool max)
{
    const int *stride = (e->set & BIT(STRIDE)) != 0 ? e->stride : e->kernel;
    const co_pool2d desc = {e->kernel[0], e->kernel[1], stride[0], stride[1], e->pad[0], e->pad[1]};
    return max ? co_graph_max_pool(graph, name, input, desc)
               : co_graph_avg_pool(graph, name, input, desc);
}

int co_entry_append(const co_entry *e, co_graph *graph, const char *name, int left, int right)
{
    switch (e->kind) {
    case CO_ENTRY_CONV2D:
    case CO_ENTRY_CONV1D:
        return append_conv(e, graph, name, left);
    case CO_ENTRY_LINEAR:
        return co_graph_linear(graph, name, left, e->out, e->bias);
    case CO_ENTRY_BATCH_NORM:
        return co_graph_batch_norm(graph, name, left, (float)e->momentum, (float)e->epsilon);
    case CO_ENTRY_RELU:
        return co_graph_relu(graph, name, left);
    case CO_ENTRY_MAX_POOL:
    case CO_ENTRY_MAX_POOL1D:
        return append_pool(e, graph, name, left, true);
    case CO_ENTRY_AVG_POOL:
    case CO_ENTRY_AVG_POOL1D:
        return append_pool(e, graph, name, left, false);
    case CO_ENTRY_GLOBAL_AVG_POOL:
        return co_graph_global_avg_pool(graph, name, left);
    case CO_ENTRY_GLOBAL_MAX_POOL:
        return co_graph_global_max_pool(graph, name, left);
    case CO_ENTRY_DROPOUT:
        return co_graph_dropout(graph, name, left, (float)e->probability, false);
    case CO_ENTRY_CHANNEL_DROPOUT:
        return co_graph_dropout(graph, name, left, (float)e->probability, true);
    case CO_ENTRY_ADD:
        return co_graph_add(graph, name, left, right);
    case CO_ENTRY_FLATTEN:
        return co_graph_flatten(graph, name, left);
    case CO_ENTRY_SCALE:
        return co_graph_scale(graph, name, left, (float)e->factor);
    case CO_ENTRY_RESIDUAL:
    case CO_ENTRY_REPEAT:
    case CO_ENTRY_KINDS:
        break;
    }
    return -1;
}

/* zero, one, or {normal: 0.01}. */
static co_status read_init(const co_yaml_node *node, co_init *out, co_error *err)
{
    static const struct {
        const char *name;
        co_init_kind kind;
        bool bound;
    } rows[] = {
        {"zero", CO_INIT_ZERO, false},
        {"one", CO_INIT_ONE, false},
        {"uniform", CO_INIT_UNIFORM, true},
        {"normal", CO_INIT_NORMAL, true},
        {"truncated_normal", CO_INIT_TRUNCATED_NORMAL, true},
    };
    bool map = node->kind == CO_YAML_MAP && node->count == 1;
    const char *word = map ? node->first->key->text : node->text;
    for (size_t i = 0; word != NULL && i < sizeof(rows) / sizeof(rows[0]); i++) {
        double bound = 0.0;
        if (rows[i].bound != map || !co_same_name(word, rows[i].name)) {
            continue;
        }
        if (map) {
            CO_TRY(co_yaml_number(node->first, rows[i].name, &bound, err));
        }
        if (!(bound >= 0.0 && bound <= 1e6)) {
            return co_yaml_fail(err, CO_USAGE, node, "%s must be 0 to 1e6", rows[i].name);
        }
        *out = (co_init){rows[i].kind, (float)bound};
        return CO_OK;
    }
    return co_yaml_fail(err, CO_USAGE, node,
                        "initial weights are zero, one, {uniform: bound}, {normal: deviation} or "
                        "{truncated_normal: deviation}");
}

co_status co_entry_init(const co_entry *entry, co_graph *graph, int layer, co_error *err)
{
    co_init init = {CO_INIT_ZERO, 0.0f};
    if (entry->init != NULL) {
        CO_TRY(read_init(entry->init, &init, err));
        co_graph_init_weight(graph, layer, init);
    }
    if (entry->bias_init != NULL) {
        if (graph->layers[layer].bias < 0) {
            return co_yaml_fail(err, CO_USAGE, entry->bias_init, "layer '%s' has no bias",
                                graph->layers[layer].name);
        }
        CO_TRY(read_init(entry->bias_init, &init, err));
        co_graph_init_bias(graph, layer, init);
    }
    return CO_OK;
}
