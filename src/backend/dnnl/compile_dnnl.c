/* Compiling: the oneDNN family's layouts, linear layers and dropout. */
#include <string.h>

#include "backend/dnnl/compile.h"
#include "backend/dropout.h"

/* ------------------------------------------------------------------ primitives */

static co_status run_primitive(const co_dnnl_plan *plan, const co_op *op, co_error *err)
{
    (void)plan;
    return co_primitive_run(op->primitive, err);
}

co_call co_new_call(int layer, co_pass pass)
{
    co_call call;
    memset(&call, 0, sizeof(call));
    call.op = co_new_op(layer, pass);
    return call;
}

void co_call_arg(co_call *call, int arg, dnnl_memory_desc_t md, int buffer)
{
    if (buffer != CO_NO_BUFFER) {
        call->args[call->count] = (co_primitive_arg){arg, call->count, md};
        call->op.buffer[call->count] = buffer;
        call->count++;
    }
}

co_status co_emit_call(co_compile *c, co_call *call, const_dnnl_primitive_desc_t pd, co_error *err)
{
    int scratch_place = call->count;
    call->op.bytes = co_op_bytes(c, &call->op);
    CO_TRY(co_new_buffer(c, co_primitive_scratch_bytes(pd), CO_BUFFER_SCRATCH,
                         &call->op.buffer[scratch_place], err));
    co_op op = call->op;
    op.solo = run_primitive;
    CO_TRY(co_primitive_create(&c->plan->backend->library, pd, call->args, call->count,
                               scratch_place, &op.primitive, err));
    co_status status = co_emit_op(c, &op, err);
    if (status != CO_OK) {
        co_primitive_destroy(op.primitive);
    }
    return status;
}

/* ------------------------------------------------------------------ layouts */

dnnl_memory_desc_t co_dnnl_tag_md(int rows, co_shape shape, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t md;
    memset(&md, 0, sizeof(md));
    const dnnl_dims_t dims = {rows, shape.channels, shape.height, shape.width};
    dnnl_memory_desc_init_by_tag(&md, 4, dims, dnnl_f32, tag);
    return md;
}

dnnl_memory_desc_t co_dnnl_md(const co_compile *c, const co_value *v)
{
    return v->layout == CO_LAYOUT_BLOCKED ? v->md : co_dnnl_tag_md(c->rows, v->shape, dnnl_nchw);
}

co_status co_dnnl_new_value(co_compile *c, int layer, co_shape shape, const dnnl_memory_desc_t *md,
                            int *value, co_error *err)
{
    dnnl_memory_desc_t rows = co_dnnl_tag_md(c->rows, shape, dnnl_nchw);
    if (dnnl_memory_desc_equal(md, &rows) != 0) {
        return co_new_value(c, layer, shape, CO_LAYOUT_ROWS, NULL, 0, value, err);
    }
    return co_new_value(c, layer, shape, CO_LAYOUT_BLOCKED, md, 0, value, err);
}

co_status co_dnnl_value(co_compile *c, int layer, int *value, co_error *err)
{
    int first = c->value_of[layer];
    if (first < 0 || c->values[first].layout == CO_LAYOUT_LANE) {
        return co_value_as(c, layer, CO_LAYOUT_ROWS, value, err);
    }
    *value = first;
    return CO_OK;
}

co_status co_dnnl_emit_reorder(co_compile *c, const co_op *like, int from,
                               const dnnl_memory_desc_t *from_md, int to,
                               const dnnl_memory_desc_t *to_md, co_error *err)
{
    dnnl_primitive_desc_t pd = NULL;
    CO_TRY(co_primitive_find_reorder(&c->plan->backend->library, from_md, to_md, &pd, err));
    if (pd == NULL) {
        return co_fail(err, CO_INTERNAL, "oneDNN has no kernel for a change of layout at '%s'",
                       c->graph->layers[like->layer].name);
    }
    co_call call = co_new_call(like->layer, like->pass);
    call.op.work_name = "reorder";
    co_call_arg(&call, DNNL_ARG_FROM, *from_md, from);
    co_call_arg(&call, DNNL_ARG_TO, *to_md, to);
    co_status status = co_emit_call(c, &call, pd, err);
    dnnl_primitive_desc_destroy(pd);
    return status;
}

