/* Compiling: convolutions by oneDNN.
 *
 * Forward chooses the layouts (`any`); backward is asked for the same ones, and only where that
 * finds reference code for others, with a change of layout around it. Row-major activations
 * (`gemm:jit`) exist for every shape, so that one of the attempts succeeds.
 */
#include <string.h>

#include "backend/dnnl/compile.h"

typedef struct conv_mds {
    dnnl_memory_desc_t w; /* canonical: oihw, or goihw */
    dnnl_memory_desc_t any_w;
    dnnl_memory_desc_t b;
    dnnl_dims_t strides;
    dnnl_dims_t padding; /* on the left */
    dnnl_dims_t padding_right;
} conv_mds;

static conv_mds conv_layouts(const co_conv2d *v, co_shape in, co_shape out)
{
    conv_mds m;
    memset(&m, 0, sizeof(m));
    const dnnl_dims_t plain = {out.channels, in.channels, v->kernel_h, v->kernel_w};
    const dnnl_dims_t grouped = {v->groups, out.channels / v->groups, in.channels / v->groups,
                                 v->kernel_h, v->kernel_w};
    bool groups = v->groups > 1;
    dnnl_memory_desc_init_by_tag(&m.w, groups ? 5 : 4, groups ? grouped : plain, dnnl_f32,
                                 groups ? dnnl_goihw : dnnl_oihw);
    dnnl_memory_desc_init_by_tag(&m.any_w, groups ? 5 : 4, groups ? grouped : plain, dnnl_f32,
                                 dnnl_format_tag_any);
    const dnnl_dims_t bias = {out.channels};
    dnnl_memory_desc_init_by_tag(&m.b, 1, bias, dnnl_f32, dnnl_x);
    m.strides[0] = v->stride_h;
    m.strides[1] = v->stride_w;
    m.padding[0] = v->pad_h;
    m.padding[1] = v->pad_w;
    /* what the last window leaves over is negative padding */
    m.padding_right[0] = (out.height - 1) * v->stride_h + v->kernel_h - in.height - v->pad_h;
    m.padding_right[1] = (out.width - 1) * v->stride_w + v->kernel_w - in.width - v->pad_w;
    return m;
}

typedef enum layout_choice {
    SAME_LAYOUT,
    ANY_LAYOUT,
    ROWS_LAYOUT,
    CHANNELS_LAST_LAYOUT
} layout_choice;

/* One way to ask for a convolution. */
typedef struct attempt {
    dnnl_alg_kind_t algorithm;
    layout_choice layout;
} attempt;

enum { MAX_ATTEMPTS = 6 };

/* In order; `first`: SAME_LAYOUT where layouts exist already, else ANY_LAYOUT. */
static int list_attempts(co_kernel kernel, layout_choice first, attempt attempts[MAX_ATTEMPTS])
{
    int count = 0;
    if (kernel == CO_KERNEL_DNNL_WINOGRAD) {
        attempts[count++] = (attempt){dnnl_convolution_winograd, first};
    }
    if (kernel != CO_KERNEL_DNNL_GEMM) {
        attempts[count++] = (attempt){dnnl_convolution_direct, first};
        if (first != ANY_LAYOUT) {
            attempts[count++] = (attempt){dnnl_convolution_direct, ANY_LAYOUT};
        }
    }
    attempts[count++] = (attempt){dnnl_convolution_direct, ROWS_LAYOUT};
    attempts[count++] = (attempt){dnnl_convolution_direct, CHANNELS_LAST_LAYOUT};
    return count;
}

static dnnl_memory_desc_t attempt_md(const co_compile *c, const attempt *a, const co_value *v)
{
    switch (a->layout) {
    case SAME_LAYOUT:
        return co_dnnl_md(c, v);
    case ANY_LAYOUT:
        return co_dnnl_tag_md(c->rows, v->shape, dnnl_format_tag_any);
    case ROWS_LAYOUT:
        break;
    case CHANNELS_LAST_LAYOUT:
        return co_dnnl_tag_md(c->rows, v->shape, dnnl_nhwc);
    }
    return co_dnnl_tag_md(c->rows, v->shape, dnnl_nchw);
}

