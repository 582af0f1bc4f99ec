/* Compiling: the lane family's input, linear layers, pooling, dropout and changes of layout. */
#include <string.h>

#include "backend/dnnl/compile.h"

enum { AUX_POOL_INDEX, AUX_KEEP = 0 };

static int lanes_of(const co_compile *c)
{
    return c->plan->backend->lane->lanes;
}

/* ------------------------------------------------------------------ input */

static void run_input(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    const co_lane_ops *lane = plan->backend->lane;
    co_lane_input d = op->u.input;
    d.scale = plan->scale;
    d.shift = plan->shift;
    size_t stride = (size_t)d.channels * (size_t)d.h * (size_t)d.w;
    if (plan->batch->pixel == CO_PIXEL_U8) {
        lane->input_u8(&d, plan->batch->pixels, stride, op->at[0], begin, end);
    } else {
        lane->input_f32(&d, plan->batch->pixels, stride, op->at[0], begin, end);
    }
}

/* Row-major: an item is an image. Rounded once (fused), as the lane kernels do. */
static void run_input_rows(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                           int thread)
{
    (void)thread;
    const co_lane_input *d = &op->u.input;
    size_t plane = (size_t)d->h * (size_t)d->w;
    size_t channels = (size_t)d->channels;
    for (size_t i = (size_t)begin * channels; i < (size_t)end * channels; i++) {
        double scale = (double)plan->scale[i % channels];
        double shift = (double)plan->shift[i % channels];
        float *y = (float *)op->at[0] + i * plane;
        if (plan->batch->pixel == CO_PIXEL_U8) {
            const uint8_t *x = (const uint8_t *)plan->batch->pixels + i * plane;
            for (size_t k = 0; k < plane; k++) {
                y[k] = (float)((double)x[k] * scale + shift);
            }
        } else {
            const float *x = (const float *)plan->batch->pixels + i * plane;
            for (size_t k = 0; k < plane; k++) {
                y[k] = (float)((double)x[k] * scale + shift);
            }
        }
    }
}

co_status co_input_node(co_compile *c, co_layout_kind layout, int halo, int *value, co_error *err)
{
    co_shape shape = c->shapes[0];
    CO_TRY(co_new_value(c, 0, shape, layout, NULL, halo, value, err));
    co_op op = co_new_op(-1, CO_FORWARD);
    op.u.input = (co_lane_input){.rows = c->rows,
                                 .channels = shape.channels,
                                 .h = shape.height,
                                 .w = shape.width,
                                 .halo = halo};
    co_lane_input_init(&op.u.input, lanes_of(c));
    bool lane = layout == CO_LAYOUT_LANE;
    op.team = lane ? run_input : run_input_rows;
    op.items = lane ? c->plan->bundles : c->rows;
    op.by_bundle = lane;
    op.work = (double)c->values[*value].floats;
    op.buffer[0] = c->values[*value].data;
    return co_emit_op(c, &op, err);
}

/* ------------------------------------------------------------------ lanes <-> rows */

static void run_to_rows(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    const co_rows_op *d = &op->u.rows;
    plan->backend->lane->to_rows(d->rows, d->count, op->at[0], op->at[1], (size_t)d->count, begin,
                                 end);
}

static void run_from_rows(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    const co_rows_op *d = &op->u.rows;
    plan->backend->lane->from_rows(d->rows, d->count, op->at[0], (size_t)d->count, op->at[1], begin,
                                   end);
}

static co_status emit_rows_op(co_compile *c, int layer, co_pass pass, bool to_rows, int from,
                              int to, co_shape shape, co_error *err)
{
    co_op op = co_new_op(layer, pass);
    op.team = to_rows ? run_to_rows : run_from_rows;
    op.work_name = "reorder";
    op.items = c->plan->bundles;
    op.by_bundle = true;
    op.u.rows = (co_rows_op){c->rows, (int)co_shape_count(shape)};
    op.work = (double)c->rows * (double)co_shape_count(shape);
    op.buffer[0] = from;
    op.buffer[1] = to;
    return co_emit_op(c, &op, err);
}

static co_status rows_data(co_compile *c, co_node *node, co_error *err)
{
    co_value *in = &c->values[node->in[0]];
    co_value *out = &c->values[node->out];
    int dx = CO_NO_BUFFER;
    CO_TRY(co_gradient_like(c, in, &dx, err));
    bool to_rows = in->layout == CO_LAYOUT_ROWS;
    CO_TRY(emit_rows_op(c, node->layer, CO_BACKWARD_DATA, to_rows, out->grad, dx, in->shape, err));
    return co_contribute(c, node->in[0], node->layer, dx, true, out->grad_masked, err);
}

