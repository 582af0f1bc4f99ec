#include "train/worker.h"

#include <math.h>
#include <string.h>

#include "train/job_workers.h"
#include "train/observe.h"
#include "train/worker_parts.h"

/* One of the batches of a step (--accumulate). */
typedef struct part {
    bool first;
    bool last;
    int rows;        /* of this batch */
    int rows_before; /* of the batches before it in the step */
} part;

enum { RUNNING_LOSS_STEPS = 50 }; /* S2's running average: weight 0.98 for the past */

/* The mean over the samples of the batches so far, in job->gathered; with the last batch it comes
 * to where a single batch has it. */
static void gather(const worker *w, const co_phase *phase, const part *p)
{
    co_backend *backend = w->job->backend;
    float *grads = w->job->model->grads + phase->offset;
    float *gathered = w->job->gathered + phase->offset;
    double rows = (double)p->rows + (double)p->rows_before;
    if (p->first) {
        memcpy(gathered, grads, phase->count * sizeof(float));
    } else if (!p->last) {
        w->ops->lerp(backend, phase->count, (float)(p->rows / rows), grads, gathered);
    } else {
        w->ops->lerp(backend, phase->count, (float)(p->rows_before / rows), gathered, grads);
    }
}

/* Why this process was asked not to go on; NULL: it was not. */
static const char *asked_to_stop(const worker *w)
{
    const co_settings *settings = w->job->settings;
    const atomic_int *stop = w->options->stop;
    if (stop != NULL && atomic_load_explicit(stop, memory_order_relaxed) != 0) {
        return "a signal";
    }
    if (settings->max_minutes > 0.0 &&
        co_announce_seconds(w->options->announcer) >= 60.0 * settings->max_minutes) {
        return "--max-minutes";
    }
    return NULL;
}

/* Declared time of a batch: a third forward, the rest backward, as its operations are counted. */
static double batch_cost(const worker *w, int rows)
{
    return w->job->costs.train[0] * rows + w->job->costs.train[1];
}

static double backward_cost(const worker *w, const part *p)
{
    return batch_cost(w, p->rows) * 2.0 / 3.0;
}

/* Ranks of one process share the memory that plans compute in: a rank of a simulation computes the
 * whole gradient before its declared time passes, and with it the turn of others comes. But where
 * batch norms exchange in the middle of a pass each has memory of its own. */
static bool computes_at_once(const worker *w)
{
    return w->job->comm->one_process && w->job->norms == NULL;
}

static co_status run_phase(worker *w, co_plan *plan, int index, const part *p, co_error *err)
{
    int count = 0;
    const co_phase *phases = w->ops->phases(plan, &count);
    CO_TRY(w->ops->backward(plan, index, err));
    if (!(p->first && p->last) && !w->job->time_only) {
        gather(w, &phases[index], p);
    }
    return CO_OK;
}

static co_status run_all_phases(worker *w, co_plan *plan, const part *p, co_error *err)
{
    int count = 0;
    (void)w->ops->phases(plan, &count);
    for (int i = 0; i < count; i++) {
        CO_TRY(run_phase(w, plan, i, p, err));
    }
    return CO_OK;
}

static co_status backward(worker *w, co_plan *plan, const part *p, const step_report *report,
                          co_error *err)
{
    co_strategy *strategy = w->job->strategy;
    co_track *track = co_worker_track(w);
    uint64_t begin = co_track_now(track);
    co_comm_at(w->job->comm, w->progress->step + 1, "backward");
    strategy->loss = report->loss;
    const bool asked = asked_to_stop(w) != NULL;
    strategy->stop = asked && !w->job->time_only;
    if (asked && w->job->time_only) {
        co_comm_stop_after(w->job->comm, w->progress->step + 1);
    }
    strategy->save = w->options->checkpoints != NULL && p->last &&
                     co_checkpoints_wish(w->options->checkpoints);
    int count = 0;
    const co_phase *phases = w->ops->phases(plan, &count);
    for (int i = 0; i < count; i++) {
        if (!computes_at_once(w)) {
            CO_TRY(run_phase(w, plan, i, p, err));
        }
        co_comm_compute(w->job->comm, backward_cost(w, p) * phases[i].share);
        if (p->last) {
            uint64_t ready = co_track_now(track);
            CO_TRY(strategy->ops->ready(strategy, phases[i].offset, phases[i].count, err));
            co_track_end(track, ready, "communicate", "gradients ready");
        }
    }
    co_track_end(track, begin, "backward", "backward");
    return CO_OK;
}

