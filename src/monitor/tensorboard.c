#include "monitor/tensorboard.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "monitor/png.h"
#include "monitor/tfevents.h"

enum { RECORD_BYTES = 1 << 17, SPOOL_RECORDS = 8, TAG_SIZE = 200 };

typedef struct tensorboard_sink {
    co_sink base;
    co_tensorboard_options options;
    int64_t start_wall_ns; /* wall time of `seconds` 0 */
    bool described;        /* the hyperparameters are in the file */
    co_tfevents events;
    uint8_t *record; /* (record_bytes) */
    size_t record_bytes;
    co_crc32_table crc; /* of pictures */
} tensorboard_sink;

static double wall_of(const tensorboard_sink *sink, const co_event *event)
{
    return (double)sink->start_wall_ns * 1e-9 + event->seconds;
}

/* NaN stands for "not measured". */
static void add_measured(tensorboard_sink *sink, const char *tag, double value)
{
    if (!isnan(value)) {
        co_tfevents_scalar(&sink->events, tag, value);
    }
}

/* --- hyperparameters --------------------------------------------------------------------- */

enum { VALUE_METADATA = 9, METADATA_PLUGIN = 1, PLUGIN_NAME = 1, PLUGIN_CONTENT = 2 };
enum { HPARAMS_EXPERIMENT = 2, HPARAMS_START = 3, HPARAMS_END = 4 };
enum { EXPERIMENT_CREATED = 3, EXPERIMENT_HPARAM = 4, EXPERIMENT_METRIC = 5 };
enum { HPARAM_NAME = 1, HPARAM_TYPE = 4, METRIC_NAME = 1, METRIC_TAG = 2 };
enum { START_HPARAM = 1, START_TIME = 5, END_STATUS = 1, END_TIME = 2 };
enum { STATUS_SUCCESS = 1, STATUS_FAILURE = 2 };
enum { MAP_KEY = 1, MAP_VALUE = 2, VALUE_NUMBER = 2, VALUE_STRING = 3, VALUE_BOOL = 4 };

/* Marks of the messages that surround what the hparams plugin reads. */
typedef struct plugin {
    size_t value;
    size_t metadata;
    size_t plugin;
    size_t content;
    size_t body;
} plugin;

static plugin open_plugin(tensorboard_sink *sink, double wall, const char *tag, unsigned field)
{
    co_proto *proto = &sink->events.proto;
    plugin p;
    co_tfevents_begin(&sink->events, wall, 0);
    p.value = co_tfevents_open(&sink->events, tag);
    p.metadata = co_proto_open(proto, VALUE_METADATA);
    p.plugin = co_proto_open(proto, METADATA_PLUGIN);
    co_proto_string(proto, PLUGIN_NAME, "hparams");
    p.content = co_proto_open(proto, PLUGIN_CONTENT);
    p.body = co_proto_open(proto, field);
    return p;
}

static void close_plugin(tensorboard_sink *sink, const plugin *p)
{
    co_proto *proto = &sink->events.proto;
    co_proto_close(proto, p->body);
    co_proto_close(proto, p->content);
    co_proto_close(proto, p->plugin);
    co_proto_close(proto, p->metadata);
    co_tfevents_close(&sink->events, p->value);
    co_tfevents_end(&sink->events);
}

/* Which metrics the HPARAMS page shows beside the parameters. */
static void add_metrics(tensorboard_sink *sink)
{
    static const char *const s1[] = {"val_loss", "val_prec1", NULL};
    static const char *const s2[] = {"test/loss", "test/accuracy", NULL};
    co_proto *proto = &sink->events.proto;
    for (const char *const *tag = sink->options.s1_names ? s1 : s2; *tag != NULL; tag++) {
        size_t metric = co_proto_open(proto, EXPERIMENT_METRIC);
        size_t name = co_proto_open(proto, METRIC_NAME);
        co_proto_string(proto, METRIC_TAG, *tag);
        co_proto_close(proto, name);
        co_proto_close(proto, metric);
    }
}

static void add_experiment(tensorboard_sink *sink, double wall)
{
    static const int types[] = {[CO_HPARAM_TEXT] = 1, [CO_HPARAM_BOOL] = 2, [CO_HPARAM_NUMBER] = 3};
    co_proto *proto = &sink->events.proto;
    plugin p = open_plugin(sink, wall, "_hparams_/experiment", HPARAMS_EXPERIMENT);
    co_proto_double(proto, EXPERIMENT_CREATED, wall);
    for (size_t i = 0; i < sink->options.hparam_count; i++) {
        const co_hparam *hparam = &sink->options.hparams[i];
        size_t mark = co_proto_open(proto, EXPERIMENT_HPARAM);
        co_proto_string(proto, HPARAM_NAME, hparam->name);
        co_proto_integer(proto, HPARAM_TYPE, types[hparam->type]);
        co_proto_close(proto, mark);
    }
    add_metrics(sink);
    close_plugin(sink, &p);
}

