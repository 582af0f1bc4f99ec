#include "train/job.h"

#include "base/alloc.h"
#include "train/job_parts.h"
#include "train/job_workers.h"
#include "train/weights.h"

/* The rest of a job, once its data are open. */
static co_status open_common(co_job *job, co_error *err)
{
    CO_TRY(co_job_open_model(job, err));
    return co_agent_base(job->settings->label_smoothing, &job->agent, err);
}

/* A step takes --accumulate batches; the last of an epoch what is left. */
static uint32_t steps_of_epoch(const co_job *job)
{
    uint32_t batches = co_loader_batches(job->train_loader);
    uint32_t per_step = (uint32_t)job->settings->accumulate;
    return batches / per_step + (batches % per_step != 0);
}

/* Epochs, or --max-steps where that is fewer. */
void co_job_count_steps(co_job *job, int64_t schedule_shift)
{
    uint64_t steps = (uint64_t)job->steps_per_epoch * (uint64_t)job->settings->epochs;
    uint64_t limit = job->settings->max_steps;
    steps -= (uint64_t)schedule_shift; /* modulo 2^64 */
    job->steps_total = limit > 0 && limit < steps ? limit : steps;
}

static co_status group_parameters(co_job *job, co_error *err)
{
    const co_settings *settings = job->settings;
    co_groups groups = {0};
    CO_TRY(co_groups_read(job->graph, settings->lr_scales, settings->decay_scales, &groups, err));
    co_optimizer_use_groups(job->optimizer, &groups);
    return CO_OK;
}

/* What only some runs keep beside the weights. */
static co_status open_extras(co_job *job, co_error *err)
{
    const co_settings *settings = job->settings;
    if (settings->accumulate > 1) {
        void *block = NULL;
        CO_TRY(
            co_alloc(job->graph->param_floats, sizeof(float), "gathered gradients", &block, err));
        job->gathered = block;
    }
    if (settings->ema_decay > 0.0) {
        CO_TRY(co_ema_create(job->model, settings->ema_decay, &job->ema, err));
    }
    return CO_OK;
}

/* What each worker opens for itself. like: of a set of zeros; NULL: the data set of the settings.
 */
static co_status open_own_parts(co_job *job, const co_dataset_info *like, co_error *err)
{
    const co_settings *settings = job->settings;
    CO_TRY(like != NULL ? co_job_open_no_data(job, like, err) : co_job_open_data(job, err));
    CO_TRY(open_common(job, err));
    CO_TRY(co_job_split_data(job, err));
    CO_TRY(co_job_open_train_loader(job, err));
    if (settings->val && co_job_share(job, job->validation_subset.count).count > 0) {
        CO_TRY(co_job_open_validation_loader(job, err));
    }
    job->steps_per_epoch = steps_of_epoch(job);
    co_job_count_steps(job, 0);
    const co_settings scaled = co_job_scaled_settings(job);
    CO_TRY(co_schedule_create(&scaled, job->steps_per_epoch, (uint64_t)settings->epochs,
                              &job->schedule, err));
    const co_optimizer_kind kind = co_schedule_optimizer(job->schedule);
    if (job->time_only) {
        return co_optimizer_create_blank(kind, job->graph, &job->optimizer, err);
    }
    CO_TRY(co_optimizer_create(kind, job->graph, &job->optimizer, err));
    CO_TRY(group_parameters(job, err));
    return open_extras(job, err);
}

static co_status load_and_compile(co_job *job, co_error *err)
{
    const co_settings *settings = job->settings;
    if (settings->checkpoint != NULL && settings->resume == NULL) {
        CO_TRY(co_weights_load(settings->checkpoint, job->model, err));
    }
    return co_job_compile(job, true, err);
}

static co_status open_training(co_job *job, const co_dataset_info *like, co_error *err)
{
    /* The strategy is opened by all together: who cannot come says so before. */
    CO_TRY(co_comm_agree(job->comm, open_own_parts(job, like, err), err));
    CO_TRY(co_job_compare_data(job, err));
    co_job_read_costs(job);
    CO_TRY(co_job_open_strategy(job, err));
    /* It is closed by all together as well: nobody may leave alone. */
    return co_comm_agree(job->comm, load_and_compile(job, err), err);
}

static co_status open_evaluation(co_job *job, const char *weights, co_error *err)
{
    CO_TRY(co_job_open_data(job, err));
    CO_TRY(open_common(job, err));
    CO_TRY(co_weights_load(weights, job->model, err));
    return co_job_compile(job, false, err);
}