/* In a simulation whose batch norms exchange: with its declared time. */
static co_status forward(const worker *w, co_plan *plan, const co_batch *batch, co_error *err)
{
    co_norm_exchange *norms = w->job->comm->simulated ? w->job->norms : NULL;
    if (norms == NULL) {
        return w->ops->forward(plan, batch, err);
    }
    int count = 0;
    const co_phase *phases = w->ops->phases(plan, &count);
    co_norm_exchange_forward_begins(norms, batch_cost(w, batch->rows) / 3.0, phases, count);
    CO_TRY(w->ops->forward(plan, batch, err));
    co_norm_exchange_forward_ends(norms);
    return CO_OK;
}

static co_status run_forward(worker *w, co_plan *plan, const co_batch *batch, const part *p,
                             step_report *report, co_error *err)
{
    co_agent *agent = w->job->agent;
    co_track *track = computes_at_once(w) ? NULL : co_worker_track(w);
    uint64_t begin = co_track_now(track);
    co_comm_at(w->job->comm, w->progress->step + 1, "forward");
    CO_TRY(forward(w, plan, batch, err));
    co_track_end(track, begin, "forward", "forward");
    begin = co_track_now(track);
    co_loss_term terms[CO_MAX_LOSS_TERMS];
    int count = agent->ops->loss_terms(agent, batch, terms);
    double loss = co_loss_compute(terms, count, batch->rows, w->classes,
                                  w->ops->output(plan, CO_OUTPUT_LOGITS),
                                  w->ops->output_gradient(plan, CO_OUTPUT_LOGITS), &report->score);
    co_track_end(track, begin, "loss", "loss");
    double rows = (double)p->rows + (double)p->rows_before;
    report->loss += (loss - report->loss) * (p->rows / rows);
    return CO_OK;
}

/* Forward, loss, backward: after the last batch of a step its gradient is in the model. */
static co_status compute_gradient(worker *w, const co_batch *batch, const part *p,
                                  step_report *report, co_error *err)
{
    co_plan *plan = co_plan_table_find(&w->job->plans, CO_TRAIN, batch->rows);
    if (plan == NULL) {
        return co_fail(err, CO_INTERNAL, "no training plan for a batch of %d rows", batch->rows);
    }
    co_track *track = co_worker_track(w);
    uint64_t begin = co_track_now(track);
    if (w->job->time_only) {
        report->score = co_score_blank(report->score.rows + batch->rows);
    } else {
        CO_TRY(run_forward(w, plan, batch, p, report, err));
    }
    if (computes_at_once(w)) {
        CO_TRY(run_all_phases(w, plan, p, err));
        co_comm_compute(w->job->comm, batch_cost(w, batch->rows) / 3.0);
        co_track_end(track, begin, "forward", "forward");
    }
    return backward(w, plan, p, report, err);
}

/* torch.nn.utils.clip_grad_norm_ with the norm 2. All workers see the same norm. */
static void clip(const worker *w, double norm)
{
    const co_model *model = w->job->model;
    double factor = w->job->settings->clip_norm / (norm + 1e-6);
    if (factor < 1.0) {
        w->ops->scale(model->backend, model->graph->param_floats, (float)factor, model->grads);
    }
}

