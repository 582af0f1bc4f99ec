/* The monitor: owns the event ring, the sinks, and the thread that carries events to them.
 *
 *     training thread --co_announce--> ring --spool thread--> console, log.txt, metrics.jsonl, ...
 *
 * No sink can slow or stop a run: announcing is a copy into memory. What a full disk refuses waits
 * in the sink's spool and is tried again every second, the oldest records being dropped and
 * counted when the spool is full; a sink of another kind that fails is closed. A warning says so,
 * once, on the others. Without a thread (`inline_drain`, for simulated runs) each announcement is
 * delivered before it returns.
 *
 * A checkpoint marks its place among the events (co_announce_mark) and collects, in a thread of
 * its own, how long the files of metrics are once everything announced before is in them. A resumed
 * run gives each offset as `keep` to the constructor of that sink, and the file goes on from there.
 *
 * One thread creates, starts, announces, stops and destroys.
 */
#ifndef CO_MONITOR_MONITOR_H
#define CO_MONITOR_MONITOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "event/announce.h"
#include "monitor/sink.h"

enum { CO_MONITOR_EVENTS = 4096 }; /* room in the ring where nothing else is said */

typedef struct co_monitor co_monitor;

typedef struct co_monitor_options {
    size_t events;         /* room in the ring; 0 = CO_MONITOR_EVENTS */
    bool inline_drain;     /* no thread */
    const co_clock *clock; /* borrowed */
    uint64_t start_ns;     /* monotonic: the time of events counts from here; 0 = from now */
    co_track *track;       /* borrowed: for the announcer; NULL = no timeline */
} co_monitor_options;

CO_MUST_CHECK co_status co_monitor_create(const co_monitor_options *options, co_monitor **out,
                                          co_error *err);
/* Stops if still running; closes the sinks. NULL is allowed. */
void co_monitor_destroy(co_monitor *monitor);

/* Before start. Takes the sink, also on failure (which closes it). At most 16. */
CO_MUST_CHECK co_status co_monitor_add(co_monitor *monitor, co_sink *sink, co_error *err);
/* Blobs for histograms and pictures (event/blob.h), before start; *out is borrowed. */
CO_MUST_CHECK co_status co_monitor_add_blobs(co_monitor *monitor, uint32_t count, size_t bytes,
                                             const co_blobs **out, co_error *err);
CO_MUST_CHECK co_status co_monitor_start(co_monitor *monitor, co_error *err);
/* Delivers what is in the ring, warns of dropped events, flushes the sinks, ends the thread.
 * Safe to call again. */
void co_monitor_stop(co_monitor *monitor);

/* What train/ is given; borrowed, valid until destroy. */
const co_announcer *co_monitor_announcer(const co_monitor *monitor);
/* Events that found the ring full. */
uint64_t co_monitor_dropped(const co_monitor *monitor);
/* Sinks that failed and were closed, or whose file did not take everything; exact after stop. */
unsigned co_monitor_failed_sinks(const co_monitor *monitor);

#endif
