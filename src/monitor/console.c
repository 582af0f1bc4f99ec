#include <errno.h>
#include <langinfo.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "monitor/describe.h"
#include "monitor/sinks.h"

enum {
    LINE_SIZE = 4096, /* at most PIPE_BUF: a pipe that takes anything takes a line */
    WIDTH_DEFAULT = 80,
    WIDTH_MAX = 300,
    BAR_MIN = 8,
    PATIENCE_MS = 1000, /* with whoever reads a pipe or has stopped the terminal */
};

#define REDRAW_SECONDS 0.1

typedef struct console_sink {
    co_sink base;
    co_console console;
    co_description description;
    double drawn_at;  /* seconds of the last redraw */
    bool bar_visible; /* the cursor's line holds a bar */
    bool stuck;       /* it took nothing for so long: lines are left out until it does */
    unsigned long left_out;
} console_sink;

/* 0 when the stream is no terminal. */
static unsigned terminal_width(FILE *file)
{
    struct winsize size = {0};
    if (ioctl(fileno(file), TIOCGWINSZ, &size) != 0) {
        return 0;
    }
    return size.ws_col;
}

co_console co_console_detect(FILE *file, co_verbosity verbosity)
{
    const char *term = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");
    bool capable = term != NULL && strcmp(term, "dumb") != 0;
    bool terminal = isatty(fileno(file)) == 1 && capable;
    return (co_console){
        .file = file,
        .verbosity = verbosity,
        .terminal = terminal,
        .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
        .color = terminal && (no_color == NULL || no_color[0] == '\0'),
        .width = terminal_width(file),
        .log_interval = 0,
    };
}

/* A reader that sleeps (a pager, Ctrl-S) must not keep the other sinks from their events. */
static bool is_ready(console_sink *sink)
{
    struct pollfd out = {.fd = fileno(sink->console.file), .events = POLLOUT};
    sink->stuck = out.fd >= 0 && poll(&out, 1, sink->stuck ? 0 : PATIENCE_MS) == 0;
    sink->left_out += sink->stuck;
    return !sink->stuck;
}

static co_status write_text(console_sink *sink, const char *text, size_t length, co_error *err)
{
    FILE *file = sink->console.file;
    if (!is_ready(sink)) {
        return CO_OK;
    }
    if (sink->left_out > 0 && fprintf(file, "... %lu lines were left out\n", sink->left_out) >= 0) {
        sink->left_out = 0;
    }
    if (fwrite(text, 1, length, file) != length || fflush(file) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot write to the console");
    }
    return CO_OK;
}

static void erase_bar(console_sink *sink, co_text *text)
{
    if (sink->bar_visible) {
        co_text_put(text, "\r\033[K");
        sink->bar_visible = false;
    }
}

/* --- the bar --------------------------------------------------------------------------- */

static double seconds_left(const console_sink *sink, const co_event *event)
{
    const co_event_run_start *run = &sink->description.run;
    uint64_t step = event->step.step;
    if (step <= run->first_step || step > run->steps_total) {
        return (double)NAN;
    }
    double done = (double)(step - run->first_step);
    return event->seconds / done * (double)(run->steps_total - step);
}

static void add_bar(const console_sink *sink, double fraction, unsigned columns, co_text *text)
{
    const co_console *console = &sink->console;
    unsigned halves = (unsigned)(fraction * 2.0 * (double)columns + 0.5);
    unsigned full = halves / 2;
    bool half = halves % 2 == 1 && full < columns;
    co_text_put(text, console->color ? "\033[36m" : "");
    for (unsigned i = 0; i < full; i++) {
        co_text_put(text, console->utf8 ? "━" : "=");
    }
    if (half) {
        co_text_put(text, console->utf8 ? "╸" : ">");
    }
    co_text_put(text, console->color ? "\033[90m" : "");
    for (unsigned i = full + half; i < columns; i++) {
        co_text_put(text, console->utf8 ? (console->color ? "━" : "─") : " ");
    }
    co_text_put(text, console->color ? "\033[0m" : "");
}

/* What stands right of the bar. */
static void add_figures(const console_sink *sink, const co_event *event, double fraction,
                        co_text *text)
{
    const co_event_step *step = &event->step;
    co_text_printf(text, " %3.0f %%", 100.0 * fraction);
    if (co_event_step_is_scored(step)) {
        co_text_printf(text, "  loss %.4f", step->running_loss);
    }
    if (isfinite(step->images_per_second)) {
        co_text_put(text, "  ");
        co_text_count(text, step->images_per_second);
        co_text_put(text, " img/s");
    }
    co_text_put(text, "  ETA ");
    co_text_duration(text, seconds_left(sink, event));
}

