#include "data/image/resample.h"

#include <math.h>

#include "base/alloc.h"

enum { PRECISION = 22, HALF = 1 << (PRECISION - 1), BYTE_MAX = 255 };

double co_resample_scale(const co_resample_span *span)
{
    return (span->to - span->from) / span->full;
}

co_resample_span co_resample_reduced(const co_resample_span *span, int reduce, int side)
{
    co_resample_span out = *span;
    double from = (span->offset + span->from) / reduce;
    double to = (span->offset + span->to) / reduce;
    int end = (int)ceil((double)(span->offset + span->size) / reduce);
    out.offset = span->offset / reduce;
    out.size = (end < side ? end : side) - out.offset;
    out.from = from - out.offset;
    out.to = to - out.offset;
    return out;
}

/* Half the width of the filter, in input pixels: it widens when the image shrinks. */
static double support_of(const co_resample_span *span)
{
    return fmax(co_resample_scale(span), 1.0);
}

/* The input pixels that output pixel `index` (of the full output) is made of. */
static void reach_of(const co_resample_span *span, int index, int *low, int *high)
{
    double centre = span->from + (index + 0.5) * co_resample_scale(span);
    int first = (int)(centre - support_of(span) + 0.5);
    int end = (int)(centre + support_of(span) + 0.5);
    *low = first > 0 ? first : 0;
    *high = end < span->size ? end : span->size;
}

void co_resample_reach(const co_resample_span *span, int *low, int *high)
{
    int unused = 0;
    reach_of(span, span->first, low, &unused);
    reach_of(span, span->first + span->count - 1, &unused, high);
    *low += span->offset;
    *high += span->offset;
}

static co_status make_room(co_resample_axis *axis, int count, int stride, co_error *err)
{
    size_t numbers = (size_t)count * ((size_t)stride + 2);
    if (numbers > axis->capacity) {
        void *block = NULL;
        CO_TRY(co_alloc(numbers + numbers / 4, sizeof(int32_t), "weights", &block, err));
        co_free(axis->block);
        axis->block = block;
        axis->capacity = numbers + numbers / 4;
    }
    axis->count = count;
    axis->stride = stride;
    axis->start = axis->block;
    axis->taps = axis->start + count;
    axis->weights = axis->taps + count;
    return CO_OK;
}

/* A triangle of area 1 around the centre, in fixed point. */
static void weigh(const co_resample_span *span, int index, int low, int taps, int32_t *weights)
{
    double centre = span->from + (index + 0.5) * co_resample_scale(span);
    double narrow = 1.0 / support_of(span);
    double total = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < taps; i++) {
            double distance = fabs((low + i - centre + 0.5) * narrow);
            double weight = distance < 1.0 ? 1.0 - distance : 0.0;
            if (pass == 0) {
                total += weight;
            } else {
                weights[i] = (int32_t)(0.5 + weight / total * (1 << PRECISION));
            }
        }
        total = total > 0.0 ? total : 1.0;
    }
}

co_status co_resample_plan(const co_resample_span *span, int origin, co_resample_axis *axis,
                           co_error *err)
{
    int stride = (int)ceil(support_of(span)) * 2 + 1;
    CO_TRY(make_room(axis, span->count, stride, err));
    for (int i = 0; i < span->count; i++) {
        int low = 0;
        int high = 0;
        reach_of(span, span->first + i, &low, &high);
        axis->start[i] = span->offset + low - origin;
        axis->taps[i] = high - low;
        weigh(span, span->first + i, low, high - low, axis->weights + (size_t)i * (size_t)stride);
    }
    return CO_OK;
}

void co_resample_free(co_resample_axis *axis)
{
    co_free(axis->block);
    *axis = (co_resample_axis){0};
}

/* Weights are positive and their sum is at most a few units above 1 << PRECISION. */
static uint8_t byte_of(int32_t sum)
{
    int32_t value = sum >> PRECISION;
    return (uint8_t)(value < BYTE_MAX ? value : BYTE_MAX);
}

static void grey_row(const co_resample_axis *axis, const uint8_t *in, uint8_t *out)
{
    for (int x = 0; x < axis->count; x++) {
        const uint8_t *from = in + axis->start[x];
        const int32_t *weights = axis->weights + (size_t)x * (size_t)axis->stride;
        int32_t sum = HALF;
        for (int i = 0; i < axis->taps[x]; i++) {
            sum += from[i] * weights[i];
        }
        out[x] = byte_of(sum);
    }
}

static void colour_row(const co_resample_axis *axis, const uint8_t *in, uint8_t *out)
{
    for (int x = 0; x < axis->count; x++, out += 3) {
        const uint8_t *from = in + (size_t)axis->start[x] * 3;
        const int32_t *weights = axis->weights + (size_t)x * (size_t)axis->stride;
        int32_t sums[3] = {HALF, HALF, HALF};
        for (int i = 0; i < axis->taps[x]; i++, from += 3) {
            sums[0] += from[0] * weights[i];
            sums[1] += from[1] * weights[i];
            sums[2] += from[2] * weights[i];
        }
        for (int c = 0; c < 3; c++) {
            out[c] = byte_of(sums[c]);
        }
    }
}

void co_resample_rows(const co_resample_axis *axis, const co_image_pixels *in, uint8_t *out)
{
    size_t channels = (size_t)in->channels;
    for (int y = 0; y < in->height; y++) {
        const uint8_t *from = in->data + (size_t)y * (size_t)in->width * channels;
        uint8_t *to = out + (size_t)y * (size_t)axis->count * channels;
        if (channels == 1) {
            grey_row(axis, from, to);
        } else {
            colour_row(axis, from, to);
        }
    }
}

void co_resample_row(const co_resample_axis *axis, int y, const uint8_t *in, size_t bytes,
                     int32_t *sums, uint8_t *out)
{
    const int32_t *weights = axis->weights + (size_t)y * (size_t)axis->stride;
    const uint8_t *from = in + (size_t)axis->start[y] * bytes;
    for (size_t i = 0; i < bytes; i++) {
        sums[i] = HALF;
    }
    for (int k = 0; k < axis->taps[y]; k++, from += bytes) {
        int32_t weight = weights[k];
        for (size_t i = 0; i < bytes; i++) {
            sums[i] += from[i] * weight;
        }
    }
    for (size_t i = 0; i < bytes; i++) {
        out[i] = byte_of(sums[i]);
    }
}
