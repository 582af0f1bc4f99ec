/* Inside one host: gradients and weights lie in shared memory. Each worker adds up its share of
 * all gradients, applies the optimizer to that share, and takes the other shares of the weights
 * from their owners. Nothing is sent, and each byte is read about as often as it must be. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "strategy/allreduce.h"

/* What a worker tells the others in a step; at the beginning of its part of the window. */
typedef struct slot {
    double sum_squares; /* of its share of the mean gradient */
    double loss;
    uint64_t stop;
} slot;

enum { SLOT_BYTES = 64 };
_Static_assert(sizeof(slot) <= SLOT_BYTES, "the gradients follow");

static slot *slot_of(const co_allreduce *all, int worker)
{
    return all->window->part[worker];
}

static float *grads_of(const co_allreduce *all, int worker)
{
    return (float *)(void *)((char *)all->window->part[worker] + SLOT_BYTES);
}

static float *params_of(const co_allreduce *all, int worker)
{
    return grads_of(all, worker) + co_round_up(all->floats, CO_SHARE_UNIT);
}

static co_status ready(co_strategy *strategy, size_t offset, size_t count, co_error *err)
{
    (void)err;
    const co_allreduce *all = co_allreduce_of(strategy);
    const co_model *model = strategy->model;
    if (all->options.predivide != 1.0) { /* as given, not computed */
        model->backend->ops->scale(model->backend, count, all->before, model->grads + offset);
    }
    return CO_OK;
}

static co_status barrier(co_allreduce *all, co_error *err)
{
    return co_window_barrier(all->window, err);
}

static void add_slots(const co_allreduce *all, co_reduction *out)
{
    *out = (co_reduction){0};
    for (int worker = 0; worker < all->comm->size; worker++) {
        const slot *told = slot_of(all, worker);
        out->sum_squares += told->sum_squares;
        out->loss += told->loss;
        out->stop = out->stop || told->stop != 0;
    }
    out->loss /= all->comm->size;
    out->finite = isfinite(out->sum_squares) && isfinite(out->loss);
}

static co_status reduce_share(co_allreduce *all, co_reduction *out, co_error *err)
{
    const int rank = all->comm->rank;
    slot *mine = slot_of(all, rank);
    mine->loss = all->base.loss;
    mine->stop = all->base.stop;
    CO_TRY(barrier(all, err)); /* all gradients are there */
    const size_t begin = co_share_begin(all, rank);
    for (int worker = 0; worker < all->comm->size; worker++) {
        all->parts[worker] = grads_of(all, worker) + begin;
    }
    co_tree_sum(&all->tree, co_share_count(all, rank), all->after, all->base.model->grads + begin);
    mine->sum_squares = co_share_squares(all, rank);
    CO_TRY(barrier(all, err)); /* all sums are there */
    add_slots(all, out);
    return CO_OK;
}

static co_status reduce(co_strategy *strategy, co_reduction *out, co_error *err)
{
    co_allreduce *all = co_allreduce_of(strategy);
    const uint64_t start = co_clock_ns(&all->comm->clock);
    CO_TRY(reduce_share(all, out, err));
    strategy->exposed_seconds += (double)(co_clock_ns(&all->comm->clock) - start) / 1e9;
    return CO_OK;
}

/* Parameters that do not lie wholly in one's own share: the optimizer did not refresh them. */
static co_status refresh_others(co_allreduce *all, co_error *err)
{
    co_model *model = all->base.model;
    const size_t begin = co_share_begin(all, all->comm->rank);
    const size_t end = co_share_begin(all, all->comm->rank + 1);
    size_t first = all->floats;
    size_t last = 0;
    for (int i = 0; i < all->tensor_count; i++) {
        const co_tensor *tensor = &all->tensors[i];
        if (tensor->offset >= begin && tensor->offset + tensor->count <= end) {
            first = tensor->offset < first ? tensor->offset : first;
            last = tensor->offset + tensor->count > last ? tensor->offset + tensor->count : last;
        }
    }
    const co_backend_ops *ops = model->backend->ops;
    if (last == 0) {
        return ops->refresh(model, 0, all->floats, err);
    }
    CO_TRY(ops->refresh(model, 0, first, err));
    return ops->refresh(model, last, all->floats - last, err);
}

static co_status take_shares(co_allreduce *all, co_error *err)
{
    const int rank = all->comm->rank;
    for (int i = 1; i < all->comm->size; i++) {
        int owner = (rank + i) % all->comm->size; /* not all from the same one at once */
        size_t begin = co_share_begin(all, owner);
        memcpy(all->base.model->params + begin, params_of(all, owner) + begin,
               co_share_count(all, owner) * sizeof(float));
    }
    CO_TRY(barrier(all, err)); /* taken: from here on they may change */
    return refresh_others(all, err);
}

static co_status apply(co_strategy *strategy, const co_hyper *hyper, co_error *err)
{
    co_allreduce *all = co_allreduce_of(strategy);
    const int rank = all->comm->rank;
    co_optimizer_begin(strategy->optimizer);
    CO_TRY(co_optimizer_step(strategy->optimizer, strategy->model, co_share_begin(all, rank),
                             co_share_count(all, rank), hyper, err));
    const uint64_t start = co_clock_ns(&all->comm->clock);
    CO_TRY(barrier(all, err)); /* all shares are updated */
    CO_TRY(take_shares(all, err));
    strategy->exposed_seconds += (double)(co_clock_ns(&all->comm->clock) - start) / 1e9;
    return CO_OK;
}

/* Momentum and moments are kept by the owner of a share alone. */
static co_status complete(co_strategy *strategy, co_error *err)
{
    const co_allreduce *all = co_allreduce_of(strategy);
    float *buffer = NULL;
    for (int i = 0; (buffer = co_optimizer_buffer(strategy->optimizer, i)) != NULL; i++) {
        for (int owner = 0; owner < all->comm->size; owner++) {
            CO_TRY(co_comm_broadcast(all->comm, buffer + co_share_begin(all, owner),
                                     co_share_count(all, owner) * sizeof(float), owner, err));
        }
    }
    return CO_OK;
}

static co_status state(co_strategy *strategy, co_visitor *visitor, co_error *err)
{
    (void)strategy;
    (void)visitor;
    (void)err;
    return CO_OK;
}

const co_strategy_ops co_allreduce_window_ops = {
    .name = "allreduce",
    .destroy = co_allreduce_destroy,
    .ready = ready,
    .reduce = reduce,
    .apply = apply,
    .complete = complete,
    .state = state,
};

co_status co_allreduce_open_window(co_allreduce *all, co_error *err)
{
    co_model *model = all->base.model;
    const size_t floats = co_round_up(all->floats, CO_SHARE_UNIT);
    CO_TRY(co_window_open(all->comm, SLOT_BYTES + 2 * floats * sizeof(float), &all->window, err));
    float *grads = grads_of(all, all->comm->rank);
    float *params = params_of(all, all->comm->rank);
    if (all->floats > 0) {
        memcpy(params, model->params, all->floats * sizeof(float));
    }
    co_comm_free(all->comm, model->grads);
    co_comm_free(all->comm, model->params);
    model->grads = grads;
    model->params = params;
    return CO_OK;
}
