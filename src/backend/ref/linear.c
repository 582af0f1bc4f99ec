/* y = x W^T + b, W (out, in). */
#include "backend/ref/ref.h"

static void forward(const co_ref_op *op)
{
    size_t in = co_shape_count(op->in);
    size_t out = co_shape_count(op->out);
    for (size_t row = 0; row < (size_t)op->rows; row++) {
        const double *x = op->x[0] + row * in;
        for (size_t o = 0; o < out; o++) {
            const float *weight = op->weight + o * in;
            double sum = op->bias != NULL ? (double)op->bias[o] : 0.0;
            for (size_t i = 0; i < in; i++) {
                sum += (double)weight[i] * x[i];
            }
            op->y[row * out + o] = sum;
        }
    }
}

/* op->saved holds the sums of one output feature. */
static void weights(const co_ref_op *op)
{
    size_t in = co_shape_count(op->in);
    size_t out = co_shape_count(op->out);
    for (size_t o = 0; o < out; o++) {
        double bias = 0.0;
        for (size_t i = 0; i < in; i++) {
            op->saved[i] = 0.0;
        }
        for (size_t row = 0; row < (size_t)op->rows; row++) {
            const double *x = op->x[0] + row * in;
            double dy = op->dy[row * out + o];
            bias += dy;
            for (size_t i = 0; i < in; i++) {
                op->saved[i] += dy * x[i];
            }
        }
        for (size_t i = 0; i < in; i++) {
            op->dweight[o * in + i] = (float)op->saved[i];
        }
        if (op->dbias != NULL) {
            op->dbias[o] = (float)bias;
        }
    }
}

static void data(const co_ref_op *op)
{
    size_t in = co_shape_count(op->in);
    size_t out = co_shape_count(op->out);
    for (size_t row = 0; row < (size_t)op->rows; row++) {
        double *dx = op->dx[0] + row * in;
        for (size_t o = 0; o < out; o++) {
            double dy = op->dy[row * out + o];
            const float *weight = op->weight + o * in;
            for (size_t i = 0; i < in; i++) {
                dx[i] += dy * (double)weight[i];
            }
        }
    }
}

const co_ref_kernels co_ref_linear = {forward, weights, data};
