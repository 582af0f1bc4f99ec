#include "event/announce.h"

#include <stdio.h>

double co_announce_seconds(const co_announcer *announcer)
{
    return (double)(co_clock_ns(announcer->clock) - announcer->start_ns) / 1e9;
}

static bool push(const co_announcer *announcer, co_event *event)
{
    event->rank = announcer->rank;
    if (event->seconds <= 0.0) {
        event->seconds = co_announce_seconds(announcer);
    }
    if (event->kind == CO_EVENT_RUN_START && event->run_start.wall_ns == 0) {
        event->run_start.wall_ns = co_clock_wall_ns(announcer->clock);
    }
    bool taken = co_ring_push(announcer->ring, event); /* the ring counts what it drops */
    if (announcer->drain != NULL) {
        announcer->drain(announcer->context);
    }
    return taken;
}

void co_announce(const co_announcer *announcer, co_event *event)
{
    if (announcer->ring != NULL) {
        (void)push(announcer, event);
    }
}

void co_announce_note(const co_announcer *announcer, co_level level, const char *format, ...)
{
    if (announcer->ring == NULL) {
        return;
    }
    char text[CO_ERROR_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    double seconds = co_announce_seconds(announcer);
    const char *next = text;
    do {
        co_event event = {.kind = CO_EVENT_NOTE, .seconds = seconds};
        next = co_event_set_note(&event.note, level, next);
        co_announce(announcer, &event);
    } while (*next != '\0');
}

void *co_announce_take(const co_announcer *announcer, uint32_t *number)
{
    return announcer->ring != NULL ? co_blobs_take(announcer->blobs, number) : NULL;
}

void co_announce_blob(const co_announcer *announcer, co_event *event, uint32_t number)
{
    if (announcer->ring == NULL || !push(announcer, event)) {
        co_blobs_release(announcer->blobs, number);
    }
}

bool co_announce_mark(const co_announcer *announcer, uint64_t id)
{
    if (announcer->ring == NULL) {
        return true;
    }
    co_event event = {.kind = CO_EVENT_MARK};
    event.mark.id = id;
    return push(announcer, &event);
}

co_status co_announce_collect(const co_announcer *announcer, uint64_t id, double seconds,
                              co_mark_files *out, co_error *err)
{
    if (announcer->ring == NULL || announcer->collect == NULL) {
        *out = (co_mark_files){0};
        return CO_OK;
    }
    return announcer->collect(announcer->context, id, seconds, out, err);
}