static void add_hparam_value(co_proto *proto, const co_hparam *hparam)
{
    switch (hparam->type) {
    case CO_HPARAM_TEXT:
        co_proto_string(proto, VALUE_STRING, hparam->text);
        break;
    case CO_HPARAM_NUMBER:
        co_proto_double(proto, VALUE_NUMBER, hparam->number);
        break;
    case CO_HPARAM_BOOL:
        co_proto_integer(proto, VALUE_BOOL, hparam->number != 0.0);
        break;
    }
}

static void add_session_start(tensorboard_sink *sink, double wall)
{
    co_proto *proto = &sink->events.proto;
    plugin p = open_plugin(sink, wall, "_hparams_/session_start_info", HPARAMS_START);
    for (size_t i = 0; i < sink->options.hparam_count; i++) {
        const co_hparam *hparam = &sink->options.hparams[i];
        size_t entry = co_proto_open(proto, START_HPARAM);
        co_proto_string(proto, MAP_KEY, hparam->name);
        size_t value = co_proto_open(proto, MAP_VALUE);
        add_hparam_value(proto, hparam);
        co_proto_close(proto, value);
        co_proto_close(proto, entry);
    }
    co_proto_double(proto, START_TIME, wall);
    close_plugin(sink, &p);
}

static void add_session_end(tensorboard_sink *sink, double wall, bool success)
{
    co_proto *proto = &sink->events.proto;
    plugin p = open_plugin(sink, wall, "_hparams_/session_end_info", HPARAMS_END);
    co_proto_integer(proto, END_STATUS, success ? STATUS_SUCCESS : STATUS_FAILURE);
    co_proto_double(proto, END_TIME, wall);
    close_plugin(sink, &p);
}

/* --- histograms and pictures ------------------------------------------------------------- */

enum { VALUE_IMAGE = 4, VALUE_HISTOGRAM = 5 };
enum { HISTOGRAM_MIN = 1, HISTOGRAM_MAX, HISTOGRAM_COUNT, HISTOGRAM_SUM, HISTOGRAM_SQUARES };
enum { HISTOGRAM_LIMITS = 6, HISTOGRAM_BUCKETS = 7 };
enum { IMAGE_HEIGHT = 1, IMAGE_WIDTH, IMAGE_COLORS, IMAGE_FILE };
enum { SIGN = CO_HISTOGRAM_BUCKETS / 2, BUCKET_SHIFT = 21 };

/* The smallest magnitude in a bucket of that number, without its sign; the largest float for the
 * one after the last. */
static double magnitude(uint32_t bucket)
{
    uint32_t bits = bucket << BUCKET_SHIFT;
    float value = 0.0f;
    memcpy(&value, &bits, sizeof(value));
    return isfinite(value) ? (double)value : (double)FLT_MAX;
}

/* Buckets in the order of their values, each with its upper end; empty ones that follow one another
 * are one. What is around 0 has one bucket of both signs. */
typedef struct bars {
    double limits[CO_HISTOGRAM_BUCKETS];
    double counts[CO_HISTOGRAM_BUCKETS];
    size_t count;
} bars;

static void add_bar(bars *b, double limit, double count)
{
    bool empty = count <= 0.0;
    if (empty && (b->count == 0 || b->counts[b->count - 1] <= 0.0)) {
        b->count -= b->count > 0; /* the gap grows, or has not begun */
    }
    b->limits[b->count] = limit;
    b->counts[b->count] = count;
    b->count++;
}

static void order_bars(const co_histogram *histogram, bars *b)
{
    const uint32_t *buckets = histogram->buckets;
    b->count = 0;
    for (uint32_t i = SIGN - 1; i > 0; i--) {
        add_bar(b, -magnitude(i), buckets[SIGN + i]);
    }
    add_bar(b, magnitude(1), (double)buckets[0] + (double)buckets[SIGN]);
    for (uint32_t i = 1; i < SIGN; i++) {
        add_bar(b, magnitude(i + 1), buckets[i]);
    }
    while (b->count > 1 && b->counts[b->count - 1] <= 0.0) {
        b->count--;
    }
}

