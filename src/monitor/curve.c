#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "monitor/plot.h"
#include "monitor/sinks.h"

enum {
    BINS = 512,        /* pairs are merged when all are full */
    EVALUATIONS = 512, /* the same */
    ROWS = 8,
    LABEL_COLUMNS = 7,
    GAP_COLUMNS = 3,
    WIDTH_DEFAULT = 80,
    WIDTH_MAX = 120,
    WIDTH_FOR_TWO = 72, /* two plots side by side */
    WIDTH_MIN = 40,     /* the longest title */
    TEXT_SIZE = 65536,
};

/* Sums over `bin_steps` steps each. */
typedef struct series {
    double loss[BINS];
    double accuracy[BINS];
    unsigned filled[BINS]; /* steps in the bin */
    unsigned bins;         /* in use; the last one may be partly filled */
    unsigned bin_steps;
} series;

typedef struct evaluations {
    uint64_t step[EVALUATIONS];
    double accuracy[EVALUATIONS];
    unsigned count;
    uint32_t split; /* of those kept: test where there is one, else val */
} evaluations;

typedef struct curve_sink {
    co_sink base;
    co_console console;
    uint64_t first_step;
    uint64_t last_step;
    series series;
    evaluations evaluations;
    char text[TEXT_SIZE];
} curve_sink;

/* --- collecting ------------------------------------------------------------------------ */

static void merge_bins(series *s)
{
    for (unsigned i = 0; i < BINS / 2; i++) {
        s->loss[i] = s->loss[2 * i] + s->loss[2 * i + 1];
        s->accuracy[i] = s->accuracy[2 * i] + s->accuracy[2 * i + 1];
        s->filled[i] = s->filled[2 * i] + s->filled[2 * i + 1];
    }
    s->bins = BINS / 2;
    s->bin_steps *= 2;
}

static void add_step(series *s, const co_event_step *step)
{
    if (s->bins == 0 || s->filled[s->bins - 1] == s->bin_steps) {
        if (s->bins == BINS) {
            merge_bins(s);
        }
        s->loss[s->bins] = 0.0;
        s->accuracy[s->bins] = 0.0;
        s->filled[s->bins] = 0;
        s->bins++;
    }
    s->loss[s->bins - 1] += step->loss;
    s->accuracy[s->bins - 1] += step->accuracy;
    s->filled[s->bins - 1]++;
}

static void add_evaluation(evaluations *e, const co_event_evaluation *evaluation)
{
    if (evaluation->split == CO_EVENT_SPLIT_TRAIN ||
        (evaluation->split != e->split && e->split == CO_EVENT_SPLIT_TEST)) {
        return;
    }
    if (evaluation->split != e->split) {
        e->split = evaluation->split;
        e->count = 0;
    }
    if (e->count == EVALUATIONS) {
        for (unsigned i = 0; i < EVALUATIONS / 2; i++) {
            e->step[i] = e->step[2 * i + 1];
            e->accuracy[i] = e->accuracy[2 * i + 1];
        }
        e->count = EVALUATIONS / 2;
    }
    e->step[e->count] = evaluation->step;
    e->accuracy[e->count] = evaluation->accuracy;
    e->count++;
}

/* --- drawing --------------------------------------------------------------------------- */

/* One plot with what is around it. */
typedef struct panel {
    co_plot plot;
    char title[64];
    double scale; /* of the labels: 100 for percent */
    const char *unit;
} panel;

static void spread(const double *values, size_t count, double *low, double *high)
{
    for (size_t i = 0; i < count; i++) {
        if (isfinite(values[i])) {
            *low = values[i] < *low ? values[i] : *low;
            *high = values[i] > *high ? values[i] : *high;
        }
    }
}

/* Rounds outwards to a tenth of the range's power of ten, so that the labels are short. */
static void round_range(double *low, double *high)
{
    double range = *high - *low;
    if (!(range > 0.0)) {
        range = fabs(*high) > 0.0 ? fabs(*high) : 1.0;
    }
    double unit = pow(10.0, floor(log10(range))) / 10.0;
    *low = floor(*low / unit) * unit;
    *high = ceil(*high / unit) * unit;
}

