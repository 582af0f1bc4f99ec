#include "monitor/sink.h"

#include "base/alloc.h"

#define RETRY_SECONDS 1.0

co_status co_sink_open(const co_sink_ops *ops, size_t bytes, const co_sink_file *file,
                       co_sink **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, bytes, ops->name, &block, err));
    co_sink *sink = block;
    sink->ops = ops;
    co_status status = co_spool_open(file->files, file->path, file->keep, file->room, &sink->spool,
                                     err);
    if (status != CO_OK) {
        co_free(sink);
        return status;
    }
    *out = sink;
    return CO_OK;
}

void co_sink_close_spool(co_sink *sink)
{
    co_spool_close(sink->spool);
    co_free(sink);
}

co_status co_sink_flush_spool(co_sink *sink, co_error *err)
{
    return co_spool_sync(sink->spool, err);
}

co_sink_change co_sink_write(co_sink *sink, double now, co_error *err)
{
    if (sink->spool == NULL || (sink->refused && now < sink->retry_at)) {
        return CO_SINK_SAME;
    }
    bool refused = co_spool_write(sink->spool, err) != CO_OK;
    bool changed = refused != sink->refused;
    sink->refused = refused;
    sink->retry_at = now + RETRY_SECONDS;
    return !changed ? CO_SINK_SAME : refused ? CO_SINK_REFUSED : CO_SINK_ACCEPTED;
}