co_status co_dnnl_as(co_compile *c, const co_op *like, int buffer, const dnnl_memory_desc_t *have,
                     const dnnl_memory_desc_t *want, int *result, co_error *err)
{
    if (dnnl_memory_desc_equal(have, want) != 0) {
        *result = buffer;
        return CO_OK;
    }
    CO_TRY(co_new_buffer(c, dnnl_memory_desc_get_size(want), CO_BUFFER_SCRATCH, result, err));
    return co_dnnl_emit_reorder(c, like, buffer, have, *result, want, err);
}

static co_status reorder_data(co_compile *c, co_node *node, co_error *err)
{
    co_value *in = &c->values[node->in[0]];
    co_value *out = &c->values[node->out];
    dnnl_memory_desc_t in_md = co_dnnl_md(c, in);
    dnnl_memory_desc_t out_md = co_dnnl_md(c, out);
    int dx = CO_NO_BUFFER;
    CO_TRY(co_gradient_like(c, in, &dx, err));
    co_op like = co_new_op(node->layer, CO_BACKWARD_DATA);
    CO_TRY(co_dnnl_emit_reorder(c, &like, out->grad, &out_md, dx, &in_md, err));
    return co_contribute(c, node->in[0], node->layer, dx, true, out->grad_masked, err);
}

static const co_node_class reorder_class = {.data = reorder_data};

co_status co_dnnl_reorder_node(co_compile *c, int from, const dnnl_memory_desc_t *md, int *value,
                               co_error *err)
{
    dnnl_memory_desc_t from_md = co_dnnl_md(c, &c->values[from]);
    dnnl_memory_desc_t to_md = md != NULL
                                   ? *md
                                   : co_dnnl_tag_md(c->rows, c->values[from].shape, dnnl_nchw);
    int version = c->values[from].blocked_version;
    if (version >= 0 && dnnl_memory_desc_equal(&to_md, &c->values[version].md) != 0) {
        *value = version;
        return CO_OK;
    }
    int layer = c->values[from].layer;
    CO_TRY(co_dnnl_new_value(c, layer, c->values[from].shape, &to_md, value, err));
    c->values[*value].rectified = c->values[from].rectified;
    if (c->values[*value].layout == CO_LAYOUT_BLOCKED) {
        c->values[from].blocked_version = *value;
    }
    co_op like = co_new_op(layer, CO_FORWARD);
    CO_TRY(co_dnnl_emit_reorder(c, &like, c->values[from].data, &from_md, c->values[*value].data,
                                &to_md, err));
    co_node node = co_make_node(&reorder_class, layer, from, *value);
    return co_new_node(c, &node, err);
}

/* ------------------------------------------------------------------ linear */

typedef struct linear_mds {
    dnnl_memory_desc_t x; /* (N, I) */
    dnnl_memory_desc_t w; /* (O, I) */
    dnnl_memory_desc_t b; /* (O) */
    dnnl_memory_desc_t y; /* (N, O) */
} linear_mds;

static linear_mds linear_layouts(const co_compile *c, const co_layer *l, co_shape in)
{
    linear_mds mds;
    memset(&mds, 0, sizeof(mds));
    dnnl_dim_t inputs = (dnnl_dim_t)co_shape_count(in);
    dnnl_dim_t outputs = l->u.linear.out_features;
    const dnnl_dims_t x = {c->rows, inputs};
    const dnnl_dims_t w = {outputs, inputs};
    const dnnl_dims_t y = {c->rows, outputs};
    const dnnl_dims_t b = {outputs};
    dnnl_memory_desc_init_by_tag(&mds.x, 2, x, dnnl_f32, dnnl_nc);
    dnnl_memory_desc_init_by_tag(&mds.w, 2, w, dnnl_f32, dnnl_oi);
    dnnl_memory_desc_init_by_tag(&mds.y, 2, y, dnnl_f32, dnnl_nc);
    dnnl_memory_desc_init_by_tag(&mds.b, 1, b, dnnl_f32, dnnl_x);
    return mds;
}

