/* Convolution by its definition: for every weight, one pass over the outputs that use it.
 *
 *     y[o][oy][ox] = bias[o] + sum over i, ky, kx of
 *                    weight[o][i][ky][kx] * x[i][oy * stride - pad + ky][ox * stride - pad + kx]
 */
#include "backend/ref/ref.h"

/* The outputs [begin, end) for which 0 <= index * stride + shift < size. */
typedef struct span {
    int begin;
    int end;
} span;

static int ceil_divide(int a, int b)
{
    return a <= 0 ? 0 : (a + b - 1) / b;
}

static span valid(int outputs, int stride, int shift, int size)
{
    int end = ceil_divide(size - shift, stride);
    return (span){ceil_divide(-shift, stride), end < outputs ? end : outputs};
}

/* One weight's place: planes of input and output, rows and columns of the outputs it serves. */
typedef struct tap {
    size_t x;      /* offset of the input plane */
    size_t y;      /* of the output plane */
    size_t weight; /* index of the weight */
    int shift_y;
    int shift_x;
    span rows;
    span columns;
} tap;

typedef void (*tap_func)(const co_ref_op *op, const tap *t, double *sum);

/* Calls func for every (row, o, i, ky, kx); `sums` (number of weights) goes along. */
static void for_each_tap(const co_ref_op *op, int row, int o, tap_func func, double *sums)
{
    const co_conv2d *c = &op->layer->u.conv;
    int in_group = op->in.channels / c->groups;
    int first = o / (c->out_channels / c->groups) * in_group;
    size_t in_plane = (size_t)op->in.height * (size_t)op->in.width;
    size_t out_plane = (size_t)op->out.height * (size_t)op->out.width;
    tap t = {.y = ((size_t)row * (size_t)op->out.channels + (size_t)o) * out_plane};
    t.weight = (size_t)o * (size_t)in_group * (size_t)c->kernel_h * (size_t)c->kernel_w;
    size_t local = 0;
    for (int i = 0; i < in_group; i++) {
        t.x = ((size_t)row * (size_t)op->in.channels + (size_t)(first + i)) * in_plane;
        for (int ky = 0; ky < c->kernel_h; ky++) {
            t.shift_y = ky - c->pad_h;
            t.rows = valid(op->out.height, c->stride_h, t.shift_y, op->in.height);
            for (int kx = 0; kx < c->kernel_w; kx++) {
                t.shift_x = kx - c->pad_w;
                t.columns = valid(op->out.width, c->stride_w, t.shift_x, op->in.width);
                func(op, &t, sums != NULL ? &sums[local] : NULL);
                t.weight++;
                local++;
            }
        }
    }
}

/* Offset of the input of output (oy, 0) under this weight; may lie left of its row. */
static ptrdiff_t input_row(const co_ref_op *op, const tap *t, int oy)
{
    int iy = oy * op->layer->u.conv.stride_h + t->shift_y;
    return (ptrdiff_t)t->x + (ptrdiff_t)iy * op->in.width + t->shift_x;
}

static void forward_tap(const co_ref_op *op, const tap *t, double *sum)
{
    (void)sum;
    double weight = (double)op->weight[t->weight];
    int stride = op->layer->u.conv.stride_w;
    for (int oy = t->rows.begin; oy < t->rows.end; oy++) {
        double *y = op->y + t->y + (size_t)oy * (size_t)op->out.width;
        ptrdiff_t from = input_row(op, t, oy);
        for (int ox = t->columns.begin; ox < t->columns.end; ox++) {
            y[ox] += weight * op->x[0][from + (ptrdiff_t)ox * stride];
        }
    }
}

static void weights_tap(const co_ref_op *op, const tap *t, double *sum)
{
    int stride = op->layer->u.conv.stride_w;
    double total = 0.0;
    for (int oy = t->rows.begin; oy < t->rows.end; oy++) {
        const double *dy = op->dy + t->y + (size_t)oy * (size_t)op->out.width;
        ptrdiff_t from = input_row(op, t, oy);
        for (int ox = t->columns.begin; ox < t->columns.end; ox++) {
            total += dy[ox] * op->x[0][from + (ptrdiff_t)ox * stride];
        }
    }
    *sum += total;
}

static void data_tap(const co_ref_op *op, const tap *t, double *sum)
{
    (void)sum;
    double weight = (double)op->weight[t->weight];
    int stride = op->layer->u.conv.stride_w;
    for (int oy = t->rows.begin; oy < t->rows.end; oy++) {
        const double *dy = op->dy + t->y + (size_t)oy * (size_t)op->out.width;
        ptrdiff_t from = input_row(op, t, oy);
        for (int ox = t->columns.begin; ox < t->columns.end; ox++) {
            op->dx[0][from + (ptrdiff_t)ox * stride] += weight * dy[ox];
        }
    }
}

static void forward(const co_ref_op *op)
{
    size_t plane = (size_t)op->out.height * (size_t)op->out.width;
    double *y = op->y;
    for (int row = 0; row < op->rows; row++) {
        for (int o = 0; o < op->out.channels; o++) {
            double bias = op->bias != NULL ? (double)op->bias[o] : 0.0;
            for (size_t k = 0; k < plane; k++) {
                *y++ = bias;
            }
            for_each_tap(op, row, o, forward_tap, NULL);
        }
    }
}

static double bias_gradient(const co_ref_op *op, int o)
{
    size_t plane = (size_t)op->out.height * (size_t)op->out.width;
    double sum = 0.0;
    for (int row = 0; row < op->rows; row++) {
        const double *dy = op->dy + ((size_t)row * (size_t)op->out.channels + (size_t)o) * plane;
        for (size_t k = 0; k < plane; k++) {
            sum += dy[k];
        }
    }
    return sum;
}

/* op->saved holds the sums of one output channel. */
static void weights(const co_ref_op *op)
{
    const co_conv2d *c = &op->layer->u.conv;
    size_t taps = (size_t)(op->in.channels / c->groups) * (size_t)c->kernel_h * (size_t)c->kernel_w;
    for (int o = 0; o < op->out.channels; o++) {
        for (size_t k = 0; k < taps; k++) {
            op->saved[k] = 0.0;
        }
        for (int row = 0; row < op->rows; row++) {
            for_each_tap(op, row, o, weights_tap, op->saved);
        }
        for (size_t k = 0; k < taps; k++) {
            op->dweight[(size_t)o * taps + k] = (float)op->saved[k];
        }
        if (op->dbias != NULL) {
            op->dbias[o] = (float)bias_gradient(op, o);
        }
    }
}

static void data(const co_ref_op *op)
{
    for (int row = 0; row < op->rows; row++) {
        for (int o = 0; o < op->out.channels; o++) {
            for_each_tap(op, row, o, data_tap, NULL);
        }
    }
}

const co_ref_kernels co_ref_conv2d = {forward, weights, data};
