/* The reference backend: plain C, activations and sums in double, one thread; the truth for
 * tests. Parameters and gradients are the floats of the model's flat buffers.
 *
 * A plan keeps every layer's output and the gradient of every output that backward needs, each in
 * its own place of the slab: nothing is reused, so that a plan can be looked into. Internal to
 * backend/ref/.
 */
#ifndef CO_BACKEND_REF_REF_H
#define CO_BACKEND_REF_REF_H

#include "backend/backend.h"
#include "backend/phases.h"

/* One layer of one plan. Arrays are (rows, C, H, W). */
typedef struct co_ref_op {
    const co_layer *layer;
    int rows;
    co_shape in;
    co_shape out;
    bool train;
    const double *x[2];
    double *y;
    const double *dy; /* NULL: no gradient arrives here */
    double *dx[2];    /* NULL: not wanted; otherwise added to */
    const float *weight;
    const float *bias;
    float *dweight;
    float *dbias;
    float *running_mean;
    float *running_variance;
    /* Batch norm: mean, 1/deviation, sums of dy and of dy * normalised x, (channels) each, and
     * co_norm_moments: the number of values first. Convolution: sums of one output channel's
     * weights. */
    double *saved;
    int32_t *best;      /* max pool: index of the maximum in its input plane, like y */
    co_norm_sync *sync; /* batch norm in training: with the other workers; or NULL */
    float *mask;        /* dropout: 0 or the scale, per element or per channel of each row */
} co_ref_op;

typedef void (*co_ref_func)(const co_ref_op *op);

typedef struct co_ref_kernels {
    co_ref_func forward;
    co_ref_func weights; /* NULL for layers without parameters */
    co_ref_func data;
} co_ref_kernels;

/* The kernels of a kind of layer, one file each. */
extern const co_ref_kernels co_ref_conv2d;
extern const co_ref_kernels co_ref_linear;
extern const co_ref_kernels co_ref_batch_norm;
extern const co_ref_kernels co_ref_max_pool; /* the global one too */
extern const co_ref_kernels co_ref_avg_pool; /* likewise */
extern const co_ref_kernels co_ref_relu;
extern const co_ref_kernels co_ref_dropout; /* per element and per channel */
extern const co_ref_kernels co_ref_add;
extern const co_ref_kernels co_ref_flatten;
extern const co_ref_kernels co_ref_scale;

/* What a batch norm with `sync` does before its forward, and after its weights: the moments in
 * `saved` become those of all workers' values, and so do the sums. */
co_status co_ref_exchange_moments(const co_ref_op *op, co_error *err);
co_status co_ref_exchange_sums(const co_ref_op *op, co_error *err);

/* Draws the mask of a dropout layer for the rows of `batch`. */
void co_ref_draw_mask(const co_ref_op *op, const co_batch *batch);

/* Values of all rows after the layer. */
static inline size_t co_ref_out_count(const co_ref_op *op)
{
    return (size_t)op->rows * co_shape_count(op->out);
}

/* The plan functions of co_backend_ops. */
co_status co_ref_plans_create(co_model *model, const co_plan_spec *specs, int count,
                              const co_pixel_map *pixels, co_plans **out, co_error *err);
void co_ref_plans_destroy(co_plans *plans);
co_plan *co_ref_plan(co_plans *plans, int index);
int co_ref_memory(const co_plans *plans, co_memory_item *items);
co_status co_ref_forward(co_plan *plan, const co_batch *batch, co_error *err);
co_status co_ref_backward(co_plan *plan, int index, co_error *err);
const co_phase *co_ref_phases(const co_plan *plan, int *count);
const float *co_ref_output(const co_plan *plan, co_output which);
float *co_ref_output_gradient(co_plan *plan, co_output which);
co_status co_ref_observe(co_plan *plan, const co_observer *observer, co_error *err);

/* The vector operations of co_backend_ops. */
void co_ref_sgd(co_model *model, size_t offset, size_t count, const co_sgd *hyper, float *momentum);
void co_ref_adam(co_model *model, size_t offset, size_t count, const co_adam *hyper, float *m,
                 float *v);
void co_ref_axpy(co_backend *backend, size_t count, float a, const float *x, float *y);
void co_ref_lerp(co_backend *backend, size_t count, float t, const float *x, float *y);
void co_ref_multiply(co_backend *backend, size_t count, float a, float *x);
double co_ref_sum_squares(co_backend *backend, size_t count, const float *x);

#endif