/* Finds it, or says that the library cannot. */
static co_status find_or_fail(co_compile *c, const char *layer, const void *desc,
                              const_dnnl_primitive_desc_t hint, bool relu,
                              dnnl_primitive_desc_t *pd, co_error *err)
{
    CO_TRY(co_primitive_find(&c->plan->backend->library, desc, hint, relu, pd, err));
    if (*pd == NULL) {
        return co_fail(err, CO_UNSUPPORTED, "oneDNN has no kernel for layer '%s'", layer);
    }
    return CO_OK;
}

static co_status linear_weights(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *l = &c->graph->layers[node->layer];
    linear_mds mds = linear_layouts(c, l, c->values[node->in[0]].shape);
    dnnl_inner_product_desc_t desc;
    co_call call = co_new_call(node->layer, CO_BACKWARD_WEIGHTS);
    int dy = CO_NO_BUFFER;
    int dw = CO_NO_BUFFER;
    int db = CO_NO_BUFFER;
    CO_TRY(co_masked_gradient(c, node, &dy, err));
    CO_TRY(co_grad_buffer(c, l->weight, &dw, err));
    CO_TRY(co_grad_buffer(c, l->bias, &db, err));
    CO_TRY(co_library_check(dnnl_inner_product_backward_weights_desc_init(
                                &desc, &mds.x, &mds.w, l->bias >= 0 ? &mds.b : NULL, &mds.y),
                            l->name, err));
    dnnl_primitive_desc_t pd = NULL;
    CO_TRY(find_or_fail(c, l->name, &desc, node->hint, false, &pd, err));
    co_call_arg(&call, DNNL_ARG_SRC, mds.x, c->values[node->in[0]].data);
    co_call_arg(&call, DNNL_ARG_DIFF_DST, mds.y, dy);
    co_call_arg(&call, DNNL_ARG_DIFF_WEIGHTS, mds.w, dw);
    co_call_arg(&call, DNNL_ARG_DIFF_BIAS, mds.b, db);
    co_status status = co_emit_call(c, &call, pd, err);
    dnnl_primitive_desc_destroy(pd);
    return status;
}

static co_status linear_data(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *l = &c->graph->layers[node->layer];
    co_value *in = &c->values[node->in[0]];
    linear_mds mds = linear_layouts(c, l, in->shape);
    dnnl_inner_product_desc_t desc;
    co_call call = co_new_call(node->layer, CO_BACKWARD_DATA);
    int dy = CO_NO_BUFFER;
    int w = CO_NO_BUFFER;
    int dx = CO_NO_BUFFER;
    CO_TRY(co_masked_gradient(c, node, &dy, err));
    CO_TRY(co_param_buffer(c, l->weight, &w, err));
    CO_TRY(co_gradient_like(c, in, &dx, err));
    CO_TRY(co_library_check(
        dnnl_inner_product_backward_data_desc_init(&desc, &mds.x, &mds.w, &mds.y), l->name, err));
    dnnl_primitive_desc_t pd = NULL;
    CO_TRY(find_or_fail(c, l->name, &desc, node->hint, false, &pd, err));
    co_call_arg(&call, DNNL_ARG_DIFF_DST, mds.y, dy);
    co_call_arg(&call, DNNL_ARG_WEIGHTS, mds.w, w);
    co_call_arg(&call, DNNL_ARG_DIFF_SRC, mds.x, dx);
    co_status status = co_emit_call(c, &call, pd, err);
    dnnl_primitive_desc_destroy(pd);
    CO_TRY(status);
    return co_contribute(c, node->in[0], node->layer, dx, true, false, err);
}

