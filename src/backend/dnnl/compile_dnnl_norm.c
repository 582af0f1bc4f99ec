/* Compiling: batch norm and pooling by oneDNN, in the layout of their input. */
#include <string.h>

#include "backend/dnnl/compile.h"

/* The input's layout, else row-major, else channels last: whichever has a real kernel. */
enum { LAYOUTS = 3 };

static dnnl_memory_desc_t layout_number(const co_compile *c, int value, int number)
{
    const co_value *v = &c->values[value];
    if (number == 0) {
        return co_dnnl_md(c, v);
    }
    return co_dnnl_tag_md(c->rows, v->shape, number == 1 ? dnnl_nchw : dnnl_nhwc);
}

/* The value itself, or a copy in the layout that was found. */
static co_status input_in(co_compile *c, int *value, const dnnl_memory_desc_t *md, co_error *err)
{
    dnnl_memory_desc_t have = co_dnnl_md(c, &c->values[*value]);
    if (dnnl_memory_desc_equal(&have, md) != 0) {
        return CO_OK;
    }
    return co_dnnl_reorder_node(c, *value, md, value, err);
}

static co_status unsupported(const co_compile *c, int layer, co_error *err)
{
    return co_fail(err, CO_UNSUPPORTED, "oneDNN has no kernel for layer '%s' on this processor",
                   c->graph->layers[layer].name);
}

/* ------------------------------------------------------------------ batch norm */

enum { AUX_MEAN, AUX_VARIANCE, AUX_WORKSPACE, AUX_DX };

/* running = (1 - momentum) * running + momentum * batch; the variance there is the unbiased. */
static void run_running(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)plan;
    (void)thread;
    const co_running_op *d = &op->u.running;
    const float *mean = op->at[0];
    const float *variance = op->at[1];
    float *running_mean = op->at[2];
    float *running_variance = op->at[3];
    for (int i = begin; i < end; i++) {
        float unbiased = variance[i] * d->unbiased;
        running_mean[i] += d->momentum * (mean[i] - running_mean[i]);
        running_variance[i] += d->momentum * (unbiased - running_variance[i]);
    }
}

static co_status emit_running(co_compile *c, const co_node *node, co_error *err)
{
    const co_layer *l = &c->graph->layers[node->layer];
    co_shape shape = c->values[node->out].shape;
    double n = (double)c->rows * shape.height * shape.width;
    co_op op = co_new_op(node->layer, CO_FORWARD);
    op.team = run_running;
    op.items = shape.channels;
    op.u.running = (co_running_op){.channels = shape.channels,
                                   .momentum = l->u.norm.momentum,
                                   .unbiased = (float)(n > 1.0 ? n / (n - 1.0) : 1.0)};
    op.buffer[0] = node->aux[AUX_MEAN];
    op.buffer[1] = node->aux[AUX_VARIANCE];
    CO_TRY(co_stat_buffer(c, l->mean, &op.buffer[2], err));
    CO_TRY(co_stat_buffer(c, l->variance, &op.buffer[3], err));
    return co_emit_op(c, &op, err);
}

static dnnl_memory_desc_t channels_md(int channels)
{
    dnnl_memory_desc_t md;
    memset(&md, 0, sizeof(md));
    const dnnl_dims_t dims = {channels};
    dnnl_memory_desc_init_by_tag(&md, 1, dims, dnnl_f32, dnnl_x);
    return md;
}

/* Whether the statistics are those of the batch: not in evaluation, nor where they are frozen. */
static bool of_batch(const co_compile *c, const co_layer *l)
{
    return c->train && !l->u.norm.frozen;
}

static unsigned norm_flags(const co_compile *c, const co_layer *l, bool relu)
{
    unsigned flags = (unsigned)dnnl_use_scale | (unsigned)dnnl_use_shift;
    if (!of_batch(c, l)) {
        flags |= (unsigned)dnnl_use_global_stats;
    }
    return relu ? flags | (unsigned)dnnl_fuse_norm_relu : flags;
}

