#include "train/worker.h"

#include <math.h>
#include <string.h>

#include "train/observe.h"

typedef struct worker {
    co_job *job;
    const co_announcer *announcer;
    const atomic_int *stop;
    co_train_result *result;
    const co_backend_ops *ops;
    int classes;
    uint64_t step;  /* done */
    uint32_t epoch; /* under way, from 0 */
    double running_loss;
    double mark_seconds; /* time and images of the last step event: the recent rate */
    uint64_t mark_images;
    uint64_t timed_steps; /* on the timeline */
} worker;

/* What a step tells to those who watch. */
typedef struct step_report {
    double loss;
    double gradient_norm;
    co_hyper hyper;
    co_score score;
    int rows;
} step_report;

/* One of the batches of a step (--accumulate). */
typedef struct part {
    bool first;
    bool last;
    int rows;        /* of this batch */
    int rows_before; /* of the batches before it in the step */
} part;

enum { RUNNING_LOSS_STEPS = 50 }; /* S2's running average: weight 0.98 for the past */

static co_track *track_of(const worker *w)
{
    return w->announcer->track;
}

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

static co_status backward(worker *w, co_plan *plan, const part *p, co_error *err)
{
    co_strategy *strategy = w->job->strategy;
    co_track *track = track_of(w);
    uint64_t begin = co_track_now(track);
    int count = 0;
    const co_phase *phases = w->ops->phases(plan, &count);
    for (int i = 0; i < count; i++) {
        CO_TRY(w->ops->backward(plan, i, err));
        if (!(p->first && p->last)) {
            gather(w, &phases[i], p);
        }
        if (p->last) {
            uint64_t ready = co_track_now(track);
            CO_TRY(strategy->ops->ready(strategy, phases[i].offset, phases[i].count, err));
            co_track_end(track, ready, "communicate", "gradients ready");
        }
    }
    co_track_end(track, begin, "backward", "backward");
    return CO_OK;
}

/* Forward, loss, backward: after the last batch of a step its gradient is in the model. */
static co_status compute_gradient(worker *w, const co_batch *batch, const part *p,
                                  step_report *report, co_error *err)
{
    co_agent *agent = w->job->agent;
    co_plan *plan = co_plan_table_find(&w->job->plans, CO_TRAIN, batch->rows);
    if (plan == NULL) {
        return co_fail(err, CO_INTERNAL, "no training plan for a batch of %d rows", batch->rows);
    }
    uint64_t begin = co_track_now(track_of(w));
    CO_TRY(w->ops->forward(plan, batch, err));
    co_track_end(track_of(w), begin, "forward", "forward");
    begin = co_track_now(track_of(w));
    co_loss_term terms[CO_MAX_LOSS_TERMS];
    int count = agent->ops->loss_terms(agent, batch, terms);
    double loss = co_loss_compute(terms, count, batch->rows, w->classes,
                                  w->ops->output(plan, CO_OUTPUT_LOGITS),
                                  w->ops->output_gradient(plan, CO_OUTPUT_LOGITS), &report->score);
    co_track_end(track_of(w), begin, "loss", "loss");
    double rows = (double)p->rows + (double)p->rows_before;
    report->loss += (loss - report->loss) * (p->rows / rows);
    return backward(w, plan, p, err);
}

static co_status not_finite(worker *w, const step_report *report, co_error *err)
{
    const char *what = isfinite(report->loss) ? "gradient" : "loss";
    if (w->job->settings->nan_policy == CO_CONF_NAN_SKIP) {
        w->result->skipped++;
        co_announce_note(w->announcer, CO_LEVEL_WARNING, "step %llu skipped: the %s is not finite",
                         (unsigned long long)(w->step + 1), what);
        return CO_OK;
    }
    return co_fail(err, CO_FAILED,
                   "the %s of step %llu (epoch %u, learning rate %g) is not finite: lower --lr, or "
                   "leave such steps out with --nan-policy skip",
                   what, (unsigned long long)(w->step + 1), w->epoch + 1, report->hyper.lr);
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
    uint64_t begin = co_track_now(track_of(w));
    CO_TRY(strategy->ops->reduce(strategy, &reduction, err));
    co_track_end(track_of(w), begin, "communicate", "reduce");
    begin = co_track_now(track_of(w));
    CO_TRY(job->agent->ops->gradient(job->agent, model, &changed, err));
    if (changed) {
        reduction.sum_squares = w->ops->sum_squares(model->backend, model->graph->param_floats,
                                                    model->grads);
        reduction.finite = reduction.finite && isfinite(reduction.sum_squares);
    }
    report->gradient_norm = sqrt(reduction.sum_squares);
    report->hyper = co_schedule_at(job->schedule, w->step);
    if (!reduction.finite || !isfinite(report->loss)) {
        return not_finite(w, report, err);
    }
    if (job->settings->clip_norm > 0.0) {
        clip(w, report->gradient_norm);
    }
    CO_TRY(strategy->ops->apply(strategy, &report->hyper, err));
    if (job->ema != NULL) {
        co_ema_update(job->ema);
    }
    co_track_end(track_of(w), begin, "update", "update");
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
        uint64_t begin = co_track_now(track_of(w));
        CO_TRY(co_loader_next(w->job->train_loader, &loaded, err));
        co_track_end(track_of(w), begin, "load", "next batch");
        co_batch batch = *loaded;
        CO_TRY(agent->ops->before(agent, &batch, err));
        const part p = {i == 0, i + 1 == batches, batch.rows, report->rows};
        CO_TRY(compute_gradient(w, &batch, &p, report, err));
        if (p.last) {
            CO_TRY(update(w, report, err));
        }
        CO_TRY(agent->ops->after(agent, &batch, err));
        report->rows += batch.rows;
    }
    return CO_OK;
}

