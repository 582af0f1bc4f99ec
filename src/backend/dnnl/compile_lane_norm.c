/* Compiling: batch norm of the lane family, with the ReLU behind it. */
#include "backend/dnnl/compile.h"

enum { AUX_MEAN, AUX_RSTD, AUX_DX };

static co_lane_norm_args norm_args(const co_op *op)
{
    return (co_lane_norm_args){
        .x = op->at[0],
        .gamma = op->at[1],
        .beta = op->at[2],
        .y = op->at[3],
        .saved_mean = op->at[4],
        .saved_rstd = op->at[5],
        .running_mean = op->at[6],
        .running_var = op->at[7],
    };
}

static void run_train(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    co_lane_norm_args args = norm_args(op);
    plan->backend->lane->norm_train(&op->u.norm, &args, begin, end);
}

static void run_eval(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    co_lane_norm_args args = norm_args(op);
    plan->backend->lane->norm_eval(&op->u.norm, &args, begin, end);
}

static void run_backward(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    co_lane_norm_args args = {
        .x = op->at[0],
        .gamma = op->at[1],
        .y = op->at[3],
        .saved_mean = op->at[4],
        .saved_rstd = op->at[5],
        .dy = op->at[6],
        .dx = op->at[7],
        .dgamma = op->at[8],
        .dbeta = op->at[9],
    };
    plan->backend->lane->norm_backward(&op->u.norm, &args, begin, end);
}

/* One operation computes all three gradients. */
static co_status norm_weights(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *layer = &c->graph->layers[node->layer];
    CO_TRY(co_gradient_like(c, &c->values[node->in[0]], &node->aux[AUX_DX], err));
    co_op op = co_new_op(node->layer, CO_BACKWARD_WEIGHTS);
    op.team = run_backward;
    op.u.norm = node->u.norm;
    op.items = node->u.norm.channels;
    op.work = (double)c->values[node->in[0]].floats;
    op.buffer[0] = c->values[node->in[0]].data;
    CO_TRY(co_param_buffer(c, layer->weight, &op.buffer[1], err));
    op.buffer[3] = c->values[node->out].data;
    op.buffer[4] = node->aux[AUX_MEAN];
    op.buffer[5] = node->aux[AUX_RSTD];
    op.buffer[6] = c->values[node->out].grad;
    op.buffer[7] = node->aux[AUX_DX];
    CO_TRY(co_grad_buffer(c, layer->weight, &op.buffer[8], err));
    CO_TRY(co_grad_buffer(c, layer->bias, &op.buffer[9], err));
    return co_emit_op(c, &op, err);
}

static co_status norm_data(co_compile *c, co_node *node, co_error *err)
{
    return co_contribute(c, node->in[0], node->layer, node->aux[AUX_DX], true, false, err);
}

static const co_node_class norm_class = {.weights = norm_weights, .data = norm_data};

static co_status emit_forward(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *layer = &c->graph->layers[node->layer];
    co_op op = co_new_op(node->layer, CO_FORWARD);
    op.team = c->train ? run_train : run_eval;
    op.u.norm = node->u.norm;
    op.items = node->u.norm.channels;
    op.work = (double)c->values[node->in[0]].floats;
    if (c->train) {
        size_t bytes = (size_t)node->u.norm.channels * sizeof(float);
        CO_TRY(co_new_buffer(c, bytes, CO_BUFFER_ACTIVATION, &node->aux[AUX_MEAN], err));
        CO_TRY(co_new_buffer(c, bytes, CO_BUFFER_ACTIVATION, &node->aux[AUX_RSTD], err));
    }
    op.buffer[0] = c->values[node->in[0]].data;
    CO_TRY(co_param_buffer(c, layer->weight, &op.buffer[1], err));
    CO_TRY(co_param_buffer(c, layer->bias, &op.buffer[2], err));
    op.buffer[3] = c->values[node->out].data;
    op.buffer[4] = node->aux[AUX_MEAN];
    op.buffer[5] = node->aux[AUX_RSTD];
    CO_TRY(co_stat_buffer(c, layer->mean, &op.buffer[6], err));
    CO_TRY(co_stat_buffer(c, layer->variance, &op.buffer[7], err));
    return co_emit_op(c, &op, err);
}

co_status co_lane_norm_node(co_compile *c, int layer, co_error *err)
{
    const co_layer *l = &c->graph->layers[layer];
    int in = -1;
    int out = -1;
    CO_TRY(co_value_as(c, l->inputs[0], CO_LAYOUT_LANE, &in, err));
    int last = layer;
    bool relu = co_absorb_relu(c, layer, &last);
    co_shape shape = c->shapes[layer];
    CO_TRY(co_new_value(c, last, shape, CO_LAYOUT_LANE, NULL, 0, &out, err));
    c->value_of[last] = out;
    co_node node = co_make_node(&norm_class, layer, in, out);
    node.relu = relu; /* norm_backward masks by itself: the value need not be `rectified` */
    node.u.norm = (co_lane_norm){.rows = c->rows,
                                 .channels = shape.channels,
                                 .h = shape.height,
                                 .w = shape.width,
                                 .epsilon = l->u.norm.epsilon,
                                 .momentum = l->u.norm.momentum,
                                 .relu = relu,
                                 .frozen = l->u.norm.frozen};
    co_lane_norm_init(&node.u.norm, c->plan->backend->lane->lanes);
    CO_TRY(emit_forward(c, &node, err));
    return co_new_node(c, &node, err);
}
