/* Every step takes the mean gradient: what all forms of it have in common. */
#include "strategy/allreduce.h"

#include <math.h>

#include "base/alloc.h"

enum { TAG = 1 }; /* messages between two workers stay in order */

/* ---- what the forms use ---- */

double co_allreduce_squares(const co_allreduce *all, co_range range)
{
    const co_model *model = all->base.model;
    return model->backend->ops->sum_squares(model->backend, co_range_count(range),
                                            model->grads + range.begin);
}

double co_allreduce_all_squares(const co_allreduce *all)
{
    double sum = 0.0;
    for (int share = 0; share < all->comm->size; share++) {
        sum += co_allreduce_squares(all, co_shares(all, share, 1));
    }
    return sum;
}

co_status co_allreduce_tell(co_allreduce *all, double sum_squares, co_reduction *out, co_error *err)
{
    const co_facts mine = {sum_squares, all->base.loss, all->base.stop, all->base.save};
    if (all->groups == 1) { /* the window is cheaper than messages */
        co_allreduce_slot(all, all->member)->facts = mine;
        CO_TRY(co_window_barrier(all->window, err));
        for (int member = 0; member < all->members; member++) {
            all->facts[member] = co_allreduce_slot(all, member)->facts;
        }
    } else {
        CO_TRY(co_comm_gather(all->comm, &mine, sizeof(mine), all->facts, err));
    }
    for (int i = 0; i < all->comm->size; i++) {
        out->sum_squares += all->facts[all->owner[i]].sum_squares;
        out->loss += all->facts[i].loss;
        out->stop = out->stop || all->facts[i].stop != 0;
        out->save = out->save || all->facts[i].save != 0;
    }
    out->loss /= all->comm->size;
    return CO_OK;
}

co_status co_allreduce_reserve(co_allreduce *all, size_t requests, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(requests, sizeof(co_request), "requests", &block, err));
    all->requests = block;
    all->request_limit = (int)requests;
    return CO_OK;
}

static co_status next_request(co_allreduce *all, co_request **out, co_error *err)
{
    if (all->request_count == all->request_limit) {
        return co_fail(err, CO_INTERNAL, "more than %d messages in a step", all->request_limit);
    }
    *out = &all->requests[all->request_count++];
    return CO_OK;
}

co_status co_allreduce_send(co_allreduce *all, const void *data, size_t bytes, int to,
                            co_error *err)
{
    co_request *request = NULL;
    CO_TRY(next_request(all, &request, err));
    return co_comm_start_send(all->comm, data, bytes, to, TAG, request, err);
}

co_status co_allreduce_receive(co_allreduce *all, void *data, size_t bytes, int from, co_error *err)
{
    co_request *request = NULL;
    CO_TRY(next_request(all, &request, err));
    return co_comm_start_receive(all->comm, data, bytes, from, TAG, request, err);
}

co_status co_allreduce_add_up(co_allreduce *all, co_range range, co_error *err)
{
    co_request *request = NULL;
    CO_TRY(next_request(all, &request, err));
    return co_comm_start_sum(all->comm, all->base.model->grads + range.begin, co_range_count(range),
                             request, err);
}

co_status co_allreduce_finish(co_allreduce *all, co_error *err)
{
    CO_TRY(co_comm_wait(all->comm, all->requests, all->request_count, err));
    all->request_count = 0;
    return CO_OK;
}

/* ---- a step ---- */

static double seconds_since(const co_allreduce *all, uint64_t start_ns)
{
    return (double)(co_clock_ns(&all->comm->clock) - start_ns) / 1e9;
}

static co_status flush(co_allreduce *all, co_error *err)
{
    const co_range bucket = all->pending;
    all->pending = (co_range){0, 0};
    return co_range_count(bucket) > 0 ? all->form->bucket(all, bucket, err) : CO_OK;
}

/* Ranges become final from the last one to the first; those that adjoin make a bucket. */
static co_status send_early(co_allreduce *all, co_range range, co_error *err)
{
    if (range.end == all->pending.begin && co_range_count(all->pending) > 0) {
        all->pending.begin = range.begin;
    } else {
        CO_TRY(flush(all, err));
        all->pending = range;
    }
    if (co_range_count(all->pending) * sizeof(float) >= all->options.bucket_bytes) {
        CO_TRY(flush(all, err));
    }
    CO_TRY(all->form->advance(all, err));
    co_comm_progress(all->comm, all->requests, all->request_count);
    return CO_OK;
}

