/* Sums along the fixed tree, share by share: over a group in its window, over the groups by
 * messages. A bucket of the gradient is added up and sent as soon as all members have it, while
 * backward still runs. A message may be bfloat16. */
#include "base/alloc.h"
#include "strategy/allreduce.h"

static co_range own_share(const co_allreduce *all)
{
    return co_share_of(all, all->group, all->member);
}

/* ---- messages ---- */

/* Of a range in one's own region. */
static co_status send_range(co_allreduce *all, co_range range, int to, co_error *err)
{
    const float *grads = all->base.model->grads + range.begin;
    const size_t count = co_range_count(range);
    if (!all->options.bf16) {
        return co_allreduce_send(all, grads, count * sizeof(float), to, err);
    }
    uint16_t *wire = all->wire_out + (range.begin - co_region_of(all, all->member).begin);
    for (size_t i = 0; i < count && !all->comm->sizes_only; i++) {
        wire[i] = co_bf16_of(grads[i]);
    }
    return co_allreduce_send(all, wire, count * sizeof(uint16_t), to, err);
}

/* Into floats, or the same place of wire_in. */
static co_status receive(co_allreduce *all, float *floats, size_t place, size_t count, int from,
                         co_error *err)
{
    return all->options.bf16 ? co_allreduce_receive(all, all->wire_in + place,
                                                    count * sizeof(uint16_t), from, err)
                             : co_allreduce_receive(all, floats, count * sizeof(float), from, err);
}

static void from_wire(const co_allreduce *all, size_t place, size_t count, float *out)
{
    for (size_t i = 0; all->options.bf16 && !all->comm->sizes_only && i < count; i++) {
        out[i] = co_bf16_value(all->wire_in[place + i]);
    }
}

/* ---- sums ---- */

static void add_parts(const co_allreduce *all, int count, co_range range, bool last)
{
    if (all->comm->sizes_only) {
        return;
    }
    const co_tree tree = {
        .parts = all->parts,
        .ranks = count,
        .bf16 = all->options.bf16,
        .scratch = all->scratch,
    };
    co_tree_sum(&tree, co_range_count(range), last ? all->after : 1.0F,
                all->base.model->grads + range.begin);
}

static void add_members(co_allreduce *all, co_range range)
{
    if (all->members == 1) {
        return;
    }
    for (int member = 0; member < all->members; member++) {
        all->parts[member] = co_allreduce_grads(all, member) + range.begin;
    }
    add_parts(all, all->members, range, all->groups == 1);
}

/* Over the group; what belongs to other groups leaves for them, and theirs of our share comes. */
static co_status add_bucket(co_allreduce *all, co_range bucket, co_error *err)
{
    const co_range own = own_share(all);
    const size_t stride = co_range_count(own);
    for (int group = 0; group < all->groups; group++) {
        const co_range piece = co_range_common(bucket, co_share_of(all, group, all->member));
        if (co_range_count(piece) == 0) {
            continue;
        }
        add_members(all, piece);
        if (group != all->group) {
            CO_TRY(send_range(all, piece, co_rank_at(all, group, all->member), err));
            continue;
        }
        for (int i = 1; i < all->groups; i++) { /* not all from the same one at once */
            const int other = (group + i) % all->groups;
            const size_t place = (size_t)other * stride + (piece.begin - own.begin);
            CO_TRY(receive(all, all->inbox + place, place, co_range_count(piece),
                           co_rank_at(all, other, all->member), err));
        }
    }
    return CO_OK;
}

static void add_groups(co_allreduce *all)
{
    const co_range own = own_share(all);
    const size_t stride = co_range_count(own);
    for (int group = 0; group < all->groups; group++) {
        float *part = all->inbox + (size_t)group * stride;
        if (group == all->group) {
            part = all->base.model->grads + own.begin;
        } else {
            from_wire(all, (size_t)group * stride, stride, part);
        }
        all->parts[group] = part;
    }
    add_parts(all, all->groups, own, true);
}

/* The sum of our share to the other groups, theirs to us: then the region is whole. */
static co_status hand_out_sums(co_allreduce *all, co_error *err)
{
    const size_t begin = co_region_of(all, all->member).begin;
    float *grads = all->base.model->grads;
    for (int i = 1; i < all->groups; i++) {
        const int group = (all->group + i) % all->groups;
        const co_range share = co_share_of(all, group, all->member);
        const int rank = co_rank_at(all, group, all->member);
        CO_TRY(receive(all, grads + share.begin, share.begin - begin, co_range_count(share), rank,
                       err));
        CO_TRY(send_range(all, own_share(all), rank, err));
    }
    CO_TRY(co_allreduce_finish(all, err));
    for (int group = 0; group < all->groups; group++) {
        const co_range share = co_share_of(all, group, all->member);
        if (group != all->group) {
            from_wire(all, share.begin - begin, co_range_count(share), grads + share.begin);
        }
    }
    return CO_OK;
}

