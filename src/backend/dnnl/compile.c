/* Compiling a graph to a plan: the way through. */
#include "backend/dnnl/compile.h"

#include <string.h>

#include "backend/phases.h"
#include "base/alloc.h"

/* ------------------------------------------------------------------ questions about the graph */

static void count_consumers(co_compile *c)
{
    for (int i = 0; i < c->graph->layer_count; i++) {
        c->consumer[i] = -1;
        c->value_of[i] = -1;
    }
    for (int i = 0; i < c->graph->layer_count; i++) {
        for (int k = 0; k < 2; k++) {
            int input = c->graph->layers[i].inputs[k];
            if (input >= 0) {
                c->consumers[input]++;
                c->consumer[input] = i;
            }
        }
    }
}

int co_next_to_fuse(const co_compile *c, int layer)
{
    bool named = layer == c->graph->logits || layer == c->graph->features;
    return c->consumers[layer] == 1 && !named ? c->consumer[layer] : -1;
}

bool co_absorb_relu(co_compile *c, int layer, int *last)
{
    int next = co_next_to_fuse(c, layer);
    if (next < 0 || c->graph->layers[next].kind != CO_LAYER_RELU) {
        return false;
    }
    c->absorbed[next] = true;
    *last = next;
    return true;
}

co_pool2d co_pool_of(const co_layer *layer, co_shape in)
{
    if (layer->kind == CO_LAYER_GLOBAL_AVG_POOL || layer->kind == CO_LAYER_GLOBAL_MAX_POOL) {
        return (co_pool2d){
            .kernel_h = in.height, .kernel_w = in.width, .stride_h = 1, .stride_w = 1};
    }
    return layer->u.pool;
}

/* ------------------------------------------------------------------ layouts */

/* A copy of a value in lanes or row by row; from one of oneDNN's layouts to lanes by way of rows.
 */
static co_status change_layout(co_compile *c, int from, co_layout_kind layout, int *value,
                               co_error *err)
{
    if (c->values[from].layout != CO_LAYOUT_BLOCKED) {
        return co_lane_rows_node(c, from, value, err);
    }
    int rows = c->values[from].rows_version;
    if (rows < 0) {
        CO_TRY(co_dnnl_reorder_node(c, from, NULL, &rows, err));
        c->values[from].rows_version = rows;
    }
    if (layout == CO_LAYOUT_LANE) {
        return co_lane_rows_node(c, rows, value, err);
    }
    *value = rows;
    return CO_OK;
}

co_status co_value_as(co_compile *c, int layer, co_layout_kind layout, int *value, co_error *err)
{
    int first = c->value_of[layer];
    if (first < 0) {
        CO_TRY(co_input_node(c, layout, 0, &first, err)); /* the only layer not made yet */
        c->value_of[layer] = first;
    }
    if (c->values[first].layout == layout) {
        *value = first;
        return CO_OK;
    }
    bool rows = layout == CO_LAYOUT_ROWS;
    int version = rows ? c->values[first].rows_version : c->values[first].lane_version;
    if (version < 0) {
        CO_TRY(change_layout(c, first, layout, &version, err));
        *(rows ? &c->values[first].rows_version : &c->values[first].lane_version) = version;
    }
    *value = version;
    return CO_OK;
}

/* ------------------------------------------------------------------ forward */

co_kernel_query co_conv_query(const co_dnnl_backend *backend, const co_layer *layer, int batch,
                              co_shape in, co_shape out)
{
    co_kernel_query query = {
        .batch = batch,
        .in = in,
        .out = out,
        .conv = layer->u.conv,
        .isa = backend->lane->isa,
        .threads = co_team_threads(backend->base.team),
    };
    co_library_version(query.version);
    return query;
}

static co_status conv_node(co_compile *c, int layer, co_error *err)
{
    const co_layer *l = &c->graph->layers[layer];
    const co_dnnl_backend *backend = c->plan->backend;
    co_kernel_query query = co_conv_query(backend, l, c->rows, c->shapes[l->inputs[0]],
                                          c->shapes[layer]);
    co_kernel_choice kernel = co_kernel_choose(&query, &backend->tuning, backend->forced);
    if (co_kernel_is_lane(kernel.pass[CO_LANE_FORWARD])) {
        return co_lane_conv_node(c, layer, &kernel, err);
    }
    return co_dnnl_conv_node(c, layer, &kernel, err);
}

