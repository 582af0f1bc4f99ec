/* The data side of a job: the set, the samples used, the pixel map and the loaders. */
#include <string.h>

#include "base/alloc.h"
#include "data/normalise.h"
#include "train/job_parts.h"
#include "train/job_workers.h"

/* The rule behind --normalize; `dataset` means the usual one of each set. */
static co_normalise_rule rule_of(const co_settings *settings, const co_dataset_info *info)
{
    bool cifar = strncmp(info->name, "cifar", 5) == 0;
    switch ((co_conf_normalize)settings->normalize) {
    case CO_CONF_NORMALIZE_HALF:
        return CO_NORMALISE_HALF;
    case CO_CONF_NORMALIZE_IMAGENET:
        return CO_NORMALISE_IMAGENET;
    case CO_CONF_NORMALIZE_CIFAR10:
        return CO_NORMALISE_CIFAR10;
    case CO_CONF_NORMALIZE_CIFAR100:
        return CO_NORMALISE_CIFAR100;
    case CO_CONF_NORMALIZE_CHANNEL:
        return CO_NORMALISE_CHANNEL;
    case CO_CONF_NORMALIZE_NONE:
        return CO_NORMALISE_NONE;
    case CO_CONF_NORMALIZE_DATASET:
        if (cifar) {
            return strcmp(info->name, "cifar10") == 0 ? CO_NORMALISE_CIFAR10
                                                      : CO_NORMALISE_CIFAR100;
        }
        if (info->image_files) {
            return CO_NORMALISE_IMAGENET;
        }
        if (info->pixel == CO_PIXEL_F32) {
            return CO_NORMALISE_NONE; /* who stores floats has scaled them */
        }
        break;
    case CO_CONF_NORMALIZE_SCALAR:
        break;
    }
    return CO_NORMALISE_GLOBAL;
}

co_dataset_options co_job_dataset_options(const co_settings *settings)
{
    bool skip = settings->bad_samples == CO_CONF_BAD_SAMPLES_SKIP;
    return (co_dataset_options){
        .background = settings->loader_threads > 0,
        .bad_policy = skip ? CO_BAD_SKIP : CO_BAD_ERROR,
        .bad_budget = (uint32_t)settings->bad_samples_budget,
        .cache_dir = settings->cache_dir,
        .image_size = settings->image_size,
        .image_resize = settings->image_resize,
        .test_share = settings->test_share,
    };
}

static co_status open_data(co_job *job, co_error *err)
{
    const co_settings *settings = job->settings;
    const co_dataset_options options = co_job_dataset_options(settings);
    CO_TRY(co_dataset_open(settings->dataset, settings->dataset_dir, &options, &job->dataset, err));
    const co_dataset_info *info = co_dataset_describe(job->dataset);
    if (info->image_files && info->classes < 2) {
        return co_fail(err, CO_DATA, "%s: there is one class only, %s: nothing to learn",
                       settings->dataset_dir, info->class_names[0]);
    }
    const co_normalise_rule rule = job->time_only ? CO_NORMALISE_NONE : rule_of(settings, info);
    return co_normalise(job->dataset, rule, &job->pixels, err);
}

co_status co_job_open_no_data(co_job *job, const co_dataset_info *like, co_error *err)
{
    CO_TRY(co_blank_open(like, &job->dataset, err));
    return co_normalise(job->dataset, CO_NORMALISE_NONE, &job->pixels, err);
}

/* What ranks of one process (a simulation) would all open is opened by the first of them. */
typedef struct opened {
    co_dataset *dataset;
    co_pixel_map pixels;
    co_slab_pool *slabs;
} opened;

static co_status open_common(co_job *job, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_slab_pool), "memory of the plans", &block, err));
    job->slabs = block;
    return open_data(job, err);
}

co_status co_job_open_data(co_job *job, co_error *err)
{
    if (!job->comm->one_process) {
        return open_data(job, err);
    }
    opened common = {0};
    co_status status = job->comm->rank == 0 ? open_common(job, err) : CO_OK;
    CO_TRY(co_comm_agree(job->comm, status, err));
    if (job->comm->rank == 0) {
        common = (opened){job->dataset, job->pixels, job->slabs};
    }
    CO_TRY(co_comm_broadcast(job->comm, &common, sizeof(common), 0, err));
    job->dataset = common.dataset;
    job->pixels = common.pixels;
    job->slabs = common.slabs;
    job->shares_data = !co_comm_alone(job->comm);
    return CO_OK;
}

/* The first one closes it, when all others have come to their end. */
void co_job_close_data(co_job *job)
{
    co_error ignored = {0};
    if (job->shares_data) {
        (void)!co_comm_barrier(job->comm, &ignored);
        job->dataset = job->comm->rank == 0 ? job->dataset : NULL;
    }
    if (job->slabs != NULL && job->comm->rank == 0) {
        co_slab_pool_free(job->slabs);
        co_free(job->slabs);
    }
    co_dataset_close(job->dataset);
}

co_status co_job_split_data(co_job *job, co_error *err)
{
    const co_settings *settings = job->settings;
    const co_dataset_info *info = co_dataset_describe(job->dataset);
    CO_TRY(co_subset_split(info->samples[CO_SPLIT_TRAIN], settings->train_split, settings->val,
                           settings->seed, &job->train_subset, &job->validation_subset, err));
    return co_job_deal_samples(job, err);
}

/* One sample per worker is the least that can be dealt out. */
static co_status check_dealt(const co_job *job, co_error *err)
{
    if (job->train_subset.count < (uint32_t)job->comm->size) {
        return co_fail(err, CO_USAGE, "%d workers, but %u training samples: each needs one",
                       job->comm->size, job->train_subset.count);
    }
    return CO_OK;
}

