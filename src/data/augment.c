#include "data/augment.h"

#include <math.h>
#include <string.h>

/* Where output pixels come from, along one axis: an index into the input, or BLACK. */
typedef struct axis_map {
    int16_t from[CO_AUGMENT_SIDE_MAX];
    int size;
} axis_map;

enum { BLACK = -1, BYTE_MAX = 255 };

/* What is drawn for one image. */
typedef struct image_draws {
    int crop[2]; /* y, x: where the cut starts, from -crop to crop */
    bool flip;
    int shift[2];  /* y, x: the image moves up and left by this */
    int cutout[2]; /* y, x: centre of the square */
} image_draws;

bool co_augment_any(const co_augment *augment)
{
    return augment->crop > 0 || augment->flip != CO_FLIP_NONE || augment->shift > 0.0 ||
           augment->cutout > 0;
}

void co_augment_fill_zero(co_augment *augment, const co_pixel_map *map)
{
    for (int c = 0; c < map->channels && c < CO_MAX_PIXEL_CHANNELS; c++) {
        double byte = map->scale[c] != 0.0f ? -(double)map->shift[c] / (double)map->scale[c] : 0.0;
        byte = fmin(fmax(byte, 0.0), BYTE_MAX);
        augment->fill[c] = (uint8_t)lrint(byte);
    }
}

co_status co_augment_check(const co_augment *augment, const co_image_shape *shape, co_error *err)
{
    int smaller = shape->height < shape->width ? shape->height : shape->width;
    if (!co_augment_any(augment)) {
        return CO_OK;
    }
    if (shape->height > CO_AUGMENT_SIDE_MAX || shape->width > CO_AUGMENT_SIDE_MAX ||
        shape->channels > CO_MAX_PIXEL_CHANNELS) {
        return co_fail(err, CO_USAGE,
                       "samples of %d x %d x %d cannot be augmented; at most %d channels and sides "
                       "of %d can",
                       shape->channels, shape->height, shape->width, CO_MAX_PIXEL_CHANNELS,
                       CO_AUGMENT_SIDE_MAX);
    }
    if (augment->crop >= smaller || augment->cutout > smaller) {
        return co_fail(err, CO_USAGE,
                       "augment_crop %d or augment_cutout %d is too large for images of %d x %d",
                       augment->crop, augment->cutout, shape->height, shape->width);
    }
    return CO_OK;
}

/* A whole number below `count`, from one word: no draw may depend on how many words others took.
 * The bias is below 2^-21. */
static int below(co_rng *rng, int count)
{
    return (int)((uint64_t)co_rng_u32(rng) * (uint32_t)count >> 32);
}

/* The words of a key, in this order: flip, crop y and x, shift y and x, cutout y and x. */
static image_draws draw(const co_augment *augment, const co_image_shape *shape,
                        const co_rng_key *key)
{
    image_draws out;
    co_rng rng = co_rng_at(key);
    int most[2] = {(int)(augment->shift * shape->height), (int)(augment->shift * shape->width)};
    int flip = below(&rng, 2);
    for (int i = 0; i < 2; i++) {
        out.crop[i] = below(&rng, 2 * augment->crop + 1) - augment->crop;
    }
    for (int i = 0; i < 2; i++) {
        out.shift[i] = below(&rng, 2 * most[i] + 1) - most[i];
    }
    out.cutout[0] = below(&rng, shape->height);
    out.cutout[1] = below(&rng, shape->width);
    if (augment->flip == CO_FLIP_ALTERNATING) {
        co_rng_key first = *key; /* of the sample's first visit ever */
        first.epoch = 0;
        first.visit = 0;
        rng = co_rng_at(&first);
        flip = below(&rng, 2) ^ (int)(key->epoch & 1);
    }
    out.flip = augment->flip != CO_FLIP_NONE && flip == 1;
    return out;
}

/* output position -> position before the shift -> before the mirror -> before the crop */
static void map_axis(axis_map *map, int size, int crop, bool flip, int shift)
{
    map->size = size;
    for (int i = 0; i < size; i++) {
        int at = i + shift;
        at = at < 0 ? 0 : at >= size ? size - 1 : at;
        at = flip ? size - 1 - at : at;
        at += crop;
        map->from[i] = (int16_t)(at < 0 || at >= size ? BLACK : at);
    }
}

static void copy_row(const axis_map *map, const uint8_t *in, uint8_t *out)
{
    for (int x = 0; x < map->size; x++) {
        int from = map->from[x];
        out[x] = from == BLACK ? 0 : in[from];
    }
}

static void cut_out(const co_augment *augment, const co_image_shape *shape, const int centre[2],
                    int channel, uint8_t *plane)
{
    int top = centre[0] - augment->cutout / 2;
    int left = centre[1] - augment->cutout / 2;
    int bottom = top + augment->cutout < shape->height ? top + augment->cutout : shape->height;
    int right = left + augment->cutout < shape->width ? left + augment->cutout : shape->width;
    left = left > 0 ? left : 0;
    for (int y = top > 0 ? top : 0; y < bottom && left < right; y++) {
        memset(plane + (size_t)y * (size_t)shape->width + left, augment->fill[channel],
               (size_t)(right - left));
    }
}

void co_augment_apply(const co_augment *augment, const co_image_shape *shape, const co_rng_key *key,
                      const uint8_t *in, uint8_t *out)
{
    axis_map rows;
    axis_map columns;
    co_rng_key own = *key;
    own.stream = CO_STREAM_AUGMENT;
    const image_draws draws = draw(augment, shape, &own);
    size_t width = (size_t)shape->width;
    size_t plane = width * (size_t)shape->height;
    map_axis(&rows, shape->height, draws.crop[0], false, draws.shift[0]);
    map_axis(&columns, shape->width, draws.crop[1], draws.flip, draws.shift[1]);
    for (int c = 0; c < shape->channels; c++, in += plane, out += plane) {
        for (int y = 0; y < shape->height; y++) {
            int from = rows.from[y];
            if (from == BLACK) {
                memset(out + (size_t)y * width, 0, width);
            } else {
                copy_row(&columns, in + (size_t)from * width, out + (size_t)y * width);
            }
        }
        if (augment->cutout > 0) {
            cut_out(augment, shape, draws.cutout, c, out);
        }
    }
}
