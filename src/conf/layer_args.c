/* The command line: --flag value, --flag=value, --switch, --no-switch, S2's --params. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "conf/layers.h"
#include "conf/string.h"

typedef struct argument_reader {
    co_layer *layer;
    co_command command;
    int count;
    int next;
    char *const *arguments;
    bool positional;   /* one was read */
    co_string several; /* the positional arguments of a "..." setting, one per line */
    co_error *err;
} argument_reader;

#define FLAG_MAX 80

static const char *const positional_names[CO_COMMAND_COUNT] = {
#define CO_POSITIONAL(name, words, positional, text) [CO_COMMAND_##name] = positional,
    CO_COMMAND_MAP(CO_POSITIONAL)
#undef CO_POSITIONAL
};

/* The commands that have the setting, for the message. */
static co_status fail_not_here(const argument_reader *reader, const char *where, co_row row)
{
    char commands[160] = "";
    size_t used = 0;
    for (int c = 0; c < CO_COMMAND_COUNT; c++) {
        if (co_option_applies(row, (co_command)c) && used < sizeof(commands)) {
            used += (size_t)snprintf(commands + used, sizeof(commands) - used, "%s%s",
                                     used > 0 ? ", " : "", co_command_words((co_command)c));
        }
    }
    return co_fail(reader->err, CO_USAGE, "%s: has no meaning for 'cohort %s' (it is for: %s)",
                   where, co_command_words(reader->command), commands);
}

static bool has_next(const argument_reader *reader)
{
    return reader->next < reader->count;
}

/* A following argument that is no flag. "-1" is a value. */
static bool next_is_value(const argument_reader *reader)
{
    return has_next(reader) && strncmp(reader->arguments[reader->next], "--", 2) != 0;
}

static co_status add(const argument_reader *reader, co_row row, const char *text, const char *where)
{
    if (!co_option_applies(row, reader->command)) {
        return fail_not_here(reader, where, row);
    }
    return co_layer_add(reader->layer, row, text, NULL, where, reader->err);
}

/* The value of a flag that was written without '='; NULL when it has none. */
static const char *take_value(argument_reader *reader, const co_option *option)
{
    if (!next_is_value(reader)) {
        return NULL;
    }
    const char *word = reader->arguments[reader->next];
    if (option->type == CO_TYPE_BOOL && strcmp(word, "true") != 0 && strcmp(word, "false") != 0) {
        return NULL; /* a switch takes only what can be nothing else */
    }
    reader->next++;
    return word;
}

static co_status read_known(argument_reader *reader, co_row row, const char *where,
                            const char *value)
{
    const co_option *option = co_option_row(row);
    if (value == NULL) {
        value = take_value(reader, option);
    }
    if (value == NULL) {
        value = option->type == CO_TYPE_BOOL ? "true" : option->alone;
    }
    if (value == NULL) {
        return co_fail(reader->err, CO_USAGE, "%s: needs a value (%s)", where,
                       co_option_type_text(option->type));
    }
    return add(reader, row, value, where);
}

static co_status read_negated(argument_reader *reader, co_row row, const char *where,
                              const char *value)
{
    if (co_option_row(row)->type != CO_TYPE_BOOL) {
        return co_fail(reader->err, CO_USAGE, "%s: '%s' is not a switch; give it a value", where,
                       co_option_row(row)->name);
    }
    if (value != NULL) {
        return co_fail(reader->err, CO_USAGE, "%s: takes no value", where);
    }
    return add(reader, row, "false", where);
}

static co_status read_later(argument_reader *reader, const co_later *later, const char *where,
                            const char *name, const char *value)
{
    if (value == NULL && next_is_value(reader)) {
        value = reader->arguments[reader->next];
    }
    if (value == NULL || !co_later_is_neutral(later, value)) {
        return co_later_fail(later, where, name, reader->err);
    }
    reader->next += has_next(reader) && value == reader->arguments[reader->next];
    return CO_OK;
}

static co_status read_name(argument_reader *reader, const char *name, const char *where,
                           const char *value)
{
    co_row row = co_option_find(name);
    if (row != CO_ROW_COUNT) {
        return read_known(reader, row, where, value);
    }
    const co_later *later = co_later_find(name);
    if (later != NULL) {
        return read_later(reader, later, where, name, value);
    }
    bool negated = strncmp(name, "no-", 3) == 0 || strncmp(name, "no_", 3) == 0;
    if (negated && co_option_find(name + 3) != CO_ROW_COUNT) {
        return read_negated(reader, co_option_find(name + 3), where, value);
    }
    if (negated && co_later_find(name + 3) != NULL) {
        return CO_OK; /* not asking for what is not there */
    }
    return co_unknown_flag_fail(where, name, reader->err);
}

