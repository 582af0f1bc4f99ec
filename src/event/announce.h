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

enum { CO_SYNC_FILES_MAX = 16, CO_SYNC_NAME_SIZE = 64 };

/* How long the append-only files were when everything announced before was in them: what a
 * checkpoint records, so that a resumed run can cut them back. */
typedef struct co_sync_point {
    uint64_t ticket;
    unsigned count;
    struct {
        char name[CO_SYNC_NAME_SIZE]; /* in the run folder */
        uint64_t offset;              /* bytes; ends with a whole record */
        bool complete;                /* false: the disk refused what belongs before */
    } files[CO_SYNC_FILES_MAX];
} co_sync_point;

typedef struct co_announcer {
    co_ring *ring;         /* borrowed; NULL: nobody listens */
    const co_clock *clock; /* borrowed */
    uint64_t start_ns;     /* monotonic time that `seconds` of an event counts from */
    uint32_t rank;
    /* (optional) called after every push where there is no thread that drains: a simulated run */
    void (*drain)(void *context);
    /* (optional) see co_announce_wait_sync */
    co_status (*wait_sync)(void *context, uint64_t ticket, double timeout_seconds,
                           co_sync_point *out, co_error *err);
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

/* Asks for a sync point after all that was announced so far; does not wait. `ticket` names it for
 * co_announce_wait_sync and grows from one to the next. false: nobody listens, or the ring is
 * full. */
bool co_announce_sync(const co_announcer *announcer, uint64_t ticket);

/* Waits until that sync point is reached and the disk has what belongs before it: for a helper
 * thread that writes a checkpoint, not for the training thread (unless nothing is left to train).
 * CO_FAILED after the time, or when the point is older than the last few. Any thread. */
CO_MUST_CHECK co_status co_announce_wait_sync(const co_announcer *announcer, uint64_t ticket,
                                              double timeout_seconds, co_sync_point *out,
                                              co_error *err);

#endif