static const co_node_class linear_class = {.weights = linear_weights, .data = linear_data};

static co_status linear_node(co_compile *c, int layer, co_error *err)
{
    const co_layer *l = &c->graph->layers[layer];
    int in = -1;
    int out = -1;
    CO_TRY(co_value_as(c, l->inputs[0], CO_LAYOUT_ROWS, &in, err));
    int last = layer;
    bool relu = co_absorb_relu(c, layer, &last);
    CO_TRY(co_new_value(c, last, c->shapes[layer], CO_LAYOUT_ROWS, NULL, 0, &out, err));
    c->values[out].rectified = relu;
    c->value_of[last] = out;
    linear_mds mds = linear_layouts(c, l, c->values[in].shape);
    dnnl_inner_product_desc_t desc;
    CO_TRY(co_library_check(
        dnnl_inner_product_forward_desc_init(&desc, dnnl_forward_training, &mds.x, &mds.w,
                                             l->bias >= 0 ? &mds.b : NULL, &mds.y),
        l->name, err));
    co_node node = co_make_node(&linear_class, layer, in, out);
    node.relu = relu;
    CO_TRY(find_or_fail(c, l->name, &desc, NULL, relu, &node.hint, err));
    CO_TRY(co_new_node(c, &node, err)); /* now it owns the hint */
    co_call call = co_new_call(layer, CO_FORWARD);
    int w = CO_NO_BUFFER;
    int b = CO_NO_BUFFER;
    CO_TRY(co_param_buffer(c, l->weight, &w, err));
    CO_TRY(co_param_buffer(c, l->bias, &b, err));
    co_call_arg(&call, DNNL_ARG_SRC, mds.x, c->values[in].data);
    co_call_arg(&call, DNNL_ARG_WEIGHTS, mds.w, w);
    co_call_arg(&call, DNNL_ARG_BIAS, mds.b, b);
    co_call_arg(&call, DNNL_ARG_DST, mds.y, c->values[out].data);
    return co_emit_call(c, &call, node.hint, err);
}

/* ------------------------------------------------------------------ dropout, row-major */

enum { AUX_KEEP };

static size_t mask_bytes(const co_mask_op *d)
{
    size_t elements = d->by_channel ? (size_t)d->channels : (size_t)d->channels * (size_t)d->plane;
    return (elements + CO_DROPOUT_BLOCK - 1) / CO_DROPOUT_BLOCK;
}

/* y = x * scale where the element's bit is set, else 0. */
static void apply_mask(const co_mask_op *d, const uint8_t *keep, const float *x, float *y)
{
    size_t plane = (size_t)d->plane;
    size_t count = (size_t)d->channels * plane;
    float scale = co_dropout_scale(d->p);
    for (size_t i = 0; i < count; i++) {
        size_t e = d->by_channel ? i / plane : i;
        bool kept = (keep[e / CO_DROPOUT_BLOCK] >> (e % CO_DROPOUT_BLOCK) & 1) != 0;
        y[i] = kept ? x[i] * scale : 0.0f;
    }
}

static void run_dropout(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    const co_mask_op *d = &op->u.mask;
    size_t bytes = mask_bytes(d);
    size_t count = (size_t)d->channels * (size_t)d->plane;
    uint32_t threshold = co_dropout_threshold(d->p);
    for (int row = begin; row < end; row++) {
        co_rng_key key = co_dropout_key(plan->batch, row, d->ordinal);
        uint8_t *keep = (uint8_t *)op->at[2] + (size_t)row * bytes;
        for (size_t block = 0; block < bytes; block++) {
            uint16_t numbers[CO_DROPOUT_BLOCK];
            co_dropout_numbers(&key, (uint32_t)block, numbers);
            unsigned bits = 0;
            for (unsigned i = 0; i < CO_DROPOUT_BLOCK; i++) {
                bits |= (unsigned)(numbers[i] >= threshold) << i;
            }
            keep[block] = (uint8_t)bits;
        }
        apply_mask(d, keep, (const float *)op->at[0] + (size_t)row * count,
                   (float *)op->at[1] + (size_t)row * count);
    }
}

