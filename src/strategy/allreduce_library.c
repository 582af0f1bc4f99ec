/* The forms in which every worker has the whole mean gradient afterwards, without shares.
 * `fast`: buckets are summed by the MPI library, begun while backward still runs. Adasum exchanges
 * whole gradients with one partner after the other. */
#include <string.h>

#include "base/alloc.h"
#include "strategy/allreduce.h"

/* ---- fast ---- */

enum {
    TAIL_FLOATS = CO_SHARE_UNIT, /* behind the gradients: loss and wishes travel with them */
    TAIL_LOSS = 0,
    TAIL_STOP = 1,
    TAIL_SAVE = 2,
};

static co_status start_bucket(co_allreduce *all, co_range bucket, co_error *err)
{
    if (bucket.end == all->floats) {
        float *tail = all->base.model->grads + all->floats;
        tail[TAIL_LOSS] = (float)all->base.loss;
        tail[TAIL_STOP] = all->base.stop ? 1.0F : 0.0F;
        tail[TAIL_SAVE] = all->base.save ? 1.0F : 0.0F;
        bucket.end += TAIL_FLOATS;
    }
    return co_allreduce_add_up(all, bucket, err);
}

static co_status nothing(co_allreduce *all, co_error *err)
{
    (void)all;
    (void)err;
    return CO_OK;
}

static co_status sum_buckets(co_allreduce *all, co_reduction *out, co_error *err)
{
    co_model *model = all->base.model;
    CO_TRY(co_allreduce_finish(all, err));
    model->backend->ops->scale(model->backend, all->floats, all->after, model->grads);
    out->loss = model->grads[all->floats + TAIL_LOSS] / (double)all->comm->size;
    out->stop = model->grads[all->floats + TAIL_STOP] > 0.0F;
    out->save = model->grads[all->floats + TAIL_SAVE] > 0.0F;
    out->sum_squares = co_allreduce_all_squares(all);
    return CO_OK;
}

co_status co_allreduce_open_library(co_allreduce *all, co_error *err)
{
    static const co_allreduce_form form = {
        .bucket = start_bucket,
        .advance = nothing,
        .sum = sum_buckets,
    };
    void *block = NULL;
    all->form = &form;
    all->early = true;
    CO_TRY(co_allreduce_reserve(all, (size_t)all->tensor_count + 1, err));
    CO_TRY(co_comm_alloc(all->comm, all->floats + TAIL_FLOATS, sizeof(float), "gradients", &block,
                         err));
    all->memory = block;
    co_comm_free(all->comm, all->base.model->grads);
    all->base.model->grads = all->memory;
    return CO_OK;
}

/* ---- Adasum ---- */

/* Partners differ in one bit of their ranks; both compute the same, the lower rank's first. */
static co_status sum_pairs(co_allreduce *all, co_reduction *out, co_error *err)
{
    const int rank = all->comm->rank;
    float *grads = all->base.model->grads;
    const size_t bytes = all->floats * sizeof(float);
    for (int bit = 1; bit < all->comm->size; bit *= 2) {
        CO_TRY(co_allreduce_receive(all, all->inbox, bytes, rank ^ bit, err));
        CO_TRY(co_allreduce_send(all, grads, bytes, rank ^ bit, err));
        CO_TRY(co_allreduce_finish(all, err));
        bool first = (rank & bit) == 0;
        for (int i = 0; i < all->tensor_count && !all->comm->sizes_only; i++) {
            size_t offset = all->tensors[i].offset;
            size_t count = all->tensors[i].count;
            co_adasum(count, (first ? grads : all->inbox) + offset,
                      (first ? all->inbox : grads) + offset);
        }
        if (!first && !all->comm->sizes_only) {
            memcpy(grads, all->inbox, bytes);
        }
    }
    CO_TRY(co_allreduce_tell(all, 0.0, out, err));
    out->sum_squares = co_allreduce_all_squares(all);
    return CO_OK;
}

co_status co_allreduce_open_adasum(co_allreduce *all, co_error *err)
{
    static const co_allreduce_form form = {.sum = sum_pairs};
    void *block = NULL;
    all->form = &form;
    CO_TRY(co_allreduce_reserve(all, 2, err));
    CO_TRY(co_comm_alloc(all->comm, all->floats, sizeof(float), "gradients of other workers",
                         &block, err));
    all->inbox = block;
    return CO_OK;
}
