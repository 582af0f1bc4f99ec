/* What the parts of the worker's loop share (worker.c, worker_evaluate.c, worker_fault.c,
 * worker_trace.c). Not for others.
 */
#ifndef CO_TRAIN_WORKER_PARTS_H
#define CO_TRAIN_WORKER_PARTS_H

#include "train/worker.h"

typedef struct worker {
    co_job *job;
    const co_train_options *options;
    co_progress *progress;
    const co_backend_ops *ops;
    int classes;
    const char *stopped_by; /* NULL: nothing */
    bool stopping;          /* one of several workers was asked to stop, and all know */
    bool saving;            /* likewise: a checkpoint is due after this step */
    double epoch_seconds;   /* of the epoch under way, in this process since it began or went on */
    double mark_seconds;    /* time and images of the last step event: the recent rate */
    uint64_t mark_images;
    uint64_t mark_step;
    uint64_t timed_steps; /* on the timeline */
    bool trace_failed;
} worker;

/* What a step tells to those who watch. */
typedef struct step_report {
    double loss;
    double gradient_norm;
    co_hyper hyper;
    co_score score;
    int rows;
    const uint32_t *samples; /* (sample_count) of the batch under way; in the update, of the last */
    int sample_count;
    bool rolled_back; /* the state is now that of an earlier step */
} step_report;

/* NULL: no timeline is made. */
static inline co_track *co_worker_track(const worker *w)
{
    return w->options->announcer->track;
}

/* The schedule's values, with what rollbacks have made of the learning rate. */
co_hyper co_worker_hyper(const worker *w, uint64_t step);

/* After an epoch: evaluates, keeps the best models; *enough: --early-stop says so. */
CO_MUST_CHECK co_status co_worker_evaluate(worker *w, bool last, bool *enough, co_error *err);

/* A loss or gradient is not finite: --nan-policy. */
CO_MUST_CHECK co_status co_worker_not_finite(worker *w, step_report *report, co_error *err);

/* After a step: adds the weights to the trajectory if this is one of its steps. */
void co_worker_trace(worker *w);

#endif
