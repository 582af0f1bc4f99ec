/* The model side of a job: threads, backend, graph, flat buffers and plans. */
#include "backend/blank.h"
#include "base/alloc.h"
#include "base/file.h"
#include "conf/yaml.h"
#include "graph/models/models.h"
#include "train/job_parts.h"
#include "train/job_workers.h"

int co_job_threads(const co_settings *settings)
{
    return settings->threads > 0 ? settings->threads : settings->workers > 1 ? 1 : co_cpu_count();
}

const char *co_job_isa_word(const co_settings *settings)
{
    static const char *const words[] = {CO_ISA_CHOICES(CO_CHOICE_WORD)};
    return words[settings->isa];
}

co_status co_job_backend(const co_settings *settings, co_team *team, co_backend **out,
                         co_error *err)
{
    static const char *const names[] = {CO_BACKEND_CHOICES(CO_CHOICE_WORD)};
    const co_backend_options options = {
        .isa = co_job_isa_word(settings),
        .tune_file = settings->tune_file,
    };
    return co_backend_create(names[settings->backend], &options, team, out, err);
}

/* A network file is read once: what a run records is what it was built from. */
static co_status build_graph(co_job *job, co_error *err)
{
    const co_settings *settings = job->settings;
    const co_dataset_info *info = co_dataset_describe(job->dataset);
    const co_shape input = {info->channels, info->height, info->width};
    if (!co_model_is_file(settings->model)) {
        return co_model_build(settings->model, settings->model_config, input, info->classes,
                              &job->graph, err);
    }
    CO_TRY(co_file_read(settings->model, CO_YAML_MAX_BYTES, CO_USAGE, &job->network,
                        &job->network_bytes, err));
    return co_model_build_text(settings->model, job->network, job->network_bytes,
                               settings->model_config, input, info->classes, &job->graph, err);
}

co_status co_job_open_model(co_job *job, co_error *err)
{
    const co_settings *settings = job->settings;
    CO_TRY(build_graph(job, err));
    const co_norm_choice norms = {
        .momentum = settings->bn_momentum,
        .epsilon = settings->bn_eps,
        .frozen = settings->freeze_bn,
    };
    co_graph_choose_norms(job->graph, &norms);
    CO_TRY(co_team_create(co_job_threads(settings), &job->team, err));
    CO_TRY(job->time_only ? co_blank_backend_create(job->team, &job->backend, err)
                          : co_job_backend(settings, job->team, &job->backend, err));
    /* A plan that calls out to other ranks in the middle of a pass needs its memory for itself. */
    bool calls_out = settings->bn_workers == CO_CONF_BN_WORKERS_SYNC;
    job->backend->slabs = calls_out ? NULL : job->slabs;
    CO_TRY(job->backend->ops->model_create(job->backend, job->graph, &job->model, err));
    if (job->time_only) {
        return CO_OK;
    }
    co_graph_init_params(job->graph, settings->seed, job->model->params);
    co_graph_init_stats(job->graph, job->model->stats);
    return job->backend->ops->refresh(job->model, 0, job->graph->param_floats, err);
}

static co_status open_tta(co_job *job, int rows, co_error *err)
{
    const co_dataset_info *info = co_dataset_describe(job->dataset);
    if (job->settings->tta == CO_CONF_TTA_NONE || job->time_only) {
        return CO_OK;
    }
    if (info->height == 1 || info->width == 1) {
        return co_fail(err, CO_USAGE,
                       "--tta flip mirrors images; the samples of %s are rows of %d values",
                       info->name, info->channels * info->height * info->width);
    }
    return co_tta_create(job->graph, rows, info->pixel, &job->tta, err);
}

co_status co_job_compile(co_job *job, bool training, co_error *err)
{
    const co_settings *settings = job->settings;
    const int batch = settings->batch_size;
    const int eval_batch = co_settings_eval_batch_size(settings);
    if (training) {
        co_plan_table_want_all(&job->plans, CO_TRAIN, co_loader_samples(job->train_loader), batch,
                               settings->drop_last);
        co_plan_table_want_all(&job->plans, CO_EVAL,
                               co_job_share(job, job->validation_subset.count).count, eval_batch,
                               false);
        if (settings->evaluate_train || settings->model_accuracy) {
            co_plan_table_want_all(&job->plans, CO_EVAL, job->train_subset.count, eval_batch,
                                   false);
        }
    }
    uint32_t test_samples = co_job_share(job, co_job_test_samples(job)).count;
    co_plan_table_want_all(&job->plans, CO_EVAL, test_samples, eval_batch, false);
    void *block = NULL;
    CO_TRY(co_alloc((size_t)eval_batch, sizeof(int32_t), "predicted classes", &block, err));
    job->predicted = block;
    CO_TRY(open_tta(job, eval_batch, err));
    return co_plan_table_compile(&job->plans, job->model, &job->pixels, err);
}
