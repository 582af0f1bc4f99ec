/* Compiling: the layers whose operation does not care about the layout. */
#include "backend/dnnl/compile.h"

/* ------------------------------------------------------------------ views */

static co_status view_data(co_compile *c, co_node *node, co_error *err)
{
    co_value *out = &c->values[node->out];
    return co_contribute(c, node->in[0], node->layer, out->grad, out->grad_owned, out->grad_masked,
                         err);
}

static const co_node_class view_class = {.data = view_data};

/* Flatten, and dropout in evaluation: the same numbers under another shape. */
co_status co_view_node(co_compile *c, int layer, co_error *err)
{
    int input = c->graph->layers[layer].inputs[0];
    int from = c->value_of[input];
    bool reshapes = c->graph->layers[layer].kind == CO_LAYER_FLATTEN;
    if (from < 0 || (reshapes && c->values[from].layout == CO_LAYOUT_BLOCKED)) {
        bool lane = from >= 0 && c->values[from].layout == CO_LAYOUT_LANE;
        bool rows = from >= 0 ? !lane : c->plan->backend->forced == CO_FAMILY_DNNL;
        CO_TRY(co_value_as(c, input, rows ? CO_LAYOUT_ROWS : CO_LAYOUT_LANE, &from, err));
    }
    int value = -1;
    CO_TRY(co_new_view(c, layer, c->shapes[layer], from, &value, err));
    c->value_of[layer] = value;
    co_node node = co_make_node(&view_class, layer, from, value);
    return co_new_node(c, &node, err);
}

/* ------------------------------------------------------------------ ReLU */

static co_status relu_data(co_compile *c, co_node *node, co_error *err)
{
    int buffer = CO_NO_BUFFER;
    CO_TRY(co_masked_gradient(c, node, &buffer, err));
    return co_contribute(c, node->in[0], node->layer, buffer, c->values[node->out].grad_owned,
                         false, err);
}

static const co_node_class relu_class = {.data = relu_data};

/* ------------------------------------------------------------------ add (and ReLU) */

static co_status add_data(co_compile *c, co_node *node, co_error *err)
{
    int buffer = CO_NO_BUFFER;
    CO_TRY(co_masked_gradient(c, node, &buffer, err));
    bool both = c->values[node->in[0]].wants_grad && c->values[node->in[1]].wants_grad;
    bool owned = c->values[node->out].grad_owned && !both;
    for (int i = 0; i < 2; i++) {
        if (c->values[node->in[i]].wants_grad) {
            CO_TRY(co_contribute(c, node->in[i], node->layer, buffer, owned, false, err));
        }
    }
    return CO_OK;
}

static const co_node_class add_class = {.data = add_data};

/* ------------------------------------------------------------------ scale */

static co_status scale_data(co_compile *c, co_node *node, co_error *err)
{
    co_value *in = &c->values[node->in[0]];
    int dx = CO_NO_BUFFER;
    CO_TRY(co_gradient_like(c, in, &dx, err));
    co_op op = co_new_op(node->layer, CO_BACKWARD_DATA);
    op.buffer[0] = c->values[node->out].grad;
    op.buffer[1] = dx;
    op.u.flat.factor = node->u.factor;
    CO_TRY(co_emit_flat(c, CO_FLAT_SCALE, &op, in, err));
    return co_contribute(c, node->in[0], node->layer, dx, true, false, err);
}

static const co_node_class scale_class = {.data = scale_data};

/* ------------------------------------------------------------------ forward of all three */

/* The inputs in one layout: that of the first. */
static co_status inputs_alike(co_compile *c, const co_layer *layer, int in[2], co_error *err)
{
    int first = c->value_of[layer->inputs[0]];
    if (first < 0) { /* the network's input itself */
        bool rows = c->plan->backend->forced == CO_FAMILY_DNNL;
        CO_TRY(
            co_value_as(c, layer->inputs[0], rows ? CO_LAYOUT_ROWS : CO_LAYOUT_LANE, &first, err));
    }
    in[0] = first;
    in[1] = -1;
    if (layer->inputs[1] < 0) {
        return CO_OK;
    }
    if (c->values[first].layout != CO_LAYOUT_BLOCKED) {
        return co_value_as(c, layer->inputs[1], c->values[first].layout, &in[1], err);
    }
    int second = c->value_of[layer->inputs[1]];
    if (second < 0 || c->values[second].layout == CO_LAYOUT_LANE) {
        CO_TRY(co_value_as(c, layer->inputs[1], CO_LAYOUT_ROWS, &second, err));
    }
    dnnl_memory_desc_t md = c->values[first].md;
    if (c->values[second].layout == CO_LAYOUT_BLOCKED &&
        dnnl_memory_desc_equal(&c->values[second].md, &md) != 0) {
        in[1] = second;
        return CO_OK;
    }
    return co_dnnl_reorder_node(c, second, &md, &in[1], err);
}

co_status co_simple_node(co_compile *c, int layer, co_error *err)
{
    const co_layer *l = &c->graph->layers[layer];
    int in[2];
    CO_TRY(inputs_alike(c, l, in, err));
    int last = layer;
    bool relu = l->kind == CO_LAYER_RELU;
    if (l->kind == CO_LAYER_ADD) {
        relu = co_absorb_relu(c, layer, &last);
    }
    dnnl_memory_desc_t md = c->values[in[0]].md;
    co_layout_kind layout = c->values[in[0]].layout;
    int out = -1;
    CO_TRY(co_new_value(c, last, c->shapes[layer], layout, layout == CO_LAYOUT_BLOCKED ? &md : NULL,
                        0, &out, err));
    c->values[out].rectified = relu;
    c->value_of[last] = out;
    const co_node_class *class = l->kind == CO_LAYER_RELU  ? &relu_class
                                 : l->kind == CO_LAYER_ADD ? &add_class
                                                           : &scale_class;
    co_node node = co_make_node(class, layer, in[0], out);
    node.in[1] = in[1];
    node.relu = relu;
    node.u.factor = l->kind == CO_LAYER_SCALE ? l->u.factor : 0.0f;
    co_op op = co_new_op(layer, CO_FORWARD);
    co_flat_kind kind = l->kind == CO_LAYER_RELU ? CO_FLAT_RELU : CO_FLAT_SCALE;
    op.buffer[0] = c->values[in[0]].data;
    op.buffer[1] = c->values[out].data;
    if (l->kind == CO_LAYER_ADD) {
        kind = relu ? CO_FLAT_ADD_RELU : CO_FLAT_ADD;
        op.buffer[1] = c->values[in[1]].data;
        op.buffer[2] = c->values[out].data;
    }
    op.u.flat.factor = node.u.factor;
    CO_TRY(co_emit_flat(c, kind, &op, &c->values[out], err));
    return co_new_node(c, &node, err);
}