static void announce_step(worker *w, const step_report *report, uint32_t step_in_epoch,
                          const co_score *epoch)
{
    double now = co_announce_seconds(w->announcer);
    double images = (double)(w->result->images - w->mark_images);
    co_event event = {.kind = CO_EVENT_STEP, .seconds = now};
    event.step = (co_event_step){
        .step = w->step,
        .epoch = w->epoch + 1,
        .step_in_epoch = step_in_epoch,
        .images = (uint32_t)report->rows,
        .loss = report->loss,
        .running_loss = w->running_loss,
        .accuracy = co_score_accuracy(&report->score),
        .accuracy5 = co_score_accuracy5(&report->score),
        .epoch_loss = co_score_loss(epoch),
        .epoch_accuracy = co_score_accuracy(epoch),
        .epoch_accuracy5 = co_score_accuracy5(epoch),
        .gradient_norm = report->gradient_norm,
        .learning_rate = report->hyper.lr,
        .images_per_second = images / (now - w->mark_seconds),
    };
    co_announce(w->announcer, &event);
    w->mark_seconds = now;
    w->mark_images = w->result->images;
}

static void count_step(worker *w, const step_report *report, co_score *epoch_score)
{
    const double keep = 1.0 - 1.0 / RUNNING_LOSS_STEPS;
    w->running_loss = w->step == 0 ? report->loss
                                   : keep * w->running_loss + (1.0 - keep) * report->loss;
    w->step++;
    w->result->steps = w->step;
    w->result->images += (uint64_t)report->rows;
    epoch_score->loss_sum += report->score.loss_sum;
    epoch_score->rows += report->score.rows;
    epoch_score->correct += report->score.correct;
    epoch_score->correct5 += report->score.correct5;
    if (w->step == 1) {
        w->result->first_step_seconds = co_announce_seconds(w->announcer);
    }
}

static bool should_stop(const worker *w)
{
    return w->stop != NULL && atomic_load_explicit(w->stop, memory_order_relaxed) != 0;
}

static void announce_evaluation(worker *w, co_event_split split, const co_score *score,
                                double duration)
{
    co_event event = {.kind = CO_EVENT_EVALUATION};
    event.evaluation = (co_event_evaluation){
        .step = w->step,
        .epoch = w->result->epochs,
        .split = split,
        .samples = (uint64_t)score->rows,
        .loss = co_score_loss(score),
        .accuracy = co_score_accuracy(score),
        .accuracy5 = co_score_accuracy5(score),
        .duration = duration,
    };
    co_announce(w->announcer, &event);
}

/* The test split when --evaluate, the validation split when --val. */
static co_status evaluate_splits(worker *w, co_error *err)
{
    co_job *job = w->job;
    double start = co_announce_seconds(w->announcer);
    if (job->validation_loader != NULL) {
        CO_TRY(co_job_evaluate_validation(job, &w->result->validation, err));
        double end = co_announce_seconds(w->announcer);
        announce_evaluation(w, CO_EVENT_SPLIT_VAL, &w->result->validation, end - start);
        start = end;
    }
    if (job->settings->evaluate) {
        co_mistakes_begin(&job->mistakes, w->announcer, co_dataset_describe(job->dataset),
                          job->settings->tb_images, w->step, w->result->epochs);
        CO_TRY(co_job_evaluate_test(job, &w->result->test, err));
        double end = co_announce_seconds(w->announcer);
        announce_evaluation(w, CO_EVENT_SPLIT_TEST, &w->result->test, end - start);
    }
    return CO_OK;
}

/* Evaluates the average of the weights where there is one. */
static co_status evaluate(worker *w, co_error *err)
{
    co_ema *ema = w->job->ema;
    uint64_t begin = co_track_now(track_of(w));
    if (ema == NULL) {
        CO_TRY(evaluate_splits(w, err));
    } else {
        CO_TRY(co_ema_swap(ema, err));
        co_status status = evaluate_splits(w, err);
        CO_TRY(co_ema_swap(ema, err));
        CO_TRY(status);
    }
    co_track_end(track_of(w), begin, "evaluate", "evaluate");
    /* The recent rate is of training alone. */
    w->mark_seconds = co_announce_seconds(w->announcer);
    w->mark_images = w->result->images;
    return CO_OK;
}

