/* Running a plan: stages of operations on the team, phase by phase. */
#include "backend/dnnl/plan.h"
#include "backend/dnnl/primitive.h"

typedef struct stage_run {
    const co_dnnl_plan *plan;
    const co_op *ops;
    int count;
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

/* One operation: its items are shared. */
static void run_items(void *arg, int thread, int threads)
{
    const stage_run *run = arg;
    int begin;
    int end;
    co_team_share(run->ops->items, thread, threads, &begin, &end);
    if (begin < end) {
        run->ops->team(run->plan, run->ops, begin, end, thread);
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
            const co_op *op = &run->ops[i];
            int items = op->items / bundles;
            op->team(run->plan, op, bundle * items, (bundle + 1) * items, thread);
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
    stage_run run = {plan, ops, count};
    if (is_small(ops, count)) {
        for (int i = 0; i < count; i++) {
            ops[i].team(plan, &ops[i], 0, ops[i].items, 0);
        }
        return;
    }
    if (count > 1 && bundles_are_fair(plan, co_team_threads(team))) {
        co_team_run(team, run_bundles, &run);
        return;
    }
    for (int i = 0; i < count; i++) {
        run.ops = &ops[i];
        co_team_run(team, run_items, &run);
    }
}

static co_status run_ops(const co_dnnl_plan *plan, const co_op *ops, int count, co_error *err)
{
    for (int i = 0; i < count;) {
        int end = i + 1;
        while (end < count && ops[end].stage == ops[i].stage) {
            end++;
        }
        for (int k = i; k < end && plan->trace != NULL; k++) {
            plan->trace(plan->trace_arg, ops[k].layer, ops[k].pass);
        }
        if (ops[i].solo != NULL) {
            CO_TRY(ops[i].solo(plan, &ops[i], err));
        } else {
            run_stage(plan, &ops[i], end - i);
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
