/* Between hosts. `fast`: buckets of the gradient are summed by the MPI library, begun while
 * backward still runs. Otherwise each worker gets its share of the gradient from all others, adds
 * it up along the fixed tree (or rounds to bfloat16 on the way), and hands the sum out. Adasum
 * exchanges whole gradients with one partner after the other. Afterwards every worker has the
 * whole mean gradient, and applies all of it. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "strategy/allreduce.h"

enum {
    TAIL_FLOATS = CO_SHARE_UNIT, /* behind the gradients: loss and stop travel with them */
    TAIL_LOSS = 0,
    TAIL_STOP = 1,
    TAG_SHARE = 1,
    TAG_SUM = 2,
    TAG_PAIR = 3,
};

typedef struct facts {
    double loss;
    double stop;
} facts;

static bool by_library(const co_allreduce *all)
{
    return !all->options.ordered && !all->options.bf16 && !all->options.adasum;
}

/* ---- fast: buckets ---- */

static co_status flush(co_allreduce *all, co_error *err)
{
    size_t begin = all->pending_begin;
    size_t end = all->pending_end;
    if (begin == end) {
        return CO_OK;
    }
    float *grads = all->base.model->grads;
    if (end == all->floats) {
        grads[all->floats + TAIL_LOSS] = (float)all->base.loss;
        grads[all->floats + TAIL_STOP] = all->base.stop ? 1.0F : 0.0F;
        end += TAIL_FLOATS;
    }
    all->pending_begin = all->pending_end = 0;
    if (all->request_count == all->request_limit) {
        return co_fail(err, CO_INTERNAL, "more than %d buckets in a step", all->request_limit);
    }
    return co_comm_start_sum(all->comm, grads + begin, end - begin,
                             &all->requests[all->request_count++], err);
}

static co_status ready(co_strategy *strategy, size_t offset, size_t count, co_error *err)
{
    co_allreduce *all = co_allreduce_of(strategy);
    const co_model *model = strategy->model;
    if (count == 0) {
        return CO_OK;
    }
    if (all->options.predivide != 1.0) { /* as given, not computed */
        model->backend->ops->scale(model->backend, count, all->before, model->grads + offset);
    }
    if (!by_library(all)) {
        return CO_OK;
    }
    if (offset + count == all->pending_begin && all->pending_end > 0) {
        all->pending_begin = offset;
    } else {
        CO_TRY(flush(all, err));
        all->pending_begin = offset;
        all->pending_end = offset + count;
    }
    if ((all->pending_end - all->pending_begin) * sizeof(float) >= all->options.bucket_bytes) {
        CO_TRY(flush(all, err));
    }
    co_comm_progress(all->comm, all->requests, all->request_count);
    return CO_OK;
}

static co_status reduce_buckets(co_allreduce *all, co_reduction *out, co_error *err)
{
    co_model *model = all->base.model;
    CO_TRY(flush(all, err));
    CO_TRY(co_comm_wait(all->comm, all->requests, all->request_count, err));
    all->request_count = 0;
    model->backend->ops->scale(model->backend, all->floats, all->after, model->grads);
    out->loss = model->grads[all->floats + TAIL_LOSS] / (double)all->comm->size;
    out->stop = model->grads[all->floats + TAIL_STOP] > 0.0F;
    return CO_OK;
}

/* ---- ordered, bf16: shares ---- */

static void to_wire(const co_allreduce *all, size_t count, const float *in, uint16_t *out)
{
    for (size_t i = 0; i < count && !all->comm->sizes_only; i++) {
        out[i] = co_bf16_of(in[i]);
    }
}

static void from_wire(const co_allreduce *all, size_t count, const uint16_t *in, float *out)
{
    for (size_t i = 0; i < count && !all->comm->sizes_only; i++) {
        out[i] = co_bf16_value(in[i]);
    }
}

static co_status start_pair(co_allreduce *all, int other, const void *out, size_t out_bytes,
                            void *in, size_t in_bytes, int tag, co_error *err)
{
    CO_TRY(co_comm_start_receive(all->comm, in, in_bytes, other, tag,
                                 &all->requests[all->request_count++], err));
    return co_comm_start_send(all->comm, out, out_bytes, other, tag,
                              &all->requests[all->request_count++], err);
}

static co_status finish(co_allreduce *all, co_error *err)
{
    CO_TRY(co_comm_wait(all->comm, all->requests, all->request_count, err));
    all->request_count = 0;
    return CO_OK;
}

