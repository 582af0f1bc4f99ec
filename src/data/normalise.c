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

/* ---- of floats: two passes, so that large means cost no digits ---- */

typedef struct float_sums {
    uint64_t count;
    double sum; /* of values, in the second pass of squared distances from `mean` */
    double mean;
} float_sums;

static void add_floats(float_sums *sums, const float *values, size_t count, bool spread)
{
    sums->count += count;
    for (size_t i = 0; i < count; i++) {
        double value = (double)values[i] - sums->mean;
        sums->sum += spread ? value * value : value;
    }
}

static co_status float_pass(co_dataset *set, co_split split, bool global, bool spread,
                            float_sums *sums, co_error *err)
{
    const co_dataset_info *info = co_dataset_describe(set);
    size_t plane = (size_t)info->height * (size_t)info->width;
    void *scratch = NULL;
    CO_TRY(co_alloc(info->sample_bytes, 1, "sample", &scratch, err));
    co_status status = CO_OK;
    for (uint32_t i = 0; i < info->samples[split] && status == CO_OK; i++) {
        status = co_dataset_fetch(set, split, i, scratch, err);
        for (int c = 0; c < info->channels && status == CO_OK; c++) {
            add_floats(&sums[global ? 0 : c], (const float *)scratch + (size_t)c * plane, plane,
                       spread);
        }
    }
    co_free(scratch);
    return status;
}

static co_status float_moments(co_dataset *set, co_split split, bool global, co_moments *out,
                               co_error *err)
{
    float_sums sums[CO_MAX_PIXEL_CHANNELS] = {{0}};
    int count = global ? 1 : co_dataset_describe(set)->channels;
    CO_TRY(float_pass(set, split, global, false, sums, err));
    for (int c = 0; c < count; c++) {
        sums[c] = (float_sums){.mean = sums[c].sum / (double)sums[c].count};
    }
    CO_TRY(float_pass(set, split, global, true, sums, err));
    for (int c = 0; c < count; c++) {
        double freedom = sums[c].count > 1 ? (double)(sums[c].count - 1) : 1.0;
        out[c] = (co_moments){
            .count = sums[c].count, .mean = sums[c].mean, .std = sqrt(sums[c].sum / freedom)};
    }
    return CO_OK;
}

static co_status byte_moments(co_dataset *set, co_split split, bool global, co_moments *out,
                              co_error *err)
{
    const co_dataset_info *info = co_dataset_describe(set);
    pixel_sums sums[CO_MAX_PIXEL_CHANNELS] = {{0}};
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

co_status co_dataset_moments(co_dataset *set, co_split split, bool global, co_moments *out,
                             co_error *err)
{
    const co_dataset_info *info = co_dataset_describe(set);
    if (info->channels > CO_MAX_PIXEL_CHANNELS) {
        return co_fail(err, CO_UNSUPPORTED, "%s: no moments for %d channels", info->name,
                       info->channels);
    }
    return info->pixel == CO_PIXEL_F32 ? float_moments(set, split, global, out, err)
                                       : byte_moments(set, split, global, out, err);
}

/* ---- rules ---- */

/* A map of floats takes them as they are, a map of bytes takes byte / 255. */
typedef struct map_maker {
    co_pixel_map map;
    double unit;
} map_maker;

static void set_channel(map_maker *maker, int channel, double mean, double std)
{
    co_pixel_map *map = &maker->map;
    map->scale[channel] = (float)(1.0 / (maker->unit * std));
    map->shift[channel] = (float)(-mean / std);
}

static co_status from_pixels(co_dataset *set, bool global, map_maker *map, co_error *err)
{
    co_moments moments[CO_MAX_PIXEL_CHANNELS] = {{0}};
    CO_TRY(co_dataset_require(set, CO_SPLIT_TRAIN, err));
    CO_TRY(co_dataset_moments(set, CO_SPLIT_TRAIN, global, moments, err));
    for (int c = 0; c < map->map.channels; c++) {
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
                                const channel_constants *constants, map_maker *map, co_error *err)
{
    if (map->map.channels != 3) {
        return co_fail(err, CO_USAGE,
                       "normalisation '%s' is for 3 channels, data set %s has %d; use 'global' or "
                       "'half'",
                       co_normalise_key(rule), co_dataset_describe(set)->name, map->map.channels);
    }
    for (int c = 0; c < 3; c++) {
        set_channel(map, c, constants->mean[c], constants->std[c]);
    }
    return CO_OK;
}

static void same_for_all(map_maker *map, double mean, double std)
{
    for (int c = 0; c < map->map.channels; c++) {
        set_channel(map, c, mean, std);
    }
}

static co_status apply_rule(co_dataset *set, co_normalise_rule rule, map_maker *map, co_error *err)
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
    map_maker map = {.map = {.channels = info->channels},
                     .unit = info->pixel == CO_PIXEL_U8 ? 255.0 : 1.0};
    if (info->channels > CO_MAX_PIXEL_CHANNELS) {
        return co_fail(err, CO_UNSUPPORTED, "%s: %d channels cannot be normalised, only up to %d",
                       info->name, info->channels, CO_MAX_PIXEL_CHANNELS);
    }
    CO_TRY(apply_rule(set, rule, &map, err));
    *out = map.map;
    return CO_OK;
}
