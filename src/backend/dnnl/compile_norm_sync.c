/* Compiling: batch norm over the batches of several workers, with the ReLU behind it. Forward is
 * three operations (moments of this worker's samples, exchange, normalise), and so is backward
 * (sums, exchange, gradient); the middle one waits for the other workers. */
#include <math.h>

#include "backend/dnnl/compile.h"

enum { AUX_MEAN, AUX_RSTD, AUX_DX, AUX_MOMENTS };

/* Places in co_op.buffer, the same in all six operations. */
enum {
    AT_X,
    AT_GAMMA,
    AT_BETA,
    AT_Y,
    AT_MEAN,
    AT_RSTD,
    AT_RUNNING_MEAN,
    AT_RUNNING_VAR,
    AT_MOMENTS,
    AT_DY = AT_BETA,
    AT_DX = AT_RUNNING_MEAN,
    AT_DGAMMA = AT_RUNNING_VAR,
    AT_DBETA = AT_MOMENTS + 1,
    AT_SUMS,
};
_Static_assert(AT_SUMS < (int)CO_OP_BUFFERS, "they have room");

bool co_norm_is_synced(const co_compile *c, int layer)
{
    return c->train && c->plan->spec.sync != NULL && !c->graph->layers[layer].u.norm.frozen;
}

/* ------------------------------------------------------------------ in lanes */

static void run_lane_moments(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                             int thread)
{
    (void)thread;
    double *mean = (double *)op->at[AT_MOMENTS] + 1;
    double *squares = mean + op->u.norm.channels;
    plan->backend->lane->norm_moments(&op->u.norm, op->at[AT_X], mean, squares, begin, end);
}

static co_lane_norm_args forward_args(const co_op *op)
{
    return (co_lane_norm_args){
        .x = op->at[AT_X],
        .gamma = op->at[AT_GAMMA],
        .beta = op->at[AT_BETA],
        .y = op->at[AT_Y],
    };
}

static void run_lane_normalise(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                               int thread)
{
    (void)thread;
    const co_lane_norm_args args = forward_args(op);
    const double *mean = (const double *)op->at[AT_MOMENTS] + 1;
    const double *rstd = mean + op->u.norm.channels;
    plan->backend->lane->norm_normalise(&op->u.norm, &args, mean, rstd, begin, end);
}

static co_lane_norm_args backward_args(const co_op *op)
{
    return (co_lane_norm_args){
        .x = op->at[AT_X],
        .gamma = op->at[AT_GAMMA],
        .y = op->at[AT_Y],
        .saved_mean = op->at[AT_MEAN],
        .saved_rstd = op->at[AT_RSTD],
        .dy = op->at[AT_DY],
        .dx = op->at[AT_DX],
        .dgamma = op->at[AT_DGAMMA],
        .dbeta = op->at[AT_DBETA],
    };
}

static void run_lane_sums(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)thread;
    const co_lane_norm_args args = backward_args(op);
    double *sums = op->at[AT_SUMS];
    plan->backend->lane->norm_sums(&op->u.norm, &args, sums, sums + op->u.norm.channels, begin,
                                   end);
}

static void run_lane_gradient(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                              int thread)
{
    (void)thread;
    const co_lane_norm_args args = backward_args(op);
    const double *means = op->at[AT_SUMS];
    plan->backend->lane->norm_gradient(&op->u.norm, &args, means, means + op->u.norm.channels,
                                       begin, end);
}

/* ------------------------------------------------------------------ in other layouts */

static void run_any_moments(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                            int thread)
{
    (void)plan;
    (void)thread;
    const co_norm_any_op *d = &op->u.norm_any;
    double *mean = (double *)op->at[AT_MOMENTS] + 1;
    co_norm_any_moments(&d->norm, &d->layout, op->at[AT_X], mean, mean + d->norm.channels, begin,
                        end);
}

