/* Compiling: convolutions of the lane family, with the ReLU and the max pooling behind them. */
#include <string.h>

#include "backend/dnnl/compile.h"

enum { AUX_POOL_INDEX };

static co_lane_conv_args conv_args(const co_op *op)
{
    return (co_lane_conv_args){
        .x = op->at[0],
        .packed = op->at[1],
        .bias = op->at[2],
        .y = op->at[3],
        .pool_index = op->at[4],
        .dy = op->at[5],
        .dx = op->at[6],
        .relu_x = op->at[7],
        .dw = op->at[8],
        .dbias = op->at[9],
        .dpooled = op->at[10],
    };
}

static void run_conv(const co_dnnl_plan *plan, const co_op *op, co_lane_pass pass, int begin,
                     int end, int thread)
{
    co_lane_conv_args args = conv_args(op);
    plan->backend->lane->conv_run(&op->u.conv, pass, &args, begin, end,
                                  co_plan_scratch(plan, thread));
}

static void run_forward(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    run_conv(plan, op, CO_LANE_FORWARD, begin, end, thread);
}

static void run_data(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    run_conv(plan, op, CO_LANE_DATA, begin, end, thread);
}

static void run_weights(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    run_conv(plan, op, CO_LANE_WEIGHTS, begin, end, thread);
}

static void run_unpool(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    plan->backend->lane->conv_unpool(&op->u.conv, op->at[0], op->at[1], op->at[2], begin, end);
}

/* ------------------------------------------------------------------ backward */

static double conv_work(const co_lane_conv *d)
{
    double taps = (double)d->in_channels / d->groups * d->kernel_h * d->kernel_w;
    return (double)d->rows * d->out_channels * d->out_h * d->out_w * taps;
}

static const char *kernel_name(const co_lane_conv *d, co_lane_pass pass)
{
    return co_kernel_name(d->algorithm[pass] == CO_LANE_WINOGRAD ? CO_KERNEL_LANE_WINOGRAD
                                                                 : CO_KERNEL_LANE_DIRECT);
}

/* Do all passes that will run read the gradient at the pooled output by themselves? */
static bool takes_pooled(const co_compile *c, const co_node *node)
{
    const co_lane_conv *d = &node->u.conv;
    return d->pool > 1 && co_lane_conv_takes_pooled(d, CO_LANE_WEIGHTS) &&
           (!c->values[node->in[0]].wants_grad || co_lane_conv_takes_pooled(d, CO_LANE_DATA));
}

/* Gives the operation the gradient at the pooled output, or dy: that at the convolution's own,
 * made when it is first asked for. */
static co_status give_gradient(co_compile *c, co_node *node, co_op *gets, co_error *err)
{
    const co_lane_conv *d = &node->u.conv;
    if (takes_pooled(c, node)) {
        gets->buffer[4] = node->aux[AUX_POOL_INDEX];
        gets->buffer[10] = c->values[node->out].grad;
        return CO_OK;
    }
    if (d->pool <= 1) {
        return co_masked_gradient(c, node, &gets->buffer[5], err);
    }
    if (node->dy != CO_NO_BUFFER) {
        gets->buffer[5] = node->dy;
        return CO_OK;
    }
    size_t count = (size_t)d->out_channels * (size_t)d->used_h * (size_t)d->used_w;
    size_t floats = co_lane_floats(d->rows, count, d->lanes);
    CO_TRY(co_new_buffer(c, floats * sizeof(float), CO_BUFFER_GRADIENT, &node->dy, err));
    co_op op = co_new_op(node->layer, CO_BACKWARD_DATA);
    op.team = run_unpool;
    op.work_name = "max_pool";
    op.items = d->bundles * d->out_channels;
    op.work = (double)floats;
    op.by_bundle = true;
    op.u.conv = *d;
    op.buffer[0] = c->values[node->out].grad;
    op.buffer[1] = node->aux[AUX_POOL_INDEX];
    op.buffer[2] = node->dy;
    gets->buffer[5] = node->dy;
    return co_emit_op(c, &op, err);
}

static co_status conv_weights(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *layer = &c->graph->layers[node->layer];
    const co_lane_ops *lane = c->plan->backend->lane;
    co_op op = co_new_op(node->layer, CO_BACKWARD_WEIGHTS);
    op.team = run_weights;
    op.kernel = kernel_name(&node->u.conv, CO_LANE_WEIGHTS);
    op.u.conv = node->u.conv;
    op.items = lane->conv_items(&op.u.conv, CO_LANE_WEIGHTS);
    op.work = conv_work(&op.u.conv);
    op.buffer[0] = c->values[node->in[0]].data;
    CO_TRY(give_gradient(c, node, &op, err));
    CO_TRY(co_grad_buffer(c, layer->weight, &op.buffer[8], err));
    CO_TRY(co_grad_buffer(c, layer->bias, &op.buffer[9], err));
    co_need_scratch(c, lane->conv_scratch_floats(&op.u.conv, CO_LANE_WEIGHTS));
    return co_emit_op(c, &op, err);
}