/* Everybody's part of our share into the inbox: (workers, share). */
static co_status collect_share(co_allreduce *all, co_error *err)
{
    const int rank = all->comm->rank;
    const size_t own = co_share_count(all, rank);
    const float *grads = all->base.model->grads;
    if (all->options.bf16) {
        to_wire(all, all->floats, grads, all->wire_out);
    }
    for (int i = 1; i < all->comm->size; i++) {
        int other = (rank + i) % all->comm->size;
        size_t begin = co_share_begin(all, other);
        size_t count = co_share_count(all, other);
        size_t place = (size_t)other * own;
        if (all->options.bf16) {
            CO_TRY(start_pair(all, other, all->wire_out + begin, count * sizeof(uint16_t),
                              all->wire_in + place, own * sizeof(uint16_t), TAG_SHARE, err));
        } else {
            CO_TRY(start_pair(all, other, grads + begin, count * sizeof(float), all->inbox + place,
                              own * sizeof(float), TAG_SHARE, err));
        }
    }
    CO_TRY(finish(all, err));
    if (all->options.bf16) {
        from_wire(all, (size_t)all->comm->size * own, all->wire_in, all->inbox);
    }
    return CO_OK;
}

/* The sum of our share to everybody, theirs to us. */
static co_status hand_out_sums(co_allreduce *all, co_error *err)
{
    const int rank = all->comm->rank;
    const size_t own_begin = co_share_begin(all, rank);
    const size_t own = co_share_count(all, rank);
    float *grads = all->base.model->grads;
    if (all->options.bf16) {
        to_wire(all, own, grads + own_begin, all->wire_out + own_begin);
    }
    for (int i = 1; i < all->comm->size; i++) {
        int other = (rank + i) % all->comm->size;
        size_t begin = co_share_begin(all, other);
        size_t count = co_share_count(all, other);
        if (all->options.bf16) {
            CO_TRY(start_pair(all, other, all->wire_out + own_begin, own * sizeof(uint16_t),
                              all->wire_in + begin, count * sizeof(uint16_t), TAG_SUM, err));
        } else {
            CO_TRY(start_pair(all, other, grads + own_begin, own * sizeof(float), grads + begin,
                              count * sizeof(float), TAG_SUM, err));
        }
    }
    CO_TRY(finish(all, err));
    for (int other = 0; all->options.bf16 && other < all->comm->size; other++) {
        if (other != rank) {
            size_t begin = co_share_begin(all, other);
            from_wire(all, co_share_count(all, other), all->wire_in + begin, grads + begin);
        }
    }
    return CO_OK;
}

static co_status reduce_shares(co_allreduce *all, co_error *err)
{
    const int rank = all->comm->rank;
    const size_t own = co_share_count(all, rank);
    float *mine = all->base.model->grads + co_share_begin(all, rank);
    CO_TRY(collect_share(all, err));
    for (int worker = 0; worker < all->comm->size; worker++) {
        all->parts[worker] = worker == rank ? mine : all->inbox + (size_t)worker * own;
    }
    if (!all->comm->sizes_only) {
        co_tree_sum(&all->tree, own, all->after, mine);
    }
    return hand_out_sums(all, err);
}

/* ---- Adasum ---- */

/* Partners differ in one bit of their ranks; both compute the same, the lower rank's first. */
static co_status reduce_pairs(co_allreduce *all, co_error *err)
{
    const int rank = all->comm->rank;
    float *grads = all->base.model->grads;
    const size_t bytes = all->floats * sizeof(float);
    for (int bit = 1; bit < all->comm->size; bit *= 2) {
        CO_TRY(start_pair(all, rank ^ bit, grads, bytes, all->inbox, bytes, TAG_PAIR, err));
        CO_TRY(finish(all, err));
        bool first = (rank & bit) == 0;
        for (int i = 0; i < all->tensor_count && !all->comm->sizes_only; i++) {
            size_t offset = all->tensors[i].offset;
            size_t count = all->tensors[i].count;
            co_adasum(count, (first ? grads : all->inbox) + offset,
                      (first ? all->inbox : grads) + offset);
        }
        if (!first && !all->comm->sizes_only) {
            memcpy(grads, all->inbox, bytes);
        }
    }
    return CO_OK;
}

/* ---- all of them ---- */

