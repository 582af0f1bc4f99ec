/* What the readers of image files share: limits, what a header says, and decoded pixels. */
#ifndef CO_DATA_IMAGE_IMAGE_H
#define CO_DATA_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Refused before anything is allocated: a few bytes can promise any size. The largest photograph of
 * ImageNet has 61 million pixels. */
enum { CO_IMAGE_PIXELS_MAX = 1 << 26, CO_IMAGE_SIDE_MAX = 65500 };

/* As stored, before the rotation that EXIF asks for. */
typedef struct co_image_head {
    int width;
    int height;
    int orientation; /* 1 to 8, as EXIF numbers them; 1: as stored */
} co_image_head;

/* A file in memory, with its name for messages. All borrowed. */
typedef struct co_image_file {
    const char *path;
    const uint8_t *bytes;
    size_t size;
} co_image_file;

typedef struct co_image_rect {
    int left;
    int top;
    int width;
    int height;
} co_image_rect;

/* Decoded rows: grey (1 channel) or interleaved RGB (3). Grows and is never shrunk: one per
 * thread, no allocation once it has seen the largest image. */
typedef struct co_image_pixels {
    uint8_t *data; /* owned: co_free */
    size_t capacity;
    int channels;
    int width;
    int height;
} co_image_pixels;

/* Makes room for width * height * channels bytes (+ `extra`) and sets the shape. What was there is
 * lost. */
CO_MUST_CHECK co_status co_image_pixels_shape(co_image_pixels *pixels, int width, int height,
                                              int channels, size_t extra, co_error *err);

/* CO_DATA when the sides are 0 or above the limits. */
CO_MUST_CHECK co_status co_image_head_check(const char *path, const char *kind, uint64_t width,
                                            uint64_t height, co_error *err);

/* The orientation of an EXIF block, which starts with its TIFF header; 1 when it has none or is
 * damaged: a photograph is not refused for that. */
int co_exif_orientation(const uint8_t *tiff, size_t size);

#endif
