#include "train/observe.h"

static void add_span(void *arg, const co_span *span)
{
    static const char *const passes[] = {
        [CO_FORWARD] = "layer forward",
        [CO_BACKWARD_WEIGHTS] = "layer backward, weights",
        [CO_BACKWARD_DATA] = "layer backward, data",
    };
    const co_timed timed = {
        .start_ns = span->start_ns,
        .end_ns = span->end_ns,
        .category = passes[span->pass],
        .name = span->name,
        .work = span->work,
        .kernel = span->kernel,
        .value_name = span->bytes > 0 ? "bytes" : NULL,
        .value = span->bytes,
    };
    co_track_add(arg, &timed);
}

co_status co_observe_plans(const co_plan_table *table, co_track *track, co_error *err)
{
    const co_backend_ops *ops = table->model->backend->ops;
    for (int i = 0; i < table->count; i++) {
        co_plan *plan = ops->plan(table->plans, i);
        if (track == NULL) {
            CO_TRY(ops->observe(plan, NULL, err));
            continue;
        }
        const co_observer observer = {
            .span = add_span, .arg = track, .clock = co_track_clock(track)};
        CO_TRY(ops->observe(plan, &observer, err));
    }
    return CO_OK;
}
