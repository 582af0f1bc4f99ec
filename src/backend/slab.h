/* The slab of a set of plans: one block of memory for everything that they compute. */
#ifndef CO_BACKEND_SLAB_H
#define CO_BACKEND_SLAB_H

#include "backend/backend.h"

/* Memory of several models' plans, where they compute in turn and each has done with it when the
 * next begins: the ranks of a simulation. Zeroed to begin with; one thread. */
enum { CO_SLAB_POOL_BLOCKS = 8 };
typedef struct co_slab_pool {
    void *blocks[CO_SLAB_POOL_BLOCKS];
    size_t bytes[CO_SLAB_POOL_BLOCKS];
    int count;
} co_slab_pool;

void co_slab_pool_free(co_slab_pool *pool); /* after all plans that use it */

/* Allocates it if the machine has that much: CO_MEMORY with needed and available bytes and the
 * largest batch that would fit, before the system has to end a process. With a pool (NULL: none) it
 * may be one that others have. */
CO_MUST_CHECK co_status co_slab_alloc(co_slab_pool *pool, const co_plan_spec *specs, int count,
                                      size_t bytes, void **out, co_error *err);
void co_slab_free(const co_slab_pool *pool, void *slab);

#endif
