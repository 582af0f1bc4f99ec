/* Compiling: operations, buffers, values, sums of gradients. */
#include <string.h>

#include "backend/dnnl/compile.h"
#include "base/alloc.h"

static co_status reserve_op(co_op_list *list, co_error *err)
{
    if (list->count < list->capacity) {
        return CO_OK;
    }
    int capacity = list->capacity == 0 ? 32 : 2 * list->capacity;
    void *items = NULL;
    CO_TRY(co_alloc((size_t)capacity, sizeof(co_op), "operations of a plan", &items, err));
    if (list->count > 0) {
        memcpy(items, list->items, (size_t)list->count * sizeof(co_op));
    }
    co_free(list->items);
    list->items = items;
    list->capacity = capacity;
    return CO_OK;
}

size_t co_op_bytes(const co_compile *c, const co_op *op)
{
    size_t bytes = 0;
    for (int i = 0; i < CO_OP_BUFFERS; i++) {
        if (op->buffer[i] != CO_NO_BUFFER) {
            bytes += c->plan->buffers.items[op->buffer[i]].bytes;
        }
    }
    return bytes;
}

/* What the observer is told where whoever emits the operation did not say. */
static void describe(const co_compile *c, co_op *op)
{
    if (op->work_name == NULL) {
        op->work_name = op->layer < 0 ? "input"
                                      : co_layer_kind_name(c->graph->layers[op->layer].kind);
    }
    if (op->bytes == 0) {
        op->bytes = co_op_bytes(c, op);
    }
    if (op->kernel == NULL) {
        op->kernel = op->primitive != NULL ? co_primitive_kernel(op->primitive) : "lane";
    }
}

co_status co_emit_op(co_compile *c, const co_op *op, co_error *err)
{
    CO_TRY(reserve_op(c->list, err));
    if (!(op->by_bundle && c->stage_open)) {
        c->stage++;
    }
    c->stage_open = op->by_bundle;
    co_op *added = &c->list->items[c->list->count++];
    *added = *op;
    added->stage = c->stage;
    describe(c, added);
    for (int i = 0; i < CO_OP_BUFFERS; i++) {
        co_buffers_touch(&c->plan->buffers, op->buffer[i], c->stage);
    }
    return CO_OK;
}

void co_end_stage(co_compile *c)
{
    c->stage_open = false;
}

co_op co_new_op(int layer, co_pass pass)
{
    co_op op;
    memset(&op, 0, sizeof(op));
    op.layer = layer;
    op.pass = pass;
    for (int i = 0; i < CO_OP_BUFFERS; i++) {
        op.buffer[i] = CO_NO_BUFFER;
    }
    return op;
}

co_status co_new_buffer(co_compile *c, size_t bytes, co_buffer_use use, int *index, co_error *err)
{
    return co_buffers_add(&c->plan->buffers, bytes, use, index, err);
}

static co_status flat_buffer(co_compile *c, float *base, const co_tensor *tensors, int tensor,
                             int *index, co_error *err)
{
    if (tensor < 0) {
        *index = CO_NO_BUFFER;
        return CO_OK;
    }
    return co_buffers_external(&c->plan->buffers, base + tensors[tensor].offset,
                               tensors[tensor].count * sizeof(float), index, err);
}

co_status co_param_buffer(co_compile *c, int param, int *index, co_error *err)
{
    return flat_buffer(c, c->plan->model->base.params, c->graph->params, param, index, err);
}

co_status co_grad_buffer(co_compile *c, int param, int *index, co_error *err)
{
    return flat_buffer(c, c->plan->model->base.grads, c->graph->params, param, index, err);
}

co_status co_stat_buffer(co_compile *c, int stat, int *index, co_error *err)
{
    return flat_buffer(c, c->plan->model->base.stats, c->graph->stats, stat, index, err);
}

