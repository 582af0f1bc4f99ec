/* How a run announces: what train/ and the layers between are given.
 *
 * A co_announcer pairs the ring with the clock and the start of the run. It is borrowed from the
 * monitor (co_monitor_announcer), or set up by a test over a ring of its own. Only the training
 * thread uses it. No call waits, allocates or writes a file; with a NULL ring all are silent.
 */
#ifndef CO_EVENT_ANNOUNCE_H
#define CO_EVENT_ANNOUNCE_H

#include "base/clock.h"
#include "base/status.h"
#include "event/blob.h"
#include "event/ring.h"
#include "event/timeline.h"

enum { CO_MARK_FILES_MAX = 16 };

/* An append-only file of a sink, and its length. */
typedef struct co_mark_file {
    char name[CO_EVENT_NAME_SIZE]; /* "metrics.jsonl" */
    uint64_t bytes;
} co_mark_file;

/* How long the sinks' files were when all events before a mark, and none after it, had come to
 * them, and that much was on the disk. */
typedef struct co_mark_files {
    co_mark_file files[CO_MARK_FILES_MAX];
    uint32_t count;
} co_mark_files;

typedef struct co_announcer {
    co_ring *ring;         /* borrowed; NULL: nobody listens */
    const co_clock *clock; /* borrowed */
    uint64_t start_ns;     /* monotonic time that `seconds` of an event counts from */
    uint32_t rank;
    /* (optional) called after every push where there is no thread that drains: a simulated run */
    void (*drain)(void *context);
    /* (optional) waits until the sinks have come to mark `id`, at most so long; for any thread */
    co_status (*collect)(void *context, uint64_t id, double seconds, co_mark_files *out,
                         co_error *err);
    void *context;
    co_blobs *blobs; /* borrowed; NULL: nobody wants what does not fit into an event */
    co_track *track; /* borrowed: of the training thread; NULL: no timeline is made */
} co_announcer;

/* Seconds since the start: a step's one clock read. */
double co_announce_seconds(const co_announcer *announcer);

/* Pushes the event with `rank` and, where event->seconds is 0, `seconds` filled in (and the wall
 * time of a run_start). */
void co_announce(const co_announcer *announcer, co_event *event);

/* A text for people, of any length below CO_ERROR_SIZE; no newline at its end. */
void co_announce_note(const co_announcer *announcer, co_level level, const char *format, ...)
    CO_PRINTF(3, 4);

/* A blob to fill, and its number; NULL when nobody wants it or none comes free (blob.h). */
void *co_announce_take(const co_announcer *announcer, uint32_t *number);
/* Announces the event that names the blob; the blob is not the caller's any more. */
void co_announce_blob(const co_announcer *announcer, co_event *event, uint32_t number);

/* Marks a place in the stream of events; `id` grows from mark to mark. false: there was no room,
 * the mark is not there. */
bool co_announce_mark(const co_announcer *announcer, uint64_t id);

/* The files at that mark; none where nobody keeps files. CO_FILE when the sinks do not come to it
 * in time, or when it is older than the last few. Any thread may wait. */
CO_MUST_CHECK co_status co_announce_collect(const co_announcer *announcer, uint64_t id,
                                            double seconds, co_mark_files *out, co_error *err);

#endif