/* The other layers follow their input; the network's own input is taken in lanes. */
static co_status other_node(co_compile *c, int layer, co_error *err)
{
    const co_layer *l = &c->graph->layers[layer];
    enum { LARGEST_LANE_PLANE = 65535 }; /* of co_lane_ops.pool_forward */
    int input = c->value_of[l->inputs[0]];
    bool lane = input >= 0 ? c->values[input].layout == CO_LAYOUT_LANE
                           : c->plan->backend->forced != CO_FAMILY_DNNL;
    co_shape in = c->shapes[l->inputs[0]];
    if ((int64_t)in.height * in.width > LARGEST_LANE_PLANE) {
        lane = false;
    }
    if (l->kind == CO_LAYER_BATCH_NORM && co_norm_is_synced(c, layer)) {
        return co_sync_norm_node(c, layer, lane, err);
    }
    return lane ? co_lane_node(c, layer, err) : co_dnnl_node(c, layer, err);
}

static co_status check_norm(const co_compile *c, int layer, co_error *err)
{
    co_shape s = c->shapes[layer];
    bool frozen = c->graph->layers[layer].u.norm.frozen;
    if (co_norm_is_synced(c, layer) && c->plan->spec.sync->workers > 1) {
        return CO_OK; /* the others have values too */
    }
    if (c->train && !frozen && (int64_t)c->rows * s.height * s.width < 2) {
        return co_fail(err, CO_USAGE,
                       "layer '%s' (batch_norm): a batch of 1 with one value per channel has no "
                       "variance to train with; use a larger batch",
                       c->graph->layers[layer].name);
    }
    return CO_OK;
}

static co_status layer_node(co_compile *c, int layer, co_error *err)
{
    switch (c->graph->layers[layer].kind) {
    case CO_LAYER_INPUT:
        return CO_OK; /* when somebody asks for it: in which layout is not known yet */
    case CO_LAYER_CONV2D:
        return conv_node(c, layer, err);
    case CO_LAYER_FLATTEN:
        return co_view_node(c, layer, err);
    case CO_LAYER_ADD:
    case CO_LAYER_RELU:
    case CO_LAYER_SCALE:
        return co_simple_node(c, layer, err);
    case CO_LAYER_BATCH_NORM:
        CO_TRY(check_norm(c, layer, err));
        break;
    case CO_LAYER_DROPOUT:
    case CO_LAYER_CHANNEL_DROPOUT:
        if (!c->train) {
            return co_view_node(c, layer, err);
        }
        break;
    default:
        break;
    }
    return other_node(c, layer, err);
}

static co_status compile_output(co_compile *c, int layer, co_output which, int *value,
                                co_error *err)
{
    CO_TRY(co_value_as(c, layer, CO_LAYOUT_ROWS, value, err));
    c->plan->output[which] = c->values[*value].data;
    return CO_OK;
}

/* The caller writes the gradient between forward and backward, and may read it afterwards. */
static co_status seed_gradient(co_compile *c, int value, co_output which, co_error *err)
{
    int buffer = CO_NO_BUFFER;
    CO_TRY(co_gradient_like(c, &c->values[value], &buffer, err));
    co_buffers_touch(&c->plan->buffers, buffer, c->stage);
    co_buffers_touch(&c->plan->buffers, buffer, CO_FOREVER);
    c->plan->gradient[which] = buffer;
    if (!c->values[value].wants_grad) {
        return CO_OK;
    }
    return co_contribute(c, value, -1, buffer, false, false, err);
}

static co_status compile_forward(co_compile *c, int output[CO_OUTPUT_COUNT], co_error *err)
{
    for (int i = 0; i < c->graph->layer_count; i++) {
        if (!c->absorbed[i]) {
            CO_TRY(layer_node(c, i, err));
        }
    }
    CO_TRY(compile_output(c, c->graph->logits, CO_OUTPUT_LOGITS, &output[CO_OUTPUT_LOGITS], err));
    CO_TRY(compile_output(c, c->graph->features, CO_OUTPUT_FEATURES, &output[CO_OUTPUT_FEATURES],
                          err));
    co_end_stage(c);
    return CO_OK;
}