static co_status norm_weights(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *l = &c->graph->layers[node->layer];
    co_value *in = &c->values[node->in[0]];
    co_value *out = &c->values[node->out];
    dnnl_memory_desc_t md = co_dnnl_md(c, in);
    dnnl_memory_desc_t per_channel = channels_md(in->shape.channels);
    dnnl_batch_normalization_desc_t desc;
    CO_TRY(co_library_check(
        dnnl_batch_normalization_backward_desc_init(
            &desc, dnnl_backward, &md, &md, l->u.norm.epsilon, norm_flags(c, l, node->relu)),
        l->name, err));
    dnnl_primitive_desc_t pd = NULL;
    CO_TRY(co_primitive_find(&c->plan->backend->library, &desc, node->hint, false, &pd, err));
    if (pd == NULL) {
        return unsupported(c, node->layer, err);
    }
    co_call call = co_new_call(node->layer, CO_BACKWARD_WEIGHTS);
    int gamma = CO_NO_BUFFER;
    int beta = CO_NO_BUFFER;
    int dgamma = CO_NO_BUFFER;
    int dbeta = CO_NO_BUFFER;
    co_status status = CO_OK;
    CO_TRY_GOTO(status, co_param_buffer(c, l->weight, &gamma, err), destroy_pd);
    CO_TRY_GOTO(status, co_param_buffer(c, l->bias, &beta, err), destroy_pd);
    CO_TRY_GOTO(status, co_grad_buffer(c, l->weight, &dgamma, err), destroy_pd);
    CO_TRY_GOTO(status, co_grad_buffer(c, l->bias, &dbeta, err), destroy_pd);
    CO_TRY_GOTO(status, co_gradient_like(c, in, &node->aux[AUX_DX], err), destroy_pd);
    co_call_arg(&call, DNNL_ARG_SRC, md, in->data);
    co_call_arg(&call, DNNL_ARG_DIFF_DST, md, out->grad);
    co_call_arg(&call, DNNL_ARG_MEAN, per_channel, node->aux[AUX_MEAN]);
    co_call_arg(&call, DNNL_ARG_VARIANCE, per_channel, node->aux[AUX_VARIANCE]);
    co_call_arg(&call, DNNL_ARG_SCALE, per_channel, gamma);
    co_call_arg(&call, DNNL_ARG_SHIFT, per_channel, beta); /* not read, but asked for */
    co_call_arg(&call, DNNL_ARG_DIFF_SRC, md, node->aux[AUX_DX]);
    co_call_arg(&call, DNNL_ARG_DIFF_SCALE, per_channel, dgamma);
    co_call_arg(&call, DNNL_ARG_DIFF_SHIFT, per_channel, dbeta);
    co_call_arg(&call, DNNL_ARG_WORKSPACE, co_primitive_md(pd, dnnl_query_workspace_md, 0),
                node->aux[AUX_WORKSPACE]);
    status = co_emit_call(c, &call, pd, err);

destroy_pd:
    dnnl_primitive_desc_destroy(pd);
    return status;
}

static co_status norm_data(co_compile *c, co_node *node, co_error *err)
{
    return co_contribute(c, node->in[0], node->layer, node->aux[AUX_DX], true, false, err);
}

static const co_node_class norm_class = {.weights = norm_weights, .data = norm_data};

static co_status find_norm(co_compile *c, const co_layer *l, int in, bool relu,
                           dnnl_primitive_desc_t *pd, dnnl_memory_desc_t *md, co_error *err)
{
    dnnl_prop_kind_t kind = c->train ? dnnl_forward_training : dnnl_forward_inference;
    *pd = NULL;
    for (int i = 0; i < LAYOUTS && *pd == NULL; i++) {
        *md = layout_number(c, in, i);
        dnnl_batch_normalization_desc_t desc;
        CO_TRY(co_library_check(dnnl_batch_normalization_forward_desc_init(
                                    &desc, kind, md, l->u.norm.epsilon, norm_flags(c, l, relu)),
                                l->name, err));
        CO_TRY(co_primitive_find(&c->plan->backend->library, &desc, NULL, false, pd, err));
        if (*pd == NULL || !c->train) {
            continue;
        }
        /* backward must have a kernel for the same layout */
        dnnl_batch_normalization_desc_t back;
        dnnl_primitive_desc_t found = NULL;
        CO_TRY(co_library_check(
            dnnl_batch_normalization_backward_desc_init(&back, dnnl_backward, md, md,
                                                        l->u.norm.epsilon, norm_flags(c, l, relu)),
            l->name, err));
        CO_TRY(co_primitive_find(&c->plan->backend->library, &back, *pd, false, &found, err));
        if (found == NULL) {
            dnnl_primitive_desc_destroy(*pd);
            *pd = NULL;
        } else {
            dnnl_primitive_desc_destroy(found);
        }
    }
    return CO_OK;
}