static const co_node_class rows_class = {.data = rows_data};

co_status co_lane_rows_node(co_compile *c, int from, int *value, co_error *err)
{
    co_shape shape = c->values[from].shape;
    int layer = c->values[from].layer;
    bool to_rows = c->values[from].layout == CO_LAYOUT_LANE;
    CO_TRY(co_new_value(c, layer, shape, to_rows ? CO_LAYOUT_ROWS : CO_LAYOUT_LANE, NULL, 0, value,
                        err));
    c->values[*value].rectified = c->values[from].rectified;
    CO_TRY(emit_rows_op(c, layer, CO_FORWARD, to_rows, c->values[from].data, c->values[*value].data,
                        shape, err));
    co_node node = co_make_node(&rows_class, layer, from, *value);
    return co_new_node(c, &node, err);
}

/* ------------------------------------------------------------------ linear */

static void run_linear(const co_dnnl_plan *plan, const co_op *op, co_lane_pass pass, int begin,
                       int end, int thread)
{
    co_lane_linear_args args = {
        .x = op->at[0],
        .w = op->at[1],
        .bias = op->at[2],
        .y = op->at[3],
        .dy = op->at[5],
        .dx = op->at[6],
        .relu_x = op->at[7],
        .dw = op->at[8],
        .dbias = op->at[9],
    };
    plan->backend->lane->linear_run(&op->u.linear, pass, &args, begin, end,
                                    co_plan_scratch(plan, thread));
}

static void run_linear_forward(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                               int thread)
{
    run_linear(plan, op, CO_LANE_FORWARD, begin, end, thread);
}

static void run_linear_data(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                            int thread)
{
    run_linear(plan, op, CO_LANE_DATA, begin, end, thread);
}

static void run_linear_weights(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                               int thread)
{
    run_linear(plan, op, CO_LANE_WEIGHTS, begin, end, thread);
}

static co_status emit_linear(co_compile *c, const co_node *node, co_lane_pass pass, co_op *op,
                             co_error *err)
{
    static const co_op_team funcs[] = {run_linear_forward, run_linear_data, run_linear_weights};
    const co_lane_ops *lane = c->plan->backend->lane;
    op->team = funcs[pass];
    op->u.linear = node->u.linear;
    op->items = lane->linear_items(&op->u.linear, pass);
    op->work = (double)c->rows * node->u.linear.inputs * node->u.linear.outputs;
    op->by_bundle = false; /* items are outputs (inputs) of all bundles: weights are read once */
    co_need_scratch(c, lane->linear_scratch_floats(&op->u.linear, pass));
    return co_emit_op(c, op, err);
}

static co_status linear_weights(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *layer = &c->graph->layers[node->layer];
    co_op op = co_new_op(node->layer, CO_BACKWARD_WEIGHTS);
    op.buffer[0] = c->values[node->in[0]].data;
    CO_TRY(co_masked_gradient(c, node, &op.buffer[5], err));
    CO_TRY(co_grad_buffer(c, layer->weight, &op.buffer[8], err));
    CO_TRY(co_grad_buffer(c, layer->bias, &op.buffer[9], err));
    return emit_linear(c, node, CO_LANE_WEIGHTS, &op, err);
}

static co_status linear_data(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *layer = &c->graph->layers[node->layer];
    co_value *in = &c->values[node->in[0]];
    bool masked = in->rectified;
    int dx = CO_NO_BUFFER;
    CO_TRY(co_gradient_like(c, in, &dx, err));
    co_op op = co_new_op(node->layer, CO_BACKWARD_DATA);
    CO_TRY(co_param_buffer(c, layer->weight, &op.buffer[1], err));
    CO_TRY(co_masked_gradient(c, node, &op.buffer[5], err));
    op.buffer[6] = dx;
    op.buffer[7] = masked ? in->data : CO_NO_BUFFER;
    CO_TRY(emit_linear(c, node, CO_LANE_DATA, &op, err));
    return co_contribute(c, node->in[0], node->layer, dx, true, masked, err);
}

static const co_node_class linear_class = {.weights = linear_weights, .data = linear_data};

