#include "train/norm_exchange.h"

#include <string.h>

#include "base/alloc.h"

/* A forward pass of a simulation. */
typedef struct pass {
    const co_phase *phases; /* NULL: none is under way */
    int count;
    int layer; /* whose exchange was the last one; -1: none so far */
    double seconds;
    double declared; /* of them */
} pass;

struct co_norm_exchange {
    co_norm_sync base;
    co_comm *comm;
    const co_graph *graph;
    pass forward;
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

/* ---- declared time ---- */

static void declare(co_norm_exchange *own, double share)
{
    pass *p = &own->forward;
    double more = p->seconds * share - p->declared;
    if (more > 0.0) {
        co_comm_compute(own->comm, more);
        p->declared += more;
    }
}

/* What is computed before the next batch norm. */
static void declare_until_norm(co_norm_exchange *own)
{
    pass *p = &own->forward;
    const co_layer *layers = own->graph->layers;
    double share = 0.0;
    do {
        p->layer++;
    } while (p->layer < own->graph->layer_count &&
             (layers[p->layer].kind != CO_LAYER_BATCH_NORM || layers[p->layer].u.norm.frozen));
    for (int i = 0; i < p->count; i++) {
        share += p->phases[i].layer < p->layer ? p->phases[i].share : 0.0;
    }
    declare(own, share);
}

void co_norm_exchange_forward_begins(co_norm_exchange *own, double seconds, const co_phase *phases,
                                     int count)
{
    own->forward = (pass){.phases = phases, .count = count, .layer = -1, .seconds = seconds};
}

void co_norm_exchange_forward_ends(co_norm_exchange *own)
{
    declare(own, 1.0);
    own->forward.phases = NULL;
}

/* ---- exchanging ---- */

static co_status exchange(co_norm_sync *sync, const double *mine, size_t count, co_error *err)
{
    co_norm_exchange *own = (co_norm_exchange *)sync;
    if (own->forward.phases != NULL) {
        declare_until_norm(own);
    }
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

co_status co_norm_exchange_open(co_comm *comm, const co_graph *graph, bool shared_memory,
                                double *exposed_seconds, co_norm_exchange **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_norm_exchange), "exchange of batch norms", &block, err));
    co_norm_exchange *own = block;
    own->base.workers = comm->size;
    own->base.exchange = exchange;
    own->comm = comm;
    own->exposed_seconds = exposed_seconds;
    own->graph = graph;
    own->doubles = co_norm_sync_doubles(graph);
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
