#include "conf/value.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define LIST_ITEMS_MAX 1000
#define TEXT_BYTES_MAX 4095  /* a path cannot be longer either */
#define YAML_BYTES_MAX 65536 /* so that a dump stays below the limit of a file */

static void *field_of(co_settings *settings, co_row row)
{
    return (char *)settings + co_option_row(row)->offset;
}

static const void *field_at(const co_settings *settings, co_row row)
{
    return (const char *)settings + co_option_row(row)->offset;
}

void co_value_clear(co_settings *settings, co_row row)
{
    void *field = field_of(settings, row);
    switch (co_option_row(row)->type) {
    case CO_TYPE_STRING:
    case CO_TYPE_PATH:
    case CO_TYPE_YAML:
        co_free(*(char **)field);
        *(char **)field = NULL;
        break;
    case CO_TYPE_LIST:
        co_free(((co_number_list *)field)->items);
        *(co_number_list *)field = (co_number_list){0};
        break;
    default:
        break;
    }
}

static co_status fail_type(const co_option *option, const char *text, const char *where,
                           co_error *err)
{
    char range[96];
    co_option_range_text(option, range, sizeof(range));
    return co_fail(err, CO_USAGE, "%s: '%.60s' is not %s%s%s%s", where, text,
                   co_option_type_text(option->type), range[0] != '\0' ? " (" : "", range,
                   range[0] != '\0' ? ")" : "");
}

static co_status check_range(const co_option *option, double value, const char *text,
                             const char *where, co_error *err)
{
    bool low = option->open & CO_OPEN_MIN ? value <= option->min : value < option->min;
    bool high = option->open & CO_OPEN_MAX ? value >= option->max : value > option->max;
    if (option->min >= option->max || (!low && !high)) {
        return CO_OK;
    }
    char range[96];
    char name[64];
    co_option_range_text(option, range, sizeof(range));
    co_dashed(option->name, name, sizeof(name));
    return co_fail(err, CO_USAGE, "%s: %.60s is out of range: %s must be %s", where, text, name,
                   range);
}

static co_status set_bool(const co_option *option, const char *text, const char *where, bool *out,
                          co_error *err)
{
    return co_parse_bool(text, out) ? CO_OK : fail_type(option, text, where, err);
}

static co_status set_int(const co_option *option, const char *text, const char *where, int *out,
                         co_error *err)
{
    int64_t value = 0;
    double magnitude = 0;
    if (!co_parse_int64(text, &value)) {
        bool huge = co_parse_double(text, &magnitude) && strpbrk(text, ".eE") == NULL;
        if (!huge) {
            return fail_type(option, text, where, err);
        }
        return check_range(option, magnitude, text, where, err);
    }
    CO_TRY(check_range(option, (double)value, text, where, err));
    if (value < INT_MIN || value > INT_MAX) {
        return fail_type(option, text, where, err);
    }
    *out = (int)value;
    return CO_OK;
}

static co_status set_uint64(const co_option *option, const char *text, const char *where,
                            uint64_t *out, co_error *err)
{
    uint64_t value = 0;
    if (!co_parse_uint64(text, &value)) {
        if (text[0] != '\0' && strspn(text, "0123456789") == strlen(text)) {
            return co_fail(err, CO_USAGE, "%s: %.60s is out of range: at most %llu", where, text,
                           ULLONG_MAX);
        }
        return fail_type(option, text, where, err);
    }
    CO_TRY(check_range(option, (double)value, text, where, err));
    *out = value;
    return CO_OK;
}

static co_status set_float(const co_option *option, const char *text, const char *where,
                           double *out, co_error *err)
{
    double value = 0;
    if (!co_parse_double(text, &value)) {
        return fail_type(option, text, where, err);
    }
    CO_TRY(check_range(option, value, text, where, err));
    *out = value;
    return CO_OK;
}

/* The word that `text` stands for among the other spellings; `text` itself when it is none. */
static const char *translate_word(const co_option *option, const char *text, char buffer[64])
{
    for (const char *entry = option->words; entry != NULL && *entry != '\0';) {
        size_t length = strcspn(entry, " ");
        char pair[64];
        if (length < sizeof(pair)) {
            memcpy(pair, entry, length);
            pair[length] = '\0';
            char *equals = strchr(pair, '=');
            if (equals != NULL) {
                *equals = '\0';
                if (co_same_word(pair, text)) {
                    snprintf(buffer, 64, "%s", equals + 1);
                    return buffer;
                }
            }
        }
        entry += length;
        entry += strspn(entry, " ");
    }
    return text;
}

