/* Compiling a graph to a plan: values, nodes, and what the families of operations emit.
 *
 * A *value* is the output of a layer in one layout. A *node* computes a value from one or two
 * others: a layer, a layer with those fused into it, or a change of layout. Forward is emitted
 * while the nodes are made; backward by walking them from the last to the first. Gradients are
 * written once: where a value has several consumers, their contributions are added into a new
 * buffer, so that buffers may be shared freely until their lives end.
 */
#ifndef CO_BACKEND_DNNL_COMPILE_H
#define CO_BACKEND_DNNL_COMPILE_H

#include "backend/dnnl/plan.h"
#include "backend/dnnl/primitive.h"

enum { CO_NODE_AUX = 4 };

typedef enum co_layout_kind {
    CO_LAYOUT_LANE,    /* [bundle][C][H][W][L] */
    CO_LAYOUT_ROWS,    /* row-major (N, C, H, W) */
    CO_LAYOUT_BLOCKED, /* whatever `md` says: oneDNN's choice */
} co_layout_kind;

typedef struct co_value {
    int layer;
    co_shape shape;
    co_layout_kind layout;
    dnnl_memory_desc_t md; /* BLOCKED only */
    int halo;              /* LANE only: zeros stored around each plane (network input) */
    size_t floats;         /* of the buffer */
    int data;              /* buffer */
    int rows_version;      /* the same numbers in another layout, -1 = none yet */
    int lane_version;
    int blocked_version;
    bool wants_grad;  /* a gradient reaches it and parameters lie below */
    bool rectified;   /* a ReLU's output: its gradient must be masked by data > 0 ... */
    int grad;         /* buffer; CO_NO_BUFFER until a consumer contributed */
    bool grad_owned;  /* nobody else reads it: operations may work in place */
    bool grad_masked; /* ... and all contributions so far are */
} co_value;

typedef struct co_compile co_compile;
typedef struct co_node co_node;

/* Backward of a node; called only where its output has a gradient. */
typedef struct co_node_class {
    /* Gradients of its parameters, which `layer` has; NULL: no parameters. */
    co_status (*weights)(co_compile *c, co_node *node, co_error *err);
    /* Contributes to the gradients of those inputs that want one. */
    co_status (*data)(co_compile *c, co_node *node, co_error *err);
} co_node_class;

struct co_node {
    const co_node_class *class;
    int layer;
    int in[2]; /* values, -1 = none */
    int out;
    int aux[CO_NODE_AUX];       /* buffers that forward leaves for backward; meaning by class */
    int dy;                     /* gradient at the unfused output, once made */
    bool relu;                  /* fused behind it */
    dnnl_primitive_desc_t hint; /* oneDNN's forward, for its backward; freed with the nodes */
    union {
        co_lane_conv conv;
        co_lane_linear linear;
        co_lane_pool pool;
        co_lane_norm norm;
        co_norm_any_op norm_any;
        co_lane_dropout dropout;
        co_mask_op mask;
        float factor;
        co_kernel_choice kernel; /* of a oneDNN convolution */
    } u;
};

struct co_compile {
    co_dnnl_plan *plan;
    const co_graph *graph;
    co_shape *shapes;   /* (layer_count) */
    int *consumers;     /* (layer_count) how many layers read it */
    int *consumer;      /* (layer_count) the last of them */
    bool *absorbed;     /* (layer_count) part of an earlier node */
    const bool *wanted; /* (layer_count) borrowed: some gradient reaches it and goes on */
    int *value_of;      /* (layer_count) value in its first layout, -1 = not made (yet) */
    co_value *values;
    int value_count;
    co_node *nodes;
    int node_count;
    int capacity; /* of both */
    int stage;
    bool stage_open;  /* the last operation was by bundle and in this stage */
    co_op_list *list; /* being emitted */
    bool train;
    int rows;
};

/* --- compile_emit.c: operations, buffers, values, gradients */

