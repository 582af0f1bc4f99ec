/* The dnnl backend's entries of co_backend_ops. */
#include <string.h>

#include "backend/dnnl/model.h"
#include "backend/dnnl/plan.h"
#include "backend/dnnl/vector.h"
#include "backend/slab.h"
#include "base/alloc.h"

static void destroy(co_backend *backend)
{
    if (backend != NULL) {
        co_library_close(&co_dnnl_of(backend)->library);
        co_tuning_free(&co_dnnl_of(backend)->tuning);
        co_free(backend);
    }
}

/* ------------------------------------------------------------------ plans */

static void plans_destroy(co_plans *plans)
{
    if (plans == NULL) {
        return;
    }
    for (int i = 0; i < plans->count; i++) {
        co_plan_free(&plans->items[i]);
    }
    co_free(plans->items);
    co_slab_free(plans->model->base.backend->slabs, plans->slab);
    co_free(plans);
}

static co_status set_pixel_map(co_dnnl_plan *plan, const co_pixel_map *pixels, co_error *err)
{
    int channels = plan->model->base.graph->layers[0].out.channels;
    if (channels > CO_MAX_PIXEL_CHANNELS) {
        return co_fail(err, CO_USAGE, "images of %d channels: at most %d are possible", channels,
                       (int)CO_MAX_PIXEL_CHANNELS);
    }
    if (pixels != NULL && pixels->channels != channels) {
        return co_fail(err, CO_USAGE,
                       "the normalisation is for %d channels, the model takes images of %d",
                       pixels->channels, channels);
    }
    for (int i = 0; i < channels; i++) {
        plan->scale[i] = pixels != NULL ? pixels->scale[i] : 1.0f;
        plan->shift[i] = pixels != NULL ? pixels->shift[i] : 0.0f;
    }
    return CO_OK;
}

static co_status compile_all(co_plans *plans, const co_plan_spec *specs, int count,
                             const co_pixel_map *pixels, co_error *err)
{
    for (int i = 0; i < count; i++) {
        co_dnnl_plan *plan = &plans->items[i];
        plan->model = plans->model;
        plan->backend = co_dnnl_of(plans->model->base.backend);
        plan->spec = specs[i];
        plans->count = i + 1; /* so that a half-made plan is freed too */
        CO_TRY(set_pixel_map(plan, pixels, err));
        CO_TRY(co_plan_compile(plan, err));
        if (plan->buffers.slab_bytes > plans->slab_bytes) {
            plans->slab_bytes = plan->buffers.slab_bytes;
        }
    }
    co_slab_pool *slabs = plans->model->base.backend->slabs;
    CO_TRY(co_slab_alloc(slabs, specs, count, plans->slab_bytes, &plans->slab, err));
    for (int i = 0; i < count; i++) {
        co_plan_bind(&plans->items[i], plans->slab);
    }
    return CO_OK;
}

static co_status plans_create(co_model *model, const co_plan_spec *specs, int count,
                              const co_pixel_map *pixels, co_plans **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_plans), "plans", &block, err));
    co_plans *plans = block;
    plans->model = co_dnnl_model_of(model);
    void *items = NULL;
    co_status status = co_alloc((size_t)count, sizeof(co_dnnl_plan), "plans", &items, err);
    if (status == CO_OK) {
        plans->items = items;
        status = compile_all(plans, specs, count, pixels, err);
    }
    if (status != CO_OK) {
        plans_destroy(plans);
        return status;
    }
    *out = plans;
    return CO_OK;
}

static co_dnnl_plan *plan_of(co_plan *plan)
{
    return (co_dnnl_plan *)(void *)plan;
}

static const co_dnnl_plan *const_plan_of(const co_plan *plan)
{
    return (const co_dnnl_plan *)(const void *)plan;
}

static co_plan *plan_at(co_plans *plans, int index)
{
    return (co_plan *)(void *)&plans->items[index];
}

static co_status forward(co_plan *plan, const co_batch *batch, co_error *err)
{
    return co_plan_forward(plan_of(plan), batch, err);
}

static co_status backward(co_plan *plan, int index, co_error *err)
{
    return co_plan_backward(plan_of(plan), index, err);
}

static const co_phase *phases(const co_plan *plan, int *count)
{
    *count = const_plan_of(plan)->phase_count;
    return const_plan_of(plan)->phases;
}

static const float *output(const co_plan *plan, co_output which)
{
    const co_dnnl_plan *p = const_plan_of(plan);
    return p->buffers.items[p->output[which]].data;
}

static float *output_gradient(co_plan *plan, co_output which)
{
    const co_dnnl_plan *p = plan_of(plan);
    int buffer = p->gradient[which];
    return buffer == CO_NO_BUFFER ? NULL : p->buffers.items[buffer].data;
}

static co_status observe(co_plan *plan, const co_observer *observer, co_error *err)
{
    return co_plan_observe(plan_of(plan), observer, err);
}

