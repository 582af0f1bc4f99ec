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

bool co_announce_sync(const co_announcer *announcer, uint64_t ticket)
{
    if (announcer->ring == NULL || announcer->wait_sync == NULL) {
        return false;
    }
    co_event event = {.kind = CO_EVENT_SYNC};
    event.sync.ticket = ticket;
    return push(announcer, &event);
}

co_status co_announce_wait_sync(const co_announcer *announcer, uint64_t ticket,
                                double timeout_seconds, co_sync_point *out, co_error *err)
{
    if (announcer->wait_sync == NULL) {
        return co_fail(err, CO_INTERNAL, "a sync point was waited for, but nobody listens");
    }
    return announcer->wait_sync(announcer->context, ticket, timeout_seconds, out, err);
}