/* S2's "key=value;key=value": each as a flag of its own. */
static co_status read_params(argument_reader *reader, const char *params)
{
    for (const char *at = params; *at != '\0';) {
        size_t length = strcspn(at, ";");
        size_t name = strcspn(at, "=;");
        char key[FLAG_MAX];
        if (name >= length || name >= sizeof(key)) {
            return co_fail(reader->err, CO_USAGE, "--params: '%.*s' is not key=value",
                           (int)(length < 60 ? length : 60), at);
        }
        snprintf(key, sizeof(key), "%.*s", (int)name, at);
        co_string value = {0};
        co_string_add_bytes(&value, at + name + 1, length - name - 1);
        char *text = NULL;
        CO_TRY(co_string_take(&value, &text, reader->err));
        char where[FLAG_MAX + 16];
        snprintf(where, sizeof(where), "--params: %s", key);
        co_status status = co_is_null_text(text) && text[0] != '\0' /* S2's None: the default */
                               ? CO_OK
                               : read_name(reader, key, where, text);
        co_free(text);
        CO_TRY(status);
        at += length + (at[length] == ';');
    }
    return CO_OK;
}

static co_status read_flag(argument_reader *reader, const char *argument)
{
    const char *equals = strchr(argument, '=');
    size_t length = equals != NULL ? (size_t)(equals - argument) : strlen(argument);
    const char *value = equals != NULL ? equals + 1 : NULL;
    char where[FLAG_MAX];
    if (length >= sizeof(where)) {
        return co_fail(reader->err, CO_USAGE, "'%.60s...' is longer than any flag", argument);
    }
    memcpy(where, argument, length);
    where[length] = '\0';
    if (strcmp(where, "--params") != 0) {
        return read_name(reader, where + 2, where, value);
    }
    if (value == NULL && !next_is_value(reader)) {
        return co_fail(reader->err, CO_USAGE, "--params: needs \"key=value;key=value\"");
    }
    return read_params(reader, value != NULL ? value : reader->arguments[reader->next++]);
}

static bool takes_several(const char *positional)
{
    size_t length = strlen(positional);
    return length > 3 && strcmp(positional + length - 3, "...") == 0;
}

static co_status read_positional(argument_reader *reader, const char *argument)
{
    const char *name = positional_names[reader->command];
    if (takes_several(name)) {
        co_string_format(&reader->several, "%s%s", reader->positional ? "\n" : "", argument);
        reader->positional = true;
        return CO_OK;
    }
    if (name[0] == '\0' || reader->positional) {
        return co_fail(reader->err, CO_USAGE,
                       "'%.60s' is one argument too many for 'cohort %s'; flags begin with --",
                       argument, co_command_words(reader->command));
    }
    reader->positional = true;
    return add(reader, co_option_find(name), argument, name);
}

/* Adds what a "..." setting has gathered. */
static co_status finish_positional(argument_reader *reader)
{
    const char *positional = positional_names[reader->command];
    char name[FLAG_MAX];
    char *text = NULL;
    if (!reader->positional || !takes_several(positional)) {
        return CO_OK;
    }
    snprintf(name, sizeof(name), "%.*s", (int)strlen(positional) - 3, positional);
    CO_TRY(co_string_take(&reader->several, &text, reader->err));
    co_status status = add(reader, co_option_find(name), text, name);
    co_free(text);
    return status;
}

static co_status read_argument(argument_reader *reader, const char *argument)
{
    if (strcmp(argument, "-h") == 0) {
        return add(reader, CO_ROW_help, "true", "-h");
    }
    if (strncmp(argument, "--", 2) == 0 && argument[2] != '\0') {
        return read_flag(reader, argument);
    }
    if (argument[0] == '-') {
        const co_later *later = co_later_find(argument);
        return later != NULL ? co_later_fail(later, argument, argument + 1, reader->err)
                             : co_unknown_flag_fail(argument, argument + 1, reader->err);
    }
    return read_positional(reader, argument);
}

co_status co_layer_read_arguments(co_layer *layer, co_command command, int count,
                                  char *const arguments[], co_error *err)
{
    argument_reader reader = {
        .layer = layer, .command = command, .count = count, .arguments = arguments, .err = err};
    co_status status = CO_OK;
    while (status == CO_OK && has_next(&reader)) {
        status = read_argument(&reader, arguments[reader.next++]);
    }
    if (status == CO_OK) {
        status = finish_positional(&reader);
    }
    co_string_free(&reader.several);
    return status;
}