/* Exchanges the gradient and applies it. */
static co_status update(worker *w, step_report *report, co_error *err)
{
    co_job *job = w->job;
    co_strategy *strategy = job->strategy;
    co_model *model = job->model;
    co_reduction reduction = {0};
    bool changed = false;
    co_track *track = co_worker_track(w);
    uint64_t begin = co_track_now(track);
    co_comm_at(job->comm, w->progress->step + 1, "reduce");
    CO_TRY(strategy->ops->reduce(strategy, &reduction, err));
    report->loss = reduction.loss;
    w->stopping = job->time_only ? co_comm_stops_after(job->comm, w->progress->step + 1)
                                 : reduction.stop;
    w->saving = reduction.save;
    co_track_end(track, begin, "communicate", "reduce");
    begin = co_track_now(track);
    CO_TRY(job->agent->ops->gradient(job->agent, model, &changed, err));
    if (changed) {
        reduction.sum_squares = w->ops->sum_squares(model->backend, model->graph->param_floats,
                                                    model->grads);
        reduction.finite = reduction.finite && isfinite(reduction.sum_squares);
    }
    report->gradient_norm = sqrt(reduction.sum_squares);
    report->hyper = co_worker_hyper(w, w->progress->step);
    if (!reduction.finite || !isfinite(report->loss)) {
        return co_worker_not_finite(w, report, err);
    }
    if (job->settings->clip_norm > 0.0) {
        clip(w, report->gradient_norm);
    }
    co_comm_at(job->comm, w->progress->step + 1, "update");
    CO_TRY(strategy->ops->apply(strategy, &report->hyper, err));
    co_comm_compute(job->comm, job->costs.update);
    if (job->ema != NULL) {
        co_ema_update(job->ema);
    }
    if (job->time_only) { /* what was not computed is absent, not 0 */
        report->loss = report->gradient_norm = (double)NAN;
    }
    co_track_end(track, begin, "update", "update");
    return CO_OK;
}

/* How many batches step number `index` of an epoch takes. */
static uint32_t batches_of_step(const worker *w, uint32_t index)
{
    uint32_t most = (uint32_t)w->job->settings->accumulate;
    uint32_t left = co_loader_batches(w->job->train_loader) - index * most;
    return left < most ? left : most;
}

static co_status train_step(worker *w, uint32_t index, step_report *report, co_error *err)
{
    co_agent *agent = w->job->agent;
    uint32_t batches = batches_of_step(w, index);
    for (uint32_t i = 0; i < batches; i++) {
        const co_batch *loaded = NULL;
        uint64_t begin = co_track_now(co_worker_track(w));
        co_comm_at(w->job->comm, w->progress->step + 1, "load");
        CO_TRY(co_loader_next(w->job->train_loader, &loaded, err));
        co_track_end(co_worker_track(w), begin, "load", "next batch");
        co_batch batch = *loaded;
        CO_TRY(agent->ops->before(agent, &batch, err));
        report->samples = batch.samples;
        report->sample_count = batch.rows;
        const part p = {i == 0, i + 1 == batches, batch.rows, report->rows};
        CO_TRY(compute_gradient(w, &batch, &p, report, err));
        if (p.last) {
            CO_TRY(update(w, report, err));
        }
        if (report->rolled_back) {
            return CO_OK; /* the loader stands elsewhere: the batch is gone */
        }
        CO_TRY(agent->ops->after(agent, &batch, err));
        report->rows += batch.rows;
    }
    return CO_OK;
}

/* L2 over all parameters (S3 logs it beside the loss). */
static double weight_norm(const worker *w)
{
    const co_model *model = w->job->model;
    if (w->job->time_only) {
        return (double)NAN;
    }
    return sqrt(w->ops->sum_squares(model->backend, model->graph->param_floats, model->params));
}

/* In all steps since the last record, counted together with them. */
static void count_communication(worker *w, const co_step_record *record, co_event_step *event)
{
    co_train_result *result = &w->progress->result;
    const double steps = (double)(w->progress->step - w->mark_step);
    const bool alone = co_comm_alone(w->job->comm);
    event->communication_ms = alone ? (double)NAN : 1e3 * record->communication / steps;
    event->communication_max_ms = alone ? (double)NAN : 1e3 * record->longest / steps;
    result->communication_seconds += record->communication;
    result->communication_steps += w->progress->step - w->mark_step;
    w->mark_step = w->progress->step;
}