/* ------------------------------------------------------------------ memory */

static int add_item(co_memory_item *items, int count, const char *name, size_t bytes)
{
    if (bytes == 0 || count == CO_MAX_MEMORY_ITEMS) {
        return count;
    }
    memset(&items[count], 0, sizeof(items[count]));
    strncpy(items[count].name, name, sizeof(items[count].name) - 1);
    items[count].bytes = bytes;
    return count + 1;
}

static size_t table_bytes(const co_plans *plans)
{
    size_t bytes = sizeof(*plans);
    for (int i = 0; i < plans->count; i++) {
        const co_dnnl_plan *p = &plans->items[i];
        bytes += sizeof(*p) + (size_t)p->buffers.capacity * sizeof(co_buffer) +
                 (size_t)(p->forward.capacity + p->backward.capacity) * sizeof(co_op) +
                 (size_t)p->phase_count * (sizeof(co_phase) + sizeof(int));
    }
    return bytes;
}

/* The slab is as large as its largest plan: that one is itemised. */
static int memory(const co_plans *plans, co_memory_item *items)
{
    static const char *const uses[CO_BUFFER_USES] = {
        [CO_BUFFER_ACTIVATION] = "activations",
        [CO_BUFFER_GRADIENT] = "gradients of activations",
        [CO_BUFFER_SCRATCH] = "scratch",
    };
    const co_dnnl_model *model = plans->model;
    const co_graph *graph = model->base.graph;
    int count = 0;
    count = add_item(items, count, "parameters", graph->param_floats * sizeof(float));
    count = add_item(items, count, "gradients", graph->param_floats * sizeof(float));
    count = add_item(items, count, "statistics", graph->stat_floats * sizeof(float));
    size_t copies = model->reorder_scratch_bytes;
    for (int i = 0; i < model->copy_count; i++) {
        copies += model->copies[i].bytes;
    }
    count = add_item(items, count, "packed weights", copies);
    const co_dnnl_plan *largest = &plans->items[0];
    for (int i = 1; i < plans->count; i++) {
        if (plans->items[i].buffers.slab_bytes > largest->buffers.slab_bytes) {
            largest = &plans->items[i];
        }
    }
    size_t bill[CO_BUFFER_USES] = {0};
    co_error ignored;
    if (co_buffers_bill(&largest->buffers, bill, &ignored) == CO_OK) {
        for (int use = 0; use < CO_BUFFER_EXTERNAL; use++) {
            count = add_item(items, count, uses[use], bill[use]);
        }
    } else {
        count = add_item(items, count, "slab of the plans", plans->slab_bytes);
    }
    count = add_item(items, count, "tables of the plans", table_bytes(plans));
    if (co_dnnl_of(model->base.backend)->library.open) {
        enum { ONEDNN_BYTES = 12 << 20 }; /* measured: code pages, engine, generated kernels */
        count = add_item(items, count, "oneDNN (its code, estimated)", ONEDNN_BYTES);
    }
    return count;
}

/* ------------------------------------------------------------------ vector operations */

enum {
    BLOCK = 4096,            /* floats: the unit that members of the team share */
    WORTH_A_TEAM = 64 * 1024 /* below: one thread is faster */
};

typedef enum vector_kind { SGD, ADAM, AXPY, LERP, SCALE } vector_kind;

typedef struct vector_run {
    const co_vector_ops *ops;
    vector_kind kind;
    size_t count;
    const co_sgd *sgd;
    const co_adam_step *adam;
    float factor;
    const float *x; /* gradients, or the input */
    float *y;       /* parameters, or the output */
    float *m;
    float *v;
} vector_run;

static void vector_range(const vector_run *run, size_t begin, size_t end)
{
    const float *x = run->x == NULL ? NULL : run->x + begin;
    float *y = run->y + begin;
    size_t count = end - begin;
    switch (run->kind) {
    case SGD:
        run->ops->sgd(count, run->sgd, x, y, run->m == NULL ? NULL : run->m + begin);
        break;
    case ADAM:
        run->ops->adam(count, run->adam, x, y, run->m + begin, run->v + begin);
        break;
    case AXPY:
        run->ops->axpy(count, run->factor, x, y);
        break;
    case LERP:
        run->ops->lerp(count, run->factor, x, y);
        break;
    case SCALE:
        run->ops->scale(count, run->factor, y);
        break;
    }
}

static void vector_member(void *arg, int thread, int threads)
{
    const vector_run *run = arg;
    size_t blocks = (run->count + BLOCK - 1) / BLOCK;
    size_t begin = blocks * (size_t)thread / (size_t)threads * BLOCK;
    size_t end = blocks * ((size_t)thread + 1) / (size_t)threads * BLOCK;
    end = end < run->count ? end : run->count;
    if (begin < end) {
        vector_range(run, begin, end);
    }
}

