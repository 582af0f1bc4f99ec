#include "optim/optimizer.h"

#include <string.h>

#include "base/alloc.h"

enum { MAX_BUFFERS = 2 };

struct co_optimizer {
    co_optimizer_kind kind;
    size_t floats;
    uint64_t steps;
    float *buffers[MAX_BUFFERS]; /* SGD: momentum; Adam: first and second moments */
    co_groups groups;
};

static const char *const kind_names[] = {"sgd", "adam", "adamw"};
static const char *const buffer_names[][MAX_BUFFERS] = {{"momentum", NULL}, {"m", "v"}, {"m", "v"}};

static int buffer_count(co_optimizer_kind kind)
{
    return kind == CO_OPTIMIZER_SGD ? 1 : 2;
}

static co_status create(co_optimizer_kind kind, const co_graph *graph, int buffers,
                        co_optimizer **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_optimizer), "the optimizer", &block, err));
    co_optimizer *optimizer = block;
    optimizer->kind = kind;
    optimizer->floats = graph->param_floats;
    for (int i = 0; i < buffers; i++) {
        void *buffer = NULL;
        co_status status = co_alloc(optimizer->floats, sizeof(float), "the optimizer's state",
                                    &buffer, err);
        if (status != CO_OK) {
            co_optimizer_destroy(optimizer);
            return status;
        }
        optimizer->buffers[i] = buffer;
    }
    *out = optimizer;
    return CO_OK;
}

co_status co_optimizer_create(co_optimizer_kind kind, const co_graph *graph, co_optimizer **out,
                              co_error *err)
{
    return create(kind, graph, buffer_count(kind), out, err);
}

co_status co_optimizer_create_blank(co_optimizer_kind kind, const co_graph *graph,
                                    co_optimizer **out, co_error *err)
{
    return create(kind, graph, 0, out, err);
}

void co_optimizer_destroy(co_optimizer *optimizer)
{
    if (optimizer == NULL) {
        return;
    }
    for (int i = 0; i < MAX_BUFFERS; i++) {
        co_free(optimizer->buffers[i]);
    }
    co_groups_free(&optimizer->groups);
    co_free(optimizer);
}

void co_optimizer_use_groups(co_optimizer *optimizer, co_groups *groups)
{
    co_groups_free(&optimizer->groups);
    optimizer->groups = *groups;
    *groups = (co_groups){0};
}

size_t co_optimizer_bytes(const co_optimizer *optimizer)
{
    return (size_t)buffer_count(optimizer->kind) * optimizer->floats * sizeof(float);
}

float *co_optimizer_buffer(const co_optimizer *optimizer, int index)
{
    return index < buffer_count(optimizer->kind) ? optimizer->buffers[index] : NULL;
}

void co_optimizer_begin(co_optimizer *optimizer)
{
    optimizer->steps++;
}

/* The formula over one range, with the same values for all of it. */
static co_status step_range(co_optimizer *optimizer, co_model *model, size_t offset, size_t count,
                            const co_hyper *hyper, co_error *err)
{
    const co_backend_ops *ops = model->backend->ops;
    if (optimizer->kind == CO_OPTIMIZER_SGD) {
        co_sgd sgd = {
            .lr = (float)hyper->lr,
            .momentum = (float)hyper->momentum,
            .weight_decay = (float)hyper->weight_decay,
            .nesterov = hyper->nesterov,
        };
        ops->sgd(model, offset, count, &sgd, optimizer->buffers[0]);
        return CO_OK;
    }
    co_adam adam = {
        .lr = (float)hyper->lr,
        .beta1 = (float)hyper->beta1,
        .beta2 = (float)hyper->beta2,
        .epsilon = (float)hyper->epsilon,
        .weight_decay = (float)hyper->weight_decay,
        .decoupled = optimizer->kind == CO_OPTIMIZER_ADAMW,
        .step = optimizer->steps,
    };
    if (adam.step == 0) {
        return co_fail(err, CO_INTERNAL, "an Adam step before co_optimizer_begin");
    }
    ops->adam(model, offset, count, &adam, optimizer->buffers[0], optimizer->buffers[1]);
    return CO_OK;
}

co_status co_optimizer_step(co_optimizer *optimizer, co_model *model, size_t offset, size_t count,
                            const co_hyper *hyper, co_error *err)
{
    if (offset > optimizer->floats || count > optimizer->floats - offset) {
        return co_fail(err, CO_INTERNAL, "an optimizer step over floats %zu to %zu of %zu", offset,
                       offset + count, optimizer->floats);
    }
    if (optimizer->groups.count == 0) {
        return step_range(optimizer, model, offset, count, hyper, err);
    }
    for (int i = 0; i < optimizer->groups.count; i++) {
        const co_group_run *run = &optimizer->groups.runs[i];
        size_t begin = run->offset > offset ? run->offset : offset;
        size_t end = run->offset + run->count;
        end = end < offset + count ? end : offset + count;
        if (begin < end) {
            co_hyper own = *hyper;
            own.lr *= run->lr_scale;
            own.weight_decay *= run->decay_scale;
            CO_TRY(step_range(optimizer, model, begin, end - begin, &own, err));
        }
    }
    return CO_OK;
}

void co_optimizer_reset(co_optimizer *optimizer)
{
    optimizer->steps = 0;
    for (int i = 0; i < buffer_count(optimizer->kind) && optimizer->floats > 0; i++) {
        memset(optimizer->buffers[i], 0, optimizer->floats * sizeof(float));
    }
}

co_status co_optimizer_state(co_optimizer *optimizer, co_visitor *visitor, co_error *err)
{
    CO_TRY(co_visit_begin(visitor, "optimizer", err));
    CO_TRY(co_visit_same_text(visitor, "kind", kind_names[optimizer->kind], err));
    CO_TRY(co_visit_same_u64(visitor, "floats", optimizer->floats, err));
    CO_TRY(co_visit_u64(visitor, "steps", &optimizer->steps, err));
    for (int i = 0; i < buffer_count(optimizer->kind); i++) {
        CO_TRY(co_visit_buffer(visitor, buffer_names[optimizer->kind][i], CO_VISIT_LIKE_PARAMS,
                               optimizer->buffers[i], optimizer->floats, err));
    }
    return co_visit_end(visitor, err);
}