static void announce_step(worker *w, const step_report *report, const co_step_record *record)
{
    const co_progress *progress = w->progress;
    const co_score *epoch = &record->epoch;
    double now = co_announce_seconds(w->options->announcer);
    double images = (double)(progress->result.images - w->mark_images);
    co_event event = {.kind = CO_EVENT_STEP, .seconds = now};
    event.step = (co_event_step){
        .step = progress->step,
        .epoch = progress->epoch + 1,
        .step_in_epoch = progress->step_in_epoch,
        .images = (uint32_t)(report->rows * w->job->comm->size),
        .loss = report->loss,
        .running_loss = progress->running_loss,
        .accuracy = co_score_accuracy(&record->step),
        .accuracy5 = co_score_accuracy5(&record->step),
        .epoch_loss = co_score_loss(epoch),
        .epoch_accuracy = co_score_accuracy(epoch),
        .epoch_accuracy5 = co_score_accuracy5(epoch),
        .gradient_norm = report->gradient_norm,
        .weight_norm = weight_norm(w),
        .learning_rate = report->hyper.lr,
        .images_per_second = images / (now - w->mark_seconds),
    };
    count_communication(w, record, &event.step);
    co_announce(w->options->announcer, &event);
    w->mark_seconds = now;
    w->mark_images = progress->result.images;
}

static void count_step(worker *w, const step_report *report)
{
    const double keep = 1.0 - 1.0 / RUNNING_LOSS_STEPS;
    co_progress *progress = w->progress;
    co_score *score = &progress->epoch_score;
    progress->running_loss = progress->step == 0
                                 ? report->loss
                                 : keep * progress->running_loss + (1.0 - keep) * report->loss;
    progress->step++;
    progress->step_in_epoch++;
    progress->result.steps = progress->step;
    progress->result.images += (uint64_t)report->rows * (uint64_t)w->job->comm->size;
    score->loss_sum += report->score.loss_sum;
    score->rows += report->score.rows;
    score->correct += report->score.correct;
    score->correct5 += report->score.correct5;
    if (progress->result.first_step_seconds <= 0.0) {
        progress->result.first_step_seconds = co_announce_seconds(w->options->announcer);
    }
}

co_hyper co_worker_hyper(const worker *w, uint64_t step)
{
    const uint64_t shift = (uint64_t)w->progress->schedule_shift; /* modulo 2^64 */
    co_hyper hyper = co_schedule_at(w->job->schedule, step + shift);
    hyper.lr *= w->progress->lr_factor;
    return hyper;
}

static void announce_epoch(worker *w, double duration)
{
    const co_progress *progress = w->progress;
    const co_score *score = &progress->epoch_score;
    co_event event = {.kind = CO_EVENT_EPOCH_END};
    event.epoch_end = (co_event_epoch_end){
        .step = progress->step,
        .epoch = progress->epoch + 1,
        .steps = progress->step_in_epoch,
        .samples = (uint64_t)score->rows,
        .loss = co_score_loss(score),
        .accuracy = co_score_accuracy(score),
        .learning_rate = co_worker_hyper(w, progress->step - 1).lr,
        .duration = duration,
        .images_per_second = (double)score->rows / duration,
    };
    co_announce(w->options->announcer, &event);
}

/* Why the run should not go on now; NULL: it should. Several workers stop after the same step: they
 * agree in its reduction that one of them was asked to. */
static const char *reason_to_stop(const worker *w)
{
    const co_settings *settings = w->job->settings;
    const char *reason = asked_to_stop(w);
    if (!co_comm_alone(w->job->comm)) {
        reason = !w->stopping ? NULL : reason != NULL ? reason : "another worker";
    }
    if (reason == NULL && settings->stop_at_step > 0 &&
        w->progress->step >= settings->stop_at_step) {
        reason = "--stop-at-step";
    }
    return reason;
}

/* S2's crash_iteration: the run dies at the start of that step, with nothing saved. */
static co_status crash_if_asked(const worker *w, co_error *err)
{
    uint64_t step = w->job->settings->crash_at_step;
    if (step == 0 || w->progress->step + 1 != step) {
        return CO_OK;
    }
    return co_fail(err, CO_FAILED, "crashed at the start of step %llu, as --crash-at-step asks",
                   (unsigned long long)step);
}

