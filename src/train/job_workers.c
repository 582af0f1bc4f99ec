#include "train/job_workers.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "data/partition.h"

co_job_piece co_job_share(const co_job *job, uint32_t samples)
{
    const uint64_t workers = (uint64_t)job->comm->size;
    const uint64_t rank = (uint64_t)job->comm->rank;
    uint32_t begin = (uint32_t)(samples * rank / workers);
    uint32_t end = (uint32_t)(samples * (rank + 1) / workers);
    return (co_job_piece){begin, end - begin};
}

uint32_t co_job_test_samples(const co_job *job)
{
    return co_dataset_describe(job->dataset)->samples[CO_SPLIT_TEST];
}

co_settings co_job_scaled_settings(const co_job *job)
{
    co_settings scaled = *job->settings;
    const double workers = job->comm->size;
    switch ((co_conf_lr_scaling)scaled.lr_scaling) {
    case CO_CONF_LR_SCALING_NONE:
        break;
    case CO_CONF_LR_SCALING_LINEAR:
        scaled.lr *= workers;
        break;
    case CO_CONF_LR_SCALING_SQRT:
        scaled.lr *= sqrt(workers);
        break;
    }
    return scaled;
}

static co_partition_kind kind_of(const co_settings *settings)
{
    static const co_partition_kind kinds[] = {
        [CO_CONF_PARTITION_SAMPLER] = CO_PARTITION_WHOLE, /* the loader deals every epoch */
        [CO_CONF_PARTITION_SHARD] = CO_PARTITION_SHARD,
        [CO_CONF_PARTITION_WHOLE] = CO_PARTITION_WHOLE,
        [CO_CONF_PARTITION_DATASET] = CO_PARTITION_DATASET,
        [CO_CONF_PARTITION_LABELS] = CO_PARTITION_LABELS,
        [CO_CONF_PARTITION_LABELS_UNSCALED] = CO_PARTITION_LABELS_UNSCALED,
        [CO_CONF_PARTITION_DIRICHLET] = CO_PARTITION_DIRICHLET,
    };
    return kinds[settings->partition];
}

co_status co_job_deal_samples(co_job *job, co_error *err)
{
    const co_settings *settings = job->settings;
    const co_partition_rule rule = {
        .kind = kind_of(settings),
        .uneven = settings->uneven == CO_CONF_UNEVEN_PAD ? CO_UNEVEN_PAD : CO_UNEVEN_DROP,
        .alpha = settings->dirichlet_alpha,
        .workers = (uint32_t)job->comm->size,
        .seed = settings->seed,
    };
    if (co_comm_alone(job->comm) || rule.kind == CO_PARTITION_WHOLE) {
        return CO_OK;
    }
    co_partition partition = {0};
    co_subset mine = {0};
    CO_TRY(co_dataset_require(job->dataset, CO_SPLIT_TRAIN, err));
    CO_TRY(co_partition_make(&rule, &job->train_subset,
                             co_dataset_labels(job->dataset, CO_SPLIT_TRAIN),
                             co_dataset_describe(job->dataset)->classes, &partition, err));
    co_status status = co_partition_take(&partition, (uint32_t)job->comm->rank, &mine, err);
    co_partition_free(&partition);
    CO_TRY(status);
    co_subset_free(&job->train_subset);
    job->train_subset = mine;
    return CO_OK;
}

int co_job_loader_threads(const co_job *job)
{
    bool crowded = !co_comm_alone(job->comm) && co_cpu_count() == 1;
    return crowded ? 0 : job->settings->loader_threads;
}

/* What sets must have in common; labels only where all samples were read at the start anyway. */
typedef struct data_facts {
    uint64_t samples[2]; /* of training, of testing */
    uint64_t left_out;
    co_hash labels;
} data_facts;

co_status co_job_compare_data(const co_job *job, co_error *err)
{
    const co_dataset_info *info = co_dataset_describe(job->dataset);
    data_facts mine = {
        .samples = {info->samples[CO_SPLIT_TRAIN], info->samples[CO_SPLIT_TEST]},
        .left_out = co_dataset_left_out(job->dataset)->count,
    };
    if (co_comm_alone(job->comm) || job->comm->one_process) {
        return CO_OK;
    }
    if (mine.left_out > 0) {
        mine.labels = co_hash_bytes(co_dataset_labels(job->dataset, CO_SPLIT_TRAIN),
                                    info->samples[CO_SPLIT_TRAIN] * sizeof(int32_t));
    }
    data_facts first = mine;
    co_status status = CO_OK;
    CO_TRY(co_comm_broadcast(job->comm, &first, sizeof(first), 0, err));
    if (memcmp(&first, &mine, sizeof(mine)) != 0) {
        status = co_fail(err, CO_DATA,
                         "%s: has %llu samples of training, %llu of testing (%llu left out), but "
                         "rank 0 has %llu and %llu (%llu): give all hosts the same files",
                         info->name, (unsigned long long)mine.samples[0],
                         (unsigned long long)mine.samples[1], (unsigned long long)mine.left_out,
                         (unsigned long long)first.samples[0], (unsigned long long)first.samples[1],
                         (unsigned long long)first.left_out);
    }
    return co_comm_agree(job->comm, status, err);
}

static double cost_at(const co_number_list *list, int index)
{
    return index < list->count ? list->items[index] : 0.0;
}

