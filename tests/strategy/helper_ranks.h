/* Ranks that are threads of this process, on hosts as the test says: an engine for strategies. */
#ifndef CO_TESTS_STRATEGY_HELPER_RANKS_H
#define CO_TESTS_STRATEGY_HELPER_RANKS_H

#include <stdatomic.h>

#include "comm/comm.h"

enum { RANKS_MOST = 12 };

/* Runs work(comm, context) in `size` threads; host_of[rank] numbers the hosts by their lowest
 * ranks. Returns the bytes of all point to point messages between hosts. */
uint64_t ranks_run(int size, const int *host_of, void (*work)(co_comm *comm, void *context),
                   void *context);

#endif