static void init_panel(panel *p, const co_console *console, unsigned columns)
{
    memset(p, 0, sizeof(*p));
    p->plot.columns = columns - LABEL_COLUMNS - 1;
    p->plot.rows = ROWS;
    p->plot.utf8 = console->utf8;
    p->plot.color = console->color;
    p->plot.low = (double)INFINITY;
    p->plot.high = -(double)INFINITY;
}

static void means(const series *s, const double *sums, double *out)
{
    for (unsigned i = 0; i < s->bins; i++) {
        out[i] = sums[i] / (double)s->filled[i];
    }
}

/* false when there are fewer than two finite values. */
static bool loss_panel(const curve_sink *sink, unsigned columns, panel *p)
{
    double values[BINS];
    init_panel(p, &sink->console, columns);
    means(&sink->series, sink->series.loss, values);
    spread(values, sink->series.bins, &p->plot.low, &p->plot.high);
    if (sink->series.bins < 2 || p->plot.low > p->plot.high) {
        return false;
    }
    (void)snprintf(p->title, sizeof(p->title), "training loss");
    p->scale = 1.0;
    p->unit = "";
    round_range(&p->plot.low, &p->plot.high);
    co_plot_line(&p->plot, values, sink->series.bins);
    return true;
}

static bool accuracy_panel(const curve_sink *sink, unsigned columns, panel *p)
{
    double values[BINS];
    const evaluations *e = &sink->evaluations;
    init_panel(p, &sink->console, columns);
    means(&sink->series, sink->series.accuracy, values);
    double train_low = (double)INFINITY;
    double train_high = -(double)INFINITY;
    spread(values, sink->series.bins, &train_low, &train_high);
    bool train = sink->series.bins >= 2 && train_low <= train_high;
    spread(e->accuracy, e->count, &p->plot.low, &p->plot.high);
    bool evaluated = p->plot.low <= p->plot.high;
    if (!train && (!evaluated || e->count < 2)) {
        return false;
    }
    if (train) {
        spread(values, sink->series.bins, &p->plot.low, &p->plot.high);
    }
    const char *marks = sink->console.utf8 ? " ● " : " o ";
    const char *line = sink->console.utf8 ? " ─ training" : " . training";
    (void)snprintf(p->title, sizeof(p->title), "accuracy%s%s%s", train ? line : "",
                   evaluated ? marks : "", evaluated ? co_event_split_name(e->split) : "");
    p->scale = 100.0;
    p->unit = " %";
    round_range(&p->plot.low, &p->plot.high);
    p->plot.high = p->plot.high > 1.0 ? 1.0 : p->plot.high;
    if (train) {
        co_plot_line(&p->plot, values, sink->series.bins);
    }
    double steps = (double)(sink->last_step - sink->first_step);
    for (unsigned i = 0; i < e->count && steps > 0.0; i++) {
        co_plot_mark(&p->plot, (double)(e->step[i] - sink->first_step) / steps, e->accuracy[i]);
    }
    return true;
}

static void pad(co_text *text, size_t used, size_t columns)
{
    for (size_t i = used; i < columns; i++) {
        co_text_put(text, " ");
    }
}

static void add_title(const panel *p, co_text *text)
{
    size_t columns = p->plot.columns + 1;
    pad(text, 0, LABEL_COLUMNS);
    co_text_put(text, p->title);
    pad(text, co_utf8_columns(p->title), columns);
}

static void add_plot_row(const panel *p, unsigned row, co_text *text)
{
    char label[32] = "";
    double up = 1.0 - (double)row / (ROWS - 1);
    bool labelled = row == 0 || row == ROWS - 1;
    if (labelled) {
        double value = p->scale * (p->plot.low + up * (p->plot.high - p->plot.low));
        int decimals = p->scale * (p->plot.high - p->plot.low) < 1.0 ? 2
                       : fabs(value) < 99.95                         ? 1
                                                                     : 0;
        (void)snprintf(label, sizeof(label), "%.*f%s", decimals, value, p->unit);
    }
    pad(text, strlen(label) + 1, LABEL_COLUMNS);
    co_text_put(text, label);
    co_text_put(text, " ");
    co_text_put(text, !p->plot.utf8 ? "|" : labelled ? "┤" : "│");
    co_plot_row(&p->plot, row, text);
}

static void add_axis(const panel *p, co_text *text)
{
    pad(text, 0, LABEL_COLUMNS);
    co_text_put(text, p->plot.utf8 ? "└" : "+");
    for (unsigned i = 0; i < p->plot.columns; i++) {
        co_text_put(text, p->plot.utf8 ? "─" : "-");
    }
}