void co_job_read_costs(co_job *job)
{
    const co_settings *settings = job->settings;
    for (int i = 0; i < 2; i++) {
        job->costs.train[i] = cost_at(&settings->batch_cost, i);
        job->costs.eval[i] = settings->eval_cost.count > 0 ? cost_at(&settings->eval_cost, i)
                                                           : job->costs.train[i] / 3.0;
    }
    job->costs.update = settings->update_cost * (double)(job->graph->param_floats * sizeof(float));
}

/* What batch norms need to be over the batches of all workers. */
static co_status open_norms(co_job *job, co_error *err)
{
    if (job->settings->bn_workers != CO_CONF_BN_WORKERS_SYNC ||
        co_norm_sync_doubles(job->graph) == 0) {
        return CO_OK;
    }
    CO_TRY(co_norm_exchange_open(job->comm, job->graph, job->settings->shared_memory,
                                 &job->strategy->exposed_seconds, &job->norms, err));
    job->plans.sync = co_norm_exchange_sync(job->norms);
    return CO_OK;
}

/* What the strategies ask for at most: all gradients, and one share from each worker. */
static co_status count_sizes_only(co_job *job, co_error *err)
{
    const size_t slack = 64 * ((size_t)job->comm->size + 1);
    const size_t floats = job->graph->param_floats + slack;
    CO_TRY(co_comm_sizes_only(job->comm, floats * sizeof(float), err));
    job->model->grads = job->comm->blank;
    return CO_OK;
}

co_status co_job_open_strategy(co_job *job, co_error *err)
{
    const co_settings *settings = job->settings;
    if (job->time_only) {
        CO_TRY(count_sizes_only(job, err));
    }
    if (co_comm_alone(job->comm)) {
        return co_strategy_local(job->model, job->optimizer, &job->strategy, err);
    }
    void *block = NULL;
    CO_TRY(co_alloc((size_t)job->comm->size, sizeof(co_step_record), "records of the workers",
                    &block, err));
    job->records = block;
    const co_allreduce_options options = {
        .ordered = settings->reduce == CO_CONF_REDUCE_ORDERED,
        .messages = !settings->shared_memory,
        .bf16 = settings->bf16_allreduce,
        .adasum = settings->use_adasum,
        .predivide = settings->gradient_predivide_factor,
        .bucket_bytes = (size_t)(settings->bucket_mib * 1048576.0),
    };
    CO_TRY(co_strategy_allreduce(job->comm, job->model, job->optimizer, &options, &job->strategy,
                                 err));
    return open_norms(job, err);
}

static void add_score(co_score *sum, const co_score *score)
{
    sum->loss_sum += score->loss_sum;
    sum->rows += score->rows;
    sum->correct += score->correct;
    sum->correct5 += score->correct5;
}

co_status co_job_sum_record(const co_job *job, co_step_record *record, co_error *err)
{
    if (co_comm_alone(job->comm)) {
        record->longest = record->communication;
        return CO_OK;
    }
    co_step_record sum = {0};
    CO_TRY(co_comm_gather(job->comm, record, sizeof(*record), job->records, err));
    for (int w = 0; w < job->comm->size; w++) {
        const co_step_record *one = &job->records[w];
        add_score(&sum.step, &one->step);
        add_score(&sum.epoch, &one->epoch);
        sum.communication += one->communication / job->comm->size;
        sum.longest = one->communication > sum.longest ? one->communication : sum.longest;
    }
    *record = sum;
    return CO_OK;
}

co_status co_job_sum_score(const co_job *job, co_score *score, co_error *err)
{
    co_step_record record = {.step = *score};
    CO_TRY(co_job_sum_record(job, &record, err));
    *score = record.step;
    return CO_OK;
}

/* ---- batch norm's statistics ---- */

/* Their mean, added up in the order of the workers. */
static co_status average_stats(const co_job *job, float *stats, co_error *err)
{
    void *block = NULL;
    const size_t count = job->graph->stat_floats;
    const size_t workers = (size_t)job->comm->size;
    CO_TRY(co_alloc(count * workers, sizeof(float), "statistics of the workers", &block, err));
    const float *all = block;
    co_status status = co_comm_gather(job->comm, job->own_stats, count * sizeof(float), block, err);
    for (size_t i = 0; i < count && status == CO_OK; i++) {
        double sum = 0.0;
        for (size_t w = 0; w < workers; w++) {
            sum += (double)all[w * count + i];
        }
        stats[i] = (float)(sum / (double)workers);
    }
    co_free(block);
    return status;
}

co_status co_job_common_stats_begin(co_job *job, co_error *err)
{
    const size_t bytes = job->graph->stat_floats * sizeof(float);
    if (co_comm_alone(job->comm) || bytes == 0) {
        return CO_OK;
    }
    if (job->own_stats == NULL) {
        void *block = NULL;
        CO_TRY(co_alloc(bytes, 1, "statistics", &block, err));
        job->own_stats = block;
    }
    float *stats = job->model->stats;
    memcpy(job->own_stats, stats, bytes);
    if (job->settings->bn_workers == CO_CONF_BN_WORKERS_AVERAGE) {
        return average_stats(job, stats, err);
    }
    return co_comm_broadcast(job->comm, stats, bytes, 0, err);
}

void co_job_common_stats_end(co_job *job)
{
    if (job->own_stats != NULL) {
        memcpy(job->model->stats, job->own_stats, job->graph->stat_floats * sizeof(float));
    }
}

co_status co_job_swap_average(co_job *job, co_error *err)
{
    if (job->ema == NULL) {
        return CO_OK;
    }
    co_ema_swap_stats(job->ema);
    return job->strategy->ops->rewrite(job->strategy, co_ema_swap_params, job->ema, err);
}
