#include "graph/network.h"

#include <stdio.h>
#include <string.h>

#include "conf/hint.h"
#include "conf/string.h"
#include "graph/network_layer.h"

enum { MAX_CLASSES = 1 << 20 };

/* Where layers are being added: the file itself, a residual block, one turn of a repeat. */
typedef struct scope {
    const struct scope *parent;
    char prefix[CO_NAME_SIZE]; /* of the names in it: "stage.0." */
    int counters[CO_ENTRY_KINDS];
} scope;

typedef struct reader {
    co_graph *graph;
    const co_yaml_node *layers; /* of the whole file */
    int classes;
} reader;

static co_status read_list(reader *r, scope *s, const co_yaml_node *list, int input, int *out,
                           co_error *err);

static int find_layer(const co_graph *graph, const char *name)
{
    for (int i = 0; i < graph->layer_count; i++) {
        if (strcmp(graph->layers[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* The name inside the innermost scope that has it. */
static int find_in_scopes(const co_graph *graph, const scope *s, const char *name)
{
    int found = -1;
    for (; s != NULL && found < 0; s = s->parent) {
        char full[2 * CO_NAME_SIZE];
        (void)snprintf(full, sizeof(full), "%s%s", s->prefix, name);
        found = find_layer(graph, full);
    }
    return found;
}

/* The full name of the last layer that a block knows by this name; NULL: none. */
static const char *find_inside_block(const co_graph *graph, const char *name)
{
    size_t length = strlen(name);
    for (int i = graph->layer_count - 1; i >= 0; i--) {
        const char *full = graph->layers[i].name;
        size_t before = strlen(full) > length ? strlen(full) - length : 0;
        if (before > 1 && full[before - 1] == '.' && strcmp(full + before, name) == 0) {
            return full;
        }
    }
    return NULL;
}

/* Does any entry of the file carry this name? Depth is bounded by the reader of YAML. */
static bool is_named_somewhere(const co_yaml_node *node, const char *name)
{
    const co_yaml_node *own = co_yaml_get(node, "name");
    if (own != NULL && own->kind == CO_YAML_SCALAR && strcmp(own->text, name) == 0) {
        return true;
    }
    for (const co_yaml_node *child = node->first; child != NULL; child = child->next) {
        if (is_named_somewhere(child, name)) {
            return true;
        }
    }
    return false;
}

static co_status find_source(const reader *r, const scope *s, const co_yaml_node *node, int *out,
                             co_error *err)
{
    const char *name = NULL;
    CO_TRY(co_network_name(node, "from", &name, err));
    int index = find_in_scopes(r->graph, s, name);
    if (index >= 0) {
        *out = index;
        return CO_OK;
    }
    const char *inside = find_inside_block(r->graph, name);
    if (inside != NULL) {
        return co_yaml_fail(err, CO_USAGE, node,
                            "there is no layer '%s' here; outside of its block it is called '%s'",
                            name, inside);
    }
    if (is_named_somewhere(r->layers, name)) {
        return co_yaml_fail(err, CO_USAGE, node,
                            "the layer '%s' is not finished here: a network has no cycles, a layer "
                            "takes its input from earlier ones",
                            name);
    }
    co_nearest best = {0};
    for (int i = 0; i < r->graph->layer_count; i++) {
        co_nearest_offer(&best, name, r->graph->layers[i].name);
    }
    return co_yaml_fail(err, CO_USAGE, node, "there is no layer '%s'%s%s%s", name,
                        best.name != NULL ? "; did you mean '" : "",
                        best.name != NULL ? best.name : "", best.name != NULL ? "'?" : "");
}

/* The layer before, or those that `from` names: two for an add, one for others. */
static co_status find_inputs(const reader *r, const scope *s, const co_entry *entry, int current,
                             int inputs[2], co_error *err)
{
    inputs[0] = current;
    inputs[1] = -1;
    if (entry->kind == CO_ENTRY_ADD) {
        if (entry->from->kind != CO_YAML_SEQUENCE || entry->from->count != 2) {
            return co_yaml_fail(err, CO_USAGE, entry->from,
                                "an add needs two: from: [left, right]");
        }
        CO_TRY(find_source(r, s, entry->from->first, &inputs[0], err));
        return find_source(r, s, entry->from->first->next, &inputs[1], err);
    }
    return entry->from != NULL ? find_source(r, s, entry->from, &inputs[0], err) : CO_OK;
}

/* The name that the file gives, or the kind's with a number that is still free. */
static co_status full_name(const reader *r, scope *s, const co_entry *entry, char *out,
                           co_error *err)
{
    int length = 0;
    if (entry->name != NULL) {
        length = snprintf(out, CO_NAME_SIZE, "%s%s", s->prefix, entry->name);
    } else {
        do {
            length = snprintf(out, CO_NAME_SIZE, "%s%s%d", s->prefix,
                              co_entry_kind_name(entry->kind), ++s->counters[entry->kind]);
        } while (length < CO_NAME_SIZE && find_layer(r->graph, out) >= 0);
    }
    if (length < 0 || length >= CO_NAME_SIZE) {
        return co_yaml_fail(err, CO_USAGE, entry->node, "the name '%.60s...' is too long",
                            s->prefix);
    }
    return CO_OK;
}

static co_status fail_graph(const reader *r, const co_entry *entry, const char *hint, co_error *err)
{
    return co_yaml_fail(err, r->graph->status, entry->node, "%s%s", r->graph->error.text, hint);
}

static co_status open_scope(const scope *parent, const char *name, int turn, const co_entry *entry,
                            scope *out, co_error *err)
{
    int length = turn < 0 ? snprintf(out->prefix, CO_NAME_SIZE, "%s.", name)
                          : snprintf(out->prefix, CO_NAME_SIZE, "%s.%d.", name, turn);
    if (length < 0 || length >= CO_NAME_SIZE) {
        return co_yaml_fail(err, CO_USAGE, entry->node, "the name '%.60s...' is too long", name);
    }
    out->parent = parent;
    memset(out->counters, 0, sizeof(out->counters));
    return CO_OK;
}

static co_status read_repeat(reader *r, const scope *s, const co_entry *entry, const char *name,
                             int *current, co_error *err)
{
    for (int i = 0; i < entry->times; i++) {
        scope inner;
        CO_TRY(open_scope(s, name, i, entry, &inner, err));
        CO_TRY(read_list(r, &inner, entry->layers, *current, current, err));
    }
    return CO_OK;
}

static co_status read_residual(reader *r, const scope *s, const co_entry *entry, const char *name,
                               int input, int *out, co_error *err)
{
    scope inner;
    char add[2 * CO_NAME_SIZE];
    int body = -1;
    int shortcut = input;
    CO_TRY(open_scope(s, name, -1, entry, &inner, err));
    CO_TRY(read_list(r, &inner, entry->body, input, &body, err));
    if (entry->shortcut != NULL && !co_yaml_is_null(entry->shortcut)) {
        CO_TRY(read_list(r, &inner, entry->shortcut, input, &shortcut, err));
    }
    (void)snprintf(add, sizeof(add), "%sadd", inner.prefix);
    int index = co_graph_add(r->graph, add, body, shortcut);
    if (index < 0) {
        const co_shape *from = &r->graph->layers[body].out;
        bool differ = memcmp(from, &r->graph->layers[shortcut].out, sizeof(*from)) != 0;
        return fail_graph(r, entry,
                          differ ? "; let the body keep the shape, or give the block a shortcut "
                                   "that changes it too, such as a conv2d of kernel 1"
                                 : "",
                          err);
    }
    *out = index;
    return CO_OK;
}

static co_status read_item(reader *r, scope *s, const co_yaml_node *item, int *current,
                           co_error *err)
{
    co_entry entry;
    char name[CO_NAME_SIZE];
    int inputs[2] = {-1, -1};
    CO_TRY(co_entry_read(item, r->classes, &entry, err));
    CO_TRY(full_name(r, s, &entry, name, err));
    CO_TRY(find_inputs(r, s, &entry, *current, inputs, err));
    if (entry.kind == CO_ENTRY_REPEAT) {
        return read_repeat(r, s, &entry, name, current, err);
    }
    if (entry.kind == CO_ENTRY_RESIDUAL) {
        return read_residual(r, s, &entry, name, inputs[0], current, err);
    }
    int index = co_entry_append(&entry, r->graph, name, inputs[0], inputs[1]);
    if (index < 0) {
        return fail_graph(r, &entry, "", err);
    }
    CO_TRY(co_entry_init(&entry, r->graph, index, err));
    *current = index;
    return CO_OK;
}

/* An empty list is refused: every list then adds layers, whose number is limited. */
static co_status read_list(reader *r, scope *s, const co_yaml_node *list, int input, int *out,
                           co_error *err)
{
    if (list->kind != CO_YAML_SEQUENCE || list->count == 0) {
        return co_yaml_fail(err, CO_USAGE, list, "expected a list of layers, found %s",
                            list->kind == CO_YAML_SEQUENCE ? "an empty one"
                                                           : co_yaml_kind_name(list->kind));
    }
    int current = input;
    for (const co_yaml_node *item = list->first; item != NULL; item = item->next) {
        CO_TRY(read_item(r, s, item, &current, err));
    }
    *out = current;
    return CO_OK;
}

/* ---------------------------------------------------------------------------- the whole file */

static co_status check_top(const co_yaml_node *root, co_error *err)
{
    static const char *const names[] = {"name", "input", "classes", "layers", "logits", "features"};
    const size_t count = sizeof(names) / sizeof(names[0]);
    for (const co_yaml_node *value = root->first; value != NULL; value = value->next) {
        size_t i = 0;
        while (i < count && strcmp(value->key->text, names[i]) != 0) {
            i++;
        }
        if (i == count) {
            const char *near = co_nearest_name(value->key->text, names, count);
            return co_yaml_fail(err, CO_USAGE, value->key, "a network has no '%.60s'%s%s%s",
                                value->key->text, near != NULL ? "; did you mean '" : "",
                                near != NULL ? near : "", near != NULL ? "'?" : "");
        }
    }
    for (size_t i = 1; i < 4; i++) {
        if (co_yaml_get(root, names[i]) == NULL) {
            return co_yaml_fail(err, CO_USAGE, root, "a network needs '%s'", names[i]);
        }
    }
    return CO_OK;
}

static co_status find_root(const co_yaml *document, const co_yaml_node **out, co_error *err)
{
    const co_yaml_node *root = co_yaml_root(document);
    if (root == NULL) {
        return co_fail(err, CO_USAGE,
                       "%s: the network file is empty; it needs input, classes, layers",
                       co_yaml_name(document));
    }
    if (root->kind != CO_YAML_MAP) {
        return co_yaml_fail(err, CO_USAGE, root,
                            "a network is a mapping with input, classes and layers, not %s",
                            co_yaml_kind_name(root->kind));
    }
    CO_TRY(check_top(root, err));
    *out = root;
    return CO_OK;
}

co_status co_network_describe(const co_yaml *document, co_shape *input, int *classes, co_error *err)
{
    const co_yaml_node *root = NULL;
    CO_TRY(find_root(document, &root, err));
    const co_yaml_node *shape = co_yaml_get(root, "input");
    int sizes[3] = {0};
    if (shape->kind != CO_YAML_SEQUENCE || shape->count != 3) {
        return co_yaml_fail(err, CO_USAGE, shape, "input must be [channels, height, width]");
    }
    const co_yaml_node *size = shape->first;
    for (int i = 0; i < 3; i++, size = size->next) {
        CO_TRY(co_network_integer(size, "input", 1, CO_NETWORK_LARGEST, &sizes[i], err));
    }
    CO_TRY(
        co_network_integer(co_yaml_get(root, "classes"), "classes", 1, MAX_CLASSES, classes, err));
    *input = (co_shape){sizes[0], sizes[1], sizes[2]};
    return CO_OK;
}

/* The layer that the key names, else `standard`. */
static co_status find_output(const reader *r, const co_yaml_node *root, const char *key,
                             int standard, int *out, co_error *err)
{
    const scope top = {0};
    const co_yaml_node *node = co_yaml_get(root, key);
    *out = standard;
    if (node == NULL) {
        return CO_OK;
    }
    CO_TRY(find_source(r, &top, node, out, err));
    if (*out == 0) {
        return co_yaml_fail(err, CO_USAGE, node, "%s cannot be the input", key);
    }
    return CO_OK;
}

/* What the last linear layer sees; the logits where there is no such layer. */
static int usual_features(const co_graph *graph, int logits)
{
    for (int i = graph->layer_count - 1; i > 0; i--) {
        if (graph->layers[i].kind == CO_LAYER_LINEAR && graph->layers[i].inputs[0] > 0) {
            return graph->layers[i].inputs[0];
        }
    }
    return logits;
}

static co_status finish(const reader *r, const co_yaml_node *root, int last, co_error *err)
{
    int logits = last;
    int features = -1;
    co_error why;
    CO_TRY(find_output(r, root, "logits", last, &logits, err));
    CO_TRY(find_output(r, root, "features", usual_features(r->graph, logits), &features, err));
    const co_layer *layer = &r->graph->layers[logits];
    if (layer->out.channels != r->classes) {
        return co_yaml_fail(err, CO_USAGE, r->layers,
                            "the logits, layer '%s', are %d values, but there are %d classes; "
                            "write 'out: classes' in the last layer",
                            layer->name, layer->out.channels, r->classes);
    }
    co_status status = co_graph_finish(r->graph, logits, features, &why);
    return status == CO_OK ? CO_OK : co_yaml_fail(err, status, r->layers, "%s", why.text);
}

static co_status read_all(reader *r, const co_yaml_node *root, co_error *err)
{
    scope top = {0};
    int last = -1;
    CO_TRY(read_list(r, &top, r->layers, 0, &last, err));
    return finish(r, root, last, err);
}

co_status co_network_read(const co_yaml *document, co_shape input, int classes, co_graph **out,
                          co_error *err)
{
    const co_yaml_node *root = NULL;
    const char *name = "network";
    co_shape own;
    int own_classes = 0;
    CO_TRY(co_network_describe(document, &own, &own_classes, err));
    CO_TRY(find_root(document, &root, err));
    if (co_yaml_get(root, "name") != NULL) {
        CO_TRY(co_network_name(co_yaml_get(root, "name"), "name", &name, err));
    }
    reader r = {.layers = co_yaml_get(root, "layers"), .classes = classes};
    CO_TRY(co_graph_create(name, input, &r.graph, err));
    co_status status = read_all(&r, root, err);
    if (status != CO_OK) {
        co_graph_destroy(r.graph);
        return status;
    }
    *out = r.graph;
    return CO_OK;
}
