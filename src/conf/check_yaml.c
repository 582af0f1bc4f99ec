/* The shapes of the nested settings. */
#include <stdio.h>
#include <string.h>

#include "conf/option.h"
#include "conf/string.h"

co_status co_check_is_map(const co_yaml_node *node, const char *name, co_error *err)
{
    if (node->kind != CO_YAML_MAP) {
        return co_yaml_fail(err, CO_USAGE, node, "%s must be a mapping such as {depth: 34}, not %s",
                            name, co_yaml_kind_name(node->kind));
    }
    return CO_OK;
}

static co_status check_sequence(const co_yaml_node *node, const char *name, const char *example,
                                co_error *err)
{
    if (node->kind != CO_YAML_SEQUENCE || node->count == 0) {
        return co_yaml_fail(err, CO_USAGE, node, "%s must be a list such as %s", name, example);
    }
    return CO_OK;
}

co_status co_check_lr_points(const co_yaml_node *node, const char *name, co_error *err)
{
    CO_TRY(check_sequence(node, name, "[[0, 0], [4, 0.04], [24, 0]]", err));
    double last = -1;
    for (const co_yaml_node *point = node->first; point != NULL; point = point->next) {
        if (point->kind != CO_YAML_SEQUENCE || point->count != 2) {
            return co_yaml_fail(err, CO_USAGE, point,
                                "%s: each point must be [epoch, learning rate]", name);
        }
        double epoch = 0;
        double rate = 0;
        CO_TRY(co_yaml_number(point->first, "the epoch of a point", &epoch, err));
        CO_TRY(co_yaml_number(point->first->next, "the learning rate of a point", &rate, err));
        if (epoch <= last || epoch < 0) {
            return co_yaml_fail(err, CO_USAGE, point->first,
                                "%s: epochs must start at 0 or later and grow from point to point",
                                name);
        }
        if (rate < 0 || rate > 1000) {
            return co_yaml_fail(err, CO_USAGE, point->first->next,
                                "%s: a learning rate must be 0 to 1000", name);
        }
        last = epoch;
    }
    return CO_OK;
}

/* What a phase may hold: a setting, whose type and range the value must have, or a key of its own
 * with a range (a switch where that is empty). */
typedef struct phase_key {
    const char *name;
    co_row row; /* CO_ROW_COUNT: a key of its own */
    double min;
    double max;
} phase_key;

static const phase_key phase_keys[] = {
    {"epoch", CO_ROW_COUNT, 0, 1e9},
    {"step", CO_ROW_COUNT, 0, 1e15},
    {"lr_rampup", CO_ROW_COUNT, 0, 0},
    {"lr_decay", CO_ROW_COUNT, 0, 1},
    {"lr_decay_steps", CO_ROW_COUNT, 1, 1e15},
    {"optimizer", CO_ROW_optimizer, 0, 0},
    {"lr", CO_ROW_lr, 0, 0},
    {"momentum", CO_ROW_momentum, 0, 0},
    {"nesterov", CO_ROW_nesterov, 0, 0},
    {"weight_decay", CO_ROW_weight_decay, 0, 0},
    {"warmup_epochs", CO_ROW_warmup_epochs, 0, 0},
};
#define PHASE_KEYS (sizeof(phase_keys) / sizeof(phase_keys[0]))

static co_status check_phase_number(const co_yaml_node *value, const co_option *option,
                                    co_error *err)
{
    double number = 0;
    CO_TRY(co_yaml_number(value, option->name, &number, err));
    bool low = option->open & CO_OPEN_MIN ? number <= option->min : number < option->min;
    bool high = option->open & CO_OPEN_MAX ? number >= option->max : number > option->max;
    if (low || high) {
        char range[96];
        co_option_range_text(option, range, sizeof(range));
        return co_yaml_fail(err, CO_USAGE, value, "%s must be %s", option->name, range);
    }
    return CO_OK;
}