/* Packed for the pass, or as they are where the kernel takes them so. */
static co_status weights_for(co_compile *c, int param, const co_lane_conv *d, co_lane_pass pass,
                             int *buffer, co_error *err)
{
    if (c->plan->backend->lane->conv_packed_floats(d, pass) == 0) {
        return co_param_buffer(c, param, buffer, err);
    }
    return co_model_lane_copy(c->plan, param, d, pass, buffer, err);
}

static co_status conv_data(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *layer = &c->graph->layers[node->layer];
    const co_lane_ops *lane = c->plan->backend->lane;
    co_value *in = &c->values[node->in[0]];
    int dx = CO_NO_BUFFER;
    CO_TRY(co_gradient_like(c, in, &dx, err));
    co_op op = co_new_op(node->layer, CO_BACKWARD_DATA);
    op.team = run_data;
    op.kernel = kernel_name(&node->u.conv, CO_LANE_DATA);
    op.u.conv = node->u.conv;
    op.items = lane->conv_items(&op.u.conv, CO_LANE_DATA);
    op.work = conv_work(&op.u.conv);
    op.by_bundle = lane->conv_by_bundle(&op.u.conv, CO_LANE_DATA);
    CO_TRY(weights_for(c, layer->weight, &op.u.conv, CO_LANE_DATA, &op.buffer[1], err));
    CO_TRY(give_gradient(c, node, &op, err));
    op.buffer[6] = dx;
    op.buffer[7] = in->rectified ? in->data : CO_NO_BUFFER;
    co_need_scratch(c, lane->conv_scratch_floats(&op.u.conv, CO_LANE_DATA));
    bool masked = in->rectified;
    CO_TRY(co_emit_op(c, &op, err));
    return co_contribute(c, node->in[0], node->layer, dx, true, masked, err);
}

static const co_node_class conv_class = {.weights = conv_weights, .data = conv_data};

/* ------------------------------------------------------------------ fusion and forward */

static bool is_square_pool(const co_layer *l)
{
    const co_pool2d *p = &l->u.pool;
    return l->kind == CO_LAYER_MAX_POOL && p->kernel_h == p->kernel_w &&
           p->stride_h == p->kernel_h && p->stride_w == p->kernel_w && p->pad_h == 0 &&
           p->pad_w == 0;
}

static bool is_row_pool(const co_layer *l)
{
    const co_pool2d *p = &l->u.pool;
    return l->kind == CO_LAYER_MAX_POOL && p->kernel_h == 1 && p->stride_h == 1 &&
           p->stride_w == p->kernel_w && p->pad_h == 0 && p->pad_w == 0;
}

/* What was fused: up to `last`; a channel dropout passed on the way moves behind the node. */
typedef struct fused {
    int last;
    int dropout;
} fused;

/* Max pooling commutes with ReLU, and both with a dropout of whole channels (a scale >= 0). */
static fused fuse(co_compile *c, int layer, co_lane_conv *d)
{
    fused done = {layer, -1};
    int passed = -1;
    int at = layer;
    for (int next = co_next_to_fuse(c, at); next >= 0; next = co_next_to_fuse(c, at)) {
        const co_layer *l = &c->graph->layers[next];
        if (l->kind == CO_LAYER_CHANNEL_DROPOUT && c->train && passed < 0) {
            passed = next;
            at = next;
            continue;
        }
        if (l->kind == CO_LAYER_RELU && !d->relu) {
            d->relu = true;
        } else if (is_square_pool(l) && d->pool <= 1 &&
                   co_lane_conv_can_pool(d, l->u.pool.kernel_h)) {
            d->pool = l->u.pool.kernel_h;
        } else if (is_row_pool(l) && d->pool <= 1 &&
                   co_lane_conv_can_pool_row(d, l->u.pool.kernel_w)) {
            d->pool = l->u.pool.kernel_w;
            d->pool_row = true;
        } else if (c->train || (l->kind != CO_LAYER_CHANNEL_DROPOUT && /* nothing in evaluation */
                                l->kind != CO_LAYER_DROPOUT)) {
            break;
        }
        at = next;
        done.last = next;
        done.dropout = passed;
    }
    for (int i = layer; i != done.last; i = c->consumer[i]) {
        c->absorbed[c->consumer[i]] = true;
    }
    return done;
}