/* ------------------------------------------------------------------ backward */

static void run_zero(const co_dnnl_plan *plan, const co_op *op, int begin, int end, int thread)
{
    (void)plan;
    (void)thread;
    if (begin < end) {
        memset(op->at[0], 0, op->u.flat.count * sizeof(float));
    }
}

/* No gradient reaches the layer. */
static co_status emit_zero(co_compile *c, int layer, const co_phase *phase, co_error *err)
{
    co_op op = co_new_op(layer, CO_BACKWARD_WEIGHTS);
    op.team = run_zero;
    op.work_name = "zero";
    op.items = 1;
    op.u.flat.count = phase->count;
    CO_TRY(co_buffers_external(&c->plan->buffers, c->plan->model->base.grads + phase->offset,
                               phase->count * sizeof(float), &op.buffer[0], err));
    return co_emit_op(c, &op, err);
}

static co_status compile_weights(co_compile *c, co_node *node, co_error *err)
{
    co_dnnl_plan *plan = c->plan;
    const co_layer *layer = &c->graph->layers[node->layer];
    if (node->class->weights == NULL || (layer->weight < 0 && layer->bias < 0)) {
        return CO_OK;
    }
    if (plan->next_phase >= plan->phase_count ||
        plan->phases[plan->next_phase].layer != node->layer) {
        return co_fail(err, CO_INTERNAL, "layer '%s' of '%s' comes out of the order of phases",
                       layer->name, c->graph->name);
    }
    if (c->values[node->out].grad == CO_NO_BUFFER) {
        CO_TRY(emit_zero(c, node->layer, &plan->phases[plan->next_phase], err));
    } else {
        CO_TRY(node->class->weights(c, node, err));
    }
    plan->phase_end[plan->next_phase++] = c->list->count;
    co_end_stage(c);
    return CO_OK;
}

static co_status compile_backward(co_compile *c, co_error *err)
{
    c->list = &c->plan->backward;
    c->plan->next_phase = 0;
    for (int i = c->node_count - 1; i >= 0; i--) {
        co_node *node = &c->nodes[i];
        CO_TRY(compile_weights(c, node, err));
        bool wanted = c->values[node->in[0]].wants_grad ||
                      (node->in[1] >= 0 && c->values[node->in[1]].wants_grad);
        if (wanted && c->values[node->out].grad != CO_NO_BUFFER) {
            CO_TRY(node->class->data(c, node, err));
        }
    }
    if (c->plan->next_phase != c->plan->phase_count) {
        return co_fail(err, CO_INTERNAL, "the plan of '%s' has %d phases instead of %d",
                       c->graph->name, c->plan->next_phase, c->plan->phase_count);
    }
    return CO_OK;
}

/* ------------------------------------------------------------------ all of it */

static co_status allocate(co_compile *c, co_error *err)
{
    enum { PER_LAYER = 6, MORE = 16 };
    size_t layers = (size_t)c->graph->layer_count;
    c->capacity = c->graph->layer_count * PER_LAYER + MORE;
    void *blocks[7] = {0};
    const size_t counts[7] = {
        layers, layers, layers, layers, layers, (size_t)c->capacity, (size_t)c->capacity};
    const size_t sizes[7] = {sizeof(co_shape), sizeof(int),      sizeof(int),    sizeof(bool),
                             sizeof(int),      sizeof(co_value), sizeof(co_node)};
    co_status status = CO_OK;
    for (int i = 0; i < 7 && status == CO_OK; i++) {
        status = co_alloc(counts[i], sizes[i], "compilation of a plan", &blocks[i], err);
    }
    c->shapes = blocks[0];
    c->consumers = blocks[1];
    c->consumer = blocks[2];
    c->absorbed = blocks[3];
    c->value_of = blocks[4];
    c->values = blocks[5];
    c->nodes = blocks[6];
    return status;
}

static void release(co_compile *c)
{
    for (int i = 0; i < c->node_count; i++) {
        if (c->nodes[i].hint != NULL) {
            dnnl_primitive_desc_destroy(c->nodes[i].hint);
        }
    }
    co_free(c->nodes);
    co_free(c->values);
    co_free(c->value_of);
    co_free(c->absorbed);
    co_free(c->consumer);
    co_free(c->consumers);
    co_free(c->shapes);
}

