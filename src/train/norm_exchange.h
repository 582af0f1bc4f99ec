/* Batch norm over the batches of all workers (--bn-workers sync): how what the plans exchange
 * travels. Inside one host through shared memory and one barrier, else by messages to all. Every
 * worker has what all others gave, and puts it together in the order of the ranks. The wait ends
 * at the deadline of the co_comm, as all waits do. An exchange allocates nothing.
 *
 * All workers open and close theirs together. The comm and *exposed_seconds are borrowed; the
 * thread that drives the plans, and makes all calls to the comm, uses it.
 */
#ifndef CO_TRAIN_NORM_EXCHANGE_H
#define CO_TRAIN_NORM_EXCHANGE_H

#include <stdbool.h>

#include "backend/backend.h"
#include "comm/comm.h"

typedef struct co_norm_exchange co_norm_exchange;

/* The graph, borrowed, has batch norms to synchronise (co_norm_sync_doubles). exposed_seconds: the
 * time that exchanges take is added to it. */
CO_MUST_CHECK co_status co_norm_exchange_open(co_comm *comm, const co_graph *graph,
                                              bool shared_memory, double *exposed_seconds,
                                              co_norm_exchange **out, co_error *err);
void co_norm_exchange_close(co_norm_exchange *exchange); /* NULL is allowed */
/* In a simulation, around a forward pass that is declared to take so many seconds: they pass bit by
 * bit, before each exchange those of the layers before it, by the shares of the plan's phases
 * (borrowed until the end), and at the end the rest. */
void co_norm_exchange_forward_begins(co_norm_exchange *exchange, double seconds,
                                     const co_phase *phases, int count);
void co_norm_exchange_forward_ends(co_norm_exchange *exchange);
/* For the plans; NULL gives NULL. */
co_norm_sync *co_norm_exchange_sync(co_norm_exchange *exchange);

#endif
