/* Creating an allreduce: which of its forms, with which memory. */
#include "strategy/allreduce.h"

#include "base/alloc.h"

double co_share_squares(const co_allreduce *all, int worker)
{
    const co_model *model = all->base.model;
    return model->backend->ops->sum_squares(model->backend, co_share_count(all, worker),
                                            model->grads + co_share_begin(all, worker));
}

void co_allreduce_destroy(co_strategy *strategy)
{
    co_allreduce *all = co_allreduce_of(strategy);
    /* What was moved to our memory is not the model's to free. */
    if (all->window != NULL) {
        strategy->model->grads = NULL;
        strategy->model->params = NULL;
        co_window_close(all->window);
    }
    if (all->memory != NULL) {
        strategy->model->grads = NULL;
        co_comm_free(all->comm, all->memory);
    }
    co_comm_free(all->comm, all->wire_in);
    co_comm_free(all->comm, all->wire_out);
    co_comm_free(all->comm, all->inbox);
    co_free(all->requests);
    co_free(all->scratch);
    co_free(all->parts);
    co_free(all);
}

static co_status check_workers(const co_comm *comm, const co_allreduce_options *options,
                               co_error *err)
{
    unsigned size = (unsigned)comm->size;
    if (options->adasum && (size & (size - 1)) != 0) {
        return co_fail(err, CO_USAGE,
                       "Adasum adds the workers in pairs: their number must be 2, 4, 8, 16, ..., "
                       "not %u",
                       size);
    }
    return CO_OK;
}

static co_status set_up(co_allreduce *all, co_error *err)
{
    void *block = NULL;
    const co_graph *graph = all->base.model->graph;
    all->floats = graph->param_floats;
    all->tensors = graph->params;
    all->tensor_count = graph->param_count;
    all->before = (float)(1.0 / all->options.predivide);
    all->after = (float)(all->options.predivide / all->comm->size);
    CO_TRY(co_alloc((size_t)all->comm->size, sizeof(float *), "parts of a sum", &block, err));
    all->parts = block;
    CO_TRY(co_alloc(CO_TREE_SCRATCH_FLOATS, sizeof(float), "partial sums", &block, err));
    all->scratch = block;
    all->tree = (co_tree){
        .parts = all->parts,
        .ranks = all->comm->size,
        .bf16 = all->options.bf16,
        .scratch = all->scratch,
    };
    bool window = all->comm->hosts == 1 && !all->options.messages && !all->options.adasum;
    if (window && all->comm->sizes_only) {
        all->floats = 0; /* nothing is sent inside a host: what is left are the barriers */
    }
    all->base.ops = window ? &co_allreduce_window_ops : &co_allreduce_message_ops;
    return window ? co_allreduce_open_window(all, err) : co_allreduce_open_messages(all, err);
}

co_status co_strategy_allreduce(co_comm *comm, co_model *model, co_optimizer *optimizer,
                                const co_allreduce_options *options, co_strategy **out,
                                co_error *err)
{
    CO_TRY(check_workers(comm, options, err));
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_allreduce), "allreduce", &block, err));
    co_allreduce *all = block;
    all->base.model = model;
    all->base.optimizer = optimizer;
    all->comm = comm;
    all->options = *options;
    co_status status = set_up(all, err);
    if (status != CO_OK) {
        co_allreduce_destroy(&all->base);
        return status;
    }
    *out = &all->base;
    return CO_OK;
}
