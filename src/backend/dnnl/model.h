/* The model's entries of co_backend_ops (model.c), for backend.c. */
#ifndef CO_BACKEND_DNNL_MODEL_H
#define CO_BACKEND_DNNL_MODEL_H

#include "backend/dnnl/plan.h"

static inline co_dnnl_model *co_dnnl_model_of(co_model *model)
{
    return (co_dnnl_model *)(void *)model;
}

CO_MUST_CHECK co_status co_dnnl_model_create(co_backend *backend, const co_graph *graph,
                                             co_model **out, co_error *err);
void co_dnnl_model_destroy(co_model *base);
CO_MUST_CHECK co_status co_dnnl_refresh(co_model *base, size_t offset, size_t count, co_error *err);

#endif
