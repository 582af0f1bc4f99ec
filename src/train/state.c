#include "train/state.h"

static co_status visit_model(co_model *model, co_visitor *v, co_error *err)
{
    const co_graph *graph = model->graph;
    CO_TRY(co_visit_begin(v, "model", err));
    CO_TRY(co_visit_buffer(v, "params", CO_VISIT_LIKE_PARAMS, model->params, graph->param_floats,
                           err));
    CO_TRY(co_visit_buffer(v, "stats", CO_VISIT_LIKE_STATS, model->stats, graph->stat_floats, err));
    CO_TRY(co_visit_end(v, err));
    return v->ops->loads ? model->backend->ops->refresh(model, 0, graph->param_floats, err) : CO_OK;
}

/* world: as co_run_state_of; NULL: the values must be this job's. */
static co_status visit_number(co_visitor *v, const char *name, uint64_t here, uint64_t *there,
                              co_error *err)
{
    return there != NULL ? co_visit_u64(v, name, there, err)
                         : co_visit_same_u64(v, name, here, err);
}

static co_status visit_rest(co_visitor *v, co_loader_rest *rest, co_error *err)
{
    CO_TRY(co_visit_begin(v, "rest", err));
    CO_TRY(co_visit_u32(v, "epoch", &rest->epoch, err));
    CO_TRY(co_visit_u32(v, "batch", &rest->batch, err));
    CO_TRY(co_visit_u32(v, "used", &rest->used, err));
    return co_visit_end(v, err);
}

static co_status visit_loader(co_loader *loader, co_run_world *world, co_visitor *v, co_error *err)
{
    uint32_t epoch = 0;
    uint32_t batch = 0;
    co_loader_rest rest = co_loader_get_rest(loader);
    co_loader_position(loader, &epoch, &batch);
    CO_TRY(co_visit_begin(v, "loader", err));
    CO_TRY(
        visit_number(v, "samples", co_loader_samples(loader), world ? &world->samples : NULL, err));
    CO_TRY(
        visit_number(v, "batches", co_loader_batches(loader), world ? &world->batches : NULL, err));
    CO_TRY(co_visit_u32(v, "epoch", &epoch, err));
    CO_TRY(co_visit_u32(v, "batch", &batch, err));
    CO_TRY(visit_rest(v, &rest, err));
    CO_TRY(co_visit_end(v, err));
    if (world != NULL) {
        world->rest = rest;
        return CO_OK;
    }
    if (!v->ops->loads) {
        return CO_OK;
    }
    if (batch >= co_loader_batches(loader)) {
        return co_fail(err, CO_FILE, "state: loader.batch is %u of %u", batch,
                       co_loader_batches(loader));
    }
    co_loader_set_rest(loader, &rest);
    return co_loader_seek(loader, epoch, batch, err);
}

/* What the other fields mean only together with. */
static co_status visit_identity(co_job *job, co_run_world *world, co_visitor *v, co_error *err)
{
    CO_TRY(co_visit_begin(v, "run", err));
    CO_TRY(co_visit_same_text(v, "model", job->graph->name, err));
    CO_TRY(co_visit_same_text(v, "dataset", co_dataset_describe(job->dataset)->name, err));
    CO_TRY(co_visit_same_u64(v, "seed", job->settings->seed, err));
    CO_TRY(visit_number(v, "steps_per_epoch", job->steps_per_epoch,
                        world ? &world->steps_per_epoch : NULL, err));
    CO_TRY(co_visit_same_u64(v, "average", job->ema != NULL, err));
    return co_visit_end(v, err);
}

static co_status visit_all(co_job *job, co_progress *progress, co_run_world *world, co_visitor *v,
                           co_error *err)
{
    CO_TRY(visit_identity(job, world, v, err));
    CO_TRY(visit_model(job->model, v, err));
    CO_TRY(co_optimizer_state(job->optimizer, v, err));
    if (job->ema != NULL) {
        CO_TRY(co_ema_state(job->ema, v, err));
    }
    CO_TRY(job->strategy->ops->state(job->strategy, v, err));
    CO_TRY(job->agent->ops->state(job->agent, v, err));
    CO_TRY(visit_loader(job->train_loader, world, v, err));
    CO_TRY(co_progress_state(progress, v, err));
    uint64_t steps = world != NULL ? world->steps_per_epoch : job->steps_per_epoch;
    if (progress->step_in_epoch > steps) {
        return co_fail(err, CO_FILE, "state: progress.step_in_epoch is %u of %llu",
                       progress->step_in_epoch, (unsigned long long)steps);
    }
    return CO_OK;
}

co_status co_run_state(co_job *job, co_progress *progress, co_visitor *v, co_error *err)
{
    return visit_all(job, progress, NULL, v, err);
}

co_status co_run_state_of(co_job *job, co_progress *progress, co_run_world *world, co_visitor *v,
                          co_error *err)
{
    return visit_all(job, progress, world, v, err);
}
