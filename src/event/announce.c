#include "event/announce.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

double co_announce_seconds(const co_announcer *announcer)
{
    return (double)(co_clock_ns(announcer->clock) - announcer->start_ns) * 1e-9;
}

void co_announce(const co_announcer *announcer, co_event *event)
{
    if (announcer->ring == NULL) {
        return;
    }
    event->rank = announcer->rank;
    if (event->seconds <= 0.0) {
        event->seconds = co_announce_seconds(announcer);
    }
    if (event->kind == CO_EVENT_RUN_START && event->run_start.wall_ns == 0) {
        event->run_start.wall_ns = co_clock_wall_ns(announcer->clock);
    }
    (void)co_ring_push(announcer->ring, event); /* the ring counts what it drops */
    if (announcer->drain != NULL) {
        announcer->drain(announcer->context);
    }
}

/* Length of the longest piece of whole characters that fits into one event. */
static size_t piece_length(const char *text, size_t left)
{
    size_t length = 0;
    while (length < left) {
        size_t next = co_utf8_next(text + length, left - length);
        next = next == 0 ? 1 : next;
        if (length + next >= CO_EVENT_TEXT_SIZE) {
            break;
        }
        length += next;
    }
    return length;
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
    size_t left = strlen(text);
    const char *next = text;
    do {
        size_t length = piece_length(next, left);
        co_event event = {.kind = CO_EVENT_NOTE, .seconds = seconds};
        event.note.level = level;
        event.note.more = length < left;
        memcpy(event.note.text, next, length);
        co_announce(announcer, &event);
        next += length;
        left -= length;
    } while (left > 0);
}
