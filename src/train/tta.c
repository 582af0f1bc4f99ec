#include "train/tta.h"

#include <string.h>

#include "base/alloc.h"

struct co_tta {
    co_shape shape;
    int rows;
    size_t pixel_bytes; /* of one pixel of one channel */
    void *pixels;       /* (rows, C, H, W) mirrored */
    float *outputs[CO_OUTPUT_COUNT];
    size_t widths[CO_OUTPUT_COUNT];
};

co_status co_tta_create(const co_graph *graph, int rows, co_pixel pixel, co_tta **out,
                        co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_tta), "mirrored samples", &block, err));
    co_tta *tta = block;
    tta->shape = graph->layers[0].out;
    tta->rows = rows;
    tta->pixel_bytes = pixel == CO_PIXEL_U8 ? 1 : sizeof(float);
    co_status status = co_alloc((size_t)rows * co_shape_count(tta->shape), tta->pixel_bytes,
                                "mirrored samples", &tta->pixels, err);
    for (int i = 0; i < CO_OUTPUT_COUNT && status == CO_OK; i++) {
        tta->widths[i] = co_output_width(graph, (co_output)i);
        block = NULL;
        status = co_alloc((size_t)rows * tta->widths[i], sizeof(float), "averaged outputs", &block,
                          err);
        tta->outputs[i] = block;
    }
    if (status != CO_OK) {
        co_tta_destroy(tta);
        return status;
    }
    *out = tta;
    return CO_OK;
}

void co_tta_destroy(co_tta *tta)
{
    if (tta == NULL) {
        return;
    }
    for (int i = 0; i < CO_OUTPUT_COUNT; i++) {
        co_free(tta->outputs[i]);
    }
    co_free(tta->pixels);
    co_free(tta);
}

size_t co_tta_bytes(const co_tta *tta)
{
    size_t bytes = co_shape_count(tta->shape) * tta->pixel_bytes;
    for (int i = 0; i < CO_OUTPUT_COUNT; i++) {
        bytes += tta->widths[i] * sizeof(float);
    }
    return sizeof(*tta) + (size_t)tta->rows * bytes;
}

static void mirror_bytes(const uint8_t *in, uint8_t *out, size_t lines, size_t width)
{
    for (size_t y = 0; y < lines; y++) {
        for (size_t x = 0; x < width; x++) {
            out[y * width + x] = in[y * width + (width - 1 - x)];
        }
    }
}

static void mirror_floats(const float *in, float *out, size_t lines, size_t width)
{
    for (size_t y = 0; y < lines; y++) {
        for (size_t x = 0; x < width; x++) {
            out[y * width + x] = in[y * width + (width - 1 - x)];
        }
    }
}

static void mirror(co_tta *tta, const co_batch *batch)
{
    size_t width = (size_t)tta->shape.width;
    size_t lines = (size_t)batch->rows * (size_t)tta->shape.channels * (size_t)tta->shape.height;
    if (batch->pixel == CO_PIXEL_U8) {
        mirror_bytes(batch->pixels, tta->pixels, lines, width);
    } else {
        mirror_floats(batch->pixels, tta->pixels, lines, width);
    }
}

co_status co_tta_forward(co_tta *tta, const co_backend_ops *ops, co_plan *plan,
                         const co_batch *batch, co_error *err)
{
    CO_TRY(ops->forward(plan, batch, err));
    for (int i = 0; i < CO_OUTPUT_COUNT; i++) {
        memcpy(tta->outputs[i], ops->output(plan, (co_output)i),
               (size_t)batch->rows * tta->widths[i] * sizeof(float));
    }
    mirror(tta, batch);
    co_batch mirrored = *batch;
    mirrored.pixels = tta->pixels;
    CO_TRY(ops->forward(plan, &mirrored, err));
    for (int i = 0; i < CO_OUTPUT_COUNT; i++) {
        const float *other = ops->output(plan, (co_output)i);
        for (size_t k = 0; k < (size_t)batch->rows * tta->widths[i]; k++) {
            tta->outputs[i][k] = 0.5f * (tta->outputs[i][k] + other[k]);
        }
    }
    return CO_OK;
}

const float *co_tta_output(const co_tta *tta, co_output which)
{
    return tta->outputs[which];
}
