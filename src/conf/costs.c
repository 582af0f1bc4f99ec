/* --cost-file: what cohort calibrate measured becomes settings of cohort sim. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "conf/layers.h"
#include "conf/string.h"
#include "conf/value.h"

static const co_row costs[] = {CO_ROW_batch_cost, CO_ROW_eval_cost, CO_ROW_update_cost};
static const co_row subjects[] = {CO_ROW_model, CO_ROW_model_config, CO_ROW_dataset};

enum {
    COSTS = sizeof(costs) / sizeof(costs[0]),
    SUBJECTS = sizeof(subjects) / sizeof(subjects[0]),
};

/* Which of the rows has the key's name; CO_ROW_COUNT: none. */
static co_row row_among(const co_row *rows, int count, const char *key)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(co_option_row(rows[i])->name, key) == 0) {
            return rows[i];
        }
    }
    return CO_ROW_COUNT;
}

/* A cost that the user gives in a higher layer counts more than the file. */
static co_status take_cost(co_conf *conf, co_row row, const co_yaml_node *node, co_error *err)
{
    const co_source *own = &conf->sources[row];
    const co_source *file = &conf->sources[CO_ROW_cost_file];
    char where[512];
    if (own->where != NULL && own->kind == file->kind) {
        return co_fail(err, CO_USAGE, "%s and %s both say what a step takes; keep one", own->where,
                       file->where);
    }
    if (own->kind > file->kind) {
        return CO_OK;
    }
    (void)snprintf(where, sizeof(where), "%.480s:%d:%d", node->name, node->line, node->column);
    CO_TRY(co_value_set_node(&conf->values, row, node, where, err));
    return co_conf_set_source(conf, row, file->kind, where, err);
}

/* Of another network the costs are others. */
static co_status compare(const co_conf *conf, co_row row, const co_yaml_node *node, co_error *err)
{
    co_settings measured = {0};
    char *then = NULL;
    char *now = NULL;
    if (!co_yaml_is_null(node)) {
        CO_TRY(co_value_set_node(&measured, row, node, co_option_row(row)->name, err));
    }
    co_status status = co_conf_value_text(&measured, row, &then, err);
    if (status == CO_OK) {
        status = co_conf_value_text(&conf->values, row, &now, err);
    }
    bool same = status == CO_OK &&
                (row == CO_ROW_dataset ? co_same_letters(then, now) : strcmp(then, now) == 0);
    if (status == CO_OK && !same) {
        status = co_yaml_fail(err, CO_USAGE, node,
                              "was measured with %s %.120s, not %.120s: measure that with 'cohort "
                              "calibrate', or say what a step takes with --batch-cost",
                              co_option_row(row)->name, then, now);
    }
    co_free(then);
    co_free(now);
    co_value_clear(&measured, row);
    return status;
}

static co_status read_key(co_conf *conf, const co_yaml_node *value, co_error *err)
{
    const char *key = value->key->text;
    co_row cost = row_among(costs, COSTS, key);
    co_row subject = row_among(subjects, SUBJECTS, key);
    if (cost != CO_ROW_COUNT) {
        return take_cost(conf, cost, value, err);
    }
    if (subject != CO_ROW_COUNT) {
        return compare(conf, subject, value, err);
    }
    if (strcmp(key, "measured") == 0) {
        return CO_OK; /* for people */
    }
    return co_yaml_fail(err, CO_USAGE, value->key,
                        "a file of costs has no '%.40s'; it has batch_cost, eval_cost, "
                        "update_cost, model, model_config, dataset, measured",
                        key);
}

static co_status read_keys(co_conf *conf, const co_yaml *document, co_error *err)
{
    const co_yaml_node *root = co_yaml_root(document);
    if (root == NULL || co_yaml_get(root, "batch_cost") == NULL) {
        return co_fail(err, CO_USAGE,
                       "%.300s: is no file of costs: it has no batch_cost; 'cohort calibrate "
                       "--cost-file FILE' writes one",
                       co_yaml_name(document));
    }
    for (const co_yaml_node *value = root->first; value != NULL; value = value->next) {
        CO_TRY(read_key(conf, value, err));
    }
    return CO_OK;
}

co_status co_conf_read_costs(co_conf *conf, co_error *err)
{
    co_yaml *document = NULL;
    if (conf->command != CO_COMMAND_SIM || conf->values.cost_file == NULL) {
        return CO_OK;
    }
    CO_TRY(co_yaml_load(conf->values.cost_file, &document, err));
    co_status status = read_keys(conf, document, err);
    co_yaml_free(document);
    return status;
}
