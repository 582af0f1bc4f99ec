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
    return CO_OK;
}

/* The first one closes it, when all others have come to their end. */
void co_job_close_data(co_job *job)
{
    co_error ignored = {0};
    if (job->comm->one_process && !co_comm_alone(job->comm) && job->dataset != NULL) {
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

co_status co_job_open_validation_loader(co_job *job, co_error *err)
{
    const co_job_piece piece = co_job_share(job, job->validation_subset.count);
    const co_loader_options options = {
        .split = CO_SPLIT_TRAIN,
        .indices = job->validation_subset.indices + piece.begin,
        .count = piece.count,
        .batch = co_settings_eval_batch_size(job->settings),
        .threads = evaluation_threads(job),
        .once = true,
        .depth =
            1, /* or as few as the threads can do with: what is not trained on costs no memory */
        .seed = job->settings->seed,
        .counts_only = job->time_only,
    };
    return co_loader_create(job->dataset, &options, &job->validation_loader, err);
}

co_status co_job_open_train_eval_loader(co_job *job, co_error *err)
{
    /* Workers that have samples of their own evaluate no training samples (conf/check.c). */
    const co_job_piece piece = co_job_share(job, job->train_subset.count);
    const co_loader_options options = {
        .split = CO_SPLIT_TRAIN,
        .indices = job->train_subset.indices + piece.begin,
        .count = piece.count,
        .batch = co_settings_eval_batch_size(job->settings),
        .threads = evaluation_threads(job),
        .once = true,
        .depth = 1, /* likewise */
        .seed = job->settings->seed,
        .counts_only = job->time_only,
    };
    return co_loader_create(job->dataset, &options, &job->train_eval_loader, err);
}

co_status co_job_open_test_loader(co_job *job, co_error *err)
{
    const co_loader_options options = {
        .split = CO_SPLIT_TEST,
        .piece_begin = co_job_share(job, co_job_test_samples(job)).begin,
        .piece_count = co_job_share(job, co_job_test_samples(job)).count,
        .batch = co_settings_eval_batch_size(job->settings),
        .threads = evaluation_threads(job),
        .once = true,
        .depth =
            1, /* or as few as the threads can do with: what is not trained on costs no memory */
        .seed = job->settings->seed,
        .counts_only = job->time_only,
    };
    return co_loader_create(job->dataset, &options, &job->test_loader, err);
}