/* ---- a step ---- */

static bool all_members_have(const co_allreduce *all, uint64_t buckets)
{
    for (int member = 0; member < all->members && all->members > 1; member++) {
        const co_slot *slot = co_allreduce_slot(all, member);
        if (atomic_load_explicit(&slot->buckets, memory_order_acquire) < buckets) {
            return false;
        }
    }
    return true;
}

static co_status advance(co_allreduce *all, co_error *err)
{
    while (all->added < all->bucket_count &&
           all_members_have(all, all->told + (uint64_t)all->added + 1)) {
        CO_TRY(add_bucket(all, all->buckets[all->added], err));
        all->added++;
    }
    return CO_OK;
}

static co_status add_to_buckets(co_allreduce *all, co_range bucket, co_error *err)
{
    if (all->bucket_count == all->bucket_limit) {
        return co_fail(err, CO_INTERNAL, "more than %d buckets in a step", all->bucket_limit);
    }
    all->buckets[all->bucket_count++] = bucket;
    if (all->members > 1) {
        atomic_store_explicit(&co_allreduce_slot(all, all->member)->buckets,
                              all->told + (uint64_t)all->bucket_count, memory_order_release);
    }
    return CO_OK;
}

static co_status sum(co_allreduce *all, co_reduction *out, co_error *err)
{
    if (all->members > 1) {
        CO_TRY(co_window_barrier(all->window, err)); /* all gradients are there */
    }
    if (all->groups == 1) {
        add_members(all, own_share(all));
        return co_allreduce_tell(all, co_allreduce_squares(all, own_share(all)), out, err);
    }
    CO_TRY(advance(all, err));
    all->told += (uint64_t)all->bucket_count;
    all->bucket_count = all->added = 0;
    CO_TRY(co_allreduce_finish(all, err));
    add_groups(all);
    CO_TRY(co_allreduce_tell(all, co_allreduce_squares(all, own_share(all)), out, err));
    return hand_out_sums(all, err);
}

static const co_allreduce_form shares_form = {
    .bucket = add_to_buckets,
    .advance = advance,
    .sum = sum,
};

/* ---- memory ---- */

/* Buckets begin and end where tensors do: that many pieces at most has a range. */
static size_t tensors_in(const co_allreduce *all, co_range range)
{
    size_t count = 0;
    for (int i = 0; i < all->tensor_count; i++) {
        const size_t begin = all->tensors[i].offset;
        const co_range tensor = {begin, begin + co_round_up(all->tensors[i].count, CO_SHARE_UNIT)};
        count += co_range_count(co_range_common(tensor, range)) > 0;
    }
    return count;
}

static co_status open_messages(co_allreduce *all, co_error *err)
{
    void *block = NULL;
    const size_t groups = (size_t)all->groups;
    const co_range region = co_region_of(all, all->member);
    size_t received = groups * co_range_count(own_share(all));
    received = received > co_range_count(region) ? received : co_range_count(region);
    size_t pieces = tensors_in(all, region) + groups + tensors_in(all, own_share(all)) * groups;
    CO_TRY(co_allreduce_reserve(all, pieces > 2 * groups ? pieces : 2 * groups, err));
    all->bucket_limit = all->tensor_count + 1;
    CO_TRY(co_alloc((size_t)all->bucket_limit, sizeof(co_range), "buckets", &block, err));
    all->buckets = block;
    CO_TRY(co_comm_alloc(all->comm, received, sizeof(float), "gradients of other workers", &block,
                         err));
    all->inbox = block;
    if (all->options.bf16) {
        CO_TRY(
            co_comm_alloc(all->comm, received, sizeof(uint16_t), "gradients to send", &block, err));
        all->wire_out = block;
        CO_TRY(co_comm_alloc(all->comm, received, sizeof(uint16_t), "received gradients", &block,
                             err));
        all->wire_in = block;
    }
    return CO_OK;
}

co_status co_allreduce_open_shares(co_allreduce *all, co_error *err)
{
    all->form = &shares_form;
    all->early = all->groups > 1;
    if (all->groups > 1) {
        CO_TRY(open_messages(all, err));
    }
    return all->members > 1 ? co_allreduce_open_window(all, err) : CO_OK;
}
