/* How a run announces: what train/ and the layers between are given.
 *
 * A co_announcer pairs the ring with the clock and the start of the run. It is borrowed from the
 * monitor (co_monitor_announcer), or set up by a test over a ring of its own. Only the training
 * thread uses it. No call waits, allocates or writes a file; with a NULL ring all are silent.
 */
#ifndef CO_EVENT_ANNOUNCE_H
#define CO_EVENT_ANNOUNCE_H

#include "base/clock.h"
#include "event/ring.h"

typedef struct co_announcer {
    co_ring *ring;         /* borrowed; NULL: nobody listens */
    const co_clock *clock; /* borrowed */
    uint64_t start_ns;     /* monotonic time that `seconds` of an event counts from */
    uint32_t rank;
    /* (optional) called after every push where there is no thread that drains: a simulated run */
    void (*drain)(void *context);
    void *context;
} co_announcer;

/* Seconds since the start: a step's one clock read. */
double co_announce_seconds(const co_announcer *announcer);

/* Pushes the event with `rank` and, where event->seconds is 0, `seconds` filled in (and the wall
 * time of a run_start). */
void co_announce(const co_announcer *announcer, co_event *event);

/* A text for people, of any length below CO_ERROR_SIZE; no newline at its end. */
void co_announce_note(const co_announcer *announcer, co_level level, const char *format, ...)
    CO_PRINTF(3, 4);

#endif
