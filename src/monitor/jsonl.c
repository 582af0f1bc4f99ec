#include <math.h>

#include "base/text.h"
#include "monitor/sinks.h"

enum { LINE_SIZE = 2048, SPOOL_BYTES = 1 << 18 };

typedef struct jsonl_sink {
    co_sink base;
    uint64_t log_interval;
} jsonl_sink;

/* A line being written: keys in the order of the calls. */
typedef struct line {
    char buffer[LINE_SIZE];
    co_text text;
    bool finite;
} line;

static void key(line *l, const char *name)
{
    co_text_printf(&l->text, ",\"%s\":", name);
}

static void add_integer(line *l, const char *name, uint64_t value)
{
    key(l, name);
    co_text_printf(&l->text, "%llu", (unsigned long long)value);
}

static void add_string(line *l, const char *name, const char *value)
{
    key(l, name);
    co_text_json_string(&l->text, value);
}

static void add_number(line *l, const char *name, double value)
{
    key(l, name);
    co_text_json_f64(&l->text, value);
    l->finite = l->finite && isfinite(value);
}

/* NaN stands for "not measured" here. */
static void add_optional(line *l, const char *name, double value)
{
    if (!isnan(value)) {
        add_number(l, name, value);
    }
}

/* Wall times: rounded, and never a reason to call the metrics not finite. */
static void add_time(line *l, const char *name, double value)
{
    if (isfinite(value)) {
        key(l, name);
        co_text_printf(&l->text, "%.3f", value);
    }
}

static void add_rate(line *l, double images_per_second)
{
    if (isfinite(images_per_second)) {
        key(l, "img_per_s");
        co_text_printf(&l->text, "%.1f", images_per_second);
    }
}

static void add_communication(line *l, double mean_ms, double max_ms)
{
    add_time(l, "communication_ms", mean_ms);
    add_time(l, "communication_max_ms", max_ms);
}

static void add_run_start(line *l, const co_event_run_start *run)
{
    add_string(l, "dataset", run->dataset);
    add_string(l, "model", run->model);
    add_integer(l, "parameters", run->parameters);
    add_integer(l, "epochs", run->epochs);
    add_integer(l, "steps", run->steps_total);
    add_integer(l, "steps_per_epoch", run->steps_per_epoch);
    add_integer(l, "first_step", run->first_step);
    add_integer(l, "batch_size", run->batch_size);
    add_integer(l, "threads", run->threads);
    add_time(l, "wall", (double)run->wall_ns * 1e-9);
}

/* Not finite is a fault, unless nothing was scored. */
static void add_loss(line *l, double loss, double accuracy)
{
    if (co_event_is_scored(loss, accuracy)) {
        add_number(l, "loss", loss);
    }
}

static void add_step(line *l, const co_event_step *step)
{
    add_integer(l, "step", step->step);
    add_integer(l, "epoch", step->epoch);
    if (co_event_step_is_scored(step)) {
        add_number(l, "loss", step->loss);
    }
    add_optional(l, "running_loss", step->running_loss);
    add_optional(l, "accuracy", step->accuracy);
    add_optional(l, "gradient_norm", step->gradient_norm);
    add_optional(l, "weight_norm", step->weight_norm);
    add_optional(l, "lr", step->learning_rate);
    add_rate(l, step->images_per_second);
    add_communication(l, step->communication_ms, step->communication_max_ms);
}

static void add_evaluation(line *l, const co_event_evaluation *evaluation)
{
    add_string(l, "split", co_event_split_name(evaluation->split));
    add_integer(l, "step", evaluation->step);
    add_integer(l, "epoch", evaluation->epoch);
    add_integer(l, "samples", evaluation->samples);
    add_loss(l, evaluation->loss, evaluation->accuracy);
    add_optional(l, "accuracy", evaluation->accuracy);
    add_optional(l, "accuracy5", evaluation->accuracy5);
    add_time(l, "duration", evaluation->duration);
}

static void add_epoch_end(line *l, const co_event_epoch_end *epoch)
{
    add_integer(l, "step", epoch->step);
    add_integer(l, "epoch", epoch->epoch);
    add_integer(l, "steps", epoch->steps);
    add_integer(l, "samples", epoch->samples);
    add_loss(l, epoch->loss, epoch->accuracy);
    add_optional(l, "accuracy", epoch->accuracy);
    add_optional(l, "lr", epoch->learning_rate);
    add_time(l, "duration", epoch->duration);
    add_rate(l, epoch->images_per_second);
}

static void add_run_end(line *l, const co_event_run_end *end)
{
    add_string(l, "outcome", co_outcome_name(end->outcome));
    add_integer(l, "step", end->step);
    add_integer(l, "epochs", end->epochs);
    add_optional(l, "test_accuracy", end->test_accuracy);
    add_optional(l, "test_loss", end->test_loss);
    add_rate(l, end->images_per_second);
    add_communication(l, end->communication_ms, (double)NAN);
}

static bool is_empty(const jsonl_sink *sink)
{
    return co_spool_offset(sink->base.spool) + co_spool_waiting(sink->base.spool) == 0;
}

/* false: this event has no line. */
static bool fill(const jsonl_sink *sink, line *l, const co_event *event)
{
    co_text_printf(&l->text, "{\"event\":\"%s\"", co_event_kind_name(event->kind));
    if (event->rank > 0) {
        add_integer(l, "rank", event->rank);
    }
    switch ((co_event_kind)event->kind) {
    case CO_EVENT_RUN_START:
        add_run_start(l, &event->run_start);
        return event->run_start.first_step == 0 || is_empty(sink);
    case CO_EVENT_STEP:
        add_step(l, &event->step);
        return sink->log_interval > 0 && event->step.step % sink->log_interval == 0;
    case CO_EVENT_EVALUATION:
        add_evaluation(l, &event->evaluation);
        return true;
    case CO_EVENT_EPOCH_END:
        add_epoch_end(l, &event->epoch_end);
        return true;
    case CO_EVENT_RUN_END:
        add_run_end(l, &event->run_end);
        return true;
    case CO_EVENT_NOTE:
    case CO_EVENT_HISTOGRAM:
    case CO_EVENT_IMAGE:
    case CO_EVENT_MARK:
        return false;
    }
    return false;
}

static co_status jsonl_event(co_sink *base, const co_event *event, co_error *err)
{
    jsonl_sink *sink = (jsonl_sink *)base;
    line l = {.finite = true};
    l.text = co_text_over(l.buffer, sizeof(l.buffer));
    if (!fill(sink, &l, event)) {
        return CO_OK;
    }
    add_time(&l, "seconds", event->seconds);
    co_text_put(&l.text, l.finite ? "}\n" : ",\"finite\":false}\n");
    if (!co_text_complete(&l.text)) {
        return co_fail(err, CO_INTERNAL, "metrics: a line of %zu characters", l.text.length);
    }
    co_spool_add(sink->base.spool, l.buffer, l.text.length);
    return CO_OK;
}

static const co_sink_ops jsonl_ops = {
    .name = "metrics.jsonl",
    .event = jsonl_event,
    .flush = co_sink_flush_spool,
    .close = co_sink_close_spool,
};

co_status co_jsonl_sink(const co_files *files, const char *path, uint64_t keep,
                        uint64_t log_interval, co_sink **out, co_error *err)
{
    const co_sink_file file = {files, path, keep, SPOOL_BYTES};
    CO_TRY(co_sink_open(&jsonl_ops, sizeof(jsonl_sink), &file, out, err));
    jsonl_sink *sink = (jsonl_sink *)*out;
    sink->base.cut_back = true;
    sink->log_interval = log_interval;
    return CO_OK;
}
