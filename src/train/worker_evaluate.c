/* What happens between epochs: evaluation, the best models, stopping early. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "train/worker_parts.h"

enum { PATH_SIZE = 4096 };

static void announce_evaluation(const worker *w, co_event_split split, const co_score *score,
                                double duration)
{
    co_event event = {.kind = CO_EVENT_EVALUATION};
    event.evaluation = (co_event_evaluation){
        .step = w->progress->step,
        .epoch = w->progress->result.epochs,
        .split = split,
        .samples = (uint64_t)score->rows,
        .loss = co_score_loss(score),
        .accuracy = co_score_accuracy(score),
        .accuracy5 = co_score_accuracy5(score),
        .duration = duration,
    };
    co_announce(w->options->announcer, &event);
}

typedef co_status (*evaluate_func)(co_job *job, co_score *out, co_error *err);

static co_status evaluate_split(worker *w, co_event_split split, evaluate_func func,
                                co_score *score, co_error *err)
{
    double start = co_announce_seconds(w->options->announcer);
    CO_TRY(func(w->job, score, err));
    announce_evaluation(w, split, score, co_announce_seconds(w->options->announcer) - start);
    return CO_OK;
}

/* The training split when --evaluate-train, the validation split when --val, the test split when
 * --evaluate; --model-accuracy is for the training and test splits at the end. */
static co_status evaluate_splits(worker *w, bool last, co_error *err)
{
    const co_settings *settings = w->job->settings;
    co_train_result *result = &w->progress->result;
    bool both = last && settings->model_accuracy;
    co_comm_at(w->job->comm, w->progress->step, "evaluation");
    if (settings->evaluate_train || both) {
        CO_TRY(evaluate_split(w, CO_EVENT_SPLIT_TRAIN, co_job_evaluate_train,
                              &result->train_evaluated, err));
    }
    if (w->job->validation_subset.count > 0) {
        CO_TRY(evaluate_split(w, CO_EVENT_SPLIT_VAL, co_job_evaluate_validation,
                              &result->validation, err));
    }
    if (settings->evaluate || both) {
        co_mistakes_begin(&w->job->mistakes, w->options->announcer,
                          co_dataset_describe(w->job->dataset), settings->tb_images,
                          w->progress->step, result->epochs);
        CO_TRY(evaluate_split(w, CO_EVENT_SPLIT_TEST, co_job_evaluate_test, &result->test, err));
    }
    return CO_OK;
}

/* --- the best models ------------------------------------------------------------------- */

static double metric_value(const worker *w)
{
    const co_train_result *result = &w->progress->result;
    const co_score *train = result->train_evaluated.rows > 0 ? &result->train_evaluated
                                                             : &result->train;
    switch ((co_conf_metric)w->job->settings->best_metric) {
    case CO_CONF_METRIC_TEST_ACCURACY:
        break;
    case CO_CONF_METRIC_TEST_LOSS:
        return co_score_loss(&result->test);
    case CO_CONF_METRIC_VAL_ACCURACY:
        return co_score_accuracy(&result->validation);
    case CO_CONF_METRIC_VAL_LOSS:
        return co_score_loss(&result->validation);
    case CO_CONF_METRIC_TRAIN_ACCURACY:
        return co_score_accuracy(train);
    case CO_CONF_METRIC_TRAIN_LOSS:
        return co_score_loss(train);
    }
    return co_score_accuracy(&result->test);
}

static bool is_loss(const worker *w)
{
    int metric = w->job->settings->best_metric;
    return metric == CO_CONF_METRIC_TEST_LOSS || metric == CO_CONF_METRIC_VAL_LOSS ||
           metric == CO_CONF_METRIC_TRAIN_LOSS;
}

/* S2's name, best_model_12_test_accuracy=0.8912, with our ending. */
static co_status best_path(const worker *w, const co_best *best, char out[PATH_SIZE], co_error *err)
{
    static const char *const names[] = {"test_accuracy", "test_loss",      "val_accuracy",
                                        "val_loss",      "train_accuracy", "train_loss"};
    int length = snprintf(out, PATH_SIZE, "%s/best_model_%u_%s=%.4f.safetensors",
                          w->options->run_dir, best->epoch, names[w->job->settings->best_metric],
                          best->value);
    if (length < 0 || length >= PATH_SIZE) {
        return co_fail(err, CO_FILE, "%s: the path is too long", w->options->run_dir);
    }
    return CO_OK;
}