static co_lane_conv describe(const co_compile *c, int layer, const co_kernel_choice *kernel)
{
    const co_layer *l = &c->graph->layers[layer];
    co_shape in = c->shapes[l->inputs[0]];
    co_lane_conv d;
    memset(&d, 0, sizeof(d));
    d.rows = c->rows;
    d.in_channels = in.channels;
    d.in_h = in.height;
    d.in_w = in.width;
    d.out_channels = l->u.conv.out_channels;
    d.kernel_h = l->u.conv.kernel_h;
    d.kernel_w = l->u.conv.kernel_w;
    d.stride_h = l->u.conv.stride_h;
    d.stride_w = l->u.conv.stride_w;
    d.pad_h = l->u.conv.pad_h;
    d.pad_w = l->u.conv.pad_w;
    d.groups = l->u.conv.groups;
    for (int pass = 0; pass < CO_PASSES; pass++) {
        d.algorithm[pass] = kernel->pass[pass] == CO_KERNEL_LANE_WINOGRAD ? CO_LANE_WINOGRAD
                                                                          : CO_LANE_DIRECT;
    }
    return d;
}

/* The first convolution's zeros are written once, by the input operation. */
static co_status conv_input(co_compile *c, int layer, co_lane_conv *d, int *in, co_error *err)
{
    int input = c->graph->layers[layer].inputs[0];
    if (c->graph->layers[input].kind == CO_LAYER_INPUT && c->consumers[input] == 1 &&
        d->pad_h == d->pad_w) {
        d->in_halo = d->pad_h;
        return co_input_node(c, CO_LAYOUT_LANE, d->in_halo, in, err);
    }
    return co_value_as(c, input, CO_LAYOUT_LANE, in, err);
}

static co_status emit_forward(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *layer = &c->graph->layers[node->layer];
    const co_lane_ops *lane = c->plan->backend->lane;
    co_op op = co_new_op(node->layer, CO_FORWARD);
    op.team = run_forward;
    op.kernel = kernel_name(&node->u.conv, CO_LANE_FORWARD);
    op.u.conv = node->u.conv;
    op.items = lane->conv_items(&op.u.conv, CO_LANE_FORWARD);
    op.work = conv_work(&op.u.conv);
    op.by_bundle = lane->conv_by_bundle(&op.u.conv, CO_LANE_FORWARD);
    if (c->train && node->u.conv.pool > 1) {
        const co_lane_conv *d = &node->u.conv;
        size_t count = (size_t)d->out_channels * (size_t)d->y_h * (size_t)d->y_w;
        size_t bytes = co_lane_floats(d->rows, count, d->lanes) * sizeof(uint8_t);
        CO_TRY(co_new_buffer(c, bytes, CO_BUFFER_ACTIVATION, &node->aux[AUX_POOL_INDEX], err));
    }
    CO_TRY(weights_for(c, layer->weight, &op.u.conv, CO_LANE_FORWARD, &op.buffer[1], err));
    CO_TRY(co_param_buffer(c, layer->bias, &op.buffer[2], err));
    op.buffer[0] = c->values[node->in[0]].data;
    op.buffer[3] = c->values[node->out].data;
    op.buffer[4] = node->aux[AUX_POOL_INDEX];
    co_need_scratch(c, lane->conv_scratch_floats(&op.u.conv, CO_LANE_FORWARD));
    return co_emit_op(c, &op, err);
}

co_status co_lane_conv_node(co_compile *c, int layer, const co_kernel_choice *kernel, co_error *err)
{
    co_lane_conv d = describe(c, layer, kernel);
    int in = -1;
    CO_TRY(conv_input(c, layer, &d, &in, err));
    co_lane_conv_init(&d, c->plan->backend->lane->lanes);
    fused done = fuse(c, layer, &d);
    co_lane_conv_init(&d, c->plan->backend->lane->lanes);
    co_shape shape = {d.out_channels, d.y_h, d.y_w};
    int out = -1;
    CO_TRY(co_new_value(c, done.last, shape, CO_LAYOUT_LANE, NULL, 0, &out, err));
    co_node node = co_make_node(&conv_class, layer, in, out);
    node.u.conv = d;
    node.relu = d.relu;
    c->values[out].rectified = d.relu && d.pool <= 1;
    CO_TRY(emit_forward(c, &node, err));
    CO_TRY(co_new_node(c, &node, err));
    c->value_of[done.last] = out;
    if (done.dropout >= 0) {
        return co_lane_dropout_node(c, done.dropout, out, done.last, err);
    }
    return CO_OK;
}