static co_status linear_node(co_compile *c, int layer, co_error *err)
{
    const co_layer *l = &c->graph->layers[layer];
    int in = -1;
    int out = -1;
    CO_TRY(co_value_as(c, l->inputs[0], CO_LAYOUT_LANE, &in, err));
    int last = layer;
    bool relu = co_absorb_relu(c, layer, &last);
    CO_TRY(co_new_value(c, last, c->shapes[layer], CO_LAYOUT_LANE, NULL, 0, &out, err));
    c->values[out].rectified = relu;
    c->value_of[last] = out;
    co_node node = co_make_node(&linear_class, layer, in, out);
    node.relu = relu;
    node.u.linear = (co_lane_linear){.rows = c->rows,
                                     .inputs = (int)co_shape_count(c->values[in].shape),
                                     .outputs = l->u.linear.out_features,
                                     .relu = relu};
    co_lane_linear_init(&node.u.linear, lanes_of(c));
    co_op op = co_new_op(layer, CO_FORWARD);
    op.buffer[0] = c->values[in].data;
    CO_TRY(co_param_buffer(c, l->weight, &op.buffer[1], err));
    CO_TRY(co_param_buffer(c, l->bias, &op.buffer[2], err));
    op.buffer[3] = c->values[out].data;
    CO_TRY(emit_linear(c, &node, CO_LANE_FORWARD, &op, err));
    return co_new_node(c, &node, err);
}

/* ------------------------------------------------------------------ pooling */

static void run_pool(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    plan->backend->lane->pool_forward(&op->u.pool, op->at[0], op->at[1], op->at[2], begin, end);
}

static void run_pool_backward(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                              int thread)
{
    (void)thread;
    plan->backend->lane->pool_backward(&op->u.pool, op->at[0], op->at[1], op->at[2], begin, end);
}

static co_status pool_data(co_compile *c, co_node *node, co_error *err)
{
    co_value *in = &c->values[node->in[0]];
    int dx = CO_NO_BUFFER;
    CO_TRY(co_gradient_like(c, in, &dx, err));
    co_op op = co_new_op(node->layer, CO_BACKWARD_DATA);
    op.team = run_pool_backward;
    op.u.pool = node->u.pool;
    op.work = (double)in->floats;
    op.items = c->plan->bundles * node->u.pool.channels;
    op.by_bundle = true;
    op.buffer[0] = c->values[node->out].grad;
    op.buffer[1] = node->aux[AUX_POOL_INDEX];
    op.buffer[2] = dx;
    CO_TRY(co_emit_op(c, &op, err));
    return co_contribute(c, node->in[0], node->layer, dx, true, false, err);
}

static const co_node_class pool_class = {.data = pool_data};

static co_status pool_node(co_compile *c, int layer, co_error *err)
{
    const co_layer *l = &c->graph->layers[layer];
    int in = -1;
    int out = -1;
    CO_TRY(co_value_as(c, l->inputs[0], CO_LAYOUT_LANE, &in, err));
    CO_TRY(co_new_value(c, layer, c->shapes[layer], CO_LAYOUT_LANE, NULL, 0, &out, err));
    c->value_of[layer] = out;
    co_node node = co_make_node(&pool_class, layer, in, out);
    co_pool2d p = co_pool_of(l, c->values[in].shape);
    bool max = l->kind == CO_LAYER_MAX_POOL || l->kind == CO_LAYER_GLOBAL_MAX_POOL;
    node.u.pool = (co_lane_pool){.kind = max ? CO_LANE_POOL_MAX : CO_LANE_POOL_AVERAGE,
                                 .rows = c->rows,
                                 .channels = c->values[in].shape.channels,
                                 .in_h = c->values[in].shape.height,
                                 .in_w = c->values[in].shape.width,
                                 .kernel_h = p.kernel_h,
                                 .kernel_w = p.kernel_w,
                                 .stride_h = p.stride_h,
                                 .stride_w = p.stride_w,
                                 .pad_h = p.pad_h,
                                 .pad_w = p.pad_w};
    co_lane_pool_init(&node.u.pool, lanes_of(c));
    if (c->train && max) {
        size_t bytes = c->values[out].floats * sizeof(uint16_t);
        CO_TRY(co_new_buffer(c, bytes, CO_BUFFER_ACTIVATION, &node.aux[AUX_POOL_INDEX], err));
    }
    co_op op = co_new_op(layer, CO_FORWARD);
    op.team = run_pool;
    op.u.pool = node.u.pool;
    op.work = (double)c->values[in].floats;
    op.items = c->plan->bundles * node.u.pool.channels;
    op.by_bundle = true;
    op.buffer[0] = c->values[in].data;
    op.buffer[1] = c->values[out].data;
    op.buffer[2] = node.aux[AUX_POOL_INDEX];
    CO_TRY(co_emit_op(c, &op, err));
    return co_new_node(c, &node, err);
}

