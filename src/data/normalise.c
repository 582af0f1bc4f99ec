#include "data/normalise.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

enum { SUM_BLOCK = 1024 }; /* its sum of squares, 255 * 255 each, fits 32 bits */

typedef struct pixel_sums {
    uint64_t count;
    uint64_t sum;
    uint64_t squares;
} pixel_sums;

typedef struct channel_constants {
    double mean[3];
    double std[3];
} channel_constants;

static const channel_constants imagenet = {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
static const channel_constants cifar10 = {{125.3 / 255, 123.0 / 255, 113.9 / 255},
                                          {63.0 / 255, 62.1 / 255, 66.7 / 255}};
static const channel_constants cifar100 = {{129.3 / 255, 124.1 / 255, 112.4 / 255},
                                           {68.2 / 255, 65.4 / 255, 70.4 / 255}};

static const char *const keys[] = {
#define CO_NORMALISE_KEY(name, key, text) key,
    CO_NORMALISE_MAP(CO_NORMALISE_KEY)
#undef CO_NORMALISE_KEY
};

const char *co_normalise_key(co_normalise_rule rule)
{
    return keys[rule];
}

bool co_normalise_find(const char *key, co_normalise_rule *out)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i], key) == 0) {
            *out = (co_normalise_rule)i;
            return true;
        }
    }
    return false;
}

/* ---- moments ---- */

static void add_bytes(pixel_sums *sums, const uint8_t *bytes, size_t count)
{
    sums->count += count;
    for (; count >= SUM_BLOCK; count -= SUM_BLOCK, bytes += SUM_BLOCK) {
        uint32_t sum = 0;
        uint32_t squares = 0;
        for (int i = 0; i < SUM_BLOCK; i++) {
            sum += bytes[i];
            squares += (uint32_t)bytes[i] * bytes[i];
        }
        sums->sum += sum;
        sums->squares += squares;
    }
    for (; count > 0; count--, bytes++) {
        sums->sum += *bytes;
        sums->squares += (uint32_t)*bytes * *bytes;
    }
}

static co_moments moments_of(const pixel_sums *sums)
{
    /* sum of (x - mean)^2 = squares - sum^2 / count, exact in integers when multiplied out */
    unsigned __int128 spread = (unsigned __int128)sums->squares * sums->count -
                               (unsigned __int128)sums->sum * sums->sum;
    double count = (double)sums->count;
    double variance = sums->count > 1 ? (double)spread / count / (count - 1.0) : 0.0;
    return (co_moments){.count = sums->count,
                        .mean = (double)sums->sum / count / 255.0,
                        .std = sqrt(variance) / 255.0};
}

static co_status sum_channels(co_dataset *set, co_split split, pixel_sums *sums, co_error *err)
{
    const co_dataset_info *info = co_dataset_describe(set);
    size_t plane = (size_t)info->height * (size_t)info->width;
    const uint8_t *resident = co_dataset_resident(set, split);
    if (resident != NULL && info->channels == 1) {
        add_bytes(&sums[0], resident, plane * info->samples[split]);
        return CO_OK;
    }
    void *scratch = NULL;
    CO_TRY(co_alloc(info->sample_bytes, 1, "sample", &scratch, err));
    co_status status = CO_OK;
    for (uint32_t i = 0; i < info->samples[split] && status == CO_OK; i++) {
        status = co_dataset_fetch(set, split, i, scratch, err);
        for (int c = 0; c < info->channels && status == CO_OK; c++) {
            add_bytes(&sums[c], (const uint8_t *)scratch + (size_t)c * plane, plane);
        }
    }
    co_free(scratch);
    return status;
}

