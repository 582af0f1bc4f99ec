/* A settings file: a YAML mapping, or one of its sections. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/layers.h"
#include "conf/string.h"

#define WHERE_MAX 512

static void write_where(const co_yaml_node *node, char where[WHERE_MAX])
{
    snprintf(where, WHERE_MAX, "%.480s:%d:%d", node->name, node->line, node->column);
}

static co_status refuse_flag_only(const co_option *option, const char *where, co_error *err)
{
    if (!option->flag_only && !option->not_in_file) {
        return CO_OK;
    }
    return co_fail(err, CO_USAGE, "%s: '%s' belongs on the command line, not in a file", where,
                   option->name);
}

/* S1's way to switch something off: the key of the negated flag. */
static co_status read_negated(co_layer *layer, co_row row, const co_yaml_node *value,
                              const char *where, co_error *err)
{
    bool truth = false;
    CO_TRY(co_yaml_bool(value, value->key->text, &truth, err));
    return co_layer_add(layer, row, truth ? "false" : "true", NULL, where, err);
}

static co_status read_later(const co_yaml_node *value, const co_later *later, const char *where,
                            co_error *err)
{
    if (value->kind == CO_YAML_SCALAR && co_later_is_neutral(later, value->text)) {
        return CO_OK;
    }
    return co_later_fail(later, where, value->key->text, err);
}

/* Is the value a file that lies beside the settings file? Then its path. */
static bool is_beside(const co_option *option, const co_yaml_node *value, char path[PATH_MAX])
{
    if (option->beside == NULL || value->kind != CO_YAML_SCALAR || value->text[0] == '/') {
        return false;
    }
    size_t length = strlen(value->text);
    size_t ending = strlen(option->beside);
    if (length < ending || strcmp(value->text + length - ending, option->beside) != 0) {
        return false;
    }
    const char *slash = strrchr(value->name, '/');
    int folder = slash == NULL ? 0 : (int)(slash - value->name) + 1;
    int written = snprintf(path, PATH_MAX, "%.*s%s", folder, value->name, value->text);
    return written > 0 && written < PATH_MAX && access(path, F_OK) == 0;
}

static co_status read_key(co_layer *layer, const co_yaml_node *value, co_error *err)
{
    const char *name = value->key->text;
    char where[WHERE_MAX];
    char key_where[WHERE_MAX];
    write_where(value, where);
    write_where(value->key, key_where);
    co_row row = co_option_find(name);
    if (row != CO_ROW_COUNT) {
        char beside[PATH_MAX];
        CO_TRY(refuse_flag_only(co_option_row(row), key_where, err));
        if (co_layer_find(layer, row) != NULL) {
            return co_fail(err, CO_USAGE,
                           "%s: '%.60s' is another name of '%s', which is given at %s; keep one",
                           key_where, name, co_option_row(row)->name,
                           co_layer_find(layer, row)->where);
        }
        if (is_beside(co_option_row(row), value, beside)) {
            return co_layer_add(layer, row, beside, NULL, where, err);
        }
        /* Nothing written keeps what the layers below say, as in S1. */
        return co_yaml_is_null(value) ? CO_OK : co_layer_add(layer, row, NULL, value, where, err);
    }
    const co_later *later = co_later_find(name);
    if (later != NULL) {
        return read_later(value, later, key_where, err);
    }
    if (strncmp(name, "no_", 3) == 0 || strncmp(name, "no-", 3) == 0) {
        row = co_option_find(name + 3);
        if (row != CO_ROW_COUNT && co_option_row(row)->type == CO_TYPE_BOOL) {
            return read_negated(layer, row, value, where, err);
        }
    }
    if (value->kind == CO_YAML_MAP) {
        return co_fail(err, CO_USAGE,
                       "%s: unknown setting '%.60s'; if it is a section of the file, choose it: "
                       "--config-section %.60s",
                       key_where, name, name);
    }
    return co_unknown_setting_fail(key_where, name, err);
}

static co_status find_section(const co_yaml_node *root, const char *section, bool is_s1,
                              const co_yaml_node **out, co_error *err)
{
    const co_yaml_node *base = is_s1 ? co_yaml_get(root, "base") : NULL;
    *out = section == NULL && base == NULL ? root : base;
    if (section == NULL) {
        return CO_OK;
    }
    *out = co_yaml_get(root, section);
    if (*out != NULL) {
        return CO_OK;
    }
    co_nearest best = {0};
    for (const co_yaml_node *child = root->first; child != NULL; child = child->next) {
        if (child->kind == CO_YAML_MAP) {
            co_nearest_offer(&best, section, child->key->text);
        }
    }
    return co_yaml_fail(err, CO_USAGE, root, "there is no section '%.60s'%s%.60s%s", section,
                        best.name != NULL ? "; did you mean '" : "",
                        best.name != NULL ? best.name : "", best.name != NULL ? "'?" : "");
}

co_status co_layer_read_document(co_layer *layer, const co_yaml *document, const char *section,
                                 bool is_s1, co_error *err)
{
    const co_yaml_node *root = co_yaml_root(document);
    if (root == NULL || co_yaml_is_null(root)) {
        return CO_OK; /* an empty file sets nothing */
    }
    if (root->kind != CO_YAML_MAP) {
        return co_yaml_fail(err, CO_USAGE, root,
                            "a settings file is a mapping (name: value), not %s",
                            co_yaml_kind_name(root->kind));
    }
    const co_yaml_node *map = NULL;
    CO_TRY(find_section(root, section, is_s1, &map, err));
    if (co_yaml_is_null(map)) {
        return CO_OK;
    }
    if (map->kind != CO_YAML_MAP) {
        return co_yaml_fail(err, CO_USAGE, map, "a section must be a mapping (name: value)");
    }
    for (const co_yaml_node *value = map->first; value != NULL; value = value->next) {
        CO_TRY(read_key(layer, value, err));
    }
    return CO_OK;
}