static co_status ready(co_strategy *strategy, size_t offset, size_t count, co_error *err)
{
    co_allreduce *all = co_allreduce_of(strategy);
    const co_model *model = strategy->model;
    if (all->options.predivide != 1.0) { /* as given, not computed */
        model->backend->ops->scale(model->backend, count, all->before, model->grads + offset);
    }
    if (!all->early || count == 0) {
        return CO_OK;
    }
    const uint64_t start = co_clock_ns(&all->comm->clock);
    CO_TRY(send_early(all, (co_range){offset, offset + count}, err));
    strategy->exposed_seconds += seconds_since(all, start);
    return CO_OK;
}

static co_status reduce(co_strategy *strategy, co_reduction *out, co_error *err)
{
    co_allreduce *all = co_allreduce_of(strategy);
    const uint64_t start = co_clock_ns(&all->comm->clock);
    *out = (co_reduction){0};
    CO_TRY(flush(all, err));
    CO_TRY(all->form->sum(all, out, err));
    out->finite = isfinite(out->sum_squares) && isfinite(out->loss);
    strategy->exposed_seconds += seconds_since(all, start);
    return CO_OK;
}

/* One's own region of the parameters is written. */
static co_status publish(co_allreduce *all, co_error *err)
{
    const uint64_t start = co_clock_ns(&all->comm->clock);
    if (all->members > 1) {
        CO_TRY(co_window_barrier(all->window, err)); /* so are the others */
    }
    all->base.exposed_seconds += seconds_since(all, start);
    return all->base.model->backend->ops->refresh(all->base.model, 0, all->floats, err);
}

static co_status apply(co_strategy *strategy, const co_hyper *hyper, co_error *err)
{
    co_allreduce *all = co_allreduce_of(strategy);
    const co_range region = co_region_of(all, all->member);
    co_optimizer_begin(strategy->optimizer);
    CO_TRY(co_optimizer_step(strategy->optimizer, strategy->model, region.begin,
                             co_range_count(region), hyper, err));
    return publish(all, err);
}

static co_status rewrite(co_strategy *strategy, co_rewrite write, void *arg, co_error *err)
{
    co_allreduce *all = co_allreduce_of(strategy);
    const co_range region = co_region_of(all, all->member);
    if (all->members > 1) {
        CO_TRY(co_window_barrier(all->window, err)); /* nobody reads them now */
    }
    write(arg, region.begin, co_range_count(region));
    return publish(all, err);
}

/* To rank 0, from the one of its group who keeps that part of momentum or moments. */
static co_status bring_region(const co_allreduce *all, int member, float *buffer, co_error *err)
{
    const co_range region = co_region_of(all, member);
    const size_t bytes = co_range_count(region) * sizeof(float);
    const int owner = co_rank_at(all, 0, member);
    if (all->comm->rank == 0) {
        return co_comm_receive(all->comm, buffer + region.begin, bytes, owner, TAG, err);
    }
    return all->comm->rank == owner
               ? co_comm_send(all->comm, buffer + region.begin, bytes, 0, TAG, err)
               : CO_OK;
}

static co_status complete(co_strategy *strategy, co_error *err)
{
    const co_allreduce *all = co_allreduce_of(strategy);
    float *buffer = NULL;
    for (int i = 0; (buffer = co_optimizer_buffer(strategy->optimizer, i)) != NULL; i++) {
        for (int member = 1; member < all->members; member++) {
            CO_TRY(bring_region(all, member, buffer, err));
        }
    }
    return CO_OK;
}

static co_status show_gradient(co_strategy *strategy, co_error *err)
{
    co_allreduce *all = co_allreduce_of(strategy);
    return all->members > 1 ? co_allreduce_show_regions(all, err) : CO_OK;
}

static void destroy(co_strategy *strategy)
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
    co_free(all->buckets);
    co_free(all->scratch);
    co_free(all->parts);
    co_free(all->facts);
    co_free(all->owner);
    co_free(all);
}

