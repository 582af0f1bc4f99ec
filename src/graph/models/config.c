#include "graph/models/config.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "conf/hint.h"
#include "conf/string.h"
#include "conf/yaml.h"

enum { MAX_WIDTH = 4096, MAX_VALUES = 6, LIST_SIZE = 160 };

typedef enum key_type { KEY_DEPTH, KEY_NUMBER, KEY_WORD, KEY_BOOL } key_type;

typedef struct key {
    const char *name;
    unsigned bit;
    key_type type;
    size_t offset;
    const char *words[MAX_VALUES]; /* of a KEY_WORD: the values 0, 1, ... */
} key;

static const key keys[] = {
    {"depth", CO_PARAM_DEPTH, KEY_DEPTH, offsetof(co_model_params, depth), {NULL}},
    {"width", CO_PARAM_WIDTH, KEY_NUMBER, offsetof(co_model_params, width), {NULL}},
    {"stem",
     CO_PARAM_STEM,
     KEY_WORD,
     offsetof(co_model_params, stem),
     {"auto", "cifar", "imagenet"}},
    {"init", CO_PARAM_INIT, KEY_WORD, offsetof(co_model_params, init), {"auto", "pytorch", "he"}},
    {"zero_init", CO_PARAM_ZERO_INIT, KEY_BOOL, offsetof(co_model_params, zero_init), {NULL}},
};

enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

static co_status refuse_key(const char *model, unsigned accepted, const co_yaml_node *name,
                            co_error *err)
{
    char known[LIST_SIZE] = "";
    co_nearest best = {0};
    for (int i = 0; i < KEY_COUNT; i++) {
        if ((accepted & keys[i].bit) != 0) {
            size_t used = strlen(known);
            (void)snprintf(known + used, sizeof(known) - used, "%s%s", used > 0 ? ", " : "",
                           keys[i].name);
            co_nearest_offer(&best, name->text, keys[i].name);
        }
    }
    if (accepted == 0) {
        return co_yaml_fail(err, CO_USAGE, name, "model '%s' has no parameter '%.60s': it has none",
                            model, name->text);
    }
    return co_yaml_fail(err, CO_USAGE, name, "model '%s' has no parameter '%.60s'%s%s%s has: %s",
                        model, name->text, best.name != NULL ? "; did you mean '" : "; it",
                        best.name != NULL ? best.name : "", best.name != NULL ? "'? It" : "",
                        known);
}

static co_status read_depth(const co_yaml_node *value, int *out, co_error *err)
{
    static const int depths[] = {18, 34, 50, 101, 152};
    int64_t number = 0;
    CO_TRY(co_yaml_integer(value, "depth", &number, err));
    for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
        if (number == depths[i]) {
            *out = depths[i];
            return CO_OK;
        }
    }
    return co_yaml_fail(err, CO_USAGE, value, "depth must be 18, 34, 50, 101 or 152, not %.60s",
                        value->text);
}

static co_status read_width(const co_yaml_node *value, int *out, co_error *err)
{
    int64_t number = 0;
    CO_TRY(co_yaml_integer(value, "width", &number, err));
    if (number < 1 || number > MAX_WIDTH) {
        return co_yaml_fail(err, CO_USAGE, value, "width must be 1 to %d", MAX_WIDTH);
    }
    *out = (int)number;
    return CO_OK;
}

static co_status read_word(const co_yaml_node *value, const key *k, int *out, co_error *err)
{
    char known[LIST_SIZE] = "";
    for (int i = 0; i < MAX_VALUES && k->words[i] != NULL; i++) {
        size_t used = strlen(known);
        (void)snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "", k->words[i]);
        if (value->kind == CO_YAML_SCALAR && strcmp(value->text, k->words[i]) == 0) {
            *out = i;
            return CO_OK;
        }
    }
    return co_yaml_fail(err, CO_USAGE, value, "%s must be one of: %s", k->name, known);
}

static co_status read_value(const co_yaml_node *value, const key *k, co_model_params *params,
                            co_error *err)
{
    void *field = (char *)params + k->offset;
    switch (k->type) {
    case KEY_DEPTH:
        return read_depth(value, field, err);
    case KEY_NUMBER:
        return read_width(value, field, err);
    case KEY_WORD:
        return read_word(value, k, field, err);
    case KEY_BOOL:
        return co_yaml_bool(value, k->name, field, err);
    }
    return CO_OK;
}

static co_status read_map(const char *model, const co_yaml_node *map, unsigned accepted,
                          co_model_params *params, co_error *err)
{
    if (map == NULL || co_yaml_is_null(map)) {
        return CO_OK;
    }
    if (map->kind != CO_YAML_MAP) {
        return co_yaml_fail(err, CO_USAGE, map, "expected a mapping such as {depth: 34}, found %s",
                            co_yaml_kind_name(map->kind));
    }
    for (const co_yaml_node *value = map->first; value != NULL; value = value->next) {
        int i = 0;
        while (i < KEY_COUNT &&
               ((accepted & keys[i].bit) == 0 || !co_same_name(value->key->text, keys[i].name))) {
            i++;
        }
        if (i == KEY_COUNT) {
            return refuse_key(model, accepted, value->key, err);
        }
        CO_TRY(read_value(value, &keys[i], params, err));
    }
    return CO_OK;
}

co_status co_model_config_read(const char *model, const char *text, unsigned accepted,
                               co_model_params *params, co_error *err)
{
    if (text == NULL) {
        return CO_OK;
    }
    co_yaml *document = NULL;
    co_model_params fresh = *params;
    CO_TRY(co_yaml_parse("--model-config", text, strlen(text), &document, err));
    co_status status = read_map(model, co_yaml_root(document), accepted, &fresh, err);
    co_yaml_free(document);
    if (status == CO_OK) {
        *params = fresh;
    }
    return status;
}