/* ------------------------------------------------------------------ dropout */

static void run_dropout(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    co_lane_dropout d = op->u.dropout;
    uint32_t stream = d.key.stream;
    d.key = plan->key;
    d.key.stream = stream;
    plan->backend->lane->dropout_forward(&d, plan->batch->samples, op->at[0], op->at[1], op->at[2],
                                         begin, end);
}

static void run_dropout_backward(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                                 int thread)
{
    (void)thread;
    plan->backend->lane->dropout_backward(&op->u.dropout, op->at[0], op->at[1], op->at[2], begin,
                                          end);
}

static co_status dropout_data(co_compile *c, co_node *node, co_error *err)
{
    co_value *in = &c->values[node->in[0]];
    int dx = CO_NO_BUFFER;
    CO_TRY(co_gradient_like(c, in, &dx, err));
    co_op op = co_new_op(node->layer, CO_BACKWARD_DATA);
    op.team = run_dropout_backward;
    op.u.dropout = node->u.dropout;
    op.work = (double)in->floats;
    op.items = c->plan->bundles;
    op.by_bundle = true;
    op.buffer[0] = node->aux[AUX_KEEP];
    op.buffer[1] = c->values[node->out].grad;
    op.buffer[2] = dx;
    CO_TRY(co_emit_op(c, &op, err));
    return co_contribute(c, node->in[0], node->layer, dx, true, false, err);
}

static const co_node_class dropout_class = {.data = dropout_data};

co_status co_lane_dropout_node(co_compile *c, int layer, int in, int last, co_error *err)
{
    const co_layer *l = &c->graph->layers[layer];
    int out = -1;
    CO_TRY(co_new_value(c, last, c->values[in].shape, CO_LAYOUT_LANE, NULL, 0, &out, err));
    c->value_of[last] = out;
    co_shape shape = c->values[in].shape;
    co_node node = co_make_node(&dropout_class, layer, in, out);
    node.u.dropout = (co_lane_dropout){.rows = c->rows,
                                       .channels = shape.channels,
                                       .plane = shape.height * shape.width,
                                       .by_channel = l->kind == CO_LAYER_CHANNEL_DROPOUT,
                                       .p = l->u.probability};
    node.u.dropout.key.stream = (uint32_t)CO_STREAM_DROPOUT + (uint32_t)l->dropout_ordinal;
    co_lane_dropout_init(&node.u.dropout, lanes_of(c));
    size_t masks = node.u.dropout.by_channel ? (size_t)shape.channels : co_shape_count(shape);
    size_t bytes = (size_t)c->plan->bundles * masks * sizeof(uint16_t);
    CO_TRY(co_new_buffer(c, bytes, CO_BUFFER_ACTIVATION, &node.aux[AUX_KEEP], err));
    co_op op = co_new_op(layer, CO_FORWARD);
    op.team = run_dropout;
    op.u.dropout = node.u.dropout;
    op.work = (double)c->values[in].floats;
    op.items = c->plan->bundles;
    op.by_bundle = true;
    op.buffer[0] = c->values[in].data;
    op.buffer[1] = c->values[out].data;
    op.buffer[2] = node.aux[AUX_KEEP];
    CO_TRY(co_emit_op(c, &op, err));
    return co_new_node(c, &node, err);
}

/* ------------------------------------------------------------------ which of them */

static co_status dropout_node(co_compile *c, int layer, co_error *err)
{
    int in = -1;
    CO_TRY(co_value_as(c, c->graph->layers[layer].inputs[0], CO_LAYOUT_LANE, &in, err));
    return co_lane_dropout_node(c, layer, in, layer, err);
}

co_status co_lane_node(co_compile *c, int layer, co_error *err)
{
    switch (c->graph->layers[layer].kind) {
    case CO_LAYER_LINEAR:
        return linear_node(c, layer, err);
    case CO_LAYER_BATCH_NORM:
        return co_lane_norm_node(c, layer, err);
    case CO_LAYER_MAX_POOL:
    case CO_LAYER_AVG_POOL:
    case CO_LAYER_GLOBAL_AVG_POOL:
    case CO_LAYER_GLOBAL_MAX_POOL:
        return pool_node(c, layer, err);
    case CO_LAYER_DROPOUT:
    case CO_LAYER_CHANNEL_DROPOUT:
        return dropout_node(c, layer, err);
    default:
        return co_simple_node(c, layer, err);
    }
}