static co_status exchange_facts(co_allreduce *all, co_reduction *out, co_error *err)
{
    const facts mine = {all->base.loss, all->base.stop ? 1.0 : 0.0};
    facts *told = (facts *)(void *)all->scratch;
    CO_TRY(co_comm_gather(all->comm, &mine, sizeof(mine), told, err));
    for (int worker = 0; worker < all->comm->size; worker++) {
        out->loss += told[worker].loss;
        out->stop = out->stop || told[worker].stop > 0.0;
    }
    out->loss /= all->comm->size;
    return CO_OK;
}

static co_status reduce_any(co_allreduce *all, co_reduction *out, co_error *err)
{
    if (by_library(all)) {
        CO_TRY(reduce_buckets(all, out, err));
    } else {
        CO_TRY(exchange_facts(all, out, err));
        CO_TRY(all->options.adasum ? reduce_pairs(all, err) : reduce_shares(all, err));
    }
    for (int worker = 0; worker < all->comm->size; worker++) {
        out->sum_squares += co_share_squares(all, worker);
    }
    out->finite = isfinite(out->sum_squares) && isfinite(out->loss);
    return CO_OK;
}

static co_status reduce(co_strategy *strategy, co_reduction *out, co_error *err)
{
    co_allreduce *all = co_allreduce_of(strategy);
    const uint64_t start = co_clock_ns(&all->comm->clock);
    *out = (co_reduction){0};
    CO_TRY(reduce_any(all, out, err));
    strategy->exposed_seconds += (double)(co_clock_ns(&all->comm->clock) - start) / 1e9;
    return CO_OK;
}

static co_status apply(co_strategy *strategy, const co_hyper *hyper, co_error *err)
{
    size_t count = strategy->model->graph->param_floats;
    co_optimizer_begin(strategy->optimizer);
    return co_optimizer_step(strategy->optimizer, strategy->model, 0, count, hyper, err);
}

static co_status complete(co_strategy *strategy, co_error *err)
{
    (void)strategy; /* every worker has all of it */
    (void)err;
    return CO_OK;
}

static co_status state(co_strategy *strategy, co_visitor *visitor, co_error *err)
{
    (void)strategy;
    (void)visitor;
    (void)err;
    return CO_OK;
}

const co_strategy_ops co_allreduce_message_ops = {
    .name = "allreduce",
    .destroy = co_allreduce_destroy,
    .ready = ready,
    .reduce = reduce,
    .apply = apply,
    .complete = complete,
    .state = state,
};

static co_status allocate_inbox(co_allreduce *all, co_error *err)
{
    void *block = NULL;
    const size_t workers = (size_t)all->comm->size;
    size_t floats = workers * co_share_count(all, all->comm->rank);
    floats = floats > all->floats ? floats : all->floats;
    CO_TRY(
        co_comm_alloc(all->comm, floats, sizeof(float), "gradients of other workers", &block, err));
    all->inbox = block;
    if (all->options.bf16) {
        CO_TRY(
            co_comm_alloc(all->comm, floats, sizeof(uint16_t), "gradients to send", &block, err));
        all->wire_out = block;
        CO_TRY(
            co_comm_alloc(all->comm, floats, sizeof(uint16_t), "received gradients", &block, err));
        all->wire_in = block;
    }
    return CO_OK;
}

co_status co_allreduce_open_messages(co_allreduce *all, co_error *err)
{
    void *block = NULL;
    co_model *model = all->base.model;
    _Static_assert(sizeof(facts) <= 4 * sizeof(float), "facts fit into the partial sums");
    if ((size_t)all->comm->size * sizeof(facts) > CO_TREE_SCRATCH_FLOATS * sizeof(float)) {
        return co_fail(err, CO_UNSUPPORTED, "more than %zu workers",
                       CO_TREE_SCRATCH_FLOATS * sizeof(float) / sizeof(facts));
    }
    int pairs = 2 * all->comm->size;
    int buckets = all->tensor_count + 2;
    all->request_limit = by_library(all) ? buckets : pairs;
    CO_TRY(co_alloc((size_t)all->request_limit, sizeof(co_request), "requests", &block, err));
    all->requests = block;
    if (!by_library(all)) {
        return allocate_inbox(all, err);
    }
    CO_TRY(co_comm_alloc(all->comm, all->floats + TAIL_FLOATS, sizeof(float), "gradients", &block,
                         err));
    all->memory = block;
    co_comm_free(all->comm, model->grads);
    model->grads = all->memory;
    return CO_OK;
}