static void run_any_normalise(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                              int thread)
{
    (void)plan;
    (void)thread;
    const co_norm_any_op *d = &op->u.norm_any;
    const co_lane_norm_args args = forward_args(op);
    const double *mean = (const double *)op->at[AT_MOMENTS] + 1;
    co_norm_any_normalise(&d->norm, &d->layout, &args, mean, mean + d->norm.channels, begin, end);
}

static void run_any_sums(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)plan;
    (void)thread;
    const co_norm_any_op *d = &op->u.norm_any;
    const co_lane_norm_args args = backward_args(op);
    double *sums = op->at[AT_SUMS];
    co_norm_any_sums(&d->norm, &d->layout, &args, sums, sums + d->norm.channels, begin, end);
}

static void run_any_gradient(const co_dnnl_plan *plan, const co_op *op, int begin, int end,
                             int thread)
{
    (void)plan;
    (void)thread;
    const co_norm_any_op *d = &op->u.norm_any;
    const co_lane_norm_args args = backward_args(op);
    const double *means = op->at[AT_SUMS];
    co_norm_any_gradient(&d->norm, &d->layout, &args, means, means + d->norm.channels, begin, end);
}

/* ------------------------------------------------------------------ the exchanges */

/* The moments become those of all workers, and then mean and 1 / deviation. */
static co_status run_exchange_moments(const co_dnnl_plan *plan, const co_op *op, co_error *err)
{
    const co_lane_norm *d = &op->u.norm;
    double *moments = op->at[AT_MOMENTS];
    moments[0] = (double)d->rows * d->h * d->w;
    CO_TRY(co_norm_sync_moments(plan->spec.sync, d->channels, moments, err));
    const double n = moments[0];
    double *mean = moments + 1;
    double *rstd = mean + d->channels; /* where the sums of squares are */
    float *saved_mean = op->at[AT_MEAN];
    float *saved_rstd = op->at[AT_RSTD];
    float *running_mean = op->at[AT_RUNNING_MEAN];
    float *running_var = op->at[AT_RUNNING_VAR];
    const double part = (double)d->momentum;
    for (int c = 0; c < d->channels; c++) {
        double unbiased = n > 1.0 ? rstd[c] / (n - 1.0) : rstd[c];
        running_mean[c] = (float)((1.0 - part) * (double)running_mean[c] + part * mean[c]);
        running_var[c] = (float)((1.0 - part) * (double)running_var[c] + part * unbiased);
        rstd[c] = 1.0 / sqrt(rstd[c] / n + (double)d->epsilon);
        saved_mean[c] = (float)mean[c];
        saved_rstd[c] = (float)rstd[c];
    }
    return CO_OK;
}

/* The sums become means over the values of all workers. */
static co_status run_exchange_sums(const co_dnnl_plan *plan, const co_op *op, co_error *err)
{
    const size_t count = 2 * (size_t)op->u.norm.channels;
    const double n = *(const double *)op->at[AT_MOMENTS];
    double *sums = op->at[AT_SUMS];
    CO_TRY(co_norm_sync_sums(plan->spec.sync, count, sums, err));
    for (size_t i = 0; i < count; i++) {
        sums[i] /= n;
    }
    return CO_OK;
}

static co_op exchange_op(const co_node *node, co_pass pass, co_op_solo run)
{
    co_op op = co_new_op(node->layer, pass);
    op.solo = run;
    op.work_name = "exchange";
    op.kernel = "workers";
    op.u.norm = node->u.norm_any.norm;
    op.buffer[AT_MOMENTS] = node->aux[AUX_MOMENTS];
    return op;
}

/* ------------------------------------------------------------------ the other operations */

static co_op team_op(const co_compile *c, const co_node *node, co_pass pass, co_op_team lane,
                     co_op_team any)
{
    co_op op = co_new_op(node->layer, pass);
    const co_value *in = &c->values[node->in[0]];
    const co_norm_any_op *d = &node->u.norm_any;
    bool in_lanes = in->layout == CO_LAYOUT_LANE;
    op.team = in_lanes ? lane : any;
    op.kernel = in_lanes ? "lane" : "plain";
    op.items = in_lanes ? d->norm.channels : co_norm_items(&d->layout, d->norm.channels);
    op.work = (double)in->floats;
    op.buffer[AT_X] = in->data;
    if (in_lanes) {
        op.u.norm = d->norm;
    } else {
        op.u.norm_any = *d;
    }
    return op;
}

