/* When the trajectory of the weights gets a row. */
#include "train/worker_parts.h"

/* A trajectory that cannot be written is no reason to end a run. */
void co_worker_trace(worker *w)
{
    const co_job *job = w->job;
    co_progress *progress = w->progress;
    co_error err;
    if (w->trace_failed || !co_trace_wants(progress->step_in_epoch - 1, job->steps_per_epoch,
                                           (uint32_t)job->settings->saves_per_epoch)) {
        return;
    }
    if (co_trace_add(w->options->trace, &err) != CO_OK) {
        w->trace_failed = true;
        co_announce_note(w->options->announcer, CO_LEVEL_WARNING,
                         "the trajectory of the weights ends here: %s", err.text);
        return;
    }
    progress->trace_rows++;
}