/* The names are those of Ignite's handlers: weights/conv1/weight, grads/conv1/weight. */
static void add_histogram(tensorboard_sink *sink, double wall, const co_event_histogram *event)
{
    const co_histogram *histogram = co_blobs_at(sink->options.blobs, event->blob);
    co_proto *proto = &sink->events.proto;
    char tag[TAG_SIZE];
    bars b;
    (void)snprintf(tag, sizeof(tag), "%s/%s", event->gradient != 0 ? "grads" : "weights",
                   histogram->name);
    for (char *c = tag; *c != '\0'; c++) {
        *c = *c == '.' ? '/' : *c;
    }
    order_bars(histogram, &b);
    co_tfevents_begin(&sink->events, wall, (int64_t)event->step);
    size_t value = co_tfevents_open(&sink->events, tag);
    size_t mark = co_proto_open(proto, VALUE_HISTOGRAM);
    co_proto_double(proto, HISTOGRAM_MIN, histogram->min);
    co_proto_double(proto, HISTOGRAM_MAX, histogram->max);
    co_proto_double(proto, HISTOGRAM_COUNT, (double)histogram->count);
    co_proto_double(proto, HISTOGRAM_SUM, histogram->sum);
    co_proto_double(proto, HISTOGRAM_SQUARES, histogram->sum_squares);
    co_proto_doubles(proto, HISTOGRAM_LIMITS, b.limits, b.count);
    co_proto_doubles(proto, HISTOGRAM_BUCKETS, b.counts, b.count);
    co_proto_close(proto, mark);
    co_tfevents_close(&sink->events, value);
    co_tfevents_end(&sink->events);
}

static void add_image(tensorboard_sink *sink, double wall, const co_event_image *event)
{
    const co_mistake *mistake = co_blobs_at(sink->options.blobs, event->blob);
    co_proto *proto = &sink->events.proto;
    size_t bytes = co_png_bytes(mistake->channels, mistake->height, mistake->width);
    char tag[TAG_SIZE];
    (void)snprintf(tag, sizeof(tag), "misclassified/%s_as_%s", mistake->label, mistake->predicted);
    if (bytes > sink->record_bytes) {
        return; /* the blobs decided how large they can be */
    }
    /* the file is made at the end of the record's memory, and copied to its place */
    uint8_t *file = sink->record + sink->record_bytes;
    co_png_write(&sink->crc, mistake->pixels, mistake->channels, mistake->height, mistake->width,
                 file);
    co_tfevents_begin(&sink->events, wall,
                      sink->options.s1_names ? (int64_t)event->step : (int64_t)event->epoch);
    size_t value = co_tfevents_open(&sink->events, tag);
    size_t mark = co_proto_open(proto, VALUE_IMAGE);
    co_proto_integer(proto, IMAGE_HEIGHT, mistake->height);
    co_proto_integer(proto, IMAGE_WIDTH, mistake->width);
    co_proto_integer(proto, IMAGE_COLORS, mistake->channels);
    co_proto_bytes(proto, IMAGE_FILE, file, bytes);
    co_proto_close(proto, mark);
    co_tfevents_close(&sink->events, value);
    co_tfevents_end(&sink->events);
}

/* --- events ------------------------------------------------------------------------------ */

static void add_start(tensorboard_sink *sink, const co_event *event)
{
    int64_t offset_ns = (int64_t)(event->seconds * 1e9);
    if (event->run_start.wall_ns != 0) {
        sink->start_wall_ns = event->run_start.wall_ns - offset_ns;
    }
    if (!sink->described && sink->options.hparam_count > 0) {
        add_experiment(sink, wall_of(sink, event));
        add_session_start(sink, wall_of(sink, event));
    }
    sink->described = true;
}

/* S1: means over the epoch so far, in percent. */
static void add_step(tensorboard_sink *sink, double wall, const co_event_step *step)
{
    uint64_t interval = sink->options.log_interval;
    if (interval == 0 || step->step % interval != 0) {
        return;
    }
    co_tfevents_begin(&sink->events, wall, (int64_t)step->step);
    if (sink->options.s1_names) {
        co_tfevents_scalar(&sink->events, "train_loss", step->epoch_loss);
        add_measured(sink, "train_prec1", 100.0 * step->epoch_accuracy);
        add_measured(sink, "train_prec5", 100.0 * step->epoch_accuracy5);
        add_measured(sink, "lr", step->learning_rate);
        add_measured(sink, "img_sec", step->images_per_second);
        add_measured(sink, "communication_ms", step->communication_ms);
    } else {
        co_tfevents_scalar(&sink->events, "train/batch_loss", step->running_loss);
        add_measured(sink, "train/batch_accuracy", step->accuracy);
        add_measured(sink, "train/gradient_norm", step->gradient_norm);
        add_measured(sink, "train/weight_norm", step->weight_norm);
        add_measured(sink, "lr/group_0", step->learning_rate);
        add_measured(sink, "speed/img_per_s", step->images_per_second);
        add_measured(sink, "speed/communication_ms", step->communication_ms);
        add_measured(sink, "speed/communication_max_ms", step->communication_max_ms);
    }
    co_tfevents_end(&sink->events);
}