static void run_vector(co_backend *backend, vector_run *run)
{
    run->ops = co_vector_ops_for(co_dnnl_of(backend)->lane->isa);
    if (run->count < WORTH_A_TEAM) {
        vector_range(run, 0, run->count);
    } else {
        co_team_run(backend->team, vector_member, run);
    }
}

static void sgd(co_model *model, size_t offset, size_t count, const co_sgd *hyper, float *momentum)
{
    vector_run run = {.kind = SGD,
                      .count = count,
                      .sgd = hyper,
                      .x = model->grads + offset,
                      .y = model->params + offset,
                      .m = hyper->momentum == 0.0f ? NULL : momentum + offset};
    run_vector(model->backend, &run);
}

static void adam(co_model *model, size_t offset, size_t count, const co_adam *hyper, float *m,
                 float *v)
{
    co_adam_step step = co_adam_step_of(hyper);
    vector_run run = {.kind = ADAM,
                      .count = count,
                      .adam = &step,
                      .x = model->grads + offset,
                      .y = model->params + offset,
                      .m = m + offset,
                      .v = v + offset};
    run_vector(model->backend, &run);
}

static void axpy(co_backend *backend, size_t count, float a, const float *x, float *y)
{
    vector_run run = {.kind = AXPY, .count = count, .factor = a, .x = x, .y = y};
    run_vector(backend, &run);
}

static void lerp(co_backend *backend, size_t count, float t, const float *x, float *y)
{
    vector_run run = {.kind = LERP, .count = count, .factor = t, .x = x, .y = y};
    run_vector(backend, &run);
}

static void scale(co_backend *backend, size_t count, float a, float *x)
{
    vector_run run = {.kind = SCALE, .count = count, .factor = a, .y = x};
    run_vector(backend, &run);
}

/* A fixed number of parts, then a tree: the same bits for any number of threads. */
enum { PARTS = 64 };

typedef struct squares_run {
    const co_vector_ops *ops;
    size_t count;
    const float *x;
    double parts[PARTS];
} squares_run;

static void squares_member(void *arg, int thread, int threads)
{
    squares_run *run = arg;
    int begin;
    int end;
    co_team_share(PARTS, thread, threads, &begin, &end);
    size_t part = co_round_up((run->count + PARTS - 1) / PARTS, BLOCK);
    for (int i = begin; i < end; i++) {
        size_t from = (size_t)i * part;
        size_t to = from + part < run->count ? from + part : run->count;
        run->parts[i] = from < to ? run->ops->sum_squares(to - from, run->x + from) : 0.0;
    }
}

static double sum_squares(co_backend *backend, size_t count, const float *x)
{
    squares_run run = {
        .ops = co_vector_ops_for(co_dnnl_of(backend)->lane->isa), .count = count, .x = x};
    if (count < WORTH_A_TEAM) {
        squares_member(&run, 0, 1);
    } else {
        co_team_run(backend->team, squares_member, &run);
    }
    for (int width = PARTS / 2; width > 0; width /= 2) {
        for (int i = 0; i < width; i++) {
            run.parts[i] += run.parts[i + width];
        }
    }
    return run.parts[0];
}

/* ------------------------------------------------------------------ creation */

static const co_backend_ops dnnl_ops = {
    .name = "dnnl",
    .destroy = destroy,
    .model_create = co_dnnl_model_create,
    .model_destroy = co_dnnl_model_destroy,
    .refresh = co_dnnl_refresh,
    .plans_create = plans_create,
    .plans_destroy = plans_destroy,
    .plan = plan_at,
    .memory = memory,
    .forward = forward,
    .backward = backward,
    .phases = phases,
    .output = output,
    .output_gradient = output_gradient,
    .observe = observe,
    .sgd = sgd,
    .adam = adam,
    .axpy = axpy,
    .lerp = lerp,
    .scale = scale,
    .sum_squares = sum_squares,
};

co_status co_dnnl_backend_create(const co_backend_options *options, co_team *team, co_backend **out,
                                 co_error *err)
{
    co_lane_isa isa = CO_LANE_PLAIN;
    CO_TRY(co_lane_isa_parse(options->isa, &isa, err));
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_dnnl_backend), "backend", &block, err));
    co_dnnl_backend *backend = block;
    backend->base.ops = &dnnl_ops;
    backend->base.team = team;
    backend->lane = co_lane_ops_for(isa);
    backend->base.isa = backend->lane->name;
    backend->library.isa = isa;
    backend->library.forced = strcmp(options->isa, "auto") != 0 && options->isa[0] != '\0';
    if (options->tune_file != NULL) {
        co_status status = co_tuning_load(&backend->tuning, options->tune_file, err);
        if (status != CO_OK) {
            destroy(&backend->base);
            return status;
        }
    }
    *out = &backend->base;
    return CO_OK;
}