static co_status begin_timeline(worker *w, co_error *err)
{
    co_track *track = co_worker_track(w);
    if (track == NULL) {
        return CO_OK;
    }
    CO_TRY(co_loader_observe(w->job->train_loader, track, err));
    if (w->job->comm->simulated) {
        return CO_OK; /* time is declared for a whole pass: its layers take none */
    }
    return co_observe_plans(&w->job->plans, track, err);
}

/* After --timeline-steps of them nothing is recorded any more. */
static co_status time_step(worker *w, uint64_t begin_ns, co_error *err)
{
    co_track *track = co_worker_track(w);
    if (begin_ns == 0) {
        return CO_OK;
    }
    co_track_end_value(track, begin_ns, "step", "step", "step", w->progress->step);
    w->timed_steps++;
    if (w->timed_steps != w->job->settings->timeline_steps) {
        return CO_OK;
    }
    co_timeline_stop(co_track_timeline(track));
    CO_TRY(co_loader_observe(w->job->train_loader, NULL, err));
    return co_observe_plans(&w->job->plans, NULL, err);
}

/* What the sinks are told of a step: the samples of all workers. */
static co_status tell_step(worker *w, const step_report *report, co_error *err)
{
    co_job *job = w->job;
    uint64_t step = w->progress->step;
    uint64_t every = job->settings->tb_histograms_every;
    if (step % (uint64_t)job->settings->log_interval == 0 || step == job->steps_total) {
        co_step_record record = {
            .step = report->score,
            .epoch = w->progress->epoch_score,
            .communication = job->strategy->exposed_seconds,
        };
        job->strategy->exposed_seconds = 0.0;
        CO_TRY(co_job_sum_record(job, &record, err));
        announce_step(w, report, &record);
    }
    if (every > 0 && step % every == 0) {
        CO_TRY(job->strategy->ops->show_gradient(job->strategy, err));
        co_announce_histograms(w->options->announcer, job->model, step, w->progress->epoch + 1);
    }
    return CO_OK;
}

static co_status one_step(worker *w, co_error *err)
{
    step_report report = {0};
    CO_TRY(crash_if_asked(w, err));
    uint64_t begin = co_track_now(co_worker_track(w));
    CO_TRY(train_step(w, w->progress->step_in_epoch, &report, err));
    if (report.rolled_back) {
        return CO_OK;
    }
    count_step(w, &report);
    CO_TRY(time_step(w, begin, err));
    CO_TRY(tell_step(w, &report, err));
    if (w->options->trace != NULL) {
        co_worker_trace(w);
    }
    if (w->options->checkpoints != NULL) {
        CO_TRY(co_checkpoints_step(w->options->checkpoints, w->saving, err));
    }
    return CO_OK;
}

/* Steps until the epoch, the run or the user's patience ends. */
static co_status train_epoch(worker *w, co_error *err)
{
    const co_job *job = w->job;
    co_progress *progress = w->progress;
    double start = co_announce_seconds(w->options->announcer);
    w->mark_seconds = start;
    w->mark_images = progress->result.images;
    while (progress->step_in_epoch < job->steps_per_epoch && progress->step < job->steps_total &&
           (w->stopped_by = reason_to_stop(w)) == NULL) {
        CO_TRY(one_step(w, err));
    }
    w->epoch_seconds = co_announce_seconds(w->options->announcer) - start;
    return CO_OK;
}

/* The epoch is told, and the next one is begun. */
static co_status end_epoch(worker *w, co_error *err)
{
    co_progress *progress = w->progress;
    CO_TRY(co_job_sum_score(w->job, &progress->epoch_score, err));
    double duration = progress->epoch_seconds + w->epoch_seconds;
    progress->result.epochs += progress->step_in_epoch == w->job->steps_per_epoch;
    progress->result.train_seconds += duration;
    if (progress->step_in_epoch > 0) {
        progress->result.train = progress->epoch_score;
        announce_epoch(w, duration);
    }
    progress->epoch++;
    progress->step_in_epoch = 0;
    progress->epoch_score = (co_score){0};
    progress->epoch_seconds = 0.0;
    return CO_OK;
}