static co_augment augment_of(const co_job *job)
{
    static const co_flip flips[] = {
        [CO_CONF_FLIP_NONE] = CO_FLIP_NONE,
        [CO_CONF_FLIP_RANDOM] = CO_FLIP_RANDOM,
        [CO_CONF_FLIP_ALTERNATING] = CO_FLIP_ALTERNATING,
    };
    co_augment augment = {
        .crop = job->settings->augment_crop,
        .flip = flips[job->settings->augment_flip],
        .shift = job->settings->augment_shift,
        .area = job->settings->augment_resized_crop,
        .ratio = job->settings->augment_ratio,
        .cutout = job->settings->augment_cutout,
    };
    co_augment_fill_zero(&augment, &job->pixels);
    return augment;
}

co_status co_job_open_train_loader(co_job *job, co_error *err)
{
    const co_settings *settings = job->settings;
    const bool dealt = !co_comm_alone(job->comm) &&
                       settings->partition == CO_CONF_PARTITION_SAMPLER;
    const bool same = !co_comm_alone(job->comm) && settings->partition == CO_CONF_PARTITION_WHOLE;
    if (dealt) {
        CO_TRY(check_dealt(job, err));
    }
    const co_loader_options options = {
        .split = CO_SPLIT_TRAIN,
        .indices = job->train_subset.indices,
        .count = job->train_subset.count,
        .deal = dealt ? (uint32_t)job->comm->size : 0,
        .dealt = (uint32_t)job->comm->rank,
        .deal_padded = settings->uneven == CO_CONF_UNEVEN_PAD,
        .replica = same ? (uint32_t)job->comm->rank : 0,
        .batch = settings->batch_size,
        .shuffle = settings->shuffle,
        .drop_last = settings->drop_last,
        .threads = co_job_loader_threads(job),
        .seed = settings->seed,
        .augment = augment_of(job),
        .counts_only = job->time_only,
    };
    return co_loader_create(job->dataset, &options, &job->train_loader, err);
}

/* Decoding takes as long as evaluating; what is in memory is not worth the threads. */
static int evaluation_threads(const co_job *job)
{
    return co_dataset_describe(job->dataset)->image_files ? job->settings->loader_threads : 0;
}

/* As few batches as the threads can do with: what is not trained on costs no memory. */
static co_loader_options evaluation_options(const co_job *job, co_split split)
{
    return (co_loader_options){
        .split = split,
        .batch = co_settings_eval_batch_size(job->settings),
        .threads = evaluation_threads(job),
        .once = true,
        .depth = 1,
        .seed = job->settings->seed,
        .counts_only = job->time_only,
    };
}

/* This worker's share of the subset. */
static co_loader_options subset_options(const co_job *job, const co_subset *subset)
{
    const co_job_piece piece = co_job_share(job, subset->count);
    co_loader_options options = evaluation_options(job, CO_SPLIT_TRAIN);
    options.indices = subset->indices + piece.begin;
    options.count = piece.count;
    return options;
}

co_status co_job_open_validation_loader(co_job *job, co_error *err)
{
    const co_loader_options options = subset_options(job, &job->validation_subset);
    return co_loader_create(job->dataset, &options, &job->validation_loader, err);
}

co_status co_job_open_train_eval_loader(co_job *job, co_error *err)
{
    /* Workers that have samples of their own evaluate no training samples (conf/check.c). */
    const co_loader_options options = subset_options(job, &job->train_subset);
    return co_loader_create(job->dataset, &options, &job->train_eval_loader, err);
}

co_status co_job_open_test_loader(co_job *job, co_error *err)
{
    const co_job_piece piece = co_job_share(job, co_job_test_samples(job));
    co_loader_options options = evaluation_options(job, CO_SPLIT_TEST);
    options.piece_begin = piece.begin;
    options.piece_count = piece.count;
    return co_loader_create(job->dataset, &options, &job->test_loader, err);
}

/* ---- memory ---- */

static bool evaluates_test(const co_job *job)
{
    return job->settings->evaluate || job->settings->model_accuracy;
}

static bool evaluates_train(const co_job *job)
{
    return job->settings->evaluate_train || job->settings->model_accuracy;
}

size_t co_job_evaluation_bytes(const co_job *job)
{
    const co_dataset_info *info = co_dataset_describe(job->dataset);
    const co_loader_options options = evaluation_options(job, CO_SPLIT_TEST);
    size_t rows = (size_t)options.batch;
    size_t batches = (size_t)co_loader_depth(&options) * rows *
                     (info->sample_bytes + sizeof(int32_t) + sizeof(uint32_t));
    size_t bytes = rows * sizeof(int32_t); /* predicted classes */
    if (job->tta != NULL) {
        bytes += co_tta_bytes(job->tta);
    }
    if (job->validation_loader != NULL) {
        bytes += co_loader_memory_bytes(job->validation_loader);
    }
    if (evaluates_test(job)) {
        bytes += batches + info->samples[CO_SPLIT_TEST] * sizeof(uint32_t);
    }
    if (evaluates_train(job)) {
        bytes += batches + job->train_subset.count * sizeof(uint32_t);
    }
    return bytes;
}

co_status co_job_reader_bytes(const co_job *job, size_t *bytes, co_error *err)
{
    size_t one = 0;
    const co_loader_options train = {.threads = co_job_loader_threads(job)};
    const co_loader_options options = evaluation_options(job, CO_SPLIT_TEST);
    int evaluations = evaluates_test(job) + evaluates_train(job) + (job->validation_loader != NULL);
    CO_TRY(co_dataset_reader_bytes(job->dataset, &one, err));
    *bytes = one * (size_t)(co_loader_readers(&train) + evaluations * co_loader_readers(&options));
    return CO_OK;
}
