/* metrics.csv: one table for all that has a number, of fixed columns. */
#include <math.h>

#include "base/text.h"
#include "monitor/sinks.h"

enum { ROW_SIZE = 512, SPOOL_BYTES = 1 << 18 };

/* What depends on the machine's speed comes last. */
static const char header[] = "event,split,step,epoch,samples,loss,running_loss,accuracy,accuracy5,"
                             "gradient_norm,weight_norm,lr,img_per_s,communication_ms,"
                             "communication_max_ms,duration,seconds\n";

typedef struct csv_sink {
    co_sink base;
    uint64_t log_interval;
} csv_sink;

/* One row; NaN is "not measured", but for the loss. */
typedef struct row {
    const char *split;
    uint64_t step;
    uint32_t epoch;
    uint64_t samples;
    bool scored;
    double loss;
    double running_loss;
    double accuracy;
    double accuracy5;
    double gradient_norm;
    double weight_norm;
    double learning_rate;
    double images_per_second;
    double communication_ms;
    double communication_max_ms;
    double duration;
} row;

static const double none = (double)NAN;

static row step_row(const co_event_step *step)
{
    return (row){
        .split = "train",
        .step = step->step,
        .epoch = step->epoch,
        .samples = step->images,
        .scored = co_event_step_is_scored(step),
        .loss = step->loss,
        .running_loss = step->running_loss,
        .accuracy = step->accuracy,
        .accuracy5 = step->accuracy5,
        .gradient_norm = step->gradient_norm,
        .weight_norm = step->weight_norm,
        .learning_rate = step->learning_rate,
        .images_per_second = step->images_per_second,
        .communication_ms = step->communication_ms,
        .communication_max_ms = step->communication_max_ms,
        .duration = none,
    };
}

static row evaluation_row(const co_event_evaluation *evaluation)
{
    return (row){
        .split = co_event_split_name(evaluation->split),
        .step = evaluation->step,
        .epoch = evaluation->epoch,
        .samples = evaluation->samples,
        .scored = co_event_is_scored(evaluation->loss, evaluation->accuracy),
        .loss = evaluation->loss,
        .running_loss = none,
        .accuracy = evaluation->accuracy,
        .accuracy5 = evaluation->accuracy5,
        .gradient_norm = none,
        .weight_norm = none,
        .learning_rate = none,
        .images_per_second = none,
        .communication_ms = none,
        .communication_max_ms = none,
        .duration = evaluation->duration,
    };
}

static row epoch_row(const co_event_epoch_end *epoch)
{
    return (row){
        .split = "train",
        .step = epoch->step,
        .epoch = epoch->epoch,
        .samples = epoch->samples,
        .scored = co_event_is_scored(epoch->loss, epoch->accuracy),
        .loss = epoch->loss,
        .running_loss = none,
        .accuracy = epoch->accuracy,
        .accuracy5 = none,
        .gradient_norm = none,
        .weight_norm = none,
        .learning_rate = epoch->learning_rate,
        .images_per_second = epoch->images_per_second,
        .communication_ms = none,
        .communication_max_ms = none,
        .duration = epoch->duration,
    };
}

static void add_number(co_text *text, double value)
{
    co_text_put(text, ",");
    if (isfinite(value)) {
        co_text_json_f64(text, value);
    } else if (isinf(value)) {
        co_text_put(text, value > 0.0 ? "inf" : "-inf");
    }
}

static void add_rounded(co_text *text, int decimals, double value)
{
    co_text_put(text, ",");
    if (isfinite(value)) {
        co_text_printf(text, "%.*f", decimals, value);
    }
}

static void add_row(co_text *text, const co_event *event, const row *r)
{
    co_text_printf(text, "%s,%s,%llu,%u,%llu", co_event_kind_name(event->kind), r->split,
                   (unsigned long long)r->step, r->epoch, (unsigned long long)r->samples);
    if (isnan(r->loss) && r->scored) {
        co_text_put(text, ",nan");
    } else {
        add_number(text, r->loss);
    }
    add_number(text, r->running_loss);
    add_number(text, r->accuracy);
    add_number(text, r->accuracy5);
    add_number(text, r->gradient_norm);
    add_number(text, r->weight_norm);
    add_number(text, r->learning_rate);
    add_rounded(text, 1, r->images_per_second);
    add_rounded(text, 3, r->communication_ms);
    add_rounded(text, 3, r->communication_max_ms);
    add_rounded(text, 3, r->duration);
    add_rounded(text, 3, event->seconds);
    co_text_put(text, "\n");
}

static co_status csv_event(co_sink *base, const co_event *event, co_error *err)
{
    const csv_sink *sink = (csv_sink *)base;
    row r;
    switch ((co_event_kind)event->kind) {
    case CO_EVENT_STEP:
        if (sink->log_interval == 0 || event->step.step % sink->log_interval != 0) {
            return CO_OK;
        }
        r = step_row(&event->step);
        break;
    case CO_EVENT_EVALUATION:
        r = evaluation_row(&event->evaluation);
        break;
    case CO_EVENT_EPOCH_END:
        r = epoch_row(&event->epoch_end);
        break;
    case CO_EVENT_RUN_START:
    case CO_EVENT_NOTE:
    case CO_EVENT_RUN_END:
    case CO_EVENT_HISTOGRAM:
    case CO_EVENT_IMAGE:
    case CO_EVENT_MARK:
    default:
        return CO_OK;
    }
    char buffer[ROW_SIZE];
    co_text text = co_text_over(buffer, sizeof(buffer));
    add_row(&text, event, &r);
    if (!co_text_complete(&text)) {
        return co_fail(err, CO_INTERNAL, "metrics.csv: a row of %zu characters", text.length);
    }
    co_spool_add(base->spool, buffer, text.length);
    return CO_OK;
}

static const co_sink_ops csv_ops = {
    .name = "metrics.csv",
    .event = csv_event,
    .flush = co_sink_flush_spool,
    .close = co_sink_close_spool,
};

co_status co_csv_sink(const co_files *files, const char *path, uint64_t keep, uint64_t log_interval,
                      co_sink **out, co_error *err)
{
    const co_sink_file file = {files, path, keep, SPOOL_BYTES};
    CO_TRY(co_sink_open(&csv_ops, sizeof(csv_sink), &file, out, err));
    csv_sink *sink = (csv_sink *)*out;
    sink->base.cut_back = true;
    sink->log_interval = log_interval;
    if (co_spool_offset(sink->base.spool) == 0) {
        co_spool_add(sink->base.spool, header, sizeof(header) - 1);
    }
    return CO_OK;
}