static co_status norm_call(co_compile *c, co_node *node, const dnnl_memory_desc_t *md,
                           co_error *err)
{
    const co_layer *l = &c->graph->layers[node->layer];
    dnnl_memory_desc_t per_channel = channels_md(c->values[node->in[0]].shape.channels);
    co_call call = co_new_call(node->layer, CO_FORWARD);
    int gamma = CO_NO_BUFFER;
    int beta = CO_NO_BUFFER;
    CO_TRY(co_param_buffer(c, l->weight, &gamma, err));
    CO_TRY(co_param_buffer(c, l->bias, &beta, err));
    co_call_arg(&call, DNNL_ARG_SRC, *md, c->values[node->in[0]].data);
    co_call_arg(&call, DNNL_ARG_MEAN, per_channel, node->aux[AUX_MEAN]);
    co_call_arg(&call, DNNL_ARG_VARIANCE, per_channel, node->aux[AUX_VARIANCE]);
    co_call_arg(&call, DNNL_ARG_SCALE, per_channel, gamma);
    co_call_arg(&call, DNNL_ARG_SHIFT, per_channel, beta);
    co_call_arg(&call, DNNL_ARG_DST, *md, c->values[node->out].data);
    co_call_arg(&call, DNNL_ARG_WORKSPACE, co_primitive_md(node->hint, dnnl_query_workspace_md, 0),
                node->aux[AUX_WORKSPACE]);
    return co_emit_call(c, &call, node->hint, err);
}

/* The statistics of the batch are the primitive's output, running ones its input. */
static co_status norm_buffers(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *l = &c->graph->layers[node->layer];
    if (of_batch(c, l)) {
        size_t bytes = (size_t)c->values[node->in[0]].shape.channels * sizeof(float);
        CO_TRY(co_new_buffer(c, bytes, CO_BUFFER_ACTIVATION, &node->aux[AUX_MEAN], err));
        CO_TRY(co_new_buffer(c, bytes, CO_BUFFER_ACTIVATION, &node->aux[AUX_VARIANCE], err));
    } else {
        CO_TRY(co_stat_buffer(c, l->mean, &node->aux[AUX_MEAN], err));
        CO_TRY(co_stat_buffer(c, l->variance, &node->aux[AUX_VARIANCE], err));
    }
    if (!c->train) {
        return CO_OK;
    }
    dnnl_memory_desc_t workspace = co_primitive_md(node->hint, dnnl_query_workspace_md, 0);
    if (dnnl_memory_desc_get_size(&workspace) == 0) {
        return CO_OK;
    }
    return co_new_buffer(c, dnnl_memory_desc_get_size(&workspace), CO_BUFFER_ACTIVATION,
                         &node->aux[AUX_WORKSPACE], err);
}

co_status co_dnnl_norm_node(co_compile *c, int layer, co_error *err)
{
    const co_layer *l = &c->graph->layers[layer];
    int in = -1;
    CO_TRY(co_dnnl_value(c, l->inputs[0], &in, err));
    int last = layer;
    bool relu = co_absorb_relu(c, layer, &last);
    co_node node = co_make_node(&norm_class, layer, in, -1);
    node.relu = relu;
    dnnl_memory_desc_t md;
    CO_TRY(find_norm(c, l, in, relu, &node.hint, &md, err));
    if (node.hint == NULL) {
        return unsupported(c, layer, err);
    }
    co_status status = CO_OK;
    CO_TRY_GOTO(status, input_in(c, &node.in[0], &md, err), destroy_hint);
    CO_TRY_GOTO(status, co_dnnl_new_value(c, last, c->shapes[layer], &md, &node.out, err),
                destroy_hint);
    CO_TRY_GOTO(status, norm_buffers(c, &node, err), destroy_hint);
    c->value_of[last] = node.out;
    CO_TRY_GOTO(status, co_new_node(c, &node, err), destroy_hint); /* it owns the hint */
    CO_TRY(norm_call(c, &node, &md, err));
    return of_batch(c, l) ? emit_running(c, &node, err) : CO_OK;

destroy_hint:
    dnnl_primitive_desc_destroy(node.hint);
    return status;
}

