/* The memory of a group: a window in which every member has a slot, its gradients and its weights.
 * Each byte is read about as often as it must be, and nothing is sent. */
#include <string.h>

#include "base/alloc.h"
#include "strategy/allreduce.h"

enum { SLOT_BYTES = 64 };
_Static_assert(sizeof(co_slot) <= SLOT_BYTES, "the gradients follow");

co_slot *co_allreduce_slot(const co_allreduce *all, int member)
{
    return all->window->part[member];
}

float *co_allreduce_grads(const co_allreduce *all, int member)
{
    return (float *)(void *)((char *)all->window->part[member] + SLOT_BYTES);
}

static float *params_of(const co_allreduce *all, int member)
{
    return co_allreduce_grads(all, member) + co_round_up(all->floats, CO_SHARE_UNIT);
}

co_status co_allreduce_open_window(co_allreduce *all, co_error *err)
{
    co_model *model = all->base.model;
    const size_t floats = all->comm->sizes_only ? 0 : co_round_up(all->floats, CO_SHARE_UNIT);
    CO_TRY(co_window_open(all->comm, SLOT_BYTES + 2 * floats * sizeof(float), &all->window, err));
    if (all->comm->sizes_only) {
        return CO_OK; /* what is left are the barriers */
    }
    float *params = params_of(all, all->member);
    memcpy(params, model->params, all->floats * sizeof(float));
    co_free(model->grads);
    co_free(model->params);
    model->grads = co_allreduce_grads(all, all->member);
    model->params = params;
    return CO_OK;
}

/* Parameters that do not lie wholly in one's own region: the optimizer did not refresh them. */
static co_status refresh_others(co_allreduce *all, co_error *err)
{
    co_model *model = all->base.model;
    const co_range region = co_region_of(all, all->member);
    size_t first = all->floats;
    size_t last = 0;
    for (int i = 0; i < all->tensor_count; i++) {
        const co_tensor *tensor = &all->tensors[i];
        if (tensor->offset >= region.begin && tensor->offset + tensor->count <= region.end) {
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

co_status co_allreduce_take_regions(co_allreduce *all, co_error *err)
{
    CO_TRY(co_window_barrier(all->window, err)); /* all regions are updated */
    for (int i = 1; i < all->members && !all->comm->sizes_only; i++) {
        int member = (all->member + i) % all->members; /* not all from the same one at once */
        const co_range region = co_region_of(all, member);
        memcpy(all->base.model->params + region.begin, params_of(all, member) + region.begin,
               co_range_count(region) * sizeof(float));
    }
    CO_TRY(co_window_barrier(all->window, err)); /* taken: from here on they may change */
    return refresh_others(all, err);
}

co_status co_allreduce_show_regions(co_allreduce *all, co_error *err)
{
    for (int member = 1; all->comm->rank == 0 && member < all->members; member++) {
        const co_range region = co_region_of(all, member);
        memcpy(all->base.model->grads + region.begin,
               co_allreduce_grads(all, member) + region.begin,
               co_range_count(region) * sizeof(float));
    }
    return co_window_barrier(all->window, err); /* taken: from here on they may change */
}
