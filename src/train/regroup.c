/* Going on with another number of workers: the first one reads all states and makes of them one of
 * the new world, which goes to everybody. */
#include <string.h>

#include "base/alloc.h"
#include "train/snapshot_parts.h"

/* Scores of the epoch so far, of all that were: at its end they are added up over the workers. */
static co_status read_scores(const co_committed *committed, const co_snapshot_target *to,
                             co_score *sum, co_error *err)
{
    for (int rank = 1; rank < to->workers; rank++) {
        CO_TRY(co_snapshot_read(committed, rank, to, err));
        sum->loss_sum += to->progress->epoch_score.loss_sum;
        sum->rows += to->progress->epoch_score.rows;
        sum->correct += to->progress->epoch_score.correct;
        sum->correct5 += to->progress->epoch_score.correct5;
    }
    return CO_OK;
}

/* Entries of the epoch's order that they took: a prefix of it. */
static uint64_t used_entries(const co_run_before *before, const co_run_world *world,
                             const co_progress *progress)
{
    const uint64_t per_batch = (uint64_t)before->batch_size * (uint64_t)before->workers;
    uint64_t batches = (uint64_t)progress->step_in_epoch * (uint64_t)before->accumulate;
    batches = batches < world->batches ? batches : world->batches;
    const co_loader_rest *rest = &world->rest;
    if (rest->used > 0 && rest->epoch == progress->epoch && batches >= rest->batch) {
        return rest->used + (batches - rest->batch) * per_batch;
    }
    return batches * per_batch;
}

/* The place in the epoch from which the new workers take what is left. A step is a whole one, so
 * where a step of theirs would begin within one of the others', *rest deals out what is left from
 * there: enough batches for all of it, or as many as it fills. */
static uint32_t place_in_epoch(const co_job *job, uint64_t used, uint32_t epoch,
                               co_loader_rest *rest)
{
    const co_settings *settings = job->settings;
    const uint64_t accumulate = (uint64_t)settings->accumulate;
    const uint64_t per_batch = (uint64_t)settings->batch_size * (uint64_t)job->comm->size;
    const uint64_t batches = co_loader_batches(job->train_loader);
    if (used % (per_batch * accumulate) == 0) {
        return (uint32_t)(used / (per_batch * accumulate));
    }
    bool pad = settings->uneven == CO_CONF_UNEVEN_PAD && !settings->drop_last;
    uint64_t left = (job->train_subset.count - used + (pad ? per_batch - 1 : 0)) / per_batch;
    uint64_t step = (batches - left + (pad ? 0 : accumulate - 1)) / accumulate;
    *rest = (co_loader_rest){epoch, (uint32_t)(step * accumulate), (uint32_t)used};
    return (uint32_t)step;
}

/* Brings progress and the loader to the new world. */
static co_status place(co_job *job, const co_run_before *before, const co_run_world *world,
                       co_progress *progress, co_error *err)
{
    co_loader_rest rest = {0};
    uint32_t step = 0;
    const uint64_t used = used_entries(before, world, progress);
    if (progress->step_in_epoch == world->steps_per_epoch ||
        (before->sampler && used >= job->train_subset.count)) {
        step = job->steps_per_epoch;
    } else if (before->sampler) {
        step = place_in_epoch(job, used, progress->epoch, &rest);
        step = step < job->steps_per_epoch ? step : job->steps_per_epoch;
    } else {
        progress->epoch_score = (co_score){0};
        progress->epoch_seconds = 0.0;
    }
    progress->step_in_epoch = step;
    progress->schedule_shift = (int64_t)((uint64_t)progress->epoch * job->steps_per_epoch + step -
                                         progress->step);
    co_loader_set_rest(job->train_loader, &rest);
    uint64_t batch = (uint64_t)step * (uint64_t)job->settings->accumulate;
    uint32_t batches = co_loader_batches(job->train_loader);
    return co_loader_seek(job->train_loader, progress->epoch,
                          batch < batches ? (uint32_t)batch : batches, err);
}