static co_status emit_forward(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *layer = &c->graph->layers[node->layer];
    const int channels = node->u.norm_any.norm.channels;
    const size_t bytes = (size_t)channels * sizeof(float);
    CO_TRY(co_new_buffer(c, bytes, CO_BUFFER_ACTIVATION, &node->aux[AUX_MEAN], err));
    CO_TRY(co_new_buffer(c, bytes, CO_BUFFER_ACTIVATION, &node->aux[AUX_RSTD], err));
    CO_TRY(co_new_buffer(c, co_norm_moments(channels) * sizeof(double), CO_BUFFER_ACTIVATION,
                         &node->aux[AUX_MOMENTS], err));
    co_op moments = team_op(c, node, CO_FORWARD, run_lane_moments, run_any_moments);
    moments.buffer[AT_MOMENTS] = node->aux[AUX_MOMENTS];
    CO_TRY(co_emit_op(c, &moments, err));
    co_op exchange = exchange_op(node, CO_FORWARD, run_exchange_moments);
    exchange.buffer[AT_MEAN] = node->aux[AUX_MEAN];
    exchange.buffer[AT_RSTD] = node->aux[AUX_RSTD];
    CO_TRY(co_stat_buffer(c, layer->mean, &exchange.buffer[AT_RUNNING_MEAN], err));
    CO_TRY(co_stat_buffer(c, layer->variance, &exchange.buffer[AT_RUNNING_VAR], err));
    CO_TRY(co_emit_op(c, &exchange, err));
    co_op normalise = team_op(c, node, CO_FORWARD, run_lane_normalise, run_any_normalise);
    CO_TRY(co_param_buffer(c, layer->weight, &normalise.buffer[AT_GAMMA], err));
    CO_TRY(co_param_buffer(c, layer->bias, &normalise.buffer[AT_BETA], err));
    normalise.buffer[AT_Y] = c->values[node->out].data;
    normalise.buffer[AT_MOMENTS] = node->aux[AUX_MOMENTS];
    return co_emit_op(c, &normalise, err);
}

/* What both operations of backward read. */
static co_op backward_op(const co_compile *c, const co_node *node, int sums, co_op_team lane,
                         co_op_team any)
{
    co_op op = team_op(c, node, CO_BACKWARD_WEIGHTS, lane, any);
    op.buffer[AT_Y] = c->values[node->out].data;
    op.buffer[AT_MEAN] = node->aux[AUX_MEAN];
    op.buffer[AT_RSTD] = node->aux[AUX_RSTD];
    op.buffer[AT_DY] = c->values[node->out].grad;
    op.buffer[AT_SUMS] = sums;
    return op;
}

/* The gradients of gamma and beta are those of this worker's samples: the strategy adds them up. */
static co_status norm_weights(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *layer = &c->graph->layers[node->layer];
    const size_t bytes = 2 * (size_t)node->u.norm_any.norm.channels * sizeof(double);
    int buffer = CO_NO_BUFFER;
    CO_TRY(co_new_buffer(c, bytes, CO_BUFFER_SCRATCH, &buffer, err));
    CO_TRY(co_gradient_like(c, &c->values[node->in[0]], &node->aux[AUX_DX], err));
    co_op sums = backward_op(c, node, buffer, run_lane_sums, run_any_sums);
    CO_TRY(co_grad_buffer(c, layer->weight, &sums.buffer[AT_DGAMMA], err));
    CO_TRY(co_grad_buffer(c, layer->bias, &sums.buffer[AT_DBETA], err));
    CO_TRY(co_emit_op(c, &sums, err));
    co_op exchange = exchange_op(node, CO_BACKWARD_WEIGHTS, run_exchange_sums);
    exchange.buffer[AT_SUMS] = buffer;
    CO_TRY(co_emit_op(c, &exchange, err));
    co_op gradient = backward_op(c, node, buffer, run_lane_gradient, run_any_gradient);
    CO_TRY(co_param_buffer(c, layer->weight, &gradient.buffer[AT_GAMMA], err));
    gradient.buffer[AT_DX] = node->aux[AUX_DX];
    return co_emit_op(c, &gradient, err);
}

