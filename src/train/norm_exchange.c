#include "train/norm_exchange.h"

#include <string.h>

#include "base/alloc.h"

struct co_norm_exchange {
    co_norm_sync base;
    co_comm *comm;
    double *exposed_seconds;
    size_t doubles;
    co_window *window; /* (2, doubles) of each rank; or NULL: messages */
    double *gathered;  /* (workers, doubles); or NULL: a window */
    const double **parts;
    unsigned turn; /* which half of the window */
};

/* Two halves in turn: a rank that writes one has passed the barrier at which all had read it. */
static co_status by_window(co_norm_exchange *own, const double *mine, size_t count, co_error *err)
{
    const size_t offset = own->turn * own->doubles;
    own->turn ^= 1U;
    for (int rank = 0; rank < own->comm->size; rank++) {
        own->parts[rank] = (const double *)own->window->part[rank] + offset;
    }
    double *place = (double *)own->window->part[own->comm->rank] + offset;
    memcpy(place, mine, count * sizeof(double));
    return co_window_barrier(own->window, err);
}

static co_status by_messages(co_norm_exchange *own, const double *mine, size_t count, co_error *err)
{
    for (int rank = 0; rank < own->comm->size; rank++) {
        own->parts[rank] = own->gathered + (size_t)rank * count;
    }
    return co_comm_gather(own->comm, mine, count * sizeof(double), own->gathered, err);
}

static co_status exchange(co_norm_sync *sync, const double *mine, size_t count, co_error *err)
{
    co_norm_exchange *own = (co_norm_exchange *)sync;
    const uint64_t start = co_clock_ns(&own->comm->clock);
    if (count > own->doubles) {
        return co_fail(err, CO_INTERNAL, "an exchange of %zu doubles, at most %zu were expected",
                       count, own->doubles);
    }
    co_comm_at(own->comm, own->comm->step, "batch norm");
    CO_TRY(own->window != NULL ? by_window(own, mine, count, err)
                               : by_messages(own, mine, count, err));
    *own->exposed_seconds += (double)(co_clock_ns(&own->comm->clock) - start) / 1e9;
    return CO_OK;
}

static co_status open_memory(co_norm_exchange *own, bool shared_memory, co_error *err)
{
    void *block = NULL;
    const size_t workers = (size_t)own->comm->size;
    CO_TRY(co_alloc(workers, sizeof(double *), "sums of the workers", &block, err));
    own->parts = block;
    own->base.parts = own->parts;
    if (shared_memory && own->comm->hosts == 1) {
        return co_window_open(own->comm, 2 * own->doubles * sizeof(double), &own->window, err);
    }
    CO_TRY(co_alloc(workers * own->doubles, sizeof(double), "sums of the workers", &block, err));
    own->gathered = block;
    return CO_OK;
}

co_status co_norm_exchange_open(co_comm *comm, size_t doubles, bool shared_memory,
                                double *exposed_seconds, co_norm_exchange **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_norm_exchange), "exchange of batch norms", &block, err));
    co_norm_exchange *own = block;
    own->base.workers = comm->size;
    own->base.exchange = exchange;
    own->comm = comm;
    own->exposed_seconds = exposed_seconds;
    own->doubles = doubles;
    co_status status = open_memory(own, shared_memory, err);
    if (status != CO_OK) {
        co_norm_exchange_close(own);
        return status;
    }
    *out = own;
    return CO_OK;
}

void co_norm_exchange_close(co_norm_exchange *own)
{
    if (own == NULL) {
        return;
    }
    co_window_close(own->window);
    co_free(own->gathered);
    co_free(own->parts);
    co_free(own);
}

co_norm_sync *co_norm_exchange_sync(co_norm_exchange *own)
{
    return own != NULL ? &own->base : NULL;
}