static co_status set_choice(const co_option *option, const char *text, const char *where, int *out,
                            co_error *err)
{
    char buffer[64];
    const char *word = translate_word(option, text, buffer);
    co_string list = {0};
    co_nearest best = {0};
    for (int i = 0; option->choices[i] != NULL; i++) {
        if (co_same_word(option->choices[i], word)) {
            co_string_free(&list);
            *out = i;
            return CO_OK;
        }
        co_nearest_offer(&best, word, option->choices[i]);
        co_string_format(&list, "%s%s", i > 0 ? ", " : "", option->choices[i]);
    }
    co_status status = co_fail(err, CO_USAGE, "%s: '%.60s' is not one of %s%s%s%s", where, text,
                               list.data, best.name != NULL ? "; did you mean '" : "",
                               best.name != NULL ? best.name : "", best.name != NULL ? "'?" : "");
    co_string_free(&list);
    return status;
}

static co_status set_text(const char *text, const char *where, char **out, co_error *err)
{
    if (text[0] == '\0') {
        *out = NULL;
        return CO_OK;
    }
    if (strlen(text) > TEXT_BYTES_MAX) {
        return co_fail(err, CO_USAGE, "%s: longer than %d bytes", where, TEXT_BYTES_MAX);
    }
    return co_strdup(text, out, err);
}

/* "30, 60", "[30, 60]" and "30 60" are the same list. */
static co_status set_list(const co_option *option, const char *text, const char *where,
                          co_number_list *out, co_error *err)
{
    double items[LIST_ITEMS_MAX];
    int count = 0;
    size_t length = strlen(text);
    bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    const char *end = text + length - (bracketed ? 1 : 0);
    const char *at = text + (bracketed ? 1 : 0);
    for (at += strspn(at, ", "); at < end; at += strspn(at, ", ")) {
        size_t size = strcspn(at, ", ]");
        char word[64];
        if (count == LIST_ITEMS_MAX) {
            return co_fail(err, CO_USAGE, "%s: more than %d numbers", where, LIST_ITEMS_MAX);
        }
        snprintf(word, sizeof(word), "%.*s", size < 63 ? (int)size : 63, at);
        if (size == 0 || size > 63 || !co_parse_double(word, &items[count])) {
            return fail_type(option, text, where, err);
        }
        CO_TRY(check_range(option, items[count], word, where, err));
        count++;
        at += size;
    }
    void *copy = NULL;
    CO_TRY(co_alloc((size_t)count, sizeof(double), "list of numbers", &copy, err));
    if (count > 0) {
        memcpy(copy, items, (size_t)count * sizeof(double));
    }
    *out = (co_number_list){.items = copy, .count = count};
    return CO_OK;
}

static co_status set_yaml_node(const co_option *option, const co_yaml_node *node, char **out,
                               co_error *err)
{
    if (node == NULL || co_yaml_is_null(node)) {
        *out = NULL;
        return CO_OK;
    }
    if (option->check != NULL) {
        CO_TRY(option->check(node, option->name, err));
    }
    char *flow = NULL;
    CO_TRY(co_yaml_flow(node, &flow, err));
    if (strlen(flow) > YAML_BYTES_MAX) {
        co_free(flow);
        return co_yaml_fail(err, CO_USAGE, node, "%s is longer than %d bytes", option->name,
                            YAML_BYTES_MAX);
    }
    *out = flow;
    return CO_OK;
}

static co_status set_yaml(const co_option *option, const char *text, const char *where, char **out,
                          co_error *err)
{
    co_yaml *document = NULL;
    CO_TRY(co_yaml_parse(where, text, strlen(text), &document, err));
    co_status status = set_yaml_node(option, co_yaml_root(document), out, err);
    co_yaml_free(document);
    return status;
}

static co_status refuse_bad_text(const char *text, const char *where, co_error *err)
{
    if (!co_is_utf8(text, strlen(text))) {
        return co_fail(err, CO_USAGE, "%s: the value is not UTF-8 text", where);
    }
    return CO_OK;
}

/* A new value in a field of its own, so that the old one stays when the new one is bad. */
typedef union value_slot {
    bool truth;
    int number;
    uint64_t count;
    double real;
    char *text;
    co_number_list list;
} value_slot;

