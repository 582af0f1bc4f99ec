/* The flat buffers of a model, and the copies of parameters that kernels read. */
#include <string.h>

#include "backend/dnnl/model.h"
#include "backend/dnnl/primitive.h"
#include "base/alloc.h"

co_status co_dnnl_model_create(co_backend *backend, const co_graph *graph, co_model **out,
                               co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_dnnl_model), "model", &block, err));
    co_dnnl_model *model = block;
    model->base.backend = backend;
    model->base.graph = graph;
    void *params = NULL;
    void *grads = NULL;
    void *stats = NULL;
    co_status status = co_alloc(graph->param_floats, sizeof(float), "parameters", &params, err);
    if (status == CO_OK) {
        status = co_alloc(graph->param_floats, sizeof(float), "gradients", &grads, err);
    }
    if (status == CO_OK) {
        status = co_alloc(graph->stat_floats, sizeof(float), "statistics", &stats, err);
    }
    model->base.params = params;
    model->base.grads = grads;
    model->base.stats = stats;
    if (status != CO_OK) {
        co_dnnl_model_destroy(&model->base);
        return status;
    }
    *out = &model->base;
    return CO_OK;
}

void co_dnnl_model_destroy(co_model *base)
{
    if (base == NULL) {
        return;
    }
    co_dnnl_model *model = co_dnnl_model_of(base);
    for (int i = 0; i < model->copy_count; i++) {
        co_primitive_destroy(model->copies[i].reorder);
        co_free(model->copies[i].data);
    }
    co_free(model->copies);
    co_free(model->reorder_scratch);
    co_free(base->params);
    co_free(base->grads);
    co_free(base->stats);
    co_free(model);
}

/* ------------------------------------------------------------------ refreshing */

typedef struct pack_run {
    const co_lane_ops *lane;
    const co_copy *copy;
    const float *source;
    int items;
} pack_run;

static void pack_member(void *arg, int thread, int threads)
{
    const pack_run *run = arg;
    int begin;
    int end;
    co_team_share(run->items, thread, threads, &begin, &end);
    if (begin < end) {
        run->lane->conv_pack(&run->copy->conv, run->copy->pass, run->source, run->copy->data, begin,
                             end);
    }
}

static co_status refresh_copy(co_dnnl_model *model, const co_copy *copy, co_error *err)
{
    enum { WORTH_A_TEAM = 32 * 1024 }; /* floats */
    co_dnnl_backend *backend = co_dnnl_of(model->base.backend);
    const co_tensor *param = &model->base.graph->params[copy->param];
    float *source = model->base.params + param->offset;
    if (copy->reorder != NULL) {
        void *const at[] = {source, copy->data, model->reorder_scratch};
        co_primitive_bind(copy->reorder, at);
        return co_primitive_run(copy->reorder, err);
    }
    pack_run run = {backend->lane, copy, source,
                    backend->lane->conv_pack_items(&copy->conv, copy->pass)};
    if (param->count < WORTH_A_TEAM) {
        pack_member(&run, 0, 1);
    } else {
        co_team_run(backend->base.team, pack_member, &run);
    }
    return CO_OK;
}

co_status co_dnnl_refresh(co_model *base, size_t offset, size_t count, co_error *err)
{
    co_dnnl_model *model = co_dnnl_model_of(base);
    for (int i = 0; i < model->copy_count; i++) {
        const co_tensor *param = &base->graph->params[model->copies[i].param];
        if (param->offset >= offset && param->offset + param->count <= offset + count) {
            CO_TRY(refresh_copy(model, &model->copies[i], err));
        }
    }
    return CO_OK;
}

/* ------------------------------------------------------------------ copies for plans */

static co_status add_copy(co_dnnl_model *model, const co_copy *copy, co_error *err)
{
    if (model->copy_count == model->copy_capacity) {
        int capacity = model->copy_capacity == 0 ? 16 : 2 * model->copy_capacity;
        void *copies = NULL;
        CO_TRY(co_alloc((size_t)capacity, sizeof(co_copy), "table of weights", &copies, err));
        if (model->copy_count > 0) {
            memcpy(copies, model->copies, (size_t)model->copy_count * sizeof(co_copy));
        }
        co_free(model->copies);
        model->copies = copies;
        model->copy_capacity = capacity;
    }
    void *data = NULL;
    CO_TRY(co_alloc(copy->bytes, 1, "packed weights", &data, err));
    co_copy *added = &model->copies[model->copy_count];
    *added = *copy;
    added->data = data;
    co_status status = refresh_copy(model, added, err);
    if (status != CO_OK) {
        co_free(data);
        return status;
    }
    model->copy_count++;
    return CO_OK;
}