CO_MUST_CHECK co_status co_emit_op(co_compile *c, const co_op *op, co_error *err);
/* Sizes of the operation's buffers, added up. */
size_t co_op_bytes(const co_compile *c, const co_op *op);
/* Ends the stage: later operations wait for all members. */
void co_end_stage(co_compile *c);
/* An operation of `layer` with no buffers yet. */
co_op co_new_op(int layer, co_pass pass);
CO_MUST_CHECK co_status co_new_buffer(co_compile *c, size_t bytes, co_buffer_use use, int *index,
                                      co_error *err);
/* The parameter (gradient, statistic) as a buffer; index -1 gives CO_NO_BUFFER. */
CO_MUST_CHECK co_status co_param_buffer(co_compile *c, int param, int *index, co_error *err);
CO_MUST_CHECK co_status co_grad_buffer(co_compile *c, int param, int *index, co_error *err);
CO_MUST_CHECK co_status co_stat_buffer(co_compile *c, int stat, int *index, co_error *err);
/* A new value with a buffer; md only for BLOCKED, halo only for LANE. */
CO_MUST_CHECK co_status co_new_value(co_compile *c, int layer, co_shape shape,
                                     co_layout_kind layout, const dnnl_memory_desc_t *md, int halo,
                                     int *value, co_error *err);
/* The same memory as another value, seen as the output of `layer`. */
CO_MUST_CHECK co_status co_new_view(co_compile *c, int layer, co_shape shape, int of, int *value,
                                    co_error *err);
co_node co_make_node(const co_node_class *class, int layer, int in, int out);
CO_MUST_CHECK co_status co_new_node(co_compile *c, const co_node *node, co_error *err);
/* A buffer fit for the gradient of this value. */
CO_MUST_CHECK co_status co_gradient_like(co_compile *c, const co_value *v, int *buffer,
                                         co_error *err);
/* Adds a contribution to the gradient of a value. owned: nobody else reads the buffer; masked:
 * it is 0 where a rectified value is. */
CO_MUST_CHECK co_status co_contribute(co_compile *c, int value, int layer, int buffer, bool owned,
                                      bool masked, co_error *err);
/* The gradient at the output of a node before its fused ReLU, masked now if it is not yet. */
CO_MUST_CHECK co_status co_masked_gradient(co_compile *c, const co_node *node, int *buffer,
                                           co_error *err);
/* Every member of the team gets at least that much. */
void co_need_scratch(co_compile *c, size_t floats);

typedef enum co_flat_kind {
    CO_FLAT_RELU,          /* buffers x, y */
    CO_FLAT_RELU_BACKWARD, /* y, dy, dx */
    CO_FLAT_ADD,           /* a, b, y */
    CO_FLAT_ADD_RELU,      /* a, b, y */
    CO_FLAT_SCALE,         /* x, y; op->u.flat.factor */
} co_flat_kind;

/* Element by element over values laid out like `like`; fills in the rest of op. */
CO_MUST_CHECK co_status co_emit_flat(co_compile *c, co_flat_kind kind, co_op *op,
                                     const co_value *like, co_error *err);

/* --- compile.c */

/* The layer's output in lane or row-major layout (a change of layout is added where needed). */
CO_MUST_CHECK co_status co_value_as(co_compile *c, int layer, co_layout_kind layout, int *value,
                                    co_error *err);
/* The only layer that reads `layer`, if it may be fused into the node; -1 otherwise. */
int co_next_to_fuse(const co_compile *c, int layer);
/* A ReLU right behind `layer` is made part of its node: true, and *last becomes the ReLU. */
bool co_absorb_relu(co_compile *c, int layer, int *last);
/* A pooling layer's window; global pooling has the whole plane. */
co_pool2d co_pool_of(const co_layer *layer, co_shape in);

/* --- compile_simple.c: views, add, ReLU, scale: the same for all layouts */

CO_MUST_CHECK co_status co_view_node(co_compile *c, int layer, co_error *err);
CO_MUST_CHECK co_status co_simple_node(co_compile *c, int layer, co_error *err);