static co_status parse_value(const co_option *option, const char *text, const char *where,
                             value_slot *slot, co_error *err)
{
    CO_TRY(refuse_bad_text(text, where, err));
    switch (option->type) {
    case CO_TYPE_BOOL:
        return set_bool(option, text, where, &slot->truth, err);
    case CO_TYPE_INT:
        return set_int(option, text, where, &slot->number, err);
    case CO_TYPE_UINT64:
        return set_uint64(option, text, where, &slot->count, err);
    case CO_TYPE_FLOAT:
        return set_float(option, text, where, &slot->real, err);
    case CO_TYPE_CHOICE:
        return set_choice(option, text, where, &slot->number, err);
    case CO_TYPE_LIST:
        return set_list(option, text, where, &slot->list, err);
    case CO_TYPE_YAML:
        return set_yaml(option, text, where, &slot->text, err);
    default:
        return set_text(text, where, &slot->text, err);
    }
}

static size_t field_size(co_row row)
{
    static const size_t sizes[] = {
        [CO_TYPE_BOOL] = sizeof(bool),       [CO_TYPE_INT] = sizeof(int),
        [CO_TYPE_UINT64] = sizeof(uint64_t), [CO_TYPE_FLOAT] = sizeof(double),
        [CO_TYPE_STRING] = sizeof(char *),   [CO_TYPE_PATH] = sizeof(char *),
        [CO_TYPE_CHOICE] = sizeof(int),      [CO_TYPE_LIST] = sizeof(co_number_list),
        [CO_TYPE_YAML] = sizeof(char *),
    };
    return sizes[co_option_row(row)->type];
}

static void store_value(co_settings *settings, co_row row, const value_slot *slot)
{
    co_value_clear(settings, row);
    memcpy(field_of(settings, row), slot, field_size(row));
}

void co_value_move(co_settings *to, co_row row, co_settings *from)
{
    value_slot slot = {0};
    memcpy(&slot, field_of(from, row), field_size(row));
    memset(field_of(from, row), 0, field_size(row));
    store_value(to, row, &slot);
}

co_status co_value_set(co_settings *settings, co_row row, const char *text, const char *where,
                       co_error *err)
{
    value_slot slot = {0};
    CO_TRY(parse_value(co_option_row(row), text, where, &slot, err));
    store_value(settings, row, &slot);
    return CO_OK;
}

co_status co_value_set_node(co_settings *settings, co_row row, const co_yaml_node *node,
                            const char *where, co_error *err)
{
    const co_option *option = co_option_row(row);
    value_slot slot = {0};
    if (option->type == CO_TYPE_YAML && !(node->kind == CO_YAML_SCALAR && !node->plain)) {
        CO_TRY(set_yaml_node(option, node, &slot.text, err));
        store_value(settings, row, &slot);
        return CO_OK;
    }
    if (node->kind == CO_YAML_SCALAR) {
        return co_value_set(settings, row, node->text, where, err);
    }
    if (option->type != CO_TYPE_LIST || node->kind != CO_YAML_SEQUENCE) {
        return co_fail(err, CO_USAGE, "%s: %s must be %s, not %s", where, option->name,
                       co_option_type_text(option->type), co_yaml_kind_name(node->kind));
    }
    char *text = NULL;
    CO_TRY(co_yaml_flow(node, &text, err));
    co_status status = co_value_set(settings, row, text, where, err);
    co_free(text);
    return status;
}

static void write_list(co_string *text, const co_number_list *list)
{
    co_string_add(text, "[");
    for (int i = 0; i < list->count; i++) {
        char number[32];
        co_format_double(list->items[i], number);
        co_string_format(text, "%s%s", i > 0 ? ", " : "", number);
    }
    co_string_add(text, "]");
}

void co_value_write(co_string *text, const co_settings *settings, co_row row)
{
    const co_option *option = co_option_row(row);
    const void *field = field_at(settings, row);
    char number[32];
    switch (option->type) {
    case CO_TYPE_BOOL:
        co_string_add(text, *(const bool *)field ? "true" : "false");
        break;
    case CO_TYPE_INT:
        co_string_format(text, "%d", *(const int *)field);
        break;
    case CO_TYPE_UINT64:
        co_string_format(text, "%llu", (unsigned long long)*(const uint64_t *)field);
        break;
    case CO_TYPE_FLOAT:
        co_format_double(*(const double *)field, number);
        co_string_add(text, number);
        break;
    case CO_TYPE_CHOICE:
        co_string_add(text, option->choices[*(const int *)field]);
        break;
    case CO_TYPE_LIST:
        write_list(text, field);
        break;
    case CO_TYPE_YAML: {
        const char *flow = *(char *const *)field;
        co_string_add(text, flow != NULL ? flow : "\"\"");
        break;
    }
    default: {
        const char *value = *(char *const *)field;
        co_string_add_scalar(text, value != NULL ? value : "", false);
        break;
    }
    }
}
