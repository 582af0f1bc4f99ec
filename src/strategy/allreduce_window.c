/* The memory of a group: a window in which every member has a slot and its gradients, and the first
 * one the weights of all. Nothing is sent, and no weight is copied. */
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

co_status co_allreduce_open_window(co_allreduce *all, co_error *err)
{
    co_model *model = all->base.model;
    const size_t floats = all->comm->sizes_only ? 0 : co_round_up(all->floats, CO_SHARE_UNIT);
    const size_t held = all->member == 0 ? 2 * floats : floats;
    CO_TRY(co_window_open(all->comm, SLOT_BYTES + held * sizeof(float), &all->window, err));
    if (all->comm->sizes_only) {
        return CO_OK; /* what is left are the barriers */
    }
    float *params = co_allreduce_grads(all, 0) + floats;
    if (all->member == 0) { /* they begin equal on all workers */
        memcpy(params, model->params, all->floats * sizeof(float));
    }
    co_free(model->grads);
    co_free(model->params);
    model->grads = co_allreduce_grads(all, all->member);
    model->params = params;
    return co_window_barrier(all->window, err);
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
