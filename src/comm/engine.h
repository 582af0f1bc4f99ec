/* The engine that a program is linked with: exactly one of comm/mpi (Open MPI or SimGrid) and
 * comm/none (a build without MPI).
 */
#ifndef CO_COMM_ENGINE_H
#define CO_COMM_ENGINE_H

#include "comm/comm.h"

/* Flop/s of the host that computing time is declared for. The platform writer gives a host of
 * relative speed s this times s, so that one second declared is 1 / s seconds there. */
#define CO_REFERENCE_FLOPS 1e9

extern const co_engine co_engine_linked;

#endif