/* ------------------------------------------------------------------ pooling */

typedef struct pool_dims {
    dnnl_dims_t strides;
    dnnl_dims_t kernel;
    dnnl_dims_t padding;
    dnnl_dims_t padding_right;
} pool_dims;

static pool_dims pool_layout(const co_layer *l, co_shape in, co_shape out)
{
    co_pool2d p = co_pool_of(l, in);
    pool_dims d;
    memset(&d, 0, sizeof(d));
    d.strides[0] = p.stride_h;
    d.strides[1] = p.stride_w;
    d.kernel[0] = p.kernel_h;
    d.kernel[1] = p.kernel_w;
    d.padding[0] = p.pad_h;
    d.padding[1] = p.pad_w;
    d.padding_right[0] = (out.height - 1) * p.stride_h + p.kernel_h - in.height - p.pad_h;
    d.padding_right[1] = (out.width - 1) * p.stride_w + p.kernel_w - in.width - p.pad_w;
    return d;
}

static dnnl_alg_kind_t pool_algorithm(const co_layer *l)
{
    bool max = l->kind == CO_LAYER_MAX_POOL || l->kind == CO_LAYER_GLOBAL_MAX_POOL;
    return max ? dnnl_pooling_max : dnnl_pooling_avg_include_padding;
}

/* The forward implementation for this layout of the input; any for the output. */
static co_status find_pool(co_compile *c, const co_layer *l, const dnnl_memory_desc_t *x,
                           co_shape in, co_shape out, dnnl_primitive_desc_t *pd, co_error *err)
{
    pool_dims d = pool_layout(l, in, out);
    dnnl_memory_desc_t y = co_dnnl_tag_md(c->rows, out, dnnl_format_tag_any);
    dnnl_prop_kind_t kind = c->train ? dnnl_forward_training : dnnl_forward_inference;
    dnnl_pooling_desc_t desc;
    CO_TRY(co_library_check(dnnl_pooling_forward_desc_init(&desc, kind, pool_algorithm(l), x, &y,
                                                           d.strides, d.kernel, d.padding,
                                                           d.padding_right),
                            l->name, err));
    return co_primitive_find(&c->plan->backend->library, &desc, NULL, false, pd, err);
}

static co_status find_pool_backward(co_compile *c, const co_layer *l, const dnnl_memory_desc_t *x,
                                    const dnnl_memory_desc_t *y, co_shape in, co_shape out,
                                    const_dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *pd,
                                    co_error *err)
{
    pool_dims d = pool_layout(l, in, out);
    dnnl_pooling_desc_t desc;
    CO_TRY(
        co_library_check(dnnl_pooling_backward_desc_init(&desc, pool_algorithm(l), x, y, d.strides,
                                                         d.kernel, d.padding, d.padding_right),
                         l->name, err));
    return co_primitive_find(&c->plan->backend->library, &desc, hint, false, pd, err);
}

static co_status pool_data(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *l = &c->graph->layers[node->layer];
    co_value *in = &c->values[node->in[0]];
    co_value *out = &c->values[node->out];
    dnnl_memory_desc_t x = co_dnnl_md(c, in);
    dnnl_memory_desc_t y = co_dnnl_md(c, out);
    dnnl_primitive_desc_t pd = NULL;
    CO_TRY(find_pool_backward(c, l, &x, &y, in->shape, out->shape, node->hint, &pd, err));
    if (pd == NULL) {
        return unsupported(c, node->layer, err);
    }
    int dx = CO_NO_BUFFER;
    co_status status = co_gradient_like(c, in, &dx, err);
    if (status == CO_OK) {
        co_call call = co_new_call(node->layer, CO_BACKWARD_DATA);
        co_call_arg(&call, DNNL_ARG_DIFF_DST, y, out->grad);
        co_call_arg(&call, DNNL_ARG_DIFF_SRC, x, dx);
        co_call_arg(&call, DNNL_ARG_WORKSPACE, co_primitive_md(pd, dnnl_query_workspace_md, 0),
                    node->aux[AUX_WORKSPACE]);
        status = co_emit_call(c, &call, pd, err);
    }
    dnnl_primitive_desc_destroy(pd);
    CO_TRY(status);
    return co_contribute(c, node->in[0], node->layer, dx, true, false, err);
}

