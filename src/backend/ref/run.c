/* Running a plan of the reference backend: forward, and backward phase by phase. */
#include "backend/ref/plan.h"

#include <string.h>

/* The time where somebody observes. */
static uint64_t start_of(const co_plan *plan)
{
    return plan->observer.span != NULL ? co_clock_ns(plan->observer.clock) : 0;
}

/* Tells an operation that began then; the next begins at the time that is returned. */
static uint64_t tell(const co_plan *plan, int layer, co_pass pass, uint64_t start_ns)
{
    if (plan->observer.span == NULL) {
        return 0;
    }
    const char *side = pass == CO_FORWARD ? "input" : "loss";
    const co_layer *l = layer < 0 ? NULL : &plan->model->graph->layers[layer];
    const co_span span = {
        .layer = layer,
        .pass = pass,
        .name = l == NULL ? side : l->name,
        .work = l == NULL ? side : co_layer_kind_name(l->kind),
        .kernel = "ref",
        .start_ns = start_ns,
        .end_ns = co_clock_ns(plan->observer.clock),
    };
    plan->observer.span(plan->observer.arg, &span);
    return co_clock_ns(plan->observer.clock);
}

static void read_pixels(co_plan *plan, const co_batch *batch)
{
    const co_plans *plans = plan->plans;
    co_shape shape = plan->shapes[0];
    size_t plane = (size_t)shape.height * (size_t)shape.width;
    size_t count = (size_t)plan->spec.batch * co_shape_count(shape);
    const uint8_t *bytes = batch->pixels;
    const float *floats = batch->pixels;
    for (size_t k = 0; k < count; k++) {
        size_t c = k / plane % (size_t)shape.channels;
        double pixel = batch->pixel == CO_PIXEL_U8 ? (double)bytes[k] : (double)floats[k];
        double scale = plans->mapped ? (double)plans->pixels.scale[c] : 1.0;
        double shift = plans->mapped ? (double)plans->pixels.shift[c] : 0.0;
        plan->values[0][k] = pixel * scale + shift;
    }
}

static void write_outputs(co_plan *plan)
{
    const co_graph *graph = plan->model->graph;
    const int layer_of[CO_OUTPUT_COUNT] = {graph->logits, graph->features};
    for (int which = 0; which < CO_OUTPUT_COUNT; which++) {
        size_t count = (size_t)plan->spec.batch * co_shape_count(plan->shapes[layer_of[which]]);
        const double *values = plan->values[layer_of[which]];
        for (size_t k = 0; k < count; k++) {
            plan->outputs[which][k] = (float)values[k];
        }
    }
}

co_status co_ref_forward(co_plan *plan, const co_batch *batch, co_error *err)
{
    const co_graph *graph = plan->model->graph;
    if (batch->rows != plan->spec.batch) {
        return co_fail(err, CO_INTERNAL, "a batch of %d rows for a plan of %d", batch->rows,
                       plan->spec.batch);
    }
    bool draws = plan->spec.mode == CO_TRAIN && graph->dropout_count > 0;
    if (draws && batch->samples == NULL) {
        return co_fail(err, CO_INTERNAL, "a batch without sample numbers for a model with dropout");
    }
    uint64_t start = start_of(plan);
    read_pixels(plan, batch);
    start = tell(plan, -1, CO_FORWARD, start);
    for (int i = 1; i < graph->layer_count; i++) {
        const co_ref_op *op = &plan->ops[i];
        if (draws && op->layer->dropout_ordinal >= 0) {
            co_ref_draw_mask(op, batch);
        }
        if (op->sync != NULL) {
            CO_TRY(co_ref_exchange_moments(op, err));
        }
        co_ref_kernels_of(op->layer->kind)->forward(op);
        start = tell(plan, i, CO_FORWARD, start);
    }
    write_outputs(plan);
    plan->next_phase = 0;
    return CO_OK;
}

/* Gradients of activations start from those of the outputs. */
static void start_backward(co_plan *plan)
{
    const co_graph *graph = plan->model->graph;
    for (int i = 0; i < graph->layer_count; i++) {
        if (plan->grads[i] != NULL) {
            memset(plan->grads[i], 0, co_ref_out_count(&plan->ops[i]) * sizeof(double));
        }
    }
    const int layer_of[CO_OUTPUT_COUNT] = {graph->logits, graph->features};
    for (int which = 0; which < CO_OUTPUT_COUNT; which++) {
        double *grad = plan->grads[layer_of[which]];
        if (grad == NULL || (which == CO_OUTPUT_FEATURES && !plan->spec.feature_gradient)) {
            continue;
        }
        size_t count = co_ref_out_count(&plan->ops[layer_of[which]]);
        for (size_t k = 0; k < count; k++) {
            grad[k] += (double)plan->output_grads[which][k];
        }
    }
}

static co_status run_weights(const co_plan *plan, const co_ref_op *op, const co_phase *phase,
                             co_error *err)
{
    if (op->dy == NULL) {
        memset(plan->model->grads + phase->offset, 0, phase->count * sizeof(float));
        return CO_OK;
    }
    co_ref_kernels_of(op->layer->kind)->weights(op);
    return op->sync != NULL ? co_ref_exchange_sums(op, err) : CO_OK;
}

co_status co_ref_backward(co_plan *plan, int index, co_error *err)
{
    const co_backward *b = &plan->backward;
    bool in_order = index == plan->next_phase || (index == 0 && plan->next_phase >= 0);
    if (plan->spec.mode != CO_TRAIN || index < 0 || index >= b->phase_count || !in_order) {
        return co_fail(err, CO_INTERNAL,
                       "backward phase %d of %d where %d is next (-1: no forward yet)%s", index,
                       b->phase_count, plan->next_phase,
                       plan->spec.mode != CO_TRAIN ? ", of a plan for evaluation" : "");
    }
    uint64_t start = start_of(plan);
    if (index == 0) {
        start_backward(plan);
        start = tell(plan, -1, CO_BACKWARD_DATA, start);
    }
    for (int k = b->first_op[index]; k < b->first_op[index + 1]; k++) {
        const co_ref_op *op = &plan->ops[b->ops[k].layer];
        if (b->ops[k].pass == CO_BACKWARD_WEIGHTS) {
            CO_TRY(run_weights(plan, op, &b->phases[index], err));
        } else {
            co_ref_kernels_of(op->layer->kind)->data(op);
        }
        start = tell(plan, b->ops[k].layer, b->ops[k].pass, start);
    }
    plan->next_phase = index + 1;
    return CO_OK;
}

const co_phase *co_ref_phases(const co_plan *plan, int *count)
{
    *count = plan->spec.mode == CO_TRAIN ? plan->backward.phase_count : 0;
    return plan->backward.phases;
}

const float *co_ref_output(const co_plan *plan, co_output which)
{
    return plan->outputs[which];
}

float *co_ref_output_gradient(co_plan *plan, co_output which)
{
    return plan->output_grads[which];
}

co_status co_ref_observe(co_plan *plan, const co_observer *observer, co_error *err)
{
    (void)err;
    plan->observer = observer != NULL ? *observer : (co_observer){0};
    return CO_OK;
}
