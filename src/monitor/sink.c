#include "monitor/sink.h"

#include <stddef.h>

#define RETRY_SECONDS 1.0

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