static size_t value_floats(const co_compile *c, const co_value *v)
{
    size_t count = co_shape_count(v->shape);
    switch (v->layout) {
    case CO_LAYOUT_LANE: {
        size_t plane = ((size_t)v->shape.height + 2 * (size_t)v->halo) *
                       ((size_t)v->shape.width + 2 * (size_t)v->halo);
        return co_lane_floats(c->rows, (size_t)v->shape.channels * plane,
                              c->plan->backend->lane->lanes);
    }
    case CO_LAYOUT_BLOCKED:
        return dnnl_memory_desc_get_size(&v->md) / sizeof(float);
    case CO_LAYOUT_ROWS:
        break;
    }
    return (size_t)c->rows * count;
}

co_status co_new_value(co_compile *c, int layer, co_shape shape, co_layout_kind layout,
                       const dnnl_memory_desc_t *md, int halo, int *value, co_error *err)
{
    if (c->value_count == c->capacity) {
        return co_fail(err, CO_INTERNAL, "the graph '%s' needs more than %d values", c->graph->name,
                       c->capacity);
    }
    co_value *v = &c->values[c->value_count];
    memset(v, 0, sizeof(*v));
    v->layer = layer;
    v->shape = shape;
    v->layout = layout;
    v->halo = halo;
    v->rows_version = -1;
    v->lane_version = -1;
    v->blocked_version = -1;
    v->grad = CO_NO_BUFFER;
    v->wants_grad = c->train && c->wanted[layer];
    if (md != NULL) {
        v->md = *md;
    }
    v->floats = value_floats(c, v);
    CO_TRY(co_new_buffer(c, v->floats * sizeof(float), CO_BUFFER_ACTIVATION, &v->data, err));
    *value = c->value_count++;
    return CO_OK;
}

co_status co_new_view(co_compile *c, int layer, co_shape shape, int of, int *value, co_error *err)
{
    if (c->value_count == c->capacity) {
        return co_fail(err, CO_INTERNAL, "the graph '%s' needs more than %d values", c->graph->name,
                       c->capacity);
    }
    co_value *v = &c->values[c->value_count];
    *v = c->values[of];
    v->layer = layer;
    v->shape = shape;
    v->rows_version = -1;
    v->lane_version = -1;
    v->blocked_version = -1;
    v->wants_grad = c->train && c->wanted[layer];
    *value = c->value_count++;
    return CO_OK;
}

co_status co_new_node(co_compile *c, const co_node *node, co_error *err)
{
    if (c->node_count == c->capacity) {
        return co_fail(err, CO_INTERNAL, "the graph '%s' needs more than %d nodes", c->graph->name,
                       c->capacity);
    }
    c->nodes[c->node_count++] = *node;
    return CO_OK;
}

co_node co_make_node(const co_node_class *class, int layer, int in, int out)
{
    co_node node;
    memset(&node, 0, sizeof(node));
    node.class = class;
    node.layer = layer;
    node.in[0] = in;
    node.in[1] = -1;
    node.out = out;
    node.dy = CO_NO_BUFFER;
    for (int i = 0; i < CO_NODE_AUX; i++) {
        node.aux[i] = CO_NO_BUFFER;
    }
    return node;
}

co_status co_gradient_like(co_compile *c, const co_value *v, int *buffer, co_error *err)
{
    return co_new_buffer(c, v->floats * sizeof(float), CO_BUFFER_GRADIENT, buffer, err);
}

/* ------------------------------------------------------------------ element by element */

/* `unit` floats per item; the buffers are padded to whole vectors. */
static void vectors(const co_dnnl_plan *plan, const co_op *op, int begin, int end, size_t *from,
                    size_t *to)
{
    size_t lanes = (size_t)plan->backend->lane->lanes;
    size_t last = (op->u.flat.count + lanes - 1) / lanes;
    *from = (size_t)begin * op->u.flat.unit / lanes;
    *to = (size_t)end * op->u.flat.unit / lanes;
    *to = *to < last ? *to : last;
}

static void run_relu(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    size_t from;
    size_t to;
    vectors(plan, op, begin, end, &from, &to);
    plan->backend->lane->relu_forward(op->at[0], op->at[1], from, to);
}

static void run_relu_backward(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                              int thread)
{
    (void)thread;
    size_t from;
    size_t to;
    vectors(plan, op, begin, end, &from, &to);
    plan->backend->lane->relu_backward(op->at[0], op->at[1], op->at[2], from, to);
}

