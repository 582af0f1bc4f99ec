/* A timeline: what each thread did when, for chrome://tracing, Perfetto and their kin.
 *
 * A timeline has tracks, one per thread; a thread adds spans to its own track, into memory that
 * was allocated when the track was. Adding a span copies it and never waits; what does not fit is
 * counted. Spans of a thread nest because the thread's own calls do. The file is written once, at
 * the end; threads may then still be adding.
 *
 * One thread creates, adds tracks, saves and destroys; tracks outlive the threads that use them.
 * A NULL track is allowed everywhere and costs a comparison.
 */
#ifndef CO_EVENT_TIMELINE_H
#define CO_EVENT_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"

typedef struct co_timeline co_timeline;
typedef struct co_track co_track;

/* Texts are borrowed until the timeline is saved. */
typedef struct co_timed {
    uint64_t start_ns; /* by the timeline's clock */
    uint64_t end_ns;
    const char *category;   /* "load", "forward", ... */
    const char *name;       /* "conv1", ... */
    const char *work;       /* NULL, or what was done: "conv2d", "reorder" */
    const char *kernel;     /* NULL, or what did it */
    const char *value_name; /* NULL, or what `value` counts: "step", "bytes" */
    uint64_t value;
} co_timed;

/* `start_ns`: of the clock; the file's times count from it. */
CO_MUST_CHECK co_status co_timeline_create(const co_clock *clock, uint64_t start_ns,
                                           co_timeline **out, co_error *err);
void co_timeline_destroy(co_timeline *timeline); /* NULL is allowed */

/* *out belongs to the timeline. `name` is copied; `spans`: room. */
CO_MUST_CHECK co_status co_timeline_add_track(co_timeline *timeline, const char *name, size_t spans,
                                              co_track **out, co_error *err);
/* From now on nothing is recorded; any thread. */
void co_timeline_stop(co_timeline *timeline);

/* The timeline of a track; NULL for NULL. */
co_timeline *co_track_timeline(const co_track *track);
const co_clock *co_track_clock(const co_track *track); /* not of NULL */
/* The time to begin a span with; 0 where nothing is recorded. */
uint64_t co_track_now(const co_track *track);
/* A span that ends now; one that began with 0 is left out. */
void co_track_end(co_track *track, uint64_t start_ns, const char *category, const char *name);
/* The same with a number to it. */
void co_track_end_value(co_track *track, uint64_t start_ns, const char *category, const char *name,
                        const char *value_name, uint64_t value);
void co_track_add(co_track *track, const co_timed *timed);

/* Spans that found no room. */
uint64_t co_timeline_dropped(const co_timeline *timeline);

/* The file: the JSON object format of Chrome's trace events ("X" and "M"). It has a head, a lane
 * for each process with its tracks, and a tail; they are handed to `put` in pieces of at most
 * CO_TIMELINE_PIECE bytes, so that a process can send its lane to the one that writes. */
enum { CO_TIMELINE_PIECE = 1 << 16 };

typedef struct co_timeline_out {
    co_status (*put)(void *context, const char *data, size_t bytes, co_error *err);
    void *context;
} co_timeline_out;

/* dropped: spans that found no room, of all lanes. */
CO_MUST_CHECK co_status co_timeline_put_head(const co_timeline_out *out, uint64_t dropped,
                                             co_error *err);
/* number: of the process, from 0; `name` is what it is called. Allocates a piece. */
CO_MUST_CHECK co_status co_timeline_put_lane(const co_timeline *timeline, int number,
                                             const char *name, const co_timeline_out *out,
                                             co_error *err);
CO_MUST_CHECK co_status co_timeline_put_tail(const co_timeline_out *out, co_error *err);
/* All of it, of one process, atomically. */
CO_MUST_CHECK co_status co_timeline_save(const co_timeline *timeline, const co_files *files,
                                         const char *path, co_error *err);

#endif
