/* The memory of a plan: buffers with lifetimes, packed into one slab.
 *
 * While a plan is compiled, each operation stands at a position of the plan's timeline and
 * touches the buffers that it reads or writes. Two buffers whose lives do not overlap may get the
 * same bytes. The slab belongs to the set of plans, not to this module; external buffers
 * (parameters, gradients, private copies) only borrow their memory. Used by one thread.
 */
#ifndef CO_BACKEND_DNNL_BUFFERS_H
#define CO_BACKEND_DNNL_BUFFERS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef enum co_buffer_use {
    CO_BUFFER_ACTIVATION, /* what forward leaves for backward, masks and workspaces included */
    CO_BUFFER_GRADIENT,   /* of an activation */
    CO_BUFFER_SCRATCH,    /* inside one operation, or between neighbours */
    CO_BUFFER_EXTERNAL,
    CO_BUFFER_USES,
} co_buffer_use;

enum { CO_FOREVER = INT_MAX, CO_NO_BUFFER = -1 };

typedef struct co_buffer {
    size_t bytes;
    co_buffer_use use;
    int first; /* life on the timeline, both ends included; first > last: never touched */
    int last;
    size_t offset; /* in the slab */
    void *data;    /* after co_buffers_bind */
} co_buffer;

typedef struct co_buffers {
    co_buffer *items;
    int count;
    int capacity;
    size_t slab_bytes; /* after co_buffers_place */
} co_buffers;

void co_buffers_free(co_buffers *buffers);
/* *index: a buffer of the slab, 64-byte aligned. */
CO_MUST_CHECK co_status co_buffers_add(co_buffers *buffers, size_t bytes, co_buffer_use use,
                                       int *index, co_error *err);
/* *index: memory that somebody else owns. */
CO_MUST_CHECK co_status co_buffers_external(co_buffers *buffers, void *data, size_t bytes,
                                            int *index, co_error *err);
/* The buffer is in use at this time (CO_FOREVER: from then on). CO_NO_BUFFER is allowed. */
void co_buffers_touch(co_buffers *buffers, int index, int time);
/* Gives every buffer its offset and computes slab_bytes. */
CO_MUST_CHECK co_status co_buffers_place(co_buffers *buffers, co_error *err);
void co_buffers_bind(co_buffers *buffers, void *slab);
/* bytes[use]: the part of the slab that only this use and later ones occupy: the parts sum to
 * slab_bytes. */
CO_MUST_CHECK co_status co_buffers_bill(const co_buffers *buffers, size_t bytes[CO_BUFFER_USES],
                                        co_error *err);

#endif
