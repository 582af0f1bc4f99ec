/* A sink: one listener of a run's events (console, log.txt, metrics.jsonl, ...).
 *
 * One file per sink. A sink is created with its memory, is handed to a monitor, which owns it
 * from then on, and is called by the monitor's thread only, never by the training thread.
 *
 * A sink that writes a file adds records to a spool and sets `spool`: the monitor then writes it
 * (many records at once), tries again while the disk refuses, and syncs it for checkpoints. Such a
 * sink is never given up. Another sink whose event or flush fails is closed and left out for the
 * rest of the run.
 */
#ifndef CO_MONITOR_SINK_H
#define CO_MONITOR_SINK_H

#include "base/status.h"
#include "event/event.h"
#include "monitor/spool.h"

typedef struct co_sink co_sink;

typedef struct co_sink_ops {
    const char *name;
    co_status (*event)(co_sink *sink, const co_event *event, co_error *err);
    /* (optional) bring everything to where it belongs; at the end of the run */
    co_status (*flush)(co_sink *sink, co_error *err);
    void (*close)(co_sink *sink); /* frees the sink */
} co_sink_ops;

/* The first member of every sink. */
struct co_sink {
    const co_sink_ops *ops;
    co_spool *spool; /* NULL, or where its records go; closed by `close` */
    bool cut_back;   /* checkpoints keep the file's length, and a resumed run cuts it to that */
    bool refused;    /* the monitor's: the last write of the spool failed */
    double retry_at; /* the monitor's: seconds */
};

/* Where a sink writes: see co_spool_open. */
typedef struct co_sink_file {
    const co_files *files; /* borrowed */
    const char *path;
    uint64_t keep;
    size_t room;
} co_sink_file;

/* A sink of `bytes` bytes, zero but for ops and spool. */
CO_MUST_CHECK co_status co_sink_open(const co_sink_ops *ops, size_t bytes, const co_sink_file *file,
                                     co_sink **out, co_error *err);
/* `flush` and `close` of a sink that has a spool and nothing else to free. */
CO_MUST_CHECK co_status co_sink_flush_spool(co_sink *sink, co_error *err);
void co_sink_close_spool(co_sink *sink);

typedef enum co_sink_change {
    CO_SINK_SAME,
    CO_SINK_REFUSED,  /* the system does not take any more: *err says why */
    CO_SINK_ACCEPTED, /* it does again */
} co_sink_change;

/* Hands the spool, if the sink has one, to the system; after a refusal not sooner than a second
 * later. `now`: seconds. */
co_sink_change co_sink_write(co_sink *sink, double now, co_error *err);

#endif
