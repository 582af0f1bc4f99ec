/* The slab of a set of plans: one block of memory for everything that they compute. */
#ifndef CO_BACKEND_SLAB_H
#define CO_BACKEND_SLAB_H

#include "backend/backend.h"

/* Allocates it if the machine has that much: CO_MEMORY with needed and available bytes and the
 * largest batch that would fit, before the system has to end a process. */
CO_MUST_CHECK co_status co_slab_alloc(const co_plan_spec *specs, int count, size_t bytes,
                                      void **out, co_error *err);

#endif
