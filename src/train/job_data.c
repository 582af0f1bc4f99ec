/* The data side of a job: the set, the samples used, the pixel map and the loaders. */
#include <string.h>

#include "base/alloc.h"
#include "data/normalise.h"
#include "train/job_parts.h"

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

co_status co_job_open_data(co_job *job, co_error *err)
{
    const co_settings *settings = job->settings;
    const co_dataset_options options = co_job_dataset_options(settings);
    CO_TRY(co_dataset_open(settings->dataset, settings->dataset_dir, &options, &job->dataset, err));
    const co_dataset_info *info = co_dataset_describe(job->dataset);
    return co_normalise(job->dataset, rule_of(settings, info), &job->pixels, err);
}

co_status co_job_open_no_data(co_job *job, const co_dataset_info *like, co_error *err)
{
    CO_TRY(co_blank_open(like, &job->dataset, err));
    return co_normalise(job->dataset, CO_NORMALISE_NONE, &job->pixels, err);
}

co_status co_job_split_data(co_job *job, co_error *err)
{
    const co_settings *settings = job->settings;
    const co_dataset_info *info = co_dataset_describe(job->dataset);
    return co_subset_split(info->samples[CO_SPLIT_TRAIN], settings->train_split, settings->val,
                           settings->seed, &job->train_subset, &job->validation_subset, err);
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
    const co_loader_options options = {
        .split = CO_SPLIT_TRAIN,
        .indices = job->train_subset.indices,
        .count = job->train_subset.count,
        .batch = settings->batch_size,
        .shuffle = settings->shuffle,
        .drop_last = settings->drop_last,
        .threads = settings->loader_threads,
        .seed = settings->seed,
        .augment = augment_of(job),
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
    const co_loader_options options = {
        .split = CO_SPLIT_TRAIN,
        .indices = job->validation_subset.indices,
        .count = job->validation_subset.count,
        .batch = co_settings_eval_batch_size(job->settings),
        .threads = evaluation_threads(job),
        .once = true,
        .depth =
            1, /* or as few as the threads can do with: what is not trained on costs no memory */
        .seed = job->settings->seed,
    };
    return co_loader_create(job->dataset, &options, &job->validation_loader, err);
}

co_status co_job_open_train_eval_loader(co_job *job, co_error *err)
{
    const co_loader_options options = {
        .split = CO_SPLIT_TRAIN,
        .indices = job->train_subset.indices,
        .count = job->train_subset.count,
        .batch = co_settings_eval_batch_size(job->settings),
        .threads = evaluation_threads(job),
        .once = true,
        .depth = 1, /* likewise */
        .seed = job->settings->seed,
    };
    return co_loader_create(job->dataset, &options, &job->train_eval_loader, err);
}

co_status co_job_open_test_loader(co_job *job, co_error *err)
{
    const co_loader_options options = {
        .split = CO_SPLIT_TEST,
        .batch = co_settings_eval_batch_size(job->settings),
        .threads = evaluation_threads(job),
        .once = true,
        .depth =
            1, /* or as few as the threads can do with: what is not trained on costs no memory */
        .seed = job->settings->seed,
    };
    return co_loader_create(job->dataset, &options, &job->test_loader, err);
}