/* Packing depends on everything but the number of images. */
static bool same_packing(const co_copy *copy, int param, const co_lane_conv *conv,
                         co_lane_pass pass)
{
    const co_lane_conv *c = &copy->conv;
    return copy->reorder == NULL && copy->param == param && copy->pass == pass &&
           c->algorithm[pass] == conv->algorithm[pass] && c->in_h == conv->in_h &&
           c->in_w == conv->in_w && c->in_halo == conv->in_halo && c->pool == conv->pool &&
           c->lanes == conv->lanes;
}

co_status co_model_lane_copy(co_dnnl_plan *plan, int param, const co_lane_conv *conv,
                             co_lane_pass pass, int *buffer, co_error *err)
{
    co_dnnl_model *model = plan->model;
    int found = 0;
    while (found < model->copy_count && !same_packing(&model->copies[found], param, conv, pass)) {
        found++;
    }
    if (found == model->copy_count) {
        co_copy copy;
        memset(&copy, 0, sizeof(copy));
        copy.param = param;
        copy.bytes = plan->backend->lane->conv_packed_floats(conv, pass) * sizeof(float);
        copy.conv = *conv;
        copy.pass = pass;
        CO_TRY(add_copy(model, &copy, err));
    }
    const co_copy *copy = &model->copies[found];
    return co_buffers_external(&plan->buffers, copy->data, copy->bytes, buffer, err);
}

static co_status make_reorder(co_dnnl_plan *plan, const dnnl_memory_desc_t *from,
                              const dnnl_memory_desc_t *to, co_primitive **out, co_error *err)
{
    co_library *library = &plan->backend->library;
    co_dnnl_model *model = plan->model;
    dnnl_primitive_desc_t pd = NULL;
    CO_TRY(co_primitive_find_reorder(library, from, to, &pd, err));
    if (pd == NULL) {
        return co_fail(err, CO_INTERNAL, "oneDNN has no kernel for a layout of weights");
    }
    co_primitive_arg args[2] = {{DNNL_ARG_FROM, 0, *from}, {DNNL_ARG_TO, 1, *to}};
    size_t scratch = co_primitive_scratch_bytes(pd);
    co_status status = CO_OK;
    if (scratch > model->reorder_scratch_bytes) {
        void *block = NULL;
        status = co_alloc(scratch, 1, "scratch of weights", &block, err);
        if (status == CO_OK) {
            co_free(model->reorder_scratch);
            model->reorder_scratch = block;
            model->reorder_scratch_bytes = scratch;
        }
    }
    if (status == CO_OK) {
        status = co_primitive_create(library, pd, args, 2, 2, out, err);
    }
    dnnl_primitive_desc_destroy(pd);
    return status;
}

co_status co_model_dnnl_copy(co_dnnl_plan *plan, int param, const dnnl_memory_desc_t *from,
                             const dnnl_memory_desc_t *to, int *buffer, co_error *err)
{
    co_dnnl_model *model = plan->model;
    const co_tensor *tensor = &model->base.graph->params[param];
    if (dnnl_memory_desc_equal(from, to) != 0) {
        return co_buffers_external(&plan->buffers, model->base.params + tensor->offset,
                                   tensor->count * sizeof(float), buffer, err);
    }
    int found = 0;
    while (found < model->copy_count &&
           !(model->copies[found].reorder != NULL && model->copies[found].param == param &&
             dnnl_memory_desc_equal(&model->copies[found].md, to) != 0)) {
        found++;
    }
    if (found == model->copy_count) {
        co_copy copy;
        memset(&copy, 0, sizeof(copy));
        copy.param = param;
        copy.bytes = dnnl_memory_desc_get_size(to);
        copy.md = *to;
        CO_TRY(make_reorder(plan, from, to, &copy.reorder, err));
        co_status status = add_copy(model, &copy, err);
        if (status != CO_OK) {
            co_primitive_destroy(copy.reorder);
            return status;
        }
    }
    const co_copy *copy = &model->copies[found];
    return co_buffers_external(&plan->buffers, copy->data, copy->bytes, buffer, err);
}
