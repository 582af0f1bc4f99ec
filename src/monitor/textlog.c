#include "base/clock.h"
#include "base/text.h"
#include "monitor/describe.h"
#include "monitor/sinks.h"

enum { LINE_SIZE = CO_ERROR_SIZE + 64, SPOOL_BYTES = 1 << 17 };

typedef struct textlog_sink {
    co_sink base;
    int64_t start_wall_ns; /* wall time of `seconds` 0 */
    co_description description;
} textlog_sink;

static const char *level_of(const co_event *event)
{
    return co_level_name(event->kind == CO_EVENT_NOTE ? event->note.level
                                                      : (uint32_t)CO_LEVEL_NOTE);
}

/* The wall clock is read once, by the run's start: a log's times never go backwards. */
static co_status textlog_event(co_sink *base, const co_event *event, co_error *err)
{
    (void)err;
    textlog_sink *sink = (textlog_sink *)base;
    int64_t offset_ns = (int64_t)(event->seconds * 1e9);
    if (event->kind == CO_EVENT_STEP || event->kind == CO_EVENT_HISTOGRAM ||
        event->kind == CO_EVENT_IMAGE) {
        return CO_OK;
    }
    if (event->kind == CO_EVENT_RUN_START && event->run_start.wall_ns != 0) {
        sink->start_wall_ns = event->run_start.wall_ns - offset_ns;
    }
    char buffer[LINE_SIZE];
    char stamp[32];
    co_text text = co_text_over(buffer, sizeof(buffer));
    int64_t wall_ns = sink->start_wall_ns + offset_ns;
    co_clock_format(wall_ns, "%Y-%m-%d %H:%M:%S", stamp, sizeof(stamp));
    co_text_printf(&text, "%s,%03d - %s - ", stamp, (int)(wall_ns / 1000000 % 1000),
                   level_of(event));
    if (!co_describe(&sink->description, event, &text)) {
        return CO_OK;
    }
    co_text_put(&text, "\n");
    if (!co_text_complete(&text)) {
        text.length = sizeof(buffer) - 1;
        buffer[text.length - 1] = '\n';
    }
    co_spool_add(sink->base.spool, buffer, text.length);
    return CO_OK;
}

static const co_sink_ops textlog_ops = {
    .name = "log.txt",
    .event = textlog_event,
    .flush = co_sink_flush_spool,
    .close = co_sink_close_spool,
};

co_status co_textlog_sink(const co_files *files, const char *path, const co_clock *clock,
                          co_sink **out, co_error *err)
{
    const co_sink_file file = {files, path, CO_LINE_FILE_KEEP_ALL, SPOOL_BYTES};
    CO_TRY(co_sink_open(&textlog_ops, sizeof(textlog_sink), &file, out, err));
    ((textlog_sink *)*out)->start_wall_ns = co_clock_wall_ns(clock); /* until a run starts */
    return CO_OK;
}