static void add_progress(console_sink *sink, const co_event *event, co_text *text)
{
    const co_event_run_start *run = &sink->description.run;
    const co_event_step *step = &event->step;
    char left[64];
    char right[160];
    co_text left_text = co_text_over(left, sizeof(left));
    co_text right_text = co_text_over(right, sizeof(right));
    double fraction = run->steps_per_epoch > 0
                          ? (double)step->step_in_epoch / (double)run->steps_per_epoch
                          : 0.0;
    fraction = fraction > 1.0 ? 1.0 : fraction;
    co_text_printf(&left_text, "epoch %u/%u ", step->epoch, run->epochs);
    add_figures(sink, event, fraction, &right_text);
    unsigned width = terminal_width(sink->console.file);
    width = width == 0 ? sink->console.width : width;
    width = width == 0 ? WIDTH_DEFAULT : width > WIDTH_MAX ? WIDTH_MAX : width;
    size_t used = strlen(left) + strlen(right) + 1; /* the last column makes terminals wrap */
    co_text_put(text, "\r");
    if (used + BAR_MIN <= width) {
        co_text_put(text, left);
        add_bar(sink, fraction, (unsigned)(width - used), text);
        co_text_put(text, right);
    } else {
        co_text_put_bytes(text, right + 1,
                          strlen(right + 1) < width ? strlen(right + 1) : width - 1);
    }
    co_text_put(text, "\033[K");
    sink->bar_visible = true;
    sink->drawn_at = event->seconds;
}

/* --- events ---------------------------------------------------------------------------- */

static bool wants_line(const console_sink *sink, const co_event *event)
{
    const co_console *console = &sink->console;
    if (event->kind == CO_EVENT_NOTE) {
        /* The error that ends a run is the program's last word: it is not said twice. */
        return event->note.level == CO_LEVEL_WARNING ||
               (event->note.level == CO_LEVEL_NOTE && console->verbosity >= CO_NORMAL) ||
               (event->note.level == CO_LEVEL_DEBUG && console->verbosity >= CO_VERBOSE);
    }
    if (event->kind == CO_EVENT_STEP) {
        return console->verbosity >= CO_VERBOSE && console->log_interval > 0 &&
               event->step.step % console->log_interval == 0;
    }
    return console->verbosity >= CO_NORMAL;
}

static void add_line(console_sink *sink, const co_event *event, co_text *text)
{
    char described[LINE_SIZE / 2];
    co_text line = co_text_over(described, sizeof(described));
    if (!co_describe(&sink->description, event, &line) || !wants_line(sink, event)) {
        return;
    }
    erase_bar(sink, text);
    bool color = sink->console.color;
    if (event->kind == CO_EVENT_NOTE && event->note.level == CO_LEVEL_WARNING) {
        co_text_put(text, color ? "\033[33mwarning:\033[0m " : "warning: ");
    }
    co_text_put(text, described);
    co_text_put(text, "\n");
}

static co_status console_event(co_sink *base, const co_event *event, co_error *err)
{
    console_sink *sink = (console_sink *)base;
    char buffer[LINE_SIZE];
    co_text text = co_text_over(buffer, sizeof(buffer));
    add_line(sink, event, &text);
    bool bar = event->kind == CO_EVENT_STEP && sink->console.terminal &&
               sink->console.verbosity >= CO_NORMAL &&
               (event->seconds - sink->drawn_at >= REDRAW_SECONDS || sink->drawn_at <= 0.0);
    if (bar) {
        add_progress(sink, event, &text);
    }
    if (text.length == 0) {
        return CO_OK;
    }
    size_t length = co_text_complete(&text) ? text.length : sizeof(buffer) - 1;
    return write_text(sink, buffer, length, err);
}

static co_status console_flush(co_sink *base, co_error *err)
{
    console_sink *sink = (console_sink *)base;
    char buffer[16];
    co_text text = co_text_over(buffer, sizeof(buffer));
    erase_bar(sink, &text);
    return write_text(sink, buffer, text.length, err);
}

static void console_close(co_sink *base)
{
    co_free((console_sink *)base);
}

static const co_sink_ops console_ops = {
    .name = "the console",
    .event = console_event,
    .flush = console_flush,
    .close = console_close,
};

co_status co_console_sink(const co_console *console, co_sink **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(console_sink), "console sink", &block, err));
    console_sink *sink = block;
    sink->base.ops = &console_ops;
    sink->console = *console;
    *out = &sink->base;
    return CO_OK;
}
