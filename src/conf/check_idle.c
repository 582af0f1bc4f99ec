/* Settings that only say more about another one. Where that one is off they have no effect, which
 * is worse in silence than as an error.
 *
 * As for contradictions (check.c) values count, not where they came from: neither the default nor
 * what the profile sets is ever an error. */
#include <string.h>

#include "base/alloc.h"
#include "conf/layers.h"
#include "conf/string.h"
#include "conf/value.h"

typedef struct idle_rule {
    co_row row;
    bool used;
    const char *use; /* "it is for ..." */
} idle_rule;

enum { RULES = 20 };

static bool is_image_set(const co_settings *values)
{
    static const char *const names[] = {"tinyimagenet",     "imagenet", "imagenet_blurred",
                                        "imagenet100",      "images",   "core50",
                                        "imagenet100small", NULL};
    for (int i = 0; names[i] != NULL; i++) {
        if (co_same_letters(values->dataset, names[i])) {
            return true;
        }
    }
    return false;
}

/* A regime may change the optimizer in mid-run. */
static size_t optimizer_rules(const co_settings *v, idle_rule *out)
{
    bool any = v->regime != NULL;
    bool sgd = any || v->optimizer == CO_CONF_OPTIMIZER_SGD;
    bool adam = any || v->optimizer != CO_CONF_OPTIMIZER_SGD;
    bool s3 = v->profile == CO_CONF_PROFILE_S3; /* whose Adam takes beta1 from it */
    bool gamma = v->lr_schedule == CO_CONF_SCHEDULE_STEP ||
                 v->lr_schedule == CO_CONF_SCHEDULE_EXPONENTIAL;
    const idle_rule rules[] = {
        {CO_ROW_momentum, sgd || s3 || v->momentum == 0.0, "--optimizer sgd"},
        {CO_ROW_adam_beta1, adam, "--optimizer adam and adamw"},
        {CO_ROW_adam_beta2, adam, "--optimizer adam and adamw"},
        {CO_ROW_adam_eps, adam, "--optimizer adam and adamw"},
        {CO_ROW_lr_gamma, gamma, "--lr-schedule step and exponential"},
        {CO_ROW_decay_scales, any || v->weight_decay > 0.0, "--weight-decay above 0"},
    };
    memcpy(out, rules, sizeof(rules));
    return sizeof(rules) / sizeof(rules[0]);
}

static size_t rules_of(const co_settings *v, idle_rule out[RULES])
{
    bool images = is_image_set(v);
    bool rollback = v->nan_policy == CO_CONF_NAN_ROLLBACK;
    const idle_rule rules[] = {
        {CO_ROW_image_size, images, "data sets of image files"},
        {CO_ROW_image_resize, images, "data sets of image files"},
        {CO_ROW_test_share, co_same_letters(v->dataset, "images"), "--dataset images"},
        {CO_ROW_bad_samples_budget, v->bad_samples == CO_CONF_BAD_SAMPLES_SKIP,
         "--bad-samples skip"},
        {CO_ROW_augment_ratio, v->augment_resized_crop > 0.0, "--augment-resized-crop"},
        {CO_ROW_bn_momentum, !v->freeze_bn, "statistics that --freeze-bn keeps as they are"},
        {CO_ROW_rollback_lr, rollback, "--nan-policy rollback"},
        {CO_ROW_rollback_max, rollback, "--nan-policy rollback"},
        {CO_ROW_early_stop_delta, v->early_stop > 0, "--early-stop"},
        {CO_ROW_best_metric, v->early_stop > 0 || v->keep_best > 0, "--keep-best and --early-stop"},
        {CO_ROW_timeline_steps, v->timeline != NULL, "--timeline"},
        {CO_ROW_dirichlet_alpha, v->partition == CO_CONF_PARTITION_DIRICHLET,
         "--partition dirichlet"},
        {CO_ROW_memory_group, v->shared_memory, "--shared-memory"},
    };
    memcpy(out, rules, sizeof(rules));
    size_t count = sizeof(rules) / sizeof(rules[0]);
    return count + optimizer_rules(v, out + count);
}

static co_status is_value(const co_settings *values, co_row row, const char *text, bool *out,
                          co_error *err)
{
    co_settings other = {0};
    char *texts[2] = {NULL, NULL};
    CO_TRY(co_value_set(&other, row, text, "default", err));
    co_status status = co_conf_value_text(values, row, &texts[0], err);
    if (status == CO_OK) {
        status = co_conf_value_text(&other, row, &texts[1], err);
    }
    if (status == CO_OK) {
        *out = strcmp(texts[0], texts[1]) == 0;
    }
    co_free(texts[0]);
    co_free(texts[1]);
    co_value_clear(&other, row);
    return status;
}

/* The default, or what the profile sets. */
static co_status is_usual(const co_settings *values, co_row row, bool *out, co_error *err)
{
    co_row profiled = CO_ROW_COUNT;
    const char *text = NULL;
    CO_TRY(is_value(values, row, co_option_row(row)->standard, out, err));
    for (int i = 0;
         !*out && co_profile_setting((co_conf_profile)values->profile, i, &profiled, &text); i++) {
        if (profiled == row) {
            CO_TRY(is_value(values, row, text, out, err));
        }
    }
    return CO_OK;
}

co_status co_conf_check_idle(const co_conf *conf, co_error *err)
{
    idle_rule rules[RULES];
    size_t count = rules_of(&conf->values, rules);
    for (size_t i = 0; i < count; i++) {
        co_row row = rules[i].row;
        bool usual = true;
        if (!rules[i].used && co_option_applies(row, conf->command)) {
            CO_TRY(is_usual(&conf->values, row, &usual, err));
        }
        if (!usual) {
            const char *where = conf->sources[row].where;
            return co_fail(err, CO_USAGE, "%s: has no effect here: it is for %s",
                           where != NULL ? where : co_option_row(row)->name, rules[i].use);
        }
    }
    return CO_OK;
}
