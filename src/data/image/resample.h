/* Resizing with a bilinear filter that widens when the image shrinks (antialias): the method of
 * PIL, which torchvision uses for images, with the same fixed-point weights and the same order of
 * its two passes, so that the bytes are the same.
 *
 * Source: Pillow's libImaging/Resample.c (HPND licence): the method, not the code.
 */
#ifndef CO_DATA_IMAGE_RESAMPLE_H
#define CO_DATA_IMAGE_RESAMPLE_H

#include <stdbool.h>

#include "data/image/image.h"

/* Along one axis: the interval from..to of the input becomes `full` pixels, of which the `count`
 * from `first` on are wanted. The input is the `size` pixels from `offset` on of an image: others
 * do not exist. */
typedef struct co_resample_span {
    int offset;
    int size;
    double from; /* relative to the offset */
    double to;
    int full;
    int first;
    int count;
} co_resample_span;

/* The weights of an axis; grows and is never shrunk. */
typedef struct co_resample_axis {
    int *start;       /* (count) first input pixel of each output pixel */
    int *taps;        /* (count) how many */
    int32_t *weights; /* (count, stride) */
    int stride;
    int count;
    void *block; /* owned: co_free */
    size_t capacity;
} co_resample_axis;

/* How many input pixels make an output pixel. */
double co_resample_scale(const co_resample_span *span);

/* The same span of the image made smaller by 1 / reduce, where it has `side` pixels. */
co_resample_span co_resample_reduced(const co_resample_span *span, int reduce, int side);

/* *low, *high: the pixels low..high-1 of the image are all that the span reads. */
void co_resample_reach(const co_resample_span *span, int *low, int *high);

/* The weights for an input that begins at pixel `origin` of the image. */
CO_MUST_CHECK co_status co_resample_plan(const co_resample_span *span, int origin,
                                         co_resample_axis *axis, co_error *err);
void co_resample_free(co_resample_axis *axis);

/* Rows of `in` (rows, width, channels) to `out` (rows, axis->count, channels). channels is 1 or 3.
 */
void co_resample_rows(const co_resample_axis *axis, const co_image_pixels *in, uint8_t *out);

/* Row `y` of the output: a weighted sum of rows of `in` (rows, bytes). `sums`: (bytes) scratch. */
void co_resample_row(const co_resample_axis *axis, int y, const uint8_t *in, size_t bytes,
                     int32_t *sums, uint8_t *out);

#endif
