/* Pooling. A global pool is one with a single window over the whole plane. */
#include <math.h>

#include "backend/ref/ref.h"

/* The part of the window of output (oy, ox) that lies in the plane: rows [y0, y1), ... */
typedef struct window {
    int y0;
    int y1;
    int x0;
    int x1;
} window;

static co_pool2d pool_of(const co_ref_op *op)
{
    co_layer_kind kind = op->layer->kind;
    if (kind == CO_LAYER_GLOBAL_AVG_POOL || kind == CO_LAYER_GLOBAL_MAX_POOL) {
        return (co_pool2d){op->in.height, op->in.width, 1, 1, 0, 0};
    }
    return op->layer->u.pool;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static window window_at(const co_ref_op *op, const co_pool2d *p, int oy, int ox)
{
    int y = oy * p->stride_h - p->pad_h;
    int x = ox * p->stride_w - p->pad_w;
    return (window){larger(y, 0), smaller(y + p->kernel_h, op->in.height), larger(x, 0),
                    smaller(x + p->kernel_w, op->in.width)};
}

/* The first maximum in scan order; a NaN wins over everything. */
static int32_t find_maximum(const co_ref_op *op, const double *plane, window w)
{
    int32_t best = w.y0 * op->in.width + w.x0;
    for (int y = w.y0; y < w.y1; y++) {
        for (int x = w.x0; x < w.x1; x++) {
            int32_t at = y * op->in.width + x;
            if (plane[at] > plane[best] || (isnan(plane[at]) && !isnan(plane[best]))) {
                best = at;
            }
        }
    }
    return best;
}

static double find_sum(const co_ref_op *op, const double *plane, window w)
{
    double sum = 0.0;
    for (int y = w.y0; y < w.y1; y++) {
        for (int x = w.x0; x < w.x1; x++) {
            sum += plane[y * op->in.width + x];
        }
    }
    return sum;
}

static size_t planes(const co_ref_op *op)
{
    return (size_t)op->rows * (size_t)op->in.channels;
}

static size_t in_plane(const co_ref_op *op)
{
    return (size_t)op->in.height * (size_t)op->in.width;
}

static void max_forward(const co_ref_op *op)
{
    co_pool2d p = pool_of(op);
    size_t k = 0;
    for (size_t plane = 0; plane < planes(op); plane++) {
        const double *x = op->x[0] + plane * in_plane(op);
        for (int oy = 0; oy < op->out.height; oy++) {
            for (int ox = 0; ox < op->out.width; ox++, k++) {
                op->best[k] = find_maximum(op, x, window_at(op, &p, oy, ox));
                op->y[k] = x[op->best[k]];
            }
        }
    }
}

static void max_data(const co_ref_op *op)
{
    size_t out_plane = (size_t)op->out.height * (size_t)op->out.width;
    for (size_t plane = 0; plane < planes(op); plane++) {
        double *dx = op->dx[0] + plane * in_plane(op);
        for (size_t k = plane * out_plane; k < (plane + 1) * out_plane; k++) {
            dx[op->best[k]] += op->dy[k];
        }
    }
}

static void avg_forward(const co_ref_op *op)
{
    co_pool2d p = pool_of(op);
    double count = (double)p.kernel_h * (double)p.kernel_w; /* the padding counts too */
    size_t k = 0;
    for (size_t plane = 0; plane < planes(op); plane++) {
        const double *x = op->x[0] + plane * in_plane(op);
        for (int oy = 0; oy < op->out.height; oy++) {
            for (int ox = 0; ox < op->out.width; ox++, k++) {
                op->y[k] = find_sum(op, x, window_at(op, &p, oy, ox)) / count;
            }
        }
    }
}

static void spread(const co_ref_op *op, window w, double value, double *plane)
{
    for (int y = w.y0; y < w.y1; y++) {
        for (int x = w.x0; x < w.x1; x++) {
            plane[y * op->in.width + x] += value;
        }
    }
}

static void avg_data(const co_ref_op *op)
{
    co_pool2d p = pool_of(op);
    double count = (double)p.kernel_h * (double)p.kernel_w;
    size_t k = 0;
    for (size_t plane = 0; plane < planes(op); plane++) {
        double *dx = op->dx[0] + plane * in_plane(op);
        for (int oy = 0; oy < op->out.height; oy++) {
            for (int ox = 0; ox < op->out.width; ox++, k++) {
                spread(op, window_at(op, &p, oy, ox), op->dy[k] / count, dx);
            }
        }
    }
}

const co_ref_kernels co_ref_max_pool = {max_forward, NULL, max_data};
const co_ref_kernels co_ref_avg_pool = {avg_forward, NULL, avg_data};
