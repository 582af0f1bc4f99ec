/* A mini-batch as the loader hands it to a plan.
 *
 * The batch borrows its arrays: they stay valid until the loader is asked for a later batch
 * (co_loader.h says when). Any thread may read it.
 */
#ifndef CO_BACKEND_BATCH_H
#define CO_BACKEND_BATCH_H

#include <stdint.h>

typedef enum co_pixel {
    CO_PIXEL_U8,  /* bytes 0..255, mapped by the plan's input operation (co_pixel_map) */
    CO_PIXEL_F32, /* floats, mapped likewise */
} co_pixel;

typedef struct co_batch {
    int rows; /* samples, >= 1 */
    co_pixel pixel;
    const void *pixels;      /* (rows, C, H, W), contiguous */
    const int32_t *labels;   /* (rows) */
    const uint32_t *samples; /* (rows) index in the data set: keys dropout */
    uint32_t epoch;          /* keys dropout */
    uint32_t replica;        /* 0 where data are partitioned */
    uint64_t seed;
} co_batch;

/* value = pixel * scale[channel] + shift[channel]: the normalisation of the data set. */
enum { CO_MAX_PIXEL_CHANNELS = 16 };

typedef struct co_pixel_map {
    int channels;
    float scale[CO_MAX_PIXEL_CHANNELS];
    float shift[CO_MAX_PIXEL_CHANNELS];
} co_pixel_map;

#endif
