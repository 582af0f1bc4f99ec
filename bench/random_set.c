#include "bench/random_set.h"

#include "base/alloc.h"
#include "base/rng.h"

typedef struct random_set {
    co_dataset base; /* first: a co_dataset is cast back to this */
    uint8_t *pixels;
    int32_t *labels;
} random_set;

static void destroy(co_dataset *set)
{
    random_set *self = (random_set *)set;
    co_free(self->pixels);
    co_free(self->labels);
    co_free(self);
}

static co_status require(co_dataset *set, co_split split, co_error *err)
{
    if (split != CO_SPLIT_TRAIN) {
        return co_fail(err, CO_DATA, "data set %s has no test samples", set->info.name);
    }
    return CO_OK;
}

static const co_dataset_ops random_ops = {.destroy = destroy, .require = require};

static void fill(random_set *set, size_t bytes, int classes, uint32_t samples)
{
    co_rng_key key = {.seed = 1, .stream = CO_STREAM_TEST};
    co_rng rng = co_rng_at(&key);
    for (size_t i = 0; i < bytes; i++) {
        set->pixels[i] = (uint8_t)(co_rng_u32(&rng) >> 24);
    }
    for (uint32_t i = 0; i < samples; i++) {
        set->labels[i] = (int32_t)co_rng_below(&rng, (uint32_t)classes);
    }
}

co_status co_random_set_open(co_shape shape, int classes, uint32_t samples, co_dataset **out,
                             co_error *err)
{
    void *block = NULL;
    void *pixels = NULL;
    void *labels = NULL;
    size_t sample_bytes = co_shape_count(shape);
    CO_TRY(co_alloc(1, sizeof(random_set), "random data set", &block, err));
    random_set *set = block;
    co_status status;
    CO_TRY_GOTO(status, co_alloc(samples, sample_bytes, "random pixels", &pixels, err), free_set);
    CO_TRY_GOTO(status, co_alloc(samples, sizeof(int32_t), "random labels", &labels, err),
                free_pixels);
    set->pixels = pixels;
    set->labels = labels;
    fill(set, samples * sample_bytes, classes, samples);
    set->base.ops = &random_ops;
    set->base.info = (co_dataset_info){.name = "random",
                                       .format = "drawn",
                                       .samples = {samples, 0},
                                       .channels = shape.channels,
                                       .height = shape.height,
                                       .width = shape.width,
                                       .pixel = CO_PIXEL_U8,
                                       .sample_bytes = sample_bytes,
                                       .classes = classes};
    set->base.part[CO_SPLIT_TRAIN].pixels = pixels;
    set->base.part[CO_SPLIT_TRAIN].labels = labels;
    set->base.memory_bytes = samples * (sample_bytes + sizeof(int32_t));
    *out = &set->base;
    return CO_OK;
free_pixels:
    co_free(pixels);
free_set:
    co_free(set);
    return status;
}
