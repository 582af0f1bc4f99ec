/* Running a plan: stages of operations on the team, phase by phase. */
#include <string.h>

#include "backend/dnnl/plan.h"
#include "backend/dnnl/primitive.h"
#include "base/alloc.h"

typedef struct stage_run {
    const co_dnnl_plan *plan;
    const co_op *ops;
    int count;
    int only; /* run_items: which of them */
} stage_run;

static void resolve(co_dnnl_plan *plan, co_op_list *list)
{
    for (int i = 0; i < list->count; i++) {
        co_op *op = &list->items[i];
        for (int k = 0; k < CO_OP_BUFFERS; k++) {
            op->at[k] = op->buffer[k] == CO_NO_BUFFER ? NULL
                                                      : plan->buffers.items[op->buffer[k]].data;
        }
        if (op->primitive != NULL) {
            co_primitive_bind(op->primitive, op->at);
        }
    }
}

void co_plan_bind(co_dnnl_plan *plan, void *slab)
{
    co_buffers_bind(&plan->buffers, slab);
    resolve(plan, &plan->forward);
    resolve(plan, &plan->backward);
}

/* Operation i of the stage; its time is taken only for an observer. */
static void run_op(const stage_run *run, int i, int begin, int end, int thread)
{
    const co_dnnl_plan *plan = run->plan;
    const co_op *op = &run->ops[i];
    if (plan->spent_ns == NULL) {
        op->team(plan, op, begin, end, thread);
        return;
    }
    uint64_t start = co_clock_ns(plan->observer.clock);
    op->team(plan, op, begin, end, thread);
    plan->spent_ns[thread * plan->stage_ops + i] += co_clock_ns(plan->observer.clock) - start;
}

/* One operation: its items are shared. */
static void run_items(void *arg, int thread, int threads)
{
    const stage_run *run = arg;
    int begin;
    int end;
    co_team_share(run->ops[run->only].items, thread, threads, &begin, &end);
    if (begin < end) {
        run_op(run, run->only, begin, end, thread);
    }
}

/* Several: each member takes its bundles through all of them, one bundle after the other, so that
 * what one operation writes is still in the cache when the next reads it. */
static void run_bundles(void *arg, int thread, int threads)
{
    const stage_run *run = arg;
    int bundles = run->plan->bundles;
    int begin;
    int end;
    co_team_share(bundles, thread, threads, &begin, &end);
    for (int bundle = begin; bundle < end; bundle++) {
        for (int i = 0; i < run->count; i++) {
            int items = run->ops[i].items / bundles;
            run_op(run, i, bundle * items, (bundle + 1) * items, thread);
        }
    }
}

/* Whole bundles are shared where that leaves nobody idle for long; otherwise the finer items of
 * one operation after the other. */
static bool bundles_are_fair(const co_dnnl_plan *plan, int threads)
{
    enum { MANY = 8 };
    return plan->bundles % threads == 0 || plan->bundles >= MANY * threads;
}

/* Little work is done sooner than a team is gathered: about a microsecond. */
static bool is_small(const co_op *ops, int count)
{
    const double small = 60000.0;
    double work = 0.0;
    for (int i = 0; i < count; i++) {
        work += ops[i].work;
    }
    return work < small;
}

static void run_stage(const co_dnnl_plan *plan, const co_op *ops, int count)
{
    co_team *team = plan->backend->base.team;
    stage_run run = {plan, ops, count, 0};
    if (is_small(ops, count)) {
        for (int i = 0; i < count; i++) {
            run_op(&run, i, 0, ops[i].items, 0);
        }
        return;
    }
    if (count > 1 && bundles_are_fair(plan, co_team_threads(team))) {
        co_team_run(team, run_bundles, &run);
        return;
    }
    for (int i = 0; i < count; i++) {
        run.only = i;
        co_team_run(team, run_items, &run);
    }
}

static co_status run_solo_or_stage(const co_dnnl_plan *plan, const co_op *ops, int count,
                                   co_error *err)
{
    if (ops->solo != NULL) {
        return ops->solo(plan, ops, err);
    }
    run_stage(plan, ops, count);
    return CO_OK;
}

/* ------------------------------------------------------------------ the observer */

/* Nanoseconds that the members of the team spent in operation i of the stage. */
static uint64_t spent(const co_dnnl_plan *plan, int i)
{
    uint64_t sum = 0;
    for (int t = 0; t < co_team_threads(plan->backend->base.team); t++) {
        sum += plan->spent_ns[t * plan->stage_ops + i];
    }
    return sum;
}