/* What is being asked for: x and y give shapes, and layouts for SAME_LAYOUT. */
typedef struct conv_request {
    co_lane_pass pass;
    const co_layer *layer;
    const conv_mds *mds;
    const co_value *x;
    const co_value *y;
    const_dnnl_primitive_desc_t hint;
    bool relu;
} conv_request;

static dnnl_status_t describe(const conv_request *r, dnnl_alg_kind_t algorithm,
                              const dnnl_memory_desc_t *x, const dnnl_memory_desc_t *y,
                              dnnl_convolution_desc_t *desc)
{
    const conv_mds *m = r->mds;
    const dnnl_memory_desc_t *bias = r->layer->bias >= 0 ? &m->b : NULL;
    switch (r->pass) {
    case CO_LANE_FORWARD:
        return dnnl_convolution_forward_desc_init(desc, dnnl_forward_training, algorithm, x,
                                                  &m->any_w, bias, y, m->strides, m->padding,
                                                  m->padding_right);
    case CO_LANE_DATA:
        return dnnl_convolution_backward_data_desc_init(desc, algorithm, x, &m->any_w, y,
                                                        m->strides, m->padding, m->padding_right);
    case CO_LANE_WEIGHTS:
        break;
    }
    return dnnl_convolution_backward_weights_desc_init(desc, algorithm, x, &m->any_w, bias, y,
                                                       m->strides, m->padding, m->padding_right);
}

static co_status find_conv(co_compile *c, const conv_request *r, co_kernel kernel,
                           layout_choice first, dnnl_primitive_desc_t *pd, co_error *err)
{
    attempt attempts[MAX_ATTEMPTS];
    int count = list_attempts(kernel, first, attempts);
    for (int i = 0; i < count; i++) {
        dnnl_memory_desc_t x = attempt_md(c, &attempts[i], r->x);
        dnnl_memory_desc_t y = attempt_md(c, &attempts[i], r->y);
        dnnl_convolution_desc_t desc;
        CO_TRY(co_library_check(describe(r, attempts[i].algorithm, &x, &y, &desc), r->layer->name,
                                err));
        CO_TRY(co_primitive_find(&c->plan->backend->library, &desc, r->hint, r->relu, pd, err));
        if (*pd != NULL) {
            return CO_OK;
        }
    }
    return co_fail(err, CO_UNSUPPORTED,
                   "oneDNN has no kernel for layer '%s' on this processor; the lane kernels may",
                   r->layer->name);
}

/* ------------------------------------------------------------------ backward */

static co_status weights_call(co_compile *c, co_node *node, const conv_mds *m, int dy,
                              const_dnnl_primitive_desc_t pd, co_error *err)
{
    const co_layer *l = &c->graph->layers[node->layer];
    const co_value *in = &c->values[node->in[0]];
    dnnl_memory_desc_t have_x = co_dnnl_md(c, in);
    dnnl_memory_desc_t have_y = co_dnnl_md(c, &c->values[node->out]);
    dnnl_memory_desc_t x = co_primitive_md(pd, dnnl_query_src_md, 0);
    dnnl_memory_desc_t y = co_primitive_md(pd, dnnl_query_diff_dst_md, 0);
    dnnl_memory_desc_t w = co_primitive_md(pd, dnnl_query_diff_weights_md, 0);
    co_call call = co_new_call(node->layer, CO_BACKWARD_WEIGHTS);
    int x_buffer = CO_NO_BUFFER;
    int y_buffer = CO_NO_BUFFER;
    int dw = CO_NO_BUFFER;
    int db = CO_NO_BUFFER;
    CO_TRY(co_dnnl_as(c, &call.op, in->data, &have_x, &x, &x_buffer, err));
    CO_TRY(co_dnnl_as(c, &call.op, dy, &have_y, &y, &y_buffer, err));
    CO_TRY(co_grad_buffer(c, l->weight, &dw, err));
    CO_TRY(co_grad_buffer(c, l->bias, &db, err));
    int blocked = dw;
    bool canonical = dnnl_memory_desc_equal(&w, &m->w) != 0;
    if (!canonical) {
        CO_TRY(co_new_buffer(c, dnnl_memory_desc_get_size(&w), CO_BUFFER_SCRATCH, &blocked, err));
    }
    co_call_arg(&call, DNNL_ARG_SRC, x, x_buffer);
    co_call_arg(&call, DNNL_ARG_DIFF_DST, y, y_buffer);
    co_call_arg(&call, DNNL_ARG_DIFF_WEIGHTS, w, blocked);
    co_call_arg(&call, DNNL_ARG_DIFF_BIAS, m->b, db);
    CO_TRY(co_emit_call(c, &call, pd, err));
    return canonical ? CO_OK : co_dnnl_emit_reorder(c, &call.op, blocked, &w, dw, &m->w, err);
}