/* Where a new one goes among the best: behind its equals, which are older. */
static uint32_t best_place(const worker *w, double value)
{
    const co_progress *progress = w->progress;
    uint32_t place = 0;
    while (place < progress->best_count && (is_loss(w) ? progress->best[place].value <= value
                                                       : progress->best[place].value >= value)) {
        place++;
    }
    return place;
}

/* Enters the new one; *dropped: the one that left, epoch 0 when none did. */
static void enter_best(co_progress *progress, uint32_t place, uint32_t most, const co_best *best,
                       co_best *dropped)
{
    *dropped = (co_best){0};
    if (progress->best_count == most) {
        *dropped = progress->best[most - 1];
        progress->best_count--;
    }
    memmove(&progress->best[place + 1], &progress->best[place],
            (progress->best_count - place) * sizeof(co_best));
    progress->best[place] = *best;
    progress->best_count++;
}

/* With the statistics that were evaluated. */
static co_status save_best(worker *w, const char *path, const char *old, co_error *err)
{
    co_job *job = w->job;
    CO_TRY(co_checkpoints_wait(w->options->checkpoints, err));
    CO_TRY(co_job_common_stats_begin(job, err));
    co_status status = job->comm->rank == 0
                           ? co_checkpoints_save_model(w->options->checkpoints, path, old, err)
                           : CO_OK;
    co_job_common_stats_end(job);
    return status;
}

static co_status keep_best(worker *w, double value, co_error *err)
{
    co_progress *progress = w->progress;
    const co_best best = {.epoch = progress->result.epochs, .value = value};
    uint32_t most = (uint32_t)w->job->settings->keep_best;
    uint32_t place = best_place(w, value);
    char path[PATH_SIZE];
    char old[PATH_SIZE] = "";
    co_best dropped;
    if (place >= most || !isfinite(value)) {
        return CO_OK;
    }
    enter_best(progress, place, most, &best, &dropped);
    if (w->job->comm->rank == 0) {
        CO_TRY(best_path(w, &best, path, err));
    }
    if (w->job->comm->rank == 0 && dropped.epoch != 0) {
        CO_TRY(best_path(w, &dropped, old, err));
    }
    return save_best(w, path, old, err);
}

/* --- stopping early -------------------------------------------------------------------- */

static bool is_early_enough(worker *w, double value)
{
    const co_settings *settings = w->job->settings;
    co_progress *progress = w->progress;
    double gain = is_loss(w) ? progress->early_best - value : value - progress->early_best;
    if (!progress->has_early_best || gain > settings->early_stop_delta) {
        progress->has_early_best = isfinite(value);
        progress->early_best = value;
        progress->waited = 0;
        return false;
    }
    progress->waited++;
    return progress->waited >= (uint32_t)settings->early_stop;
}

static co_status assess(worker *w, bool last, bool *enough, co_error *err)
{
    const co_settings *settings = w->job->settings;
    double value = metric_value(w);
    if (settings->keep_best > 0 && w->options->checkpoints != NULL) {
        CO_TRY(keep_best(w, value, err));
    }
    if (settings->early_stop > 0 && is_early_enough(w, value) && !last) {
        *enough = true;
        co_announce_note(w->options->announcer, CO_LEVEL_NOTE,
                         "stopped early after epoch %u: no better %s in %u evaluations",
                         w->progress->result.epochs, is_loss(w) ? "loss" : "accuracy",
                         w->progress->waited);
    }
    return CO_OK;
}

static co_status evaluate_and_assess(worker *w, bool last, bool *enough, co_error *err)
{
    CO_TRY(evaluate_splits(w, last, err));
    return assess(w, last, enough, err);
}

/* Evaluates the average of the weights where there is one. */
co_status co_worker_evaluate(worker *w, bool last, bool *enough, co_error *err)
{
    uint64_t begin = co_track_now(co_worker_track(w));
    CO_TRY(co_job_swap_average(w->job, err));
    co_status status = evaluate_and_assess(w, last, enough, err);
    if (status != CO_OK) {
        co_error ignored;
        if (co_comm_alone(w->job->comm)) { /* other workers would not come */
            (void)!co_job_swap_average(w->job, &ignored);
        }
        return status;
    }
    CO_TRY(co_job_swap_average(w->job, err));
    co_track_end(co_worker_track(w), begin, "evaluate", "evaluate");
    /* The recent rate is of training alone. */
    w->mark_seconds = co_announce_seconds(w->options->announcer);
    w->mark_images = w->progress->result.images;
    return CO_OK;
}