/* --- compile_lane*.c: one node each, with what is fused behind it */

CO_MUST_CHECK co_status co_lane_conv_node(co_compile *c, int layer, const co_kernel_choice *kernel,
                                          co_error *err);
CO_MUST_CHECK co_status co_lane_node(co_compile *c, int layer, co_error *err);
/* Dropout `layer` behind value `in`, whose output counts as that of layer `last`. */
CO_MUST_CHECK co_status co_lane_dropout_node(co_compile *c, int layer, int in, int last,
                                             co_error *err);
/* The network's input in lane layout with a halo, or row-major. */
CO_MUST_CHECK co_status co_input_node(co_compile *c, co_layout_kind layout, int halo, int *value,
                                      co_error *err);
/* Between lane and row-major layout. */
CO_MUST_CHECK co_status co_lane_rows_node(co_compile *c, int from, int *value, co_error *err);
CO_MUST_CHECK co_status co_lane_norm_node(co_compile *c, int layer, co_error *err);

/* --- compile_norm_sync.c: batch norm over several workers */

/* Whether the layer's statistics are those of all workers' batches. */
bool co_norm_is_synced(const co_compile *c, int layer);
/* In lanes, or in the layout of its input. */
CO_MUST_CHECK co_status co_sync_norm_node(co_compile *c, int layer, bool lane, co_error *err);

/* --- compile_dnnl*.c */

CO_MUST_CHECK co_status co_dnnl_conv_node(co_compile *c, int layer, const co_kernel_choice *kernel,
                                          co_error *err);
CO_MUST_CHECK co_status co_dnnl_norm_node(co_compile *c, int layer, co_error *err);
CO_MUST_CHECK co_status co_dnnl_pool_node(co_compile *c, int layer, co_error *err);
CO_MUST_CHECK co_status co_dnnl_node(co_compile *c, int layer, co_error *err);
/* A value in another of oneDNN's layouts; md NULL: row-major. */
CO_MUST_CHECK co_status co_dnnl_reorder_node(co_compile *c, int from, const dnnl_memory_desc_t *md,
                                             int *value, co_error *err);
/* The layer's output in any layout of oneDNN's. */
CO_MUST_CHECK co_status co_dnnl_value(co_compile *c, int layer, int *value, co_error *err);
/* Layout of a value that is not in lanes. */
dnnl_memory_desc_t co_dnnl_md(const co_compile *c, const co_value *v);
dnnl_memory_desc_t co_dnnl_tag_md(int rows, co_shape shape, dnnl_format_tag_t tag);
/* A new value laid out as md says. */
CO_MUST_CHECK co_status co_dnnl_new_value(co_compile *c, int layer, co_shape shape,
                                          const dnnl_memory_desc_t *md, int *value, co_error *err);
/* *result: the numbers of `buffer` in layout `want` (itself where it has it). */
CO_MUST_CHECK co_status co_dnnl_as(co_compile *c, const co_op *like, int buffer,
                                   const dnnl_memory_desc_t *have, const dnnl_memory_desc_t *want,
                                   int *result, co_error *err);
/* Copies numbers from one layout into a buffer of another. */
CO_MUST_CHECK co_status co_dnnl_emit_reorder(co_compile *c, const co_op *like, int from,
                                             const dnnl_memory_desc_t *from_md, int to,
                                             const dnnl_memory_desc_t *to_md, co_error *err);

/* A primitive being put together. */
typedef struct co_call {
    co_op op;
    co_primitive_arg args[CO_PRIMITIVE_ARGS];
    int count;
} co_call;

co_call co_new_call(int layer, co_pass pass);
/* CO_NO_BUFFER is left out. */
void co_call_arg(co_call *call, int arg, dnnl_memory_desc_t md, int buffer);
/* Makes the primitive, its scratchpad, the operation. pd stays the caller's. */
CO_MUST_CHECK co_status co_emit_call(co_compile *c, co_call *call, const_dnnl_primitive_desc_t pd,
                                     co_error *err);

#endif