static void run_dropout_backward(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                                 int thread)
{
    (void)plan;
    (void)thread;
    const co_mask_op *d = &op->u.mask;
    size_t count = (size_t)d->channels * (size_t)d->plane;
    for (int row = begin; row < end; row++) {
        apply_mask(d, (const uint8_t *)op->at[2] + (size_t)row * mask_bytes(d),
                   (const float *)op->at[0] + (size_t)row * count,
                   (float *)op->at[1] + (size_t)row * count);
    }
}

static co_status dropout_data(co_compile *c, co_node *node, co_error *err)
{
    co_value *in = &c->values[node->in[0]];
    int dx = CO_NO_BUFFER;
    CO_TRY(co_gradient_like(c, in, &dx, err));
    co_op op = co_new_op(node->layer, CO_BACKWARD_DATA);
    op.team = run_dropout_backward;
    op.items = c->rows;
    op.work = (double)in->floats;
    op.u.mask = node->u.mask;
    op.buffer[0] = c->values[node->out].grad;
    op.buffer[1] = dx;
    op.buffer[2] = node->aux[AUX_KEEP];
    CO_TRY(co_emit_op(c, &op, err));
    return co_contribute(c, node->in[0], node->layer, dx, true, false, err);
}

static const co_node_class dropout_class = {.data = dropout_data};

static co_status dropout_node(co_compile *c, int layer, co_error *err)
{
    const co_layer *l = &c->graph->layers[layer];
    int in = -1;
    int out = -1;
    CO_TRY(co_value_as(c, l->inputs[0], CO_LAYOUT_ROWS, &in, err));
    co_shape shape = c->values[in].shape;
    CO_TRY(co_new_value(c, layer, shape, CO_LAYOUT_ROWS, NULL, 0, &out, err));
    c->value_of[layer] = out;
    co_node node = co_make_node(&dropout_class, layer, in, out);
    node.u.mask = (co_mask_op){.channels = shape.channels,
                               .plane = shape.height * shape.width,
                               .p = l->u.probability,
                               .by_channel = l->kind == CO_LAYER_CHANNEL_DROPOUT,
                               .ordinal = l->dropout_ordinal};
    CO_TRY(co_new_buffer(c, (size_t)c->rows * mask_bytes(&node.u.mask), CO_BUFFER_ACTIVATION,
                         &node.aux[AUX_KEEP], err));
    co_op op = co_new_op(layer, CO_FORWARD);
    op.team = run_dropout;
    op.items = c->rows;
    op.work = (double)c->values[in].floats;
    op.u.mask = node.u.mask;
    op.buffer[0] = c->values[in].data;
    op.buffer[1] = c->values[out].data;
    op.buffer[2] = node.aux[AUX_KEEP];
    CO_TRY(co_emit_op(c, &op, err));
    return co_new_node(c, &node, err);
}

/* ------------------------------------------------------------------ which of them */

co_status co_dnnl_node(co_compile *c, int layer, co_error *err)
{
    switch (c->graph->layers[layer].kind) {
    case CO_LAYER_LINEAR:
        return linear_node(c, layer, err);
    case CO_LAYER_BATCH_NORM:
        return co_dnnl_norm_node(c, layer, err);
    case CO_LAYER_MAX_POOL:
    case CO_LAYER_AVG_POOL:
    case CO_LAYER_GLOBAL_AVG_POOL:
    case CO_LAYER_GLOBAL_MAX_POOL:
        return co_dnnl_pool_node(c, layer, err);
    case CO_LAYER_DROPOUT:
    case CO_LAYER_CHANNEL_DROPOUT:
        return dropout_node(c, layer, err);
    default:
        return co_simple_node(c, layer, err);
    }
}
