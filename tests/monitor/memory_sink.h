/* For tests: sinks that remember the kinds and texts they got, or fail on request. */
#ifndef CO_TESTS_MONITOR_MEMORY_SINK_H
#define CO_TESTS_MONITOR_MEMORY_SINK_H

#include <stdlib.h>
#include <string.h>

#include "monitor/sink.h"

typedef struct memory_sink {
    co_sink base;
    unsigned events;
    unsigned fail_at; /* the n-th event fails; 0: none */
    unsigned flushes;
    unsigned closes;
    uint64_t last_step;
    uint64_t steps;
    char warnings[4096]; /* every warning's pieces, one after the other */
    double last_seconds;
} memory_sink;

static inline co_status memory_sink_event(co_sink *base, const co_event *event, co_error *err)
{
    memory_sink *sink = (memory_sink *)base;
    sink->events++;
    if (sink->events == sink->fail_at) {
        return co_fail(err, CO_FILE, "the disk of this test is full");
    }
    sink->last_seconds = event->seconds;
    if (event->kind == CO_EVENT_STEP) {
        sink->steps++;
        sink->last_step = event->step.step;
    }
    if (event->kind == CO_EVENT_NOTE && event->note.level == CO_LEVEL_WARNING) {
        strncat(sink->warnings, event->note.text,
                sizeof(sink->warnings) - strlen(sink->warnings) - 1);
    }
    return CO_OK;
}

static inline co_status memory_sink_flush(co_sink *base, co_error *err)
{
    (void)err;
    ((memory_sink *)base)->flushes++;
    return CO_OK;
}

static inline void memory_sink_close(co_sink *base)
{
    ((memory_sink *)base)->closes++;
}

static const co_sink_ops memory_sink_ops = {
    .name = "test sink",
    .event = memory_sink_event,
    .flush = memory_sink_flush,
    .close = memory_sink_close,
};

/* Lives in the test, so that it can be looked at after the monitor closed it. */
static inline memory_sink memory_sink_make(unsigned fail_at)
{
    return (memory_sink){.base = {.ops = &memory_sink_ops}, .fail_at = fail_at};
}

#endif