static void tell(const co_job *job, const co_run_before *before, const co_announcer *announcer,
                 const co_progress *progress)
{
    bool over = progress->step_in_epoch == job->steps_per_epoch;
    co_announce_note(announcer, CO_LEVEL_NOTE,
                     "step %llu was made by %d worker%s, %d go%s on: %s; the result is equivalent, "
                     "not the same to the bit",
                     (unsigned long long)progress->step, before->workers,
                     before->workers == 1 ? "" : "s", job->comm->size,
                     job->comm->size == 1 ? "es" : "",
                     over              ? "with the next epoch"
                     : before->sampler ? "with what the epoch has left"
                                       : "the epoch under way begins again, dealt out anew");
}

static co_status read_all(const co_committed *committed, const co_run_before *before, co_job *job,
                          co_progress *progress, co_mark_files *files, co_error *err)
{
    co_run_world world = {0};
    co_score sum = {0};
    const co_snapshot_target to = {job, progress, files, &world, before->workers};
    CO_TRY(read_scores(committed, &to, &sum, err));
    CO_TRY(co_snapshot_read(committed, 0, &to, err));
    progress->epoch_score.loss_sum += sum.loss_sum;
    progress->epoch_score.rows += sum.rows;
    progress->epoch_score.correct += sum.correct;
    progress->epoch_score.correct5 += sum.correct5;
    return place(job, before, &world, progress, err);
}

/* ---- to everybody ---- */

static co_status share_slot(void *context, const char *path, co_visit_layout layout, float *values,
                            size_t count, co_error *err)
{
    (void)path;
    (void)layout;
    return count > 0 ? co_comm_broadcast(context, values, count * sizeof(float), 0, err) : CO_OK;
}

static co_status skip_slot(void *context, const char *path, co_visit_layout layout, float *values,
                           size_t count, co_error *err)
{
    (void)context;
    (void)path;
    (void)layout;
    (void)values;
    (void)count;
    (void)err;
    return CO_OK;
}

/* The fields: saved by the first worker, loaded by the others. */
static co_status share_fields(co_job *job, co_progress *progress, void *state, size_t bytes,
                              co_error *err)
{
    const co_visit_tensors skip = {.visit = skip_slot};
    const bool first = job->comm->rank == 0;
    co_visitor v = co_visitor_saving(state, bytes);
    v.tensors = &skip;
    co_status status = first ? co_run_state(job, progress, &v, err) : CO_OK;
    CO_TRY(co_comm_agree(job->comm, status, err));
    CO_TRY(co_comm_broadcast(job->comm, state, bytes, 0, err));
    if (!first) {
        v = co_visitor_loading(state, bytes);
        v.tensors = &skip;
        status = co_run_state(job, progress, &v, err);
        progress->epoch_score = (co_score){0}; /* the first worker has them all */
    }
    return co_comm_agree(job->comm, status, err);
}

static co_status share(co_job *job, co_progress *progress, co_error *err)
{
    const co_visit_tensors all = {.visit = share_slot, .context = job->comm};
    void *state = NULL;
    co_visitor v = co_visitor_sizing();
    v.tensors = &all;
    CO_TRY(co_run_state(job, progress, &v, err));
    co_status status = co_alloc(v.offset, 1, "state", &state, err);
    CO_TRY(co_comm_agree(job->comm, status, err));
    status = share_fields(job, progress, state, v.offset, err);
    co_free(state);
    return status;
}

co_status co_snapshot_regroup(const co_committed *committed, const co_run_before *before,
                              co_job *job, const co_announcer *announcer, co_progress *progress,
                              co_mark_files *files, co_error *err)
{
    co_comm *comm = job->comm;
    *files = (co_mark_files){0};
    co_status status = comm->rank == 0 ? read_all(committed, before, job, progress, files, err)
                                       : CO_OK;
    CO_TRY(co_comm_agree(comm, status, err));
    if (!co_comm_alone(comm)) {
        CO_TRY(share(job, progress, err));
    }
    co_job_count_steps(job, progress->schedule_shift);
    if (comm->rank == 0) {
        tell(job, before, announcer, progress);
    }
    return CO_OK;
}
