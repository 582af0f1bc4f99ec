#include "train/worker.h"

#include <math.h>
#include <string.h>

#include "train/job_workers.h"

typedef struct worker {
    co_job *job;
    const co_announcer *announcer;
    const atomic_int *stop;
    co_train_result *result;
    const co_backend_ops *ops;
    int classes;
    uint64_t step;  /* done */
    uint32_t epoch; /* under way, from 0 */
    bool stopping;  /* all workers agreed to stop after the step that was just done */
    double running_loss;
    double mark_seconds; /* time and images of the last step event: the recent rate */
    uint64_t mark_images;
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

static bool asked_to_stop(const worker *w)
{
    return w->stop != NULL && atomic_load_explicit(w->stop, memory_order_relaxed) != 0;
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

static co_status backward(worker *w, co_plan *plan, const part *p, const step_report *report,
                          co_error *err)
{
    co_strategy *strategy = w->job->strategy;
    strategy->loss = report->loss;
    strategy->stop = asked_to_stop(w);
    int count = 0;
    const co_phase *phases = w->ops->phases(plan, &count);
    for (int i = 0; i < count; i++) {
        CO_TRY(w->ops->backward(plan, i, err));
        co_comm_compute(w->job->comm, backward_cost(w, p) * phases[i].share);
        if (!(p->first && p->last)) {
            gather(w, &phases[i], p);
        }
        if (p->last) {
            CO_TRY(strategy->ops->ready(strategy, phases[i].offset, phases[i].count, err));
        }
    }
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
    CO_TRY(w->ops->forward(plan, batch, err));
    co_comm_compute(w->job->comm, batch_cost(w, batch->rows) / 3.0);
    co_loss_term terms[CO_MAX_LOSS_TERMS];
    int count = agent->ops->loss_terms(agent, batch, terms);
    double loss = co_loss_compute(terms, count, batch->rows, w->classes,
                                  w->ops->output(plan, CO_OUTPUT_LOGITS),
                                  w->ops->output_gradient(plan, CO_OUTPUT_LOGITS), &report->score);
    double rows = (double)p->rows + (double)p->rows_before;
    report->loss += (loss - report->loss) * (p->rows / rows);
    return backward(w, plan, p, report, err);
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
    co_comm_at(job->comm, w->step + 1, "reduce");
    CO_TRY(strategy->ops->reduce(strategy, &reduction, err));
    report->loss = reduction.loss;
    w->stopping = reduction.stop;
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
    co_comm_at(job->comm, w->step + 1, "update");
    CO_TRY(strategy->ops->apply(strategy, &report->hyper, err));
    co_comm_compute(job->comm, job->costs.update);
    if (job->ema != NULL) {
        co_ema_update(job->ema);
    }
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
        CO_TRY(co_loader_next(w->job->train_loader, &loaded, err));
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

static void announce_step(worker *w, const step_report *report, uint32_t step_in_epoch)
{
    double now = co_announce_seconds(w->announcer);
    double images = (double)(w->result->images - w->mark_images);
    co_event event = {.kind = CO_EVENT_STEP, .seconds = now};
    event.step = (co_event_step){
        .step = w->step,
        .epoch = w->epoch + 1,
        .step_in_epoch = step_in_epoch,
        .images = (uint32_t)(report->rows * w->job->comm->size),
        .loss = report->loss,
        .running_loss = w->running_loss,
        .accuracy = co_score_accuracy(&report->score),
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
    w->result->images += (uint64_t)report->rows * (uint64_t)w->job->comm->size;
    epoch_score->loss_sum += report->score.loss_sum;
    epoch_score->rows += report->score.rows;
    epoch_score->correct += report->score.correct;
    epoch_score->correct5 += report->score.correct5;
    if (w->step == 1) {
        w->result->first_step_seconds = co_announce_seconds(w->announcer);
    }
}

/* Several workers stop after the same step, which they agree on in its reduction. */
static bool should_stop(const worker *w)
{
    return w->stopping || (co_comm_alone(w->job->comm) && asked_to_stop(w));
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
    co_comm_at(job->comm, w->step, "evaluation");
    double start = co_announce_seconds(w->announcer);
    if (job->settings->val) {
        CO_TRY(co_job_evaluate_validation(job, &w->result->validation, err));
        double end = co_announce_seconds(w->announcer);
        announce_evaluation(w, CO_EVENT_SPLIT_VAL, &w->result->validation, end - start);
        start = end;
    }
    if (job->settings->evaluate) {
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
    if (ema == NULL) {
        CO_TRY(evaluate_splits(w, err));
    } else {
        CO_TRY(co_ema_swap(ema, err));
        co_status status = evaluate_splits(w, err);
        CO_TRY(co_ema_swap(ema, err));
        CO_TRY(status);
    }
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
        CO_TRY(train_step(w, done, &report, err));
        count_step(w, &report, &score);
        done++;
        if (w->step % (uint64_t)job->settings->log_interval == 0 || w->step == job->steps_total) {
            CO_TRY(co_job_sum_score(job, &report.score, err));
            announce_step(w, &report, done);
        }
    }
    CO_TRY(co_job_sum_score(job, &score, err));
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
    return run(&w, err);
}