static co_status norm_data(co_compile *c, co_node *node, co_error *err)
{
    return co_contribute(c, node->in[0], node->layer, node->aux[AUX_DX], true, false, err);
}

static const co_node_class norm_class = {.weights = norm_weights, .data = norm_data};

/* ------------------------------------------------------------------ the node */

/* The input in a layout that our loops know: its own, else row-major. */
static co_status find_layout(co_compile *c, int *in, co_norm_layout *layout, co_error *err)
{
    const co_shape s = c->values[*in].shape;
    const dnnl_memory_desc_t have = co_dnnl_md(c, &c->values[*in]);
    const dnnl_format_tag_t tags[] = {dnnl_nchw, dnnl_nhwc, dnnl_nChw16c, dnnl_nChw8c};
    const co_norm_layout layouts[] = {
        co_norm_rows_layout(s.channels, s.height, s.width),
        co_norm_last_layout(s.channels, s.height, s.width),
        co_norm_block_layout(s.channels, s.height, s.width, 16),
        co_norm_block_layout(s.channels, s.height, s.width, 8),
    };
    for (int i = 0; i < 4; i++) {
        dnnl_memory_desc_t md = co_dnnl_tag_md(c->rows, s, tags[i]);
        if (dnnl_memory_desc_equal(&have, &md) != 0) {
            *layout = layouts[i];
            return CO_OK;
        }
    }
    *layout = layouts[0];
    return co_dnnl_reorder_node(c, *in, NULL, in, err);
}

static co_status new_output(co_compile *c, int layer, int like, int *out, co_error *err)
{
    const co_value *in = &c->values[like];
    if (in->layout == CO_LAYOUT_LANE) {
        return co_new_value(c, layer, in->shape, CO_LAYOUT_LANE, NULL, 0, out, err);
    }
    dnnl_memory_desc_t md = co_dnnl_md(c, in);
    return co_dnnl_new_value(c, layer, in->shape, &md, out, err);
}

co_status co_sync_norm_node(co_compile *c, int layer, bool lane, co_error *err)
{
    const co_layer *l = &c->graph->layers[layer];
    const co_shape shape = c->shapes[layer];
    int in = -1;
    int out = -1;
    int last = layer;
    co_norm_layout layout = {0};
    if (lane) {
        CO_TRY(co_value_as(c, l->inputs[0], CO_LAYOUT_LANE, &in, err));
    } else {
        CO_TRY(co_dnnl_value(c, l->inputs[0], &in, err));
        CO_TRY(find_layout(c, &in, &layout, err));
    }
    bool relu = co_absorb_relu(c, layer, &last);
    CO_TRY(new_output(c, last, in, &out, err));
    c->value_of[last] = out;
    co_node node = co_make_node(&norm_class, layer, in, out);
    node.relu = relu; /* masked by our kernels: the value need not be `rectified` */
    node.u.norm_any.layout = layout;
    node.u.norm_any.norm = (co_lane_norm){.rows = c->rows,
                                          .channels = shape.channels,
                                          .h = shape.height,
                                          .w = shape.width,
                                          .epsilon = l->u.norm.epsilon,
                                          .momentum = l->u.norm.momentum,
                                          .relu = relu};
    co_lane_norm_init(&node.u.norm_any.norm, c->plan->backend->lane->lanes);
    CO_TRY(emit_forward(c, &node, err));
    return co_new_node(c, &node, err);
}
