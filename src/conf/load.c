/* Puts the layers together. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "conf/layers.h"
#include "conf/string.h"
#include "conf/value.h"

typedef struct conf_layers {
    co_layer profile;
    co_layer file;
    co_layer environment;
    co_layer arguments;
    co_yaml *document; /* what the file's assignments point into */
} conf_layers;

static void layers_free(conf_layers *layers)
{
    co_layer_free(&layers->profile);
    co_layer_free(&layers->file);
    co_layer_free(&layers->environment);
    co_layer_free(&layers->arguments);
    co_yaml_free(layers->document);
}

void co_conf_free(co_conf *conf)
{
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        co_value_clear(&conf->values, (co_row)row);
        co_free(conf->sources[row].where);
    }
    memset(conf, 0, sizeof(*conf));
}

co_status co_conf_set_source(co_conf *conf, co_row row, co_source_kind kind, const char *where,
                             co_error *err)
{
    char *copy = NULL;
    CO_TRY(co_strdup(where, &copy, err));
    co_free(conf->sources[row].where);
    conf->sources[row] = (co_source){.kind = kind, .where = copy};
    return CO_OK;
}

static co_status apply_defaults(co_conf *conf, co_error *err)
{
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        const char *text = co_option_row((co_row)row)->standard;
        CO_TRY(co_value_set(&conf->values, (co_row)row, text, "default", err));
    }
    return CO_OK;
}

static co_status apply_layer(co_conf *conf, const co_layer *layer, co_error *err)
{
    for (size_t i = 0; i < layer->count; i++) {
        const co_assignment *item = &layer->items[i];
        CO_TRY(item->node != NULL
                   ? co_value_set_node(&conf->values, item->row, item->node, item->where, err)
                   : co_value_set(&conf->values, item->row, item->text, item->where, err));
        CO_TRY(co_conf_set_source(conf, item->row, layer->kind, item->where, err));
    }
    return CO_OK;
}

/* The text of a setting that says what to read, from the highest layer that has it. */
static const char *find_text(const conf_layers *layers, co_row row)
{
    const co_assignment *item = co_layer_find(&layers->arguments, row);
    if (item == NULL) {
        item = co_layer_find(&layers->environment, row);
    }
    return item != NULL && item->text[0] != '\0' ? item->text : NULL;
}

static co_status load_file(conf_layers *layers, co_error *err)
{
    const char *path = find_text(layers, CO_ROW_config);
    const char *section = find_text(layers, CO_ROW_config_section);
    const char *s1_path = find_text(layers, CO_ROW_yaml_config);
    if (s1_path != NULL) {
        section = section != NULL ? section : path;
        path = s1_path;
    }
    if (path == NULL) {
        return section == NULL
                   ? CO_OK
                   : co_fail(err, CO_USAGE, "--config-section: needs the file, --config FILE");
    }
    if (s1_path == NULL && strpbrk(path, "./") == NULL && access(path, F_OK) != 0) {
        return co_fail(err, CO_USAGE,
                       "--config: there is no file '%.60s'; if it is a section of S1's file, add "
                       "--yaml-config FILE",
                       path);
    }
    CO_TRY(co_yaml_load(path, &layers->document, err));
    return co_layer_read_document(&layers->file, layers->document, section, s1_path != NULL, err);
}

static co_status load_profile(conf_layers *layers, co_error *err)
{
    const co_layer *order[] = {&layers->arguments, &layers->environment, &layers->file};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        const co_assignment *item = co_layer_find(order[i], CO_ROW_profile);
        if (item == NULL) {
            continue;
        }
        co_settings chosen = {0};
        CO_TRY(item->node != NULL
                   ? co_value_set_node(&chosen, CO_ROW_profile, item->node, item->where, err)
                   : co_value_set(&chosen, CO_ROW_profile, item->text, item->where, err));
        return co_layer_read_profile(&layers->profile, (co_conf_profile)chosen.profile, err);
    }
    return CO_OK;
}

static bool asks_for_help(int count, char *const arguments[])
{
    for (int i = 0; i < count; i++) {
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

static co_status apply_layers(co_conf *conf, conf_layers *layers, co_error *err)
{
    CO_TRY(load_profile(layers, err));
    CO_TRY(apply_layer(conf, &layers->profile, err));
    CO_TRY(apply_layer(conf, &layers->file, err));
    CO_TRY(apply_layer(conf, &layers->environment, err));
    CO_TRY(apply_layer(conf, &layers->arguments, err));
    CO_TRY(co_conf_resolve(conf, err));
    CO_TRY(co_conf_read_costs(conf, err));
    return co_conf_check(conf, err);
}

static const conf_layers no_layers = {
    .profile = {.kind = CO_SOURCE_PROFILE},
    .file = {.kind = CO_SOURCE_FILE},
    .environment = {.kind = CO_SOURCE_ENVIRONMENT},
    .arguments = {.kind = CO_SOURCE_COMMAND_LINE},
};

co_status co_conf_load(co_conf *conf, co_command command, int count, char *const arguments[],
                       char *const environment[], co_error *err)
{
    conf_layers layers = no_layers;
    *conf = (co_conf){.command = command};
    co_status status = apply_defaults(conf, err);
    if (status == CO_OK && asks_for_help(count, arguments)) {
        conf->values.help = true;
        return CO_OK;
    }
    CO_TRY_GOTO(status, status, free_layers);
    CO_TRY_GOTO(status, co_layer_read_arguments(&layers.arguments, command, count, arguments, err),
                free_layers);
    CO_TRY_GOTO(status, co_layer_read_environment(&layers.environment, environment, err),
                free_layers);
    CO_TRY_GOTO(status, load_file(&layers, err), free_layers);
    status = apply_layers(conf, &layers, err);
free_layers:
    layers_free(&layers);
    if (status != CO_OK) {
        co_conf_free(conf);
    }
    return status;
}

co_status co_conf_read(co_conf *conf, co_command command, const char *name, const char *text,
                       size_t length, co_error *err)
{
    conf_layers layers = no_layers;
    *conf = (co_conf){.command = command};
    co_status status = apply_defaults(conf, err);
    CO_TRY_GOTO(status, status, free_layers);
    CO_TRY_GOTO(status, co_yaml_parse(name, text, length, &layers.document, err), free_layers);
    CO_TRY_GOTO(status, co_layer_read_document(&layers.file, layers.document, NULL, false, err),
                free_layers);
    status = apply_layers(conf, &layers, err);
free_layers:
    layers_free(&layers);
    if (status != CO_OK) {
        co_conf_free(conf);
    }
    return status;
}

co_status co_conf_adopt(co_conf *conf, const char *name, const char *text, size_t length,
                        co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_conf), "settings", &block, err));
    co_conf *taken = block;
    co_status status = co_conf_read(taken, conf->command, name, text, length, err);
    CO_TRY_GOTO(status, status, free_block);
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        if (co_option_row((co_row)row)->invocation) {
            co_value_move(&taken->values, (co_row)row, &conf->values);
        }
    }
    co_conf_free(conf);
    *conf = *taken;
free_block:
    co_free(block);
    return status;
}
