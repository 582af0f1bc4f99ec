#include "train/progress.h"

#include <string.h>

void co_progress_start(co_progress *progress)
{
    memset(progress, 0, sizeof(*progress));
    progress->lr_factor = 1.0;
}

static co_status visit_score(co_visitor *v, const char *name, co_score *score, co_error *err)
{
    CO_TRY(co_visit_begin(v, name, err));
    CO_TRY(co_visit_f64(v, "loss_sum", &score->loss_sum, err));
    CO_TRY(co_visit_i64(v, "rows", &score->rows, err));
    CO_TRY(co_visit_i64(v, "correct", &score->correct, err));
    CO_TRY(co_visit_i64(v, "correct5", &score->correct5, err));
    return co_visit_end(v, err);
}

static co_status visit_result(co_visitor *v, co_train_result *result, co_error *err)
{
    CO_TRY(co_visit_begin(v, "result", err));
    CO_TRY(co_visit_u64(v, "steps", &result->steps, err));
    CO_TRY(co_visit_u32(v, "epochs", &result->epochs, err));
    CO_TRY(visit_score(v, "train", &result->train, err));
    CO_TRY(visit_score(v, "test", &result->test, err));
    CO_TRY(visit_score(v, "validation", &result->validation, err));
    CO_TRY(visit_score(v, "train_evaluated", &result->train_evaluated, err));
    CO_TRY(co_visit_f64(v, "train_seconds", &result->train_seconds, err));
    CO_TRY(co_visit_u64(v, "images", &result->images, err));
    CO_TRY(co_visit_u64(v, "skipped", &result->skipped, err));
    return co_visit_end(v, err);
}

static co_status visit_best(co_visitor *v, co_progress *progress, co_error *err)
{
    CO_TRY(co_visit_begin(v, "best", err));
    CO_TRY(co_visit_u32(v, "count", &progress->best_count, err));
    for (int i = 0; i < CO_BEST_MAX; i++) {
        CO_TRY(co_visit_u32(v, "epoch", &progress->best[i].epoch, err));
        CO_TRY(co_visit_f64(v, "value", &progress->best[i].value, err));
    }
    CO_TRY(co_visit_end(v, err));
    if (progress->best_count > CO_BEST_MAX) {
        return co_fail(err, CO_FILE, "state: %u best models, more than %d", progress->best_count,
                       (int)CO_BEST_MAX);
    }
    return CO_OK;
}

co_status co_progress_state(co_progress *progress, co_visitor *v, co_error *err)
{
    CO_TRY(co_visit_begin(v, "progress", err));
    CO_TRY(co_visit_u64(v, "step", &progress->step, err));
    CO_TRY(co_visit_u32(v, "epoch", &progress->epoch, err));
    CO_TRY(co_visit_u32(v, "step_in_epoch", &progress->step_in_epoch, err));
    CO_TRY(co_visit_f64(v, "running_loss", &progress->running_loss, err));
    CO_TRY(visit_score(v, "epoch_score", &progress->epoch_score, err));
    CO_TRY(co_visit_f64(v, "epoch_seconds", &progress->epoch_seconds, err));
    CO_TRY(visit_result(v, &progress->result, err));
    CO_TRY(visit_best(v, progress, err));
    CO_TRY(co_visit_bool(v, "has_early_best", &progress->has_early_best, err));
    CO_TRY(co_visit_f64(v, "early_best", &progress->early_best, err));
    CO_TRY(co_visit_u32(v, "waited", &progress->waited, err));
    CO_TRY(co_visit_u32(v, "rollbacks", &progress->rollbacks, err));
    CO_TRY(co_visit_f64(v, "lr_factor", &progress->lr_factor, err));
    CO_TRY(co_visit_u64(v, "trace_rows", &progress->trace_rows, err));
    CO_TRY(co_visit_i64(v, "schedule_shift", &progress->schedule_shift, err));
    return co_visit_end(v, err);
}