co_status co_dataset_moments(co_dataset *set, co_split split, bool global, co_moments *out,
                             co_error *err)
{
    const co_dataset_info *info = co_dataset_describe(set);
    pixel_sums sums[CO_MAX_PIXEL_CHANNELS] = {{0}};
    if (info->channels > CO_MAX_PIXEL_CHANNELS || info->pixel != CO_PIXEL_U8) {
        return co_fail(err, CO_UNSUPPORTED, "%s: no moments for %d channels of this kind",
                       info->name, info->channels);
    }
    if (info->channels == 1 && set->ops->known_sums != NULL) {
        const uint64_t *known = set->ops->known_sums(set, split);
        uint64_t count = (uint64_t)info->samples[split] * info->sample_bytes;
        sums[0] = (pixel_sums){.count = count, .sum = known[0], .squares = known[1]};
    } else {
        CO_TRY(sum_channels(set, split, sums, err));
    }
    for (int c = 1; c < info->channels && global; c++) {
        sums[0].count += sums[c].count;
        sums[0].sum += sums[c].sum;
        sums[0].squares += sums[c].squares;
    }
    for (int c = 0; c < (global ? 1 : info->channels); c++) {
        out[c] = moments_of(&sums[c]);
    }
    return CO_OK;
}

/* ---- rules ---- */

static void set_channel(co_pixel_map *map, int channel, double mean, double std)
{
    map->scale[channel] = (float)(1.0 / (255.0 * std));
    map->shift[channel] = (float)(-mean / std);
}

static co_status from_pixels(co_dataset *set, bool global, co_pixel_map *map, co_error *err)
{
    co_moments moments[CO_MAX_PIXEL_CHANNELS] = {{0}};
    CO_TRY(co_dataset_require(set, CO_SPLIT_TRAIN, err));
    CO_TRY(co_dataset_moments(set, CO_SPLIT_TRAIN, global, moments, err));
    for (int c = 0; c < map->channels; c++) {
        const co_moments *of = &moments[global ? 0 : c];
        if (!(of->std > 0.0)) {
            return co_fail(err, CO_DATA,
                           "%s: all training pixels of channel %d are equal: they cannot be "
                           "normalised, and nothing can be learnt from them",
                           co_dataset_describe(set)->name, c);
        }
        set_channel(map, c, of->mean, of->std);
    }
    return CO_OK;
}

static co_status from_constants(const co_dataset *set, co_normalise_rule rule,
                                const channel_constants *constants, co_pixel_map *map,
                                co_error *err)
{
    if (map->channels != 3) {
        return co_fail(err, CO_USAGE,
                       "normalisation '%s' is for 3 channels, data set %s has %d; use 'global' or "
                       "'half'",
                       co_normalise_key(rule), co_dataset_describe(set)->name, map->channels);
    }
    for (int c = 0; c < 3; c++) {
        set_channel(map, c, constants->mean[c], constants->std[c]);
    }
    return CO_OK;
}

static void same_for_all(co_pixel_map *map, double mean, double std)
{
    for (int c = 0; c < map->channels; c++) {
        set_channel(map, c, mean, std);
    }
}

static co_status apply_rule(co_dataset *set, co_normalise_rule rule, co_pixel_map *map,
                            co_error *err)
{
    switch (rule) {
    case CO_NORMALISE_NONE:
        same_for_all(map, 0.0, 1.0);
        return CO_OK;
    case CO_NORMALISE_HALF:
        same_for_all(map, 0.5, 0.5);
        return CO_OK;
    case CO_NORMALISE_GLOBAL:
        return from_pixels(set, true, map, err);
    case CO_NORMALISE_CHANNEL:
        return from_pixels(set, false, map, err);
    case CO_NORMALISE_IMAGENET:
        return from_constants(set, rule, &imagenet, map, err);
    case CO_NORMALISE_CIFAR10:
        return from_constants(set, rule, &cifar10, map, err);
    case CO_NORMALISE_CIFAR100:
        return from_constants(set, rule, &cifar100, map, err);
    }
    return co_fail(err, CO_INTERNAL, "normalisation rule %d", (int)rule);
}

co_status co_normalise(co_dataset *set, co_normalise_rule rule, co_pixel_map *out, co_error *err)
{
    const co_dataset_info *info = co_dataset_describe(set);
    co_pixel_map map = {.channels = info->channels};
    if (info->channels > CO_MAX_PIXEL_CHANNELS || info->pixel != CO_PIXEL_U8) {
        return co_fail(err, CO_UNSUPPORTED, "%s: %d channels of this kind cannot be normalised",
                       info->name, info->channels);
    }
    CO_TRY(apply_rule(set, rule, &map, err));
    *out = map;
    return CO_OK;
}
