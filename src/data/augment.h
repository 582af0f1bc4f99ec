/* Augmentation: random crop, mirror image, shift and cutout of byte images, in this order, before
 * normalisation (docs/METHODS.md 3).
 *
 * What is done to an image is a pure function of the settings and of a key: seed, replica, epoch,
 * sample and visit. Each draw has a place of its own in that key's numbers, so that switching one
 * kind on or off leaves the others as they are. Any thread may call.
 */
#ifndef CO_DATA_AUGMENT_H
#define CO_DATA_AUGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/batch.h"
#include "base/rng.h"
#include "base/status.h"

typedef enum co_flip {
    CO_FLIP_NONE,
    CO_FLIP_RANDOM,      /* with probability 1/2, drawn anew each epoch */
    CO_FLIP_ALTERNATING, /* drawn once per sample, then every other epoch */
} co_flip;

enum { CO_AUGMENT_SIDE_MAX = 1024 };

typedef struct co_augment {
    int crop; /* pixels of black border on every side, from which the old size is cut; 0: off */
    co_flip flip;
    double shift; /* at most this share of width and height, border pixels repeated; 0: off */
    double area;  /* random-resized crop: least share of an image file, in (0, 1]; 0: off */
    double ratio; /* of that: width / height from 1 / ratio to ratio; >= 1 */
    int cutout;   /* side of a square that is filled; 0: off. It may hang over the border */
    uint8_t fill[CO_MAX_PIXEL_CHANNELS]; /* of the cutout, per channel */
} co_augment;

typedef struct co_image_shape {
    int channels;
    int height;
    int width;
} co_image_shape;

/* Something that changes the bytes of a sample is switched on. A random-resized crop does not: it
 * is another way to cut the sample out of its image file (co_dataset_read). */
bool co_augment_any(const co_augment *augment);

/* The bytes that the map takes nearest to 0, for the cutout. */
void co_augment_fill_zero(co_augment *augment, const co_pixel_map *map);

/* CO_USAGE when a setting does not fit images of this shape. */
CO_MUST_CHECK co_status co_augment_check(const co_augment *augment, const co_image_shape *shape,
                                         co_error *err);

/* (C, H, W) bytes from `in` to `out`, which do not overlap. key->stream is ignored. The settings
 * must have passed the check. */
void co_augment_apply(const co_augment *augment, const co_image_shape *shape, const co_rng_key *key,
                      const uint8_t *in, uint8_t *out);

#endif