static co_status check_phase_choice(const co_yaml_node *value, const co_option *option,
                                    co_error *err)
{
    const char *text = value->kind == CO_YAML_SCALAR ? value->text : "";
    char list[80] = "";
    for (int i = 0; option->choices[i] != NULL; i++) {
        if (co_same_word(option->choices[i], text)) {
            return CO_OK;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? ", " : "", option->choices[i]);
    }
    return co_yaml_fail(err, CO_USAGE, value, "%s: '%.60s' is not one of %s", option->name, text,
                        list);
}

static co_status check_own_key(const co_yaml_node *value, const phase_key *key, co_error *err)
{
    bool truth = false;
    double number = 0;
    if (key->min >= key->max) {
        return co_yaml_bool(value, key->name, &truth, err);
    }
    CO_TRY(co_yaml_number(value, key->name, &number, err));
    if (number < key->min || number > key->max) {
        return co_yaml_fail(err, CO_USAGE, value, "%s must be %g to %g", key->name, key->min,
                            key->max);
    }
    return CO_OK;
}

static co_status check_phase_value(const co_yaml_node *value, const phase_key *key, co_error *err)
{
    if (key->row == CO_ROW_COUNT) {
        return check_own_key(value, key, err);
    }
    const co_option *option = co_option_row(key->row);
    bool truth = false;
    if (option->type == CO_TYPE_BOOL) {
        return co_yaml_bool(value, option->name, &truth, err);
    }
    return option->type == CO_TYPE_CHOICE ? check_phase_choice(value, option, err)
                                          : check_phase_number(value, option, err);
}

static co_status refuse_phase_key(const co_yaml_node *key, const char *name, co_error *err)
{
    static const char *const code[] = {"step_lambda", "epoch_lambda", "regularizer"};
    for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
        if (co_same_name(key->text, code[i])) {
            return co_yaml_fail(err, CO_USAGE, key,
                                "%s: '%s' is Python code in S1 and has no form here; write the "
                                "values as phases",
                                name, code[i]);
        }
    }
    co_nearest best = {0};
    for (size_t i = 0; i < PHASE_KEYS; i++) {
        co_nearest_offer(&best, key->text, phase_keys[i].name);
    }
    return co_yaml_fail(err, CO_USAGE, key, "%s: a phase has no '%.60s'%s%s%s", name, key->text,
                        best.name != NULL ? "; did you mean '" : "",
                        best.name != NULL ? best.name : "", best.name != NULL ? "'?" : "");
}

static co_status check_phase(const co_yaml_node *phase, const char *name, co_error *err)
{
    CO_TRY(co_check_is_map(phase, name, err));
    int starts = 0;
    for (const co_yaml_node *value = phase->first; value != NULL; value = value->next) {
        size_t i = 0;
        while (i < PHASE_KEYS && !co_same_name(value->key->text, phase_keys[i].name)) {
            i++;
        }
        if (i == PHASE_KEYS) {
            return refuse_phase_key(value->key, name, err);
        }
        CO_TRY(check_phase_value(value, &phase_keys[i], err));
        starts += i < 2;
    }
    if (starts != 1) {
        return co_yaml_fail(err, CO_USAGE, phase,
                            "%s: each phase needs its start: either epoch or step", name);
    }
    return CO_OK;
}

co_status co_check_regime(const co_yaml_node *node, const char *name, co_error *err)
{
    CO_TRY(check_sequence(node, name, "[{epoch: 0, lr: 0.1}, {epoch: 81, lr: 0.01}]", err));
    double last[2] = {-1, -1}; /* of the phases keyed by epoch, and of those keyed by step */
    for (const co_yaml_node *phase = node->first; phase != NULL; phase = phase->next) {
        CO_TRY(check_phase(phase, name, err));
        int by_step = co_yaml_get(phase, "epoch") == NULL;
        const char *unit = by_step ? "step" : "epoch";
        const co_yaml_node *value = co_yaml_get(phase, unit);
        double number = 0;
        CO_TRY(co_yaml_number(value, unit, &number, err));
        if (number <= last[by_step]) {
            return co_yaml_fail(err, CO_USAGE, value,
                                "%s: phases must stand in the order of their start", name);
        }
        last[by_step] = number;
    }
    return CO_OK;
}
