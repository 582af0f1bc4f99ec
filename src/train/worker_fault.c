/* A loss or gradient that is not finite: the report, and what --nan-policy makes of it. */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/text.h"
#include "train/resume.h"
#include "train/worker_parts.h"

enum { PATH_SIZE = 4096, REPORTS_MAX = 3 };

/* --- the report: step, rate, samples, norms of every tensor ------------------------------ */

/* L2 in double; NaN where a value is. */
static double norm_of(const float *values, const co_tensor *tensor)
{
    double sum = 0.0;
    for (size_t i = 0; i < tensor->count; i++) {
        double value = (double)values[tensor->offset + i];
        sum += value * value;
    }
    return sqrt(sum);
}

static void put_samples(co_text *text, const step_report *report)
{
    co_text_put(text, "  \"samples\": [");
    for (int i = 0; i < report->sample_count; i++) {
        co_text_printf(text, "%s%u", i > 0 ? ", " : "", report->samples[i]);
    }
    co_text_put(text, "],\n");
}

static void put_number(co_text *text, const char *key, double value, const char *end)
{
    co_text_json_string(text, key);
    co_text_put(text, ": ");
    co_text_json_f64(text, value);
    co_text_put(text, end);
}

static void put_report(co_text *text, const worker *w, const step_report *report)
{
    const co_graph *graph = w->job->graph;
    const co_model *model = w->job->model;
    co_text_printf(text, "{\n  \"step\": %llu,\n  \"epoch\": %u,\n  ",
                   (unsigned long long)(w->progress->step + 1), w->progress->epoch + 1);
    put_number(text, "lr", report->hyper.lr, ",\n  ");
    put_number(text, "loss", report->loss, ",\n  ");
    put_number(text, "gradient_norm", report->gradient_norm, ",\n");
    put_samples(text, report);
    co_text_put(text, "  \"tensors\": [\n");
    for (int i = 0; i < graph->param_count; i++) {
        co_text_put(text, "    {\"name\": ");
        co_text_json_string(text, graph->params[i].name);
        co_text_put(text, ", ");
        put_number(text, "weight_norm", norm_of(model->params, &graph->params[i]), ", ");
        put_number(text, "gradient_norm", norm_of(model->grads, &graph->params[i]), "}");
        co_text_put(text, i + 1 < graph->param_count ? ",\n" : "\n");
    }
    co_text_put(text, "  ]\n}\n");
}

static co_status write_report(const worker *w, const step_report *report, co_error *err)
{
    char path[PATH_SIZE];
    void *block = NULL;
    int length = snprintf(path, sizeof(path), "%s/not-finite-%06llu.json", w->options->run_dir,
                          (unsigned long long)(w->progress->step + 1));
    if (length < 0 || length >= PATH_SIZE) {
        return co_fail(err, CO_FILE, "%s: the path is too long", w->options->run_dir);
    }
    co_text sized = co_text_over(NULL, 0);
    put_report(&sized, w, report);
    CO_TRY(co_alloc(sized.length + 1, 1, "report", &block, err));
    co_text text = co_text_over(block, sized.length + 1);
    put_report(&text, w, report);
    co_status status = co_file_save(w->options->files, path, text.data, text.length, err);
    co_free(block);
    if (status == CO_OK) {
        co_announce_note(w->options->announcer, CO_LEVEL_NOTE, "%s tells more about that step",
                         path);
    }
    return status;
}

static void report_step(const worker *w, const step_report *report)
{
    co_error err;
    if (w->options->run_dir != NULL && w->options->files != NULL &&
        write_report(w, report, &err) != CO_OK) {
        co_announce_note(w->options->announcer, CO_LEVEL_WARNING, "no report of the step: %s",
                         err.text);
    }
}

/* --- going back ------------------------------------------------------------------------ */

static co_status find_newest(const worker *w, co_committed **out, co_error *err)
{
    CO_TRY(co_checkpoint_newest(co_checkpoints_folder(w->options->checkpoints), true,
                                w->options->announcer, out, err));
    if (*out == NULL) {
        return co_fail(err, CO_FAILED,
                       "a loss or gradient is not finite, and there is no checkpoint to go back "
                       "to yet: lower --lr, or --checkpoint-every");
    }
    return CO_OK;
}

static co_status load_newest(worker *w, co_error *err)
{
    co_checkpoints *checkpoints = w->options->checkpoints;
    co_committed *committed = NULL;
    CO_TRY(co_checkpoints_wait(checkpoints, err));
    co_status status = w->job->comm->rank == 0 ? find_newest(w, &committed, err) : CO_OK;
    CO_TRY(co_comm_agree(w->job->comm, status, err));
    status = co_resume_back(committed, w->job, w->options->announcer, w->progress, err);
    co_committed_close(committed);
    CO_TRY(status);
    co_checkpoints_loaded(checkpoints);
    return CO_OK;
}

static co_status roll_back(worker *w, step_report *report, const char *what, co_error *err)
{
    const co_settings *settings = w->job->settings;
    co_progress *progress = w->progress;
    uint64_t step = progress->step + 1;
    uint32_t rollbacks = progress->rollbacks + 1;
    double lr_factor = progress->lr_factor * settings->rollback_lr;
    if (rollbacks > (uint32_t)settings->rollback_max) {
        return co_fail(err, CO_FAILED,
                       "the %s of step %llu is not finite, after %u rollbacks: lower --lr, or "
                       "raise --rollback-max",
                       what, (unsigned long long)step, rollbacks - 1);
    }
    CO_TRY(load_newest(w, err));
    progress->rollbacks = rollbacks;
    progress->lr_factor = lr_factor;
    w->mark_images = progress->result.images;
    w->mark_step = progress->step;
    w->job->strategy->exposed_seconds = 0.0;
    report->rolled_back = true;
    if (w->options->trace != NULL) {
        CO_TRY(co_trace_cut(w->options->trace, progress->trace_rows, err));
    }
    co_announce_note(w->options->announcer, CO_LEVEL_WARNING,
                     "the %s of step %llu is not finite: back to step %llu, with %g of the "
                     "learning rate (rollback %u of %d)",
                     what, (unsigned long long)step, (unsigned long long)progress->step,
                     progress->lr_factor, rollbacks, settings->rollback_max);
    return CO_OK;
}

co_status co_worker_not_finite(worker *w, step_report *report, co_error *err)
{
    const char *what = isfinite(report->loss) ? "gradient" : "loss";
    co_progress *progress = w->progress;
    co_conf_nan_policy policy = (co_conf_nan_policy)w->job->settings->nan_policy;
    if (policy != CO_CONF_NAN_SKIP || progress->result.skipped < REPORTS_MAX) {
        report_step(w, report);
    }
    if (policy == CO_CONF_NAN_SKIP) {
        progress->result.skipped++;
        co_announce_note(w->options->announcer, CO_LEVEL_WARNING,
                         "step %llu skipped: the %s is not finite",
                         (unsigned long long)(progress->step + 1), what);
        return CO_OK;
    }
    if (policy == CO_CONF_NAN_ROLLBACK && w->options->checkpoints != NULL) {
        return roll_back(w, report, what, err);
    }
    return co_fail(err, CO_FAILED,
                   "the %s of step %llu (epoch %u, learning rate %g) is not finite: lower --lr, or "
                   "leave such steps out with --nan-policy skip",
                   what, (unsigned long long)(progress->step + 1), progress->epoch + 1,
                   report->hyper.lr);
}