static const co_strategy_ops allreduce_ops = {
    .name = "allreduce",
    .destroy = destroy,
    .ready = ready,
    .reduce = reduce,
    .apply = apply,
    .rewrite = rewrite,
    .complete = complete,
    .show_gradient = show_gradient,
    .state = co_strategy_no_state,
};

/* ---- who does what ---- */

/* The ranks of a host are a group if all hosts have as many. Summed `ordered`, a group must be a
 * sub-tree of the tree over all ranks: a power of two of them, one after the other. With bfloat16
 * what a group sends is rounded once more than the tree says. seen: (hosts) zeros. */
static bool deal_to_hosts(co_allreduce *all, int *seen)
{
    const co_comm *comm = all->comm;
    const int members = comm->size / comm->hosts;
    const bool exact = all->options.ordered && comm->hosts > 1;
    if (all->options.messages || all->options.adasum || members == 1 ||
        (exact && ((members & (members - 1)) != 0 || all->options.bf16))) {
        return false;
    }
    for (int rank = 0; rank < comm->size; rank++) {
        const int host = comm->host_of[rank];
        const int member = seen[host]++;
        if (member == members || (exact && host != rank / members)) {
            return false;
        }
        all->owner[member * comm->hosts + host] = rank;
    }
    all->groups = comm->hosts;
    all->members = members;
    all->group = comm->host;
    all->member = comm->host_rank;
    return true;
}

static co_status deal_shares(co_allreduce *all, co_error *err)
{
    void *seen = NULL;
    const co_comm *comm = all->comm;
    CO_TRY(co_alloc((size_t)comm->hosts, sizeof(int), "workers of the hosts", &seen, err));
    bool dealt = deal_to_hosts(all, seen);
    co_free(seen);
    if (dealt) {
        return CO_OK;
    }
    for (int rank = 0; rank < comm->size; rank++) {
        all->owner[rank] = rank;
    }
    all->groups = comm->size;
    all->members = 1;
    all->group = comm->rank;
    all->member = 0;
    return CO_OK;
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

static co_status allocate(co_allreduce *all, co_error *err)
{
    void *block = NULL;
    const size_t workers = (size_t)all->comm->size;
    CO_TRY(co_alloc(workers, sizeof(int), "owners of shares", &block, err));
    all->owner = block;
    CO_TRY(co_alloc(workers, sizeof(co_facts), "facts of the workers", &block, err));
    all->facts = block;
    CO_TRY(co_alloc(workers, sizeof(float *), "parts of a sum", &block, err));
    all->parts = block;
    CO_TRY(co_alloc(CO_TREE_SCRATCH_FLOATS, sizeof(float), "partial sums", &block, err));
    all->scratch = block;
    return CO_OK;
}

static co_status set_up(co_allreduce *all, co_error *err)
{
    CO_TRY(allocate(all, err));
    CO_TRY(deal_shares(all, err));
    if (all->options.adasum) {
        all->base.repeatable = true;
        return co_allreduce_open_adasum(all, err);
    }
    bool library = all->members == 1 && !all->options.ordered && !all->options.bf16;
    all->base.repeatable = !library;
    return library ? co_allreduce_open_library(all, err) : co_allreduce_open_shares(all, err);
}

co_status co_strategy_allreduce(co_comm *comm, co_model *model, co_optimizer *optimizer,
                                const co_allreduce_options *options, co_strategy **out,
                                co_error *err)
{
    CO_TRY(check_workers(comm, options, err));
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_allreduce), "allreduce", &block, err));
    co_allreduce *all = block;
    all->base = (co_strategy){.ops = &allreduce_ops, .model = model, .optimizer = optimizer};
    all->comm = comm;
    all->options = *options;
    all->floats = model->graph->param_floats;
    all->tensors = model->graph->params;
    all->tensor_count = model->graph->param_count;
    all->before = (float)(1.0 / options->predivide);
    all->after = (float)(options->predivide / comm->size);
    co_status status = set_up(all, err);
    if (status != CO_OK) {
        destroy(&all->base);
        return status;
    }
    *out = &all->base;
    return CO_OK;
}
