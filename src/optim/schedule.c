#include "optim/schedule.h"

#include <string.h>

#include "base/alloc.h"
#include "conf/yaml.h"
#include "optim/curve.h"
#include "optim/regime.h"

struct co_schedule {
    co_optimizer_kind optimizer;
    co_hyper base;
    co_conf_schedule kind;
    double gamma;
    uint64_t step_epochs; /* 0: at the milestones */
    double *milestones;   /* epochs */
    int milestone_count;
    co_curve_point *points;
    int point_count;
    double warmup_epochs;
    bool warmup_by_epoch;
    bool frozen_cosine;
    co_regime regime; /* count 0: none */
    uint64_t steps_per_epoch;
    double epochs;
};

static co_hyper base_of(const co_settings *settings)
{
    return (co_hyper){
        .lr = settings->lr,
        .momentum = settings->momentum,
        .weight_decay = settings->weight_decay,
        .nesterov = settings->nesterov,
        .beta1 = settings->adam_beta1,
        .beta2 = settings->adam_beta2,
        .epsilon = settings->adam_eps,
    };
}

static co_optimizer_kind optimizer_of(const co_settings *settings)
{
    switch ((co_conf_optimizer)settings->optimizer) {
    case CO_CONF_OPTIMIZER_SGD:
        break;
    case CO_CONF_OPTIMIZER_ADAM:
        return CO_OPTIMIZER_ADAM;
    case CO_CONF_OPTIMIZER_ADAMW:
        return CO_OPTIMIZER_ADAMW;
    }
    return CO_OPTIMIZER_SGD;
}

static co_status copy_milestones(co_schedule *schedule, const co_settings *settings, co_error *err)
{
    size_t count = (size_t)settings->milestones.count;
    void *block = NULL;
    CO_TRY(co_alloc(count, sizeof(double), "the milestones", &block, err));
    if (count > 0) {
        memcpy(block, settings->milestones.items, count * sizeof(double));
    }
    schedule->milestones = block;
    schedule->milestone_count = (int)count;
    return CO_OK;
}

/* S2's shape: from 0 to lr in the warm-up, then to 0 at the end. */
static co_status default_points(co_schedule *schedule, const co_settings *settings, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(3, sizeof(co_curve_point), "the points", &block, err));
    schedule->points = block;
    int count = 0;
    if (settings->warmup_epochs > 0.0) {
        schedule->points[count++] = (co_curve_point){0.0, 0.0};
    }
    schedule->points[count++] = (co_curve_point){settings->warmup_epochs, settings->lr};
    schedule->points[count++] = (co_curve_point){schedule->epochs, 0.0};
    schedule->point_count = count;
    return CO_OK;
}

static co_status read_points(co_schedule *schedule, const co_yaml_node *list, co_error *err)
{
    if (list == NULL || list->kind != CO_YAML_SEQUENCE || list->count == 0) {
        return co_fail(err, CO_USAGE, "lr-points must be a list such as [[0, 0], [4, 0.04]]");
    }
    void *block = NULL;
    CO_TRY(co_alloc(list->count, sizeof(co_curve_point), "the points", &block, err));
    schedule->points = block;
    for (const co_yaml_node *node = list->first; node != NULL; node = node->next) {
        if (node->kind != CO_YAML_SEQUENCE || node->count != 2) {
            return co_yaml_fail(err, CO_USAGE, node, "a point must be [epoch, learning rate]");
        }
        co_curve_point point = {0};
        CO_TRY(co_yaml_number(node->first, "the epoch of a point", &point.epoch, err));
        CO_TRY(co_yaml_number(node->first->next, "the rate of a point", &point.lr, err));
        int count = schedule->point_count;
        if (count > 0 && !(point.epoch > schedule->points[count - 1].epoch)) {
            return co_yaml_fail(err, CO_USAGE, node, "the epochs of the points must grow");
        }
        schedule->points[schedule->point_count++] = point;
    }
    return CO_OK;
}

/* All phases must use one optimizer: its state has one form for the whole run. */
static co_status check_optimizer(const co_schedule *schedule, co_error *err)
{
    for (int i = 0; i < schedule->regime.count; i++) {
        uint64_t start = schedule->regime.phases[i].start;
        if (co_regime_optimizer(&schedule->regime, schedule->optimizer, start) !=
            schedule->optimizer) {
            return co_fail(err, CO_USAGE,
                           "--regime: phase %d names another optimizer than the run begins with; "
                           "a run keeps one optimizer",
                           i + 1);
        }
    }
    return CO_OK;
}

static co_status read_regime(co_schedule *schedule, const co_yaml_node *list, co_error *err)
{
    if (list == NULL) {
        return co_fail(err, CO_USAGE, "--regime: there are no phases in it");
    }
    CO_TRY(co_regime_read(list, schedule->steps_per_epoch, &schedule->regime, err));
    if (schedule->regime.phases[0].start == 0) {
        schedule->optimizer = co_regime_optimizer(&schedule->regime, schedule->optimizer, 0);
    }
    return check_optimizer(schedule, err);
}