static void run_add(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    size_t from;
    size_t to;
    vectors(plan, op, begin, end, &from, &to);
    plan->backend->lane->add(op->at[0], op->at[1], op->at[2], from, to);
}

static void run_add_relu(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    size_t from;
    size_t to;
    vectors(plan, op, begin, end, &from, &to);
    plan->backend->lane->add_relu(op->at[0], op->at[1], op->at[2], from, to);
}

static void run_scale(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    size_t from;
    size_t to;
    vectors(plan, op, begin, end, &from, &to);
    plan->backend->lane->scale(op->at[0], op->u.flat.factor, op->at[1], from, to);
}

static const co_op_team flat_funcs[] = {
    [CO_FLAT_RELU] = run_relu,   [CO_FLAT_RELU_BACKWARD] = run_relu_backward,
    [CO_FLAT_ADD] = run_add,     [CO_FLAT_ADD_RELU] = run_add_relu,
    [CO_FLAT_SCALE] = run_scale,
};

static const char *const flat_names[] = {
    [CO_FLAT_RELU] = "relu",         [CO_FLAT_RELU_BACKWARD] = "relu", [CO_FLAT_ADD] = "add",
    [CO_FLAT_ADD_RELU] = "add_relu", [CO_FLAT_SCALE] = "scale",
};

co_status co_emit_flat(co_compile *c, co_flat_kind kind, co_op *op, const co_value *like,
                       co_error *err)
{
    enum { BLOCK = 8192 }; /* floats: a few microseconds */
    op->team = flat_funcs[kind];
    op->work_name = flat_names[kind];
    op->u.flat.count = like->floats;
    op->work = (double)like->floats;
    if (like->layout == CO_LAYOUT_LANE) {
        op->items = c->plan->bundles * like->shape.channels;
        op->by_bundle = true;
        op->u.flat.unit = like->floats / (size_t)op->items;
    } else {
        op->u.flat.unit = BLOCK;
        op->items = (int)((like->floats + BLOCK - 1) / BLOCK);
    }
    return co_emit_op(c, op, err);
}

/* ------------------------------------------------------------------ gradients */

co_status co_contribute(co_compile *c, int value, int layer, int buffer, bool owned, bool masked,
                        co_error *err)
{
    co_value *v = &c->values[value];
    if (v->grad == CO_NO_BUFFER) {
        v->grad = buffer;
        v->grad_owned = owned;
        v->grad_masked = masked;
        return CO_OK;
    }
    int sum = CO_NO_BUFFER;
    CO_TRY(co_gradient_like(c, v, &sum, err));
    co_op op = co_new_op(layer, CO_BACKWARD_DATA);
    op.buffer[0] = v->grad;
    op.buffer[1] = buffer;
    op.buffer[2] = sum;
    CO_TRY(co_emit_flat(c, CO_FLAT_ADD, &op, v, err));
    v->grad = sum;
    v->grad_owned = true;
    v->grad_masked = v->grad_masked && masked;
    return CO_OK;
}

co_status co_masked_gradient(co_compile *c, const co_node *node, int *buffer, co_error *err)
{
    co_value *v = &c->values[node->out];
    if (node->relu && !v->grad_masked) {
        int masked = v->grad;
        if (!v->grad_owned) {
            CO_TRY(co_gradient_like(c, v, &masked, err));
        }
        co_op op = co_new_op(node->layer, CO_BACKWARD_DATA);
        op.buffer[0] = v->data;
        op.buffer[1] = v->grad;
        op.buffer[2] = masked;
        CO_TRY(co_emit_flat(c, CO_FLAT_RELU_BACKWARD, &op, v, err));
        v->grad = masked;
        v->grad_owned = true;
        v->grad_masked = true;
    }
    *buffer = v->grad;
    return CO_OK;
}

void co_need_scratch(co_compile *c, size_t floats)
{
    size_t rounded = co_round_up(floats, CO_ALIGNMENT / sizeof(float));
    if (rounded > c->plan->lane_scratch_floats) {
        c->plan->lane_scratch_floats = rounded;
    }
}