/* What is saved comes from before the events of the stop: they are not part of the whole run. */
static co_status stop_here(worker *w, co_error *err)
{
    co_progress *progress = w->progress;
    progress->epoch_seconds += w->epoch_seconds;
    w->epoch_seconds = 0.0;
    if (w->options->checkpoints != NULL) {
        CO_TRY(co_checkpoints_save(w->options->checkpoints, err));
    }
    uint64_t step = progress->step;
    CO_TRY(end_epoch(w, err));
    return co_fail(err, CO_STOPPED, "stopped by %s after step %llu of %llu", w->stopped_by,
                   (unsigned long long)step, (unsigned long long)w->job->steps_total);
}

/* A damaged test split is told after the first epoch, not after the last. By then a helper thread
 * has read it, where there is one. */
static co_status check_test_samples(worker *w, co_error *err)
{
    if (w->progress->result.epochs > 1 || !w->job->settings->evaluate || w->job->time_only) {
        return CO_OK;
    }
    co_comm_at(w->job->comm, w->progress->step, "load"); /* may last longer than a step */
    return co_dataset_require(w->job->dataset, CO_SPLIT_TEST, err);
}

/* S2 evaluates at the start of every third epoch, that is after 2, 5, 8 ... */
static bool is_evaluation_due(const worker *w, bool last)
{
    const co_settings *settings = w->job->settings;
    bool at_start = settings->evaluate_at == CO_CONF_EVALUATE_AT_START;
    uint32_t epochs = w->progress->result.epochs + at_start;
    return last || epochs % (uint32_t)settings->evaluate_every == 0;
}

static co_status run(worker *w, co_error *err)
{
    const co_job *job = w->job;
    co_progress *progress = w->progress;
    bool enough = false;
    while (!enough && (progress->step < job->steps_total || progress->step_in_epoch > 0)) {
        CO_TRY(train_epoch(w, err));
        bool last = progress->step == job->steps_total;
        if (w->stopped_by != NULL && !last) {
            return stop_here(w, err);
        }
        if (last && w->options->checkpoints != NULL) {
            CO_TRY(co_checkpoints_last(w->options->checkpoints, err));
        }
        CO_TRY(end_epoch(w, err));
        CO_TRY(check_test_samples(w, err));
        if (is_evaluation_due(w, last)) {
            CO_TRY(co_worker_evaluate(w, last, &enough, err));
        }
    }
    return w->options->checkpoints != NULL ? co_checkpoints_wait(w->options->checkpoints, err)
                                           : CO_OK;
}

/* Row 0: the weights before the first step. */
static co_status begin_trace(worker *w, co_error *err)
{
    if (w->options->trace == NULL || w->progress->trace_rows > 0) {
        return CO_OK;
    }
    CO_TRY(co_trace_add(w->options->trace, err));
    w->progress->trace_rows++;
    return CO_OK;
}

co_status co_train_from(co_job *job, const co_train_options *options, co_progress *progress,
                        co_error *err)
{
    worker w = {
        .job = job,
        .options = options,
        .progress = progress,
        .ops = job->backend->ops,
        .classes = (int)co_output_width(job->graph, CO_OUTPUT_LOGITS),
    };
    w.mark_step = progress->step;
    atomic_store(&job->comm->pulse->first, progress->step + 1);
    CO_TRY(begin_timeline(&w, err)); /* before the helper threads load what comes first */
    if (progress->step == 0) {       /* a resumed run's loader stands where it stood */
        CO_TRY(co_loader_seek(job->train_loader, 0, 0, err));
        CO_TRY(begin_trace(&w, err));
    }
    return run(&w, err);
}

co_status co_train(co_job *job, const co_announcer *announcer, const atomic_int *stop,
                   co_train_result *result, co_error *err)
{
    const co_train_options options = {.announcer = announcer, .stop = stop};
    co_progress progress;
    co_progress_start(&progress);
    co_status status = co_train_from(job, &options, &progress, err);
    *result = progress.result;
    return status;
}
