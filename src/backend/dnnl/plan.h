/* What is inside the dnnl backend: the model with its private copies, compiled plans.
 *
 * A plan is two lists of operations, forward and backward, over a table of buffers. Operations
 * come in two forms: *team* operations (the lane kernels and our own loops) have items that the
 * members of the team share; *solo* operations (oneDNN primitives) are called once and bring
 * their own parallel loop. Consecutive operations of which each bundle of images depends on the
 * same bundle alone form a *stage*: a member of the team takes its bundles through all of them
 * without waiting for the others. The lives of buffers are counted in stages, since within one
 * the order between members is open. Used by one thread; nothing here is public.
 */
#ifndef CO_BACKEND_DNNL_PLAN_H
#define CO_BACKEND_DNNL_PLAN_H

#include "backend/backend.h"
#include "backend/dnnl/buffers.h"
#include "backend/dnnl/kernel_table.h"
#include "backend/dnnl/lane/lane.h"
#include "backend/dnnl/library.h"
#include "backend/dnnl/norm_any.h"

enum { CO_OP_BUFFERS = 12, CO_MAX_INPUT_CHANNELS = CO_MAX_PIXEL_CHANNELS };

typedef struct co_dnnl_backend {
    co_backend base;
    const co_lane_ops *lane;
    co_library library; /* oneDNN, opened when the first primitive is made */
    co_tuning tuning;   /* rows of the tune file */
    co_family_choice forced;
} co_dnnl_backend;

/* A copy of a parameter in the layout that a kernel reads. */
typedef struct co_copy {
    int param;
    size_t bytes;
    float *data;
    co_lane_conv conv; /* packed by the lane kernels, for this pass */
    co_lane_pass pass;
    struct co_primitive *reorder; /* or reordered by oneDNN to `md`; NULL: a lane copy */
    dnnl_memory_desc_t md;
} co_copy;

typedef struct co_dnnl_model {
    co_model base;
    co_copy *copies;
    int copy_count;
    int copy_capacity;
    size_t reorder_scratch_bytes;
    void *reorder_scratch;
} co_dnnl_model;

typedef struct co_op co_op;
typedef struct co_dnnl_plan co_dnnl_plan;

/* Runs the items begin..end-1 as member `thread`. */
typedef void (*co_op_team)(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                           int thread);
typedef co_status (*co_op_solo)(const co_dnnl_plan *plan, const co_op *op, co_error *err);

typedef struct co_rows_op { /* between row-major and lane layout */
    int rows;
    int count; /* floats of a sample */
} co_rows_op;

typedef struct co_flat_op { /* element by element; an item is `unit` floats */
    size_t unit;
    size_t count; /* floats in all */
    float factor;
} co_flat_op;

typedef struct co_mask_op { /* dropout on row-major tensors; an item is a sample */
    int channels;
    int plane;
    float p;
    bool by_channel;
    int ordinal;
} co_mask_op;

typedef struct co_running_op { /* running statistics of a batch norm */
    int channels;
    float momentum;
    float unbiased; /* n / (n - 1) */
} co_running_op;

typedef struct co_norm_any_op { /* batch norm over several workers, not in lanes */
    co_lane_norm norm;
    co_norm_layout layout;
} co_norm_any_op;

struct co_op {
    int layer; /* this and the next three for the observer */
    co_pass pass;
    const char *work_name; /* co_span.work; set by co_emit_op where NULL, like kernel */
    const char *kernel;
    size_t bytes; /* co_span.bytes; likewise */
    int stage;
    int items;
    double work;    /* about how many multiply-accumulates, or floats touched */
    bool by_bundle; /* items / bundles consecutive items belong to one bundle */
    co_op_team team;
    co_op_solo solo;
    int buffer[CO_OP_BUFFERS];
    struct co_primitive *primitive; /* owned; of a solo operation */
    void *at[CO_OP_BUFFERS];        /* their memory; CO_NO_BUFFER becomes NULL */
    union {
        co_lane_conv conv;
        co_lane_linear linear;
        co_lane_pool pool;
        co_lane_input input;
        co_lane_norm norm;
        co_norm_any_op norm_any;
        co_lane_dropout dropout;
        co_rows_op rows;
        co_flat_op flat;
        co_mask_op mask;
        co_running_op running;
    } u;
};

typedef struct co_op_list {
    co_op *items;
    int count;
    int capacity;
} co_op_list;

struct co_dnnl_plan {
    struct co_plans *plans; /* borrowed: it owns us */
    co_dnnl_backend *backend;
    co_dnnl_model *model;
    co_plan_spec spec;
    int bundles;
    co_buffers buffers;
    co_op_list forward;
    co_op_list backward;
    co_phase *phases;
    int *phase_end; /* phase i runs backward operations phase_end[i - 1] .. phase_end[i] - 1 */
    int phase_count;
    int output[CO_OUTPUT_COUNT];        /* buffers */
    int gradient[CO_OUTPUT_COUNT];      /* CO_NO_BUFFER: not wanted */
    size_t lane_scratch_floats;         /* per member of the team */
    int lane_scratch;                   /* buffer */
    float scale[CO_MAX_INPUT_CHANNELS]; /* the pixel map */
    float shift[CO_MAX_INPUT_CHANNELS];
    const co_batch *batch; /* borrowed during forward */
    co_rng_key key;        /* dropout's, of this batch */
    int next_phase;        /* -1: no forward yet */
    co_observer observer;  /* span NULL: none */
    uint64_t *spent_ns;    /* (threads, stage_ops) within the stage under way; NULL without one */
    int stage_ops;         /* operations of the longest stage */
};

struct co_plans {
    co_dnnl_model *model;
    co_dnnl_plan *items;
    int count;
    void *slab;
    size_t slab_bytes;
};

static inline co_dnnl_backend *co_dnnl_of(co_backend *backend)
{
    return (co_dnnl_backend *)(void *)backend;
}

/* compile.c: fills in a zeroed plan up to the placement of its buffers. */
CO_MUST_CHECK co_status co_plan_compile(co_dnnl_plan *plan, co_error *err);
void co_plan_free(co_dnnl_plan *plan);
/* What the kernel table is asked about a convolution. */
co_kernel_query co_conv_query(const co_dnnl_backend *backend, const co_layer *layer, int batch,
                              co_shape in, co_shape out);
/* run.c */
void co_plan_bind(co_dnnl_plan *plan, void *slab);
CO_MUST_CHECK co_status co_plan_forward(co_dnnl_plan *plan, const co_batch *batch, co_error *err);
CO_MUST_CHECK co_status co_plan_backward(co_dnnl_plan *plan, int index, co_error *err);
CO_MUST_CHECK co_status co_plan_observe(co_dnnl_plan *plan, const co_observer *observer,
                                        co_error *err);

/* Scratch memory of a member of the team, for the lane kernels. */
static inline float *co_plan_scratch(const co_dnnl_plan *plan, int thread)
{
    float *all = plan->buffers.items[plan->lane_scratch].data;
    return all + (size_t)thread * plan->lane_scratch_floats;
}

/* model.c: copies of parameters, shared by all plans of the model; *buffer stands for one in the
 * plan's table. */
CO_MUST_CHECK co_status co_model_lane_copy(co_dnnl_plan *plan, int param, const co_lane_conv *conv,
                                           co_lane_pass pass, int *buffer, co_error *err);
CO_MUST_CHECK co_status co_model_dnnl_copy(co_dnnl_plan *plan, int param,
                                           const dnnl_memory_desc_t *from,
                                           const dnnl_memory_desc_t *to, int *buffer,
                                           co_error *err);

#endif