typedef co_status (*read_func)(co_schedule *schedule, const co_yaml_node *root, co_error *err);

static co_status read_yaml(co_schedule *schedule, const char *flag, const char *text,
                           read_func func, co_error *err)
{
    co_yaml *document = NULL;
    CO_TRY(co_yaml_parse(flag, text, strlen(text), &document, err));
    co_status status = func(schedule, co_yaml_root(document), err);
    co_yaml_free(document);
    return status;
}

static co_status fill(co_schedule *schedule, const co_settings *settings, co_error *err)
{
    CO_TRY(copy_milestones(schedule, settings, err));
    if (settings->regime != NULL) {
        return read_yaml(schedule, "--regime", settings->regime, read_regime, err);
    }
    if (settings->lr_points != NULL) {
        return read_yaml(schedule, "--lr-points", settings->lr_points, read_points, err);
    }
    return default_points(schedule, settings, err);
}

co_status co_schedule_create(const co_settings *settings, uint64_t steps_per_epoch, uint64_t epochs,
                             co_schedule **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_schedule), "the schedule", &block, err));
    co_schedule *schedule = block;
    bool s3 = settings->profile == (int)CO_CONF_PROFILE_S3;
    schedule->optimizer = optimizer_of(settings);
    schedule->base = base_of(settings);
    schedule->kind = (co_conf_schedule)settings->lr_schedule;
    schedule->gamma = settings->lr_gamma;
    schedule->step_epochs = (uint64_t)settings->lr_step_epochs;
    schedule->warmup_epochs = settings->warmup_epochs;
    schedule->warmup_by_epoch = settings->profile == (int)CO_CONF_PROFILE_S4;
    schedule->frozen_cosine = s3;
    schedule->steps_per_epoch = steps_per_epoch;
    schedule->epochs = (double)epochs;
    co_status status = fill(schedule, settings, err);
    if (status != CO_OK) {
        co_schedule_destroy(schedule);
        return status;
    }
    *out = schedule;
    return CO_OK;
}

void co_schedule_destroy(co_schedule *schedule)
{
    if (schedule == NULL) {
        return;
    }
    co_regime_destroy(&schedule->regime);
    co_free(schedule->points);
    co_free(schedule->milestones);
    co_free(schedule);
}

/* From the end of the warm-up to the end of the run, step by step. The quirk of S3: the length
 * was counted in batches but the time in epochs, so that the rate hardly moves
 * (docs/METHODS.md 6). */
static double cosine_at(const co_schedule *s, uint64_t step)
{
    double steps_per_epoch = (double)s->steps_per_epoch;
    if (s->frozen_cosine) {
        uint64_t epoch = step / s->steps_per_epoch;
        return co_curve_cosine(s->base.lr, (double)epoch, s->epochs * steps_per_epoch);
    }
    double time = (double)step / steps_per_epoch - s->warmup_epochs;
    return co_curve_cosine(s->base.lr, time > 0.0 ? time : 0.0, s->epochs - s->warmup_epochs);
}

static double curve_at(const co_schedule *s, uint64_t step)
{
    uint64_t epoch = step / s->steps_per_epoch;
    double fraction = (double)step / (double)s->steps_per_epoch;
    switch (s->kind) {
    case CO_CONF_SCHEDULE_CONSTANT:
        break;
    case CO_CONF_SCHEDULE_STEP:
        if (s->step_epochs > 0) {
            return co_curve_step(s->base.lr, s->gamma, s->step_epochs, epoch);
        }
        return co_curve_milestones(s->base.lr, s->gamma, s->milestones, s->milestone_count,
                                   fraction);
    case CO_CONF_SCHEDULE_EXPONENTIAL:
        return co_curve_exponential(s->base.lr, s->gamma, epoch);
    case CO_CONF_SCHEDULE_COSINE:
        return cosine_at(s, step);
    case CO_CONF_SCHEDULE_PIECEWISE_LINEAR:
        return co_curve_linear(s->points, s->point_count, fraction);
    }
    return s->base.lr;
}

/* By steps; in profile s4 by epochs: lr (epoch + 1) / warm-up (docs/METHODS.md 6). */
static double warmup_at(const co_schedule *s, uint64_t step)
{
    if (s->kind == CO_CONF_SCHEDULE_PIECEWISE_LINEAR) {
        return 1.0; /* its points say it already */
    }
    if (s->warmup_by_epoch) {
        uint64_t epoch = step / s->steps_per_epoch;
        return co_curve_warmup((double)epoch, s->warmup_epochs);
    }
    return co_curve_warmup((double)step, s->warmup_epochs * (double)s->steps_per_epoch);
}

co_hyper co_schedule_at(const co_schedule *schedule, uint64_t step)
{
    if (schedule->regime.count > 0) {
        return co_regime_at(&schedule->regime, &schedule->base, 1.0, step);
    }
    co_hyper hyper = schedule->base;
    hyper.lr = curve_at(schedule, step) * warmup_at(schedule, step);
    return hyper;
}

co_optimizer_kind co_schedule_optimizer(const co_schedule *schedule)
{
    return schedule->optimizer;
}
