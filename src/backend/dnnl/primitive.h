/* A oneDNN primitive with its arguments: made once, executed each step.
 *
 * Never an implementation whose name contains "ref": those of oneDNN's reference code are a
 * hundred times slower. Scratchpads are the user's, that is: in the plan's slab. Buffers come
 * by position, as in co_op.at. Owned by the operation; used by the backend's thread.
 */
#ifndef CO_BACKEND_DNNL_PRIMITIVE_H
#define CO_BACKEND_DNNL_PRIMITIVE_H

#include <stddef.h>

#include "backend/dnnl/library.h"

enum { CO_PRIMITIVE_ARGS = 12 };

/* Argument `arg` (DNNL_ARG_...) with this layout is at position `place` of the buffers. */
typedef struct co_primitive_arg {
    int arg;
    int place;
    dnnl_memory_desc_t md;
} co_primitive_arg;

typedef struct co_primitive co_primitive;

/* *pd: the first implementation that is not "ref", starting from a operation descriptor;
 * *pd = NULL (and CO_OK) where there is none. hint may be NULL. relu: with that post-operation. */
CO_MUST_CHECK co_status co_primitive_find(co_library *library, const void *op_desc,
                                          const_dnnl_primitive_desc_t hint, bool relu,
                                          dnnl_primitive_desc_t *pd, co_error *err);
/* A reorder; *pd = NULL where only a reference implementation exists. */
CO_MUST_CHECK co_status co_primitive_find_reorder(co_library *library,
                                                  const dnnl_memory_desc_t *from,
                                                  const dnnl_memory_desc_t *to,
                                                  dnnl_primitive_desc_t *pd, co_error *err);
/* The memory layout of an argument. */
dnnl_memory_desc_t co_primitive_md(const_dnnl_primitive_desc_t pd, dnnl_query_t what, int index);
size_t co_primitive_scratch_bytes(const_dnnl_primitive_desc_t pd);
const char *co_primitive_name(const_dnnl_primitive_desc_t pd);

/* The primitive itself; pd stays the caller's. scratch_place: position of the scratchpad. */
CO_MUST_CHECK co_status co_primitive_create(co_library *library, const_dnnl_primitive_desc_t pd,
                                            const co_primitive_arg *args, int count,
                                            int scratch_place, co_primitive **out, co_error *err);
void co_primitive_destroy(co_primitive *primitive); /* NULL is allowed */
/* The name of its implementation; lives as long as the primitive. */
const char *co_primitive_kernel(const co_primitive *primitive);
void co_primitive_bind(co_primitive *primitive, void *const *at);
CO_MUST_CHECK co_status co_primitive_run(co_primitive *primitive, co_error *err);

#endif
