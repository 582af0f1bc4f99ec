/* Layers that treat every value by itself. */
#include <string.h>

#include "backend/dropout.h"
#include "backend/ref/ref.h"

/* Written so that NaN goes through, as in PyTorch. */
static void relu_forward(const co_ref_op *op)
{
    for (size_t k = 0; k < co_ref_out_count(op); k++) {
        op->y[k] = op->x[0][k] <= 0.0 ? 0.0 : op->x[0][k];
    }
}

static void relu_data(const co_ref_op *op)
{
    for (size_t k = 0; k < co_ref_out_count(op); k++) {
        op->dx[0][k] += op->x[0][k] <= 0.0 ? 0.0 : op->dy[k];
    }
}

/* Values that share one element of the mask. */
static size_t mask_span(const co_ref_op *op)
{
    bool whole_channels = op->layer->kind == CO_LAYER_CHANNEL_DROPOUT;
    return whole_channels ? (size_t)op->in.height * (size_t)op->in.width : 1;
}

void co_ref_draw_mask(const co_ref_op *op, const co_batch *batch)
{
    size_t elements = co_shape_count(op->in) / mask_span(op);
    uint32_t threshold = co_dropout_threshold(op->layer->u.probability);
    float scale = co_dropout_scale(op->layer->u.probability);
    for (int row = 0; row < op->rows; row++) {
        co_rng_key key = co_dropout_key(batch, row, op->layer->dropout_ordinal);
        float *mask = op->mask + (size_t)row * elements;
        uint16_t numbers[CO_DROPOUT_BLOCK] = {0};
        for (size_t e = 0; e < elements; e++) {
            if (e % CO_DROPOUT_BLOCK == 0) {
                co_dropout_numbers(&key, (uint32_t)(e / CO_DROPOUT_BLOCK), numbers);
            }
            mask[e] = numbers[e % CO_DROPOUT_BLOCK] >= threshold ? scale : 0.0f;
        }
    }
}

static void dropout_forward(const co_ref_op *op)
{
    if (!op->train) {
        memcpy(op->y, op->x[0], co_ref_out_count(op) * sizeof(double));
        return;
    }
    size_t span = mask_span(op);
    for (size_t k = 0; k < co_ref_out_count(op); k++) {
        op->y[k] = op->x[0][k] * (double)op->mask[k / span];
    }
}

static void dropout_data(const co_ref_op *op)
{
    size_t span = mask_span(op);
    for (size_t k = 0; k < co_ref_out_count(op); k++) {
        op->dx[0][k] += op->dy[k] * (double)op->mask[k / span];
    }
}

static void add_forward(const co_ref_op *op)
{
    for (size_t k = 0; k < co_ref_out_count(op); k++) {
        op->y[k] = op->x[0][k] + op->x[1][k];
    }
}

static void add_data(const co_ref_op *op)
{
    for (int side = 0; side < 2; side++) {
        double *dx = op->dx[side];
        for (size_t k = 0; dx != NULL && k < co_ref_out_count(op); k++) {
            dx[k] += op->dy[k];
        }
    }
}

static void flatten_forward(const co_ref_op *op)
{
    memcpy(op->y, op->x[0], co_ref_out_count(op) * sizeof(double));
}

static void flatten_data(const co_ref_op *op)
{
    for (size_t k = 0; k < co_ref_out_count(op); k++) {
        op->dx[0][k] += op->dy[k];
    }
}

static void scale_forward(const co_ref_op *op)
{
    for (size_t k = 0; k < co_ref_out_count(op); k++) {
        op->y[k] = (double)op->layer->u.factor * op->x[0][k];
    }
}

static void scale_data(const co_ref_op *op)
{
    for (size_t k = 0; k < co_ref_out_count(op); k++) {
        op->dx[0][k] += (double)op->layer->u.factor * op->dy[k];
    }
}

const co_ref_kernels co_ref_relu = {relu_forward, NULL, relu_data};
const co_ref_kernels co_ref_dropout = {dropout_forward, NULL, dropout_data};
const co_ref_kernels co_ref_add = {add_forward, NULL, add_data};
const co_ref_kernels co_ref_flatten = {flatten_forward, NULL, flatten_data};
const co_ref_kernels co_ref_scale = {scale_forward, NULL, scale_data};