static const co_node_class pool_class = {.data = pool_data};

/* A layout in which forward and (in training) backward have real kernels. */
static co_status choose_pool(co_compile *c, int layer, int in, dnnl_memory_desc_t *x,
                             dnnl_primitive_desc_t *pd, co_error *err)
{
    const co_layer *l = &c->graph->layers[layer];
    co_shape in_shape = c->values[in].shape;
    *pd = NULL;
    for (int i = 0; i < LAYOUTS && *pd == NULL; i++) {
        *x = layout_number(c, in, i);
        CO_TRY(find_pool(c, l, x, in_shape, c->shapes[layer], pd, err));
        if (*pd == NULL || !c->train) {
            continue;
        }
        dnnl_memory_desc_t y = co_primitive_md(*pd, dnnl_query_dst_md, 0);
        dnnl_primitive_desc_t back = NULL;
        CO_TRY(find_pool_backward(c, l, x, &y, in_shape, c->shapes[layer], *pd, &back, err));
        if (back == NULL) {
            dnnl_primitive_desc_destroy(*pd);
            *pd = NULL;
        } else {
            dnnl_primitive_desc_destroy(back);
        }
    }
    return *pd == NULL ? unsupported(c, layer, err) : CO_OK;
}

static co_status pool_call(co_compile *c, co_node *node, const dnnl_memory_desc_t *x,
                           const dnnl_memory_desc_t *y, co_error *err)
{
    dnnl_memory_desc_t workspace = co_primitive_md(node->hint, dnnl_query_workspace_md, 0);
    if (dnnl_memory_desc_get_size(&workspace) > 0) {
        CO_TRY(co_new_buffer(c, dnnl_memory_desc_get_size(&workspace), CO_BUFFER_ACTIVATION,
                             &c->nodes[c->node_count - 1].aux[AUX_WORKSPACE], err));
    }
    co_call call = co_new_call(node->layer, CO_FORWARD);
    co_call_arg(&call, DNNL_ARG_SRC, *x, c->values[node->in[0]].data);
    co_call_arg(&call, DNNL_ARG_DST, *y, c->values[node->out].data);
    co_call_arg(&call, DNNL_ARG_WORKSPACE, workspace,
                c->nodes[c->node_count - 1].aux[AUX_WORKSPACE]);
    return co_emit_call(c, &call, node->hint, err);
}

co_status co_dnnl_pool_node(co_compile *c, int layer, co_error *err)
{
    const co_layer *l = &c->graph->layers[layer];
    int in = -1;
    CO_TRY(co_dnnl_value(c, l->inputs[0], &in, err));
    co_node node = co_make_node(&pool_class, layer, in, -1);
    dnnl_memory_desc_t x;
    CO_TRY(choose_pool(c, layer, in, &x, &node.hint, err));
    dnnl_memory_desc_t y = co_primitive_md(node.hint, dnnl_query_dst_md, 0);
    co_status status = CO_OK;
    CO_TRY_GOTO(status, input_in(c, &node.in[0], &x, err), destroy_hint);
    CO_TRY_GOTO(status, co_dnnl_new_value(c, layer, c->shapes[layer], &y, &node.out, err),
                destroy_hint);
    c->value_of[layer] = node.out;
    CO_TRY_GOTO(status, co_new_node(c, &node, err), destroy_hint); /* it owns the hint */
    return pool_call(c, &node, &x, &y, err);

destroy_hint:
    dnnl_primitive_desc_destroy(node.hint);
    return status;
}
