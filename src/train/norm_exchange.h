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

#include "backend/norm_sync.h"
#include "comm/comm.h"

typedef struct co_norm_exchange co_norm_exchange;

/* doubles: the most of one exchange (co_norm_sync_doubles), above 0. exposed_seconds: the time that
 * exchanges take is added to it. */
CO_MUST_CHECK co_status co_norm_exchange_open(co_comm *comm, size_t doubles, bool shared_memory,
                                              double *exposed_seconds, co_norm_exchange **out,
                                              co_error *err);
void co_norm_exchange_close(co_norm_exchange *exchange); /* NULL is allowed */
/* For the plans; NULL gives NULL. */
co_norm_sync *co_norm_exchange_sync(co_norm_exchange *exchange);

#endif
