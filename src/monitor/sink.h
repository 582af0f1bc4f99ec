/* A sink: one listener of a run's events (console, log.txt, metrics.jsonl, ...).
 *
 * One file per sink. A sink is created with its memory, is handed to a monitor, which owns it
 * from then on, and is called by the monitor's thread only, never by the training thread. A sink
 * whose event or flush fails is closed and left out for the rest of the run.
 */
#ifndef CO_MONITOR_SINK_H
#define CO_MONITOR_SINK_H

#include "base/status.h"
#include "event/event.h"

typedef struct co_sink co_sink;

typedef struct co_sink_ops {
    const char *name;
    co_status (*event)(co_sink *sink, const co_event *event, co_error *err);
    /* (optional) bring everything to where it belongs; at the end of the run */
    co_status (*flush)(co_sink *sink, co_error *err);
    /* (optional) length of its append-only file, which is called `name`: a checkpoint keeps it, and
     * the resumed run cuts the file back to it */
    uint64_t (*offset)(const co_sink *sink);
    void (*close)(co_sink *sink); /* frees the sink */
} co_sink_ops;

/* The first member of every sink. */
struct co_sink {
    const co_sink_ops *ops;
};

#endif