static co_status new_job(const co_settings *settings, co_comm *comm, co_job **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_job), "job", &block, err));
    co_job *job = block;
    job->settings = settings;
    job->comm = comm;
    job->time_only = settings->time_only;
    co_status status = CO_OK;
    if (comm == NULL) {
        status = co_comm_single(&job->own_comm, err);
        job->comm = job->own_comm;
    }
    if (status != CO_OK) {
        co_free(job);
        return status;
    }
    *out = job;
    return CO_OK;
}

static co_status open_job(const co_settings *settings, const co_dataset_info *like, co_comm *comm,
                          co_job **out, co_error *err)
{
    co_job *job = NULL;
    CO_TRY(new_job(settings, comm, &job, err));
    co_status status = open_training(job, like, err);
    if (status != CO_OK) {
        co_job_close(job);
        return status;
    }
    *out = job;
    return CO_OK;
}

co_status co_job_open_training(const co_settings *settings, co_job **out, co_error *err)
{
    return open_job(settings, NULL, NULL, out, err);
}

co_status co_job_open_worker(const co_settings *settings, co_comm *comm, co_job **out,
                             co_error *err)
{
    return open_job(settings, NULL, comm, out, err);
}

co_status co_job_open_blank(const co_settings *settings, const co_dataset_info *like, co_job **out,
                            co_error *err)
{
    return open_job(settings, like, NULL, out, err);
}

co_status co_job_open_evaluation(const co_settings *settings, const char *weights, co_job **out,
                                 co_error *err)
{
    co_job *job = NULL;
    CO_TRY(new_job(settings, NULL, &job, err));
    co_status status = open_evaluation(job, weights, err);
    if (status != CO_OK) {
        co_job_close(job);
        return status;
    }
    *out = job;
    return CO_OK;
}

static void close_model(co_job *job)
{
    co_plan_table_free(&job->plans);
    if (job->model != NULL) {
        job->backend->ops->model_destroy(job->model);
    }
    if (job->backend != NULL) {
        job->backend->ops->destroy(job->backend);
    }
    co_graph_destroy(job->graph);
    co_free(job->network);
    co_team_destroy(job->team);
}

void co_job_close(co_job *job)
{
    if (job == NULL) {
        return;
    }
    co_norm_exchange_close(job->norms);
    if (job->strategy != NULL) {
        job->strategy->ops->destroy(job->strategy);
    }
    if (job->agent != NULL) {
        job->agent->ops->destroy(job->agent);
    }
    co_ema_destroy(job->ema);
    co_free(job->gathered);
    co_free(job->own_stats);
    co_free(job->records);
    co_optimizer_destroy(job->optimizer);
    co_schedule_destroy(job->schedule);
    co_loader_destroy(job->train_eval_loader);
    co_loader_destroy(job->test_loader);
    co_loader_destroy(job->validation_loader);
    co_loader_destroy(job->train_loader);
    close_model(job);
    co_tta_destroy(job->tta);
    co_free(job->predicted);
    co_subset_free(&job->train_subset);
    co_subset_free(&job->validation_subset);
    co_job_close_data(job);
    co_comm_close(job->own_comm);
    co_free(job);
}

/* loader NULL: this worker has no share of the samples. */
static co_status evaluate(co_job *job, co_loader *loader, co_mistakes *mistakes, co_score *out,
                          co_error *err)
{
    const co_evaluator evaluator = {
        .plans = &job->plans,
        .agent = job->agent,
        .loader = loader,
        .predicted = job->predicted,
        .tta = job->tta,
        .record = job->record,
        .mistakes = mistakes,
        .comm = job->comm,
        .cost = {job->costs.eval[0], job->costs.eval[1]},
        .time_only = job->time_only,
    };
    co_score score = {0};
    CO_TRY(co_job_common_stats_begin(job, err));
    co_status status = loader != NULL ? co_evaluate(&evaluator, &score, err) : CO_OK;
    co_job_common_stats_end(job);
    CO_TRY(status);
    CO_TRY(co_job_sum_score(job, &score, err));
    *out = score;
    return CO_OK;
}

co_status co_job_evaluate_test(co_job *job, co_score *out, co_error *err)
{
    /* Not at the start: reading the test split would delay the first step. */
    if (job->test_loader == NULL && co_job_share(job, co_job_test_samples(job)).count > 0) {
        CO_TRY(co_job_open_test_loader(job, err));
    }
    return evaluate(job, job->test_loader, &job->mistakes, out, err);
}

co_status co_job_evaluate_train(co_job *job, co_score *out, co_error *err)
{
    if (job->train_eval_loader == NULL && co_job_share(job, job->train_subset.count).count > 0) {
        CO_TRY(co_job_open_train_eval_loader(job, err));
    }
    return evaluate(job, job->train_eval_loader, NULL, out, err);
}

co_status co_job_evaluate_validation(co_job *job, co_score *out, co_error *err)
{
    return evaluate(job, job->validation_loader, NULL, out, err);
}