static co_status conv_weights(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *l = &c->graph->layers[node->layer];
    int dy = CO_NO_BUFFER;
    CO_TRY(co_masked_gradient(c, node, &dy, err));
    co_value *in = &c->values[node->in[0]];
    co_value *out = &c->values[node->out];
    conv_mds m = conv_layouts(&l->u.conv, in->shape, out->shape);
    conv_request r = {CO_LANE_WEIGHTS, l, &m, in, out, node->hint, false};
    dnnl_primitive_desc_t pd = NULL;
    CO_TRY(find_conv(c, &r, node->u.kernel.pass[CO_LANE_WEIGHTS], SAME_LAYOUT, &pd, err));
    co_status status = weights_call(c, node, &m, dy, pd, err);
    dnnl_primitive_desc_destroy(pd);
    return status;
}

static co_status data_call(co_compile *c, co_node *node, const conv_mds *m, int dy, int dx,
                           const_dnnl_primitive_desc_t pd, co_error *err)
{
    const co_layer *l = &c->graph->layers[node->layer];
    dnnl_memory_desc_t want_x = co_dnnl_md(c, &c->values[node->in[0]]);
    dnnl_memory_desc_t have_y = co_dnnl_md(c, &c->values[node->out]);
    dnnl_memory_desc_t x = co_primitive_md(pd, dnnl_query_diff_src_md, 0);
    dnnl_memory_desc_t y = co_primitive_md(pd, dnnl_query_diff_dst_md, 0);
    dnnl_memory_desc_t w = co_primitive_md(pd, dnnl_query_weights_md, 0);
    co_call call = co_new_call(node->layer, CO_BACKWARD_DATA);
    int y_buffer = CO_NO_BUFFER;
    int weights = CO_NO_BUFFER;
    int x_buffer = dx;
    CO_TRY(co_dnnl_as(c, &call.op, dy, &have_y, &y, &y_buffer, err));
    CO_TRY(co_model_dnnl_copy(c->plan, l->weight, &m->w, &w, &weights, err));
    bool same = dnnl_memory_desc_equal(&x, &want_x) != 0;
    if (!same) {
        CO_TRY(co_new_buffer(c, dnnl_memory_desc_get_size(&x), CO_BUFFER_SCRATCH, &x_buffer, err));
    }
    co_call_arg(&call, DNNL_ARG_DIFF_DST, y, y_buffer);
    co_call_arg(&call, DNNL_ARG_WEIGHTS, w, weights);
    co_call_arg(&call, DNNL_ARG_DIFF_SRC, x, x_buffer);
    CO_TRY(co_emit_call(c, &call, pd, err));
    return same ? CO_OK : co_dnnl_emit_reorder(c, &call.op, x_buffer, &x, dx, &want_x, err);
}

