/* Reading the nodes of a YAML document, and writing them on one line. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf/string.h"
#include "conf/yaml.h"

const co_yaml_node *co_yaml_get(const co_yaml_node *map, const char *key)
{
    if (map == NULL || map->kind != CO_YAML_MAP) {
        return NULL;
    }
    for (const co_yaml_node *child = map->first; child != NULL; child = child->next) {
        if (strcmp(child->key->text, key) == 0) {
            return child;
        }
    }
    return NULL;
}

bool co_yaml_is_null(const co_yaml_node *node)
{
    return node->kind == CO_YAML_SCALAR && node->plain && co_is_null_text(node->text);
}

const char *co_yaml_kind_name(co_yaml_kind kind)
{
    static const char *const names[] = {"a value", "a list", "a mapping"};
    return names[kind];
}

co_status co_yaml_fail(co_error *err, co_status status, const co_yaml_node *node,
                       const char *format, ...)
{
    char message[CO_ERROR_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return co_fail(err, status, "%s:%d:%d: %s", node->name, node->line, node->column, message);
}

static co_status expect(const co_yaml_node *node, const char *what, const char *type, bool fits,
                        co_error *err)
{
    if (fits) {
        return CO_OK;
    }
    if (node->kind != CO_YAML_SCALAR) {
        return co_yaml_fail(err, CO_USAGE, node, "%s: expected %s, found %s", what, type,
                            co_yaml_kind_name(node->kind));
    }
    return co_yaml_fail(err, CO_USAGE, node, "%s: '%.60s' is not %s", what, node->text, type);
}

co_status co_yaml_number(const co_yaml_node *node, const char *what, double *out, co_error *err)
{
    double value = 0;
    bool fits = node->kind == CO_YAML_SCALAR && co_parse_double(node->text, &value);
    CO_TRY(expect(node, what, "a number", fits, err));
    *out = value;
    return CO_OK;
}

co_status co_yaml_integer(const co_yaml_node *node, const char *what, int64_t *out, co_error *err)
{
    int64_t value = 0;
    bool fits = node->kind == CO_YAML_SCALAR && co_parse_int64(node->text, &value);
    CO_TRY(expect(node, what, "a whole number", fits, err));
    *out = value;
    return CO_OK;
}

co_status co_yaml_bool(const co_yaml_node *node, const char *what, bool *out, co_error *err)
{
    bool value = false;
    bool fits = node->kind == CO_YAML_SCALAR && co_parse_bool(node->text, &value);
    CO_TRY(expect(node, what, "true or false", fits, err));
    *out = value;
    return CO_OK;
}

/* Depth is bounded by the reader. */
static void write_flow(co_string *text, const co_yaml_node *node)
{
    if (node->kind == CO_YAML_SCALAR) {
        co_string_add_scalar(text, node->text, node->plain);
        return;
    }
    bool is_map = node->kind == CO_YAML_MAP;
    co_string_add(text, is_map ? "{" : "[");
    for (const co_yaml_node *child = node->first; child != NULL; child = child->next) {
        if (is_map) {
            co_string_add_scalar(text, child->key->text, child->key->plain);
            co_string_add(text, ": ");
        }
        write_flow(text, child);
        co_string_add(text, child->next != NULL ? ", " : "");
    }
    co_string_add(text, is_map ? "}" : "]");
}

co_status co_yaml_flow(const co_yaml_node *node, char **out, co_error *err)
{
    co_string text = {0};
    write_flow(&text, node);
    return co_string_take(&text, out, err);
}