/* Tells the operations of a stage that took from start to end, one after the other. */
static void tell(const co_dnnl_plan *plan, const co_op *ops, int count, uint64_t start,
                 uint64_t end)
{
    const co_graph *graph = plan->model->base.graph;
    double all = 0.0;
    for (int i = 0; i < count; i++) {
        all += (double)spent(plan, i);
    }
    double before = 0.0;
    uint64_t from = start;
    for (int i = 0; i < count; i++) {
        const co_op *op = &ops[i];
        before += (double)spent(plan, i);
        bool last = i + 1 == count;
        double part = all > 0.0 ? before / all : 0.0;
        uint64_t to = last ? end : start + (uint64_t)(part * (double)(end - start));
        const co_span span = {
            .layer = op->layer,
            .pass = op->pass,
            .name = op->layer >= 0           ? graph->layers[op->layer].name
                    : op->pass == CO_FORWARD ? "input"
                                             : "loss",
            .work = op->work_name,
            .kernel = op->kernel,
            .bytes = op->bytes,
            .start_ns = from,
            .end_ns = to,
        };
        plan->observer.span(plan->observer.arg, &span);
        from = to;
    }
}

static co_status run_observed(const co_dnnl_plan *plan, const co_op *ops, int count, co_error *err)
{
    const co_clock *clock = plan->observer.clock;
    size_t all = (size_t)co_team_threads(plan->backend->base.team) * (size_t)plan->stage_ops;
    memset(plan->spent_ns, 0, all * sizeof(plan->spent_ns[0]));
    uint64_t start = co_clock_ns(clock);
    CO_TRY(run_solo_or_stage(plan, ops, count, err));
    tell(plan, ops, count, start, co_clock_ns(clock));
    return CO_OK;
}

static int longest_stage(const co_op_list *list)
{
    int longest = 1;
    for (int i = 0, first = 0; i < list->count; i++) {
        first = list->items[i].stage == list->items[first].stage ? first : i;
        longest = i - first + 1 > longest ? i - first + 1 : longest;
    }
    return longest;
}

co_status co_plan_observe(co_dnnl_plan *plan, const co_observer *observer, co_error *err)
{
    if (observer == NULL) {
        plan->observer = (co_observer){0};
        co_free(plan->spent_ns);
        plan->spent_ns = NULL;
        return CO_OK;
    }
    if (plan->spent_ns == NULL) {
        int forward = longest_stage(&plan->forward);
        int backward = longest_stage(&plan->backward);
        size_t threads = (size_t)co_team_threads(plan->backend->base.team);
        plan->stage_ops = forward > backward ? forward : backward;
        void *block = NULL;
        CO_TRY(co_alloc(threads * (size_t)plan->stage_ops, sizeof(uint64_t), "times of a plan",
                        &block, err));
        plan->spent_ns = block;
    }
    plan->observer = *observer;
    return CO_OK;
}

/* ------------------------------------------------------------------ forward and backward */

static co_status run_ops(const co_dnnl_plan *plan, const co_op *ops, int count, co_error *err)
{
    for (int i = 0; i < count;) {
        int end = i + 1;
        while (end < count && ops[end].stage == ops[i].stage) {
            end++;
        }
        if (plan->observer.span != NULL) {
            CO_TRY(run_observed(plan, &ops[i], end - i, err));
        } else {
            CO_TRY(run_solo_or_stage(plan, &ops[i], end - i, err));
        }
        i = end;
    }
    return CO_OK;
}

co_status co_plan_forward(co_dnnl_plan *plan, const co_batch *batch, co_error *err)
{
    if (batch->rows != plan->spec.batch) {
        return co_fail(err, CO_INTERNAL, "a batch of %d rows was given to a plan for %d",
                       batch->rows, plan->spec.batch);
    }
    plan->batch = batch;
    plan->key = (co_rng_key){.seed = batch->seed, .replica = batch->replica, .epoch = batch->epoch};
    co_status status = run_ops(plan, plan->forward.items, plan->forward.count, err);
    plan->batch = NULL;
    plan->next_phase = status == CO_OK ? 0 : -1;
    return status;
}

co_status co_plan_backward(co_dnnl_plan *plan, int index, co_error *err)
{
    if (index != plan->next_phase || index >= plan->phase_count) {
        return co_fail(err, CO_INTERNAL,
                       "phase %d of backward was asked for where %d of %d is next (-1: forward)",
                       index, plan->next_phase, plan->phase_count);
    }
    int begin = index == 0 ? 0 : plan->phase_end[index - 1];
    CO_TRY(run_ops(plan, plan->backward.items + begin, plan->phase_end[index] - begin, err));
    plan->next_phase++;
    return CO_OK;
}