static co_status conv_data(co_compile *c, co_node *node, co_error *err)
{
    const co_layer *l = &c->graph->layers[node->layer];
    int dy = CO_NO_BUFFER;
    int dx = CO_NO_BUFFER;
    CO_TRY(co_masked_gradient(c, node, &dy, err));
    co_value *in = &c->values[node->in[0]];
    co_value *out = &c->values[node->out];
    CO_TRY(co_gradient_like(c, in, &dx, err));
    conv_mds m = conv_layouts(&l->u.conv, in->shape, out->shape);
    conv_request r = {CO_LANE_DATA, l, &m, in, out, node->hint, false};
    dnnl_primitive_desc_t pd = NULL;
    CO_TRY(find_conv(c, &r, node->u.kernel.pass[CO_LANE_DATA], SAME_LAYOUT, &pd, err));
    co_status status = data_call(c, node, &m, dy, dx, pd, err);
    dnnl_primitive_desc_destroy(pd);
    CO_TRY(status);
    return co_contribute(c, node->in[0], node->layer, dx, true, false, err);
}

static const co_node_class conv_class = {.weights = conv_weights, .data = conv_data};

/* ------------------------------------------------------------------ forward */

static co_status forward_call(co_compile *c, const co_node *node, const conv_mds *m, co_error *err)
{
    const co_layer *l = &c->graph->layers[node->layer];
    dnnl_memory_desc_t x = co_primitive_md(node->hint, dnnl_query_src_md, 0);
    dnnl_memory_desc_t y = co_primitive_md(node->hint, dnnl_query_dst_md, 0);
    dnnl_memory_desc_t w = co_primitive_md(node->hint, dnnl_query_weights_md, 0);
    int weights = CO_NO_BUFFER;
    int bias = CO_NO_BUFFER;
    CO_TRY(co_model_dnnl_copy(c->plan, l->weight, &m->w, &w, &weights, err));
    CO_TRY(co_param_buffer(c, l->bias, &bias, err));
    co_call call = co_new_call(node->layer, CO_FORWARD);
    co_call_arg(&call, DNNL_ARG_SRC, x, c->values[node->in[0]].data);
    co_call_arg(&call, DNNL_ARG_WEIGHTS, w, weights);
    co_call_arg(&call, DNNL_ARG_BIAS, m->b, bias);
    co_call_arg(&call, DNNL_ARG_DST, y, c->values[node->out].data);
    return co_emit_call(c, &call, node->hint, err);
}

co_status co_dnnl_conv_node(co_compile *c, int layer, const co_kernel_choice *kernel, co_error *err)
{
    const co_layer *l = &c->graph->layers[layer];
    int in = -1;
    CO_TRY(co_dnnl_value(c, l->inputs[0], &in, err));
    int last = layer;
    bool relu = co_absorb_relu(c, layer, &last);
    conv_mds m = conv_layouts(&l->u.conv, c->values[in].shape, c->shapes[layer]);
    co_value y = {.shape = c->shapes[layer]};
    conv_request r = {CO_LANE_FORWARD, l, &m, &c->values[in], &y, NULL, relu};
    dnnl_primitive_desc_t pd = NULL;
    CO_TRY(find_conv(c, &r, kernel->pass[CO_LANE_FORWARD], ANY_LAYOUT, &pd, err));
    co_node node = co_make_node(&conv_class, layer, in, -1);
    node.relu = relu;
    node.hint = pd;
    node.u.kernel = *kernel;
    dnnl_memory_desc_t want_x = co_primitive_md(pd, dnnl_query_src_md, 0);
    dnnl_memory_desc_t have_x = co_dnnl_md(c, &c->values[in]);
    dnnl_memory_desc_t y_md = co_primitive_md(pd, dnnl_query_dst_md, 0);
    co_status status = CO_OK;
    if (dnnl_memory_desc_equal(&want_x, &have_x) == 0) {
        CO_TRY_GOTO(status, co_dnnl_reorder_node(c, in, &want_x, &node.in[0], err), destroy_pd);
    }
    CO_TRY_GOTO(status, co_dnnl_new_value(c, last, c->shapes[layer], &y_md, &node.out, err),
                destroy_pd);
    c->values[node.out].rectified = relu;
    c->value_of[last] = node.out;
    CO_TRY_GOTO(status, co_new_node(c, &node, err), destroy_pd); /* it owns pd from here */
    return forward_call(c, &node, &m, err);

destroy_pd:
    dnnl_primitive_desc_destroy(pd);
    return status;
}