static void add_steps(const curve_sink *sink, const panel *p, co_text *text)
{
    char first[40];
    char last[40];
    (void)snprintf(first, sizeof(first), "step %llu", (unsigned long long)sink->first_step);
    (void)snprintf(last, sizeof(last), "%llu", (unsigned long long)sink->last_step);
    pad(text, 0, LABEL_COLUMNS + 1);
    co_text_put(text, first);
    pad(text, strlen(first) + strlen(last), p->plot.columns);
    co_text_put(text, last);
}

/* The panels' lines side by side. */
static void add_panels(const curve_sink *sink, const panel *panels, unsigned count, co_text *text)
{
    for (unsigned line = 0; line < ROWS + 3; line++) {
        for (unsigned i = 0; i < count; i++) {
            pad(text, 0, i > 0 ? GAP_COLUMNS : 0);
            if (line == 0) {
                add_title(&panels[i], text);
            } else if (line <= ROWS) {
                add_plot_row(&panels[i], line - 1, text);
            } else if (line == ROWS + 1) {
                add_axis(&panels[i], text);
            } else {
                add_steps(sink, &panels[i], text);
            }
        }
        co_text_put(text, "\n");
    }
}

static void draw(const curve_sink *sink, co_text *text)
{
    unsigned width = sink->console.width == 0 ? WIDTH_DEFAULT : sink->console.width;
    width = width > WIDTH_MAX ? WIDTH_MAX : width < WIDTH_MIN ? WIDTH_MIN : width;
    bool side_by_side = width >= WIDTH_FOR_TWO;
    unsigned columns = side_by_side ? (width - GAP_COLUMNS - 1) / 2 : width - 1;
    panel panels[2];
    unsigned count = 0;
    count += loss_panel(sink, columns, &panels[count]);
    count += accuracy_panel(sink, columns, &panels[count]);
    co_text_put(text, sink->console.terminal ? "\r\033[K" : ""); /* a bar may be on this line */
    if (count == 0) {
        return;
    }
    co_text_put(text, "\n");
    unsigned at_once = side_by_side ? count : 1;
    for (unsigned i = 0; i < count; i += at_once) {
        add_panels(sink, &panels[i], at_once, text);
    }
    co_text_put(text, "\n");
}

/* --- events ---------------------------------------------------------------------------- */

static co_status curve_event(co_sink *base, const co_event *event, co_error *err)
{
    curve_sink *sink = (curve_sink *)base;
    switch ((co_event_kind)event->kind) {
    case CO_EVENT_RUN_START:
        sink->first_step = event->run_start.first_step;
        sink->last_step = sink->first_step;
        return CO_OK;
    case CO_EVENT_STEP:
        add_step(&sink->series, &event->step);
        sink->last_step = event->step.step;
        return CO_OK;
    case CO_EVENT_EVALUATION:
        add_evaluation(&sink->evaluations, &event->evaluation);
        return CO_OK;
    case CO_EVENT_RUN_END:
        break;
    case CO_EVENT_EPOCH_END:
    case CO_EVENT_NOTE:
    case CO_EVENT_HISTOGRAM:
    case CO_EVENT_IMAGE:
    case CO_EVENT_MARK:
        return CO_OK;
    }
    co_text text = co_text_over(sink->text, sizeof(sink->text));
    draw(sink, &text);
    size_t length = co_text_complete(&text) ? text.length : sizeof(sink->text) - 1;
    FILE *file = sink->console.file;
    if (fwrite(sink->text, 1, length, file) != length || fflush(file) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot write to the console");
    }
    return CO_OK;
}

static void curve_close(co_sink *base)
{
    co_free((curve_sink *)base);
}

static const co_sink_ops curve_ops = {
    .name = "the curve",
    .event = curve_event,
    .flush = NULL,
    .close = curve_close,
};

co_status co_curve_sink(const co_console *console, co_sink **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(curve_sink), "curve sink", &block, err));
    curve_sink *sink = block;
    sink->base.ops = &curve_ops;
    sink->console = *console;
    sink->series.bin_steps = 1;
    sink->evaluations.split = CO_EVENT_SPLIT_VAL;
    *out = &sink->base;
    return CO_OK;
}