static co_status copy_phases(co_dnnl_plan *plan, const co_backward *backward, co_error *err)
{
    size_t count = (size_t)backward->phase_count;
    void *phases = NULL;
    void *ends = NULL;
    CO_TRY(co_alloc(count, sizeof(co_phase), "phases of a plan", &phases, err));
    plan->phases = phases;
    CO_TRY(co_alloc(count, sizeof(int), "phases of a plan", &ends, err));
    plan->phase_end = ends;
    plan->phase_count = backward->phase_count;
    if (count > 0) {
        memcpy(plan->phases, backward->phases, count * sizeof(co_phase));
    }
    return CO_OK;
}

static co_status compile_both(co_compile *c, co_error *err)
{
    co_dnnl_plan *plan = c->plan;
    int output[CO_OUTPUT_COUNT];
    c->list = &plan->forward;
    CO_TRY(compile_forward(c, output, err));
    c->stage++; /* the loss: outputs are read, gradients written */
    for (int i = 0; i < CO_OUTPUT_COUNT; i++) {
        co_buffers_touch(&plan->buffers, plan->output[i], CO_FOREVER);
    }
    if (c->train) {
        CO_TRY(seed_gradient(c, output[CO_OUTPUT_LOGITS], CO_OUTPUT_LOGITS, err));
        if (plan->spec.feature_gradient) {
            CO_TRY(seed_gradient(c, output[CO_OUTPUT_FEATURES], CO_OUTPUT_FEATURES, err));
        }
        CO_TRY(compile_backward(c, err));
    }
    size_t members = (size_t)co_team_threads(plan->backend->base.team);
    CO_TRY(co_buffers_add(&plan->buffers, members * plan->lane_scratch_floats * sizeof(float),
                          CO_BUFFER_SCRATCH, &plan->lane_scratch, err));
    co_buffers_touch(&plan->buffers, plan->lane_scratch, 0);
    co_buffers_touch(&plan->buffers, plan->lane_scratch, CO_FOREVER);
    return co_buffers_place(&plan->buffers, err);
}

co_status co_plan_compile(co_dnnl_plan *plan, co_error *err)
{
    co_compile c = {.plan = plan,
                    .graph = plan->model->base.graph,
                    .train = plan->spec.mode == CO_TRAIN,
                    .rows = plan->spec.batch};
    int lanes = plan->backend->lane->lanes;
    plan->bundles = (c.rows + lanes - 1) / lanes;
    for (int i = 0; i < CO_OUTPUT_COUNT; i++) {
        plan->output[i] = CO_NO_BUFFER;
        plan->gradient[i] = CO_NO_BUFFER;
    }
    co_backward backward = {0};
    co_status status = allocate(&c, err);
    CO_TRY_GOTO(status, status, release_all);
    CO_TRY_GOTO(
        status,
        co_graph_shapes(
            c.graph, plan->spec.height > 0 ? plan->spec.height : c.graph->layers[0].out.height,
            plan->spec.width > 0 ? plan->spec.width : c.graph->layers[0].out.width, c.shapes, err),
        release_all);
    CO_TRY_GOTO(status,
                co_backward_create(c.graph, c.shapes, plan->spec.feature_gradient, &backward, err),
                release_all);
    c.wanted = backward.wanted;
    count_consumers(&c);
    if (c.train) {
        CO_TRY_GOTO(status, copy_phases(plan, &backward, err), release_all);
    }
    status = compile_both(&c, err);
    plan->next_phase = -1;

release_all:
    co_backward_destroy(&backward);
    release(&c);
    return status;
}

static void free_ops(co_op_list *list)
{
    for (int i = 0; i < list->count; i++) {
        if (list->items[i].primitive != NULL) {
            co_primitive_destroy(list->items[i].primitive);
        }
    }
    co_free(list->items);
}

void co_plan_free(co_dnnl_plan *plan)
{
    free_ops(&plan->forward);
    free_ops(&plan->backward);
    co_free(plan->spent_ns);
    co_free(plan->phases);
    co_free(plan->phase_end);
    co_buffers_free(&plan->buffers);
    memset(plan, 0, sizeof(*plan));
}
