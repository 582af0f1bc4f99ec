/* What a plan of the reference backend holds; internal, and open to its tests.
 *
 * Everything that a step touches lies in the slab of its set, laid out once.
 */
#ifndef CO_BACKEND_REF_PLAN_H
#define CO_BACKEND_REF_PLAN_H

#include "backend/ref/ref.h"

/* What the slab is spent on, for the memory bill. */
typedef enum co_ref_use {
    CO_REF_VALUES,
    CO_REF_GRADIENTS,
    CO_REF_SAVED,
    CO_REF_TABLES,
    CO_REF_OUTPUTS,
    CO_REF_COUNT,
} co_ref_use;

struct co_plan {
    const co_plans *plans;
    co_model *model;
    co_plan_spec spec;
    co_shape *shapes; /* (layer_count) */
    co_ref_op *ops;   /* (layer_count) */
    double **values;  /* (layer_count) each (batch, C, H, W) */
    double **grads;   /* likewise; NULL where not wanted */
    float *outputs[CO_OUTPUT_COUNT];
    float *output_grads[CO_OUTPUT_COUNT];
    co_backward backward;
    int next_phase;       /* -1 before the first forward */
    co_observer observer; /* span NULL: none */
};

struct co_plans {
    co_model *model;
    co_pixel_map pixels;
    bool mapped;
    int count;
    co_plan *plans; /* (count) */
    unsigned char *slab;
    size_t bytes[CO_REF_COUNT];
};

/* The kernels of a kind of layer; NULL for the input. */
const co_ref_kernels *co_ref_kernels_of(co_layer_kind kind);

#endif