/* S1 calls the test samples "val"; its x is the step, S2's the epoch. */
static void add_evaluation(tensorboard_sink *sink, double wall, const co_event_evaluation *e)
{
    bool s1 = sink->options.s1_names;
    static const char *const s1_splits[] = {"train_set", "held_out", "val"};
    const char *prefix = s1 ? s1_splits[e->split % 3] : co_event_split_name(e->split);
    char loss[TAG_SIZE];
    char first[TAG_SIZE];
    char five[TAG_SIZE];
    (void)snprintf(loss, sizeof(loss), "%s%sloss", prefix, s1 ? "_" : "/");
    (void)snprintf(first, sizeof(first), "%s%s", prefix, s1 ? "_prec1" : "/accuracy");
    (void)snprintf(five, sizeof(five), "%s%s", prefix, s1 ? "_prec5" : "/accuracy5");
    double scale = s1 ? 100.0 : 1.0;
    co_tfevents_begin(&sink->events, wall, s1 ? (int64_t)e->step : (int64_t)e->epoch);
    co_tfevents_scalar(&sink->events, loss, e->loss);
    add_measured(sink, first, scale * e->accuracy);
    add_measured(sink, five, scale * e->accuracy5);
    co_tfevents_end(&sink->events);
}

/* The epoch as its batches were seen, for which the references have no name. */
static void add_epoch(tensorboard_sink *sink, double wall, const co_event_epoch_end *epoch)
{
    co_tfevents_begin(&sink->events, wall, (int64_t)epoch->epoch);
    co_tfevents_scalar(&sink->events, "epoch/loss", epoch->loss);
    add_measured(sink, "epoch/accuracy", epoch->accuracy);
    add_measured(sink, "epoch/img_per_s", epoch->images_per_second);
    co_tfevents_end(&sink->events);
}

static co_status tensorboard_event(co_sink *base, const co_event *event, co_error *err)
{
    tensorboard_sink *sink = (tensorboard_sink *)base;
    double wall = wall_of(sink, event);
    (void)err;
    switch ((co_event_kind)event->kind) {
    case CO_EVENT_RUN_START:
        add_start(sink, event);
        break;
    case CO_EVENT_STEP:
        add_step(sink, wall, &event->step);
        break;
    case CO_EVENT_EVALUATION:
        add_evaluation(sink, wall, &event->evaluation);
        break;
    case CO_EVENT_EPOCH_END:
        add_epoch(sink, wall, &event->epoch_end);
        break;
    case CO_EVENT_RUN_END: /* a run that was stopped can be resumed: it has not ended */
        if (event->run_end.outcome != CO_OUTCOME_PREEMPTED && sink->options.hparam_count > 0) {
            add_session_end(sink, wall, event->run_end.outcome == CO_OUTCOME_FINISHED);
        }
        break;
    case CO_EVENT_HISTOGRAM:
        add_histogram(sink, wall, &event->histogram);
        break;
    case CO_EVENT_IMAGE:
        add_image(sink, wall, &event->image);
        break;
    case CO_EVENT_NOTE:
    case CO_EVENT_MARK:
        break;
    }
    return CO_OK;
}

static void tensorboard_close(co_sink *base)
{
    tensorboard_sink *sink = (tensorboard_sink *)base;
    co_spool_close(base->spool);
    co_free(sink->record);
    co_free(sink);
}

static const co_sink_ops tensorboard_ops = {
    .name = "TensorBoard",
    .event = tensorboard_event,
    .flush = co_sink_flush_spool,
    .close = tensorboard_close,
};

co_status co_tensorboard_sink(const co_tensorboard_options *options, co_sink **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(tensorboard_sink), "TensorBoard sink", &block, err));
    tensorboard_sink *sink = block;
    sink->base.ops = &tensorboard_ops;
    sink->base.cut_back = true;
    sink->options = *options;
    sink->start_wall_ns = co_clock_wall_ns(options->clock);
    /* a picture as a file is hardly larger than its pixels */
    sink->record_bytes = RECORD_BYTES;
    sink->record_bytes += options->blobs != NULL ? 2 * co_blobs_bytes(options->blobs) : 0;
    co_status status = co_alloc(2, sink->record_bytes, "TensorBoard sink", &block, err);
    if (status == CO_OK) {
        sink->record = block;
        status = co_spool_open(options->files, options->path, options->keep,
                               SPOOL_RECORDS * sink->record_bytes, &sink->base.spool, err);
    }
    if (status != CO_OK) {
        tensorboard_close(&sink->base);
        return status;
    }
    co_crc32_init(&sink->crc);
    co_tfevents_init(&sink->events, sink->base.spool, sink->record, sink->record_bytes);
    sink->described = co_spool_offset(sink->base.spool) > 0;
    if (!sink->described) {
        co_tfevents_add_version(&sink->events, (double)sink->start_wall_ns * 1e-9);
    }
    *out = &sink->base;
    return CO_OK;
}