static void announce_epoch(worker *w, uint32_t steps, double start, const co_hyper *hyper)
{
    const co_score *score = &w->result->train;
    double duration = co_announce_seconds(w->announcer) - start;
    w->result->train_seconds += duration;
    co_event event = {.kind = CO_EVENT_EPOCH_END};
    event.epoch_end = (co_event_epoch_end){
        .step = w->step,
        .epoch = w->epoch + 1,
        .steps = steps,
        .samples = (uint64_t)score->rows,
        .loss = co_score_loss(score),
        .accuracy = co_score_accuracy(score),
        .learning_rate = hyper->lr,
        .duration = duration,
        .images_per_second = (double)score->rows / duration,
    };
    co_announce(w->announcer, &event);
}

static co_status begin_timeline(worker *w, co_error *err)
{
    if (track_of(w) == NULL) {
        return CO_OK;
    }
    CO_TRY(co_loader_observe(w->job->train_loader, track_of(w), err));
    return co_observe_plans(&w->job->plans, track_of(w), err);
}

/* After --timeline-steps of them nothing is recorded any more. */
static co_status time_step(worker *w, uint64_t begin_ns, co_error *err)
{
    if (begin_ns == 0) {
        return CO_OK;
    }
    co_track_end_value(track_of(w), begin_ns, "step", "step", "step", w->step);
    w->timed_steps++;
    if (w->timed_steps != w->job->settings->timeline_steps) {
        return CO_OK;
    }
    co_timeline_stop(co_track_timeline(track_of(w)));
    CO_TRY(co_loader_observe(w->job->train_loader, NULL, err));
    return co_observe_plans(&w->job->plans, NULL, err);
}

/* Steps until the epoch, the run or the user's patience ends; *complete: the epoch did. */
static co_status train_epoch(worker *w, bool *complete, co_error *err)
{
    const co_job *job = w->job;
    co_score score = {0};
    step_report report = {0};
    double start = co_announce_seconds(w->announcer);
    uint32_t done = 0;
    w->mark_seconds = start;
    w->mark_images = w->result->images;
    while (done < job->steps_per_epoch && w->step < job->steps_total && !should_stop(w)) {
        memset(&report, 0, sizeof(report));
        uint64_t begin = co_track_now(track_of(w));
        CO_TRY(train_step(w, done, &report, err));
        count_step(w, &report, &score);
        CO_TRY(time_step(w, begin, err));
        done++;
        if (w->step % (uint64_t)job->settings->log_interval == 0 || w->step == job->steps_total) {
            announce_step(w, &report, done, &score);
        }
        uint64_t every = job->settings->tb_histograms_every;
        if (every > 0 && w->step % every == 0) {
            co_announce_histograms(w->announcer, job->model, w->step, w->epoch + 1);
        }
    }
    *complete = done == job->steps_per_epoch;
    w->result->epochs += *complete;
    if (done > 0) {
        w->result->train = score;
        announce_epoch(w, done, start, &report.hyper);
    }
    return CO_OK;
}

/* A damaged test split is told after the first epoch, not after the last. By then a helper thread
 * has read it, where there is one. */
static co_status check_test_samples(worker *w, co_error *err)
{
    if (w->epoch > 0 || !w->job->settings->evaluate) {
        return CO_OK;
    }
    return co_dataset_require(w->job->dataset, CO_SPLIT_TEST, err);
}

static co_status run(worker *w, co_error *err)
{
    const co_job *job = w->job;
    CO_TRY(co_loader_seek(job->train_loader, 0, 0, err));
    while (w->step < job->steps_total) {
        bool complete = false;
        CO_TRY(train_epoch(w, &complete, err));
        bool last = w->step == job->steps_total;
        if (should_stop(w) && !last) {
            return co_fail(err, CO_STOPPED, "stopped after step %llu of %llu",
                           (unsigned long long)w->step, (unsigned long long)job->steps_total);
        }
        CO_TRY(check_test_samples(w, err));
        if (last || w->result->epochs % (uint32_t)job->settings->evaluate_every == 0) {
            CO_TRY(evaluate(w, err));
        }
        w->epoch++;
    }
    return CO_OK;
}

co_status co_train(co_job *job, const co_announcer *announcer, const atomic_int *stop,
                   co_train_result *result, co_error *err)
{
    memset(result, 0, sizeof(*result));
    worker w = {
        .job = job,
        .announcer = announcer,
        .stop = stop,
        .result = result,
        .ops = job->backend->ops,
        .classes = (int)co_output_width(job->graph, CO_OUTPUT_LOGITS),
    };
    CO_TRY(begin_timeline(&w, err));
    return run(&w, err);
}
