/* What the files of allreduce share. Not for others.
 *
 * Workers whose gradients lie in one window of shared memory are a group; without shared memory a
 * group is one worker. All groups have as many members. The flat gradient is cut into one share
 * per worker; the shares that member m of any group owns are the m-th region:
 *
 *     region of the members 0         | region of the members 1
 *     share of group 0 | of group 1   | share of group 0 | of group 1
 *
 * A member adds up its region over its group, sends each share of it to the owner in another
 * group, adds up its own share over the groups, and sends the sum to the other members of that
 * number. It then has its region of the mean gradient and applies it. The members of a group have
 * their weights in common: they go on when all regions are updated, and none is updated before all
 * have done with the old ones, since all gradients are there then.
 */
#ifndef CO_STRATEGY_ALLREDUCE_H
#define CO_STRATEGY_ALLREDUCE_H

#include <stdatomic.h>

#include "strategy/strategy.h"
#include "strategy/tree.h"

enum { CO_SHARE_UNIT = 16 }; /* floats: shares begin on cache lines */

typedef struct co_allreduce co_allreduce;

/* Floats of the flat gradient: begin <= i < end. */
typedef struct co_range {
    size_t begin;
    size_t end;
} co_range;

/* How gradients come together. */
typedef struct co_allreduce_form {
    /* While backward runs (where `early` holds): this range is final; and let it go on. */
    co_status (*bucket)(co_allreduce *all, co_range bucket, co_error *err);
    co_status (*advance)(co_allreduce *all, co_error *err);
    /* Afterwards the model's gradients in one's own region are the mean of all workers'. */
    co_status (*sum)(co_allreduce *all, co_reduction *out, co_error *err);
} co_allreduce_form;

/* What a worker tells the others in every step. */
typedef struct co_facts {
    double sum_squares; /* of its share of the mean gradient */
    double loss;
    uint32_t stop;
    uint32_t save;
} co_facts;

/* The beginning of a worker's part of the window; its gradients follow. */
typedef struct co_slot {
    co_facts facts;
    _Atomic uint64_t buckets; /* complete since the start */
} co_slot;

struct co_allreduce {
    co_strategy base;
    const co_allreduce_form *form;
    co_comm *comm; /* borrowed */
    co_allreduce_options options;
    size_t floats; /* of the flat gradient */
    float before;  /* factors of the gradient: each worker's own, and of the sum */
    float after;
    int groups;
    int members; /* of each group */
    int group;   /* of this worker */
    int member;
    int *owner;          /* (workers) rank that owns a share */
    co_facts *facts;     /* (workers) by rank */
    co_window *window;   /* of the group; NULL where it is one worker */
    const float **parts; /* (workers) what a tree adds */
    float *scratch;

    bool early;        /* the exchange begins while backward still runs */
    co_range pending;  /* final, but too little for a bucket */
    co_range *buckets; /* (bucket_limit) of this step */
    int bucket_limit;
    int bucket_count;
    int added;            /* of them, over the group */
    uint64_t told;        /* buckets of earlier steps */
    co_request *requests; /* of what is under way */
    int request_count;
    int request_limit;

    float *inbox;       /* (groups, share) what other groups send for one's own share */
    uint16_t *wire_out; /* (region) with bf16 */
    uint16_t *wire_in;
    float *memory; /* the library's: the gradients and a tail */
    const co_tensor *tensors;
    int tensor_count;
};

static inline co_allreduce *co_allreduce_of(co_strategy *strategy)
{
    return (co_allreduce *)strategy;
}

static inline size_t co_range_count(co_range range)
{
    return range.end - range.begin;
}

static inline co_range co_range_common(co_range a, co_range b)
{
    size_t begin = a.begin > b.begin ? a.begin : b.begin;
    size_t end = a.end < b.end ? a.end : b.end;
    return (co_range){begin, end > begin ? end : begin};
}

/* The shares first, first + 1, ..., first + count - 1. */
static inline co_range co_shares(const co_allreduce *all, int first, int count)
{
    const size_t units = (all->floats + CO_SHARE_UNIT - 1) / CO_SHARE_UNIT;
    const size_t workers = (size_t)all->comm->size;
    size_t begin = units * (size_t)first / workers * CO_SHARE_UNIT;
    size_t end = units * (size_t)(first + count) / workers * CO_SHARE_UNIT;
    return (co_range){begin, end < all->floats ? end : all->floats};
}

/* The share of a group's member, and all that the members of that number answer for. */
static inline co_range co_share_of(const co_allreduce *all, int group, int member)
{
    return co_shares(all, member * all->groups + group, 1);
}

static inline co_range co_region_of(const co_allreduce *all, int member)
{
    return co_shares(all, member * all->groups, all->groups);
}

static inline int co_rank_at(const co_allreduce *all, int group, int member)
{
    return all->owner[member * all->groups + group];
}

/* Squares of a range of the gradient. */
double co_allreduce_squares(const co_allreduce *all, co_range range);
/* Of all of it, added up share by share, as co_allreduce_tell does. */
double co_allreduce_all_squares(const co_allreduce *all);
/* Everybody's loss and wishes, and the sum of what each gives for sum_squares. */
co_status co_allreduce_tell(co_allreduce *all, double sum_squares, co_reduction *out,
                            co_error *err);
/* Room for that many requests. Each of the next takes one; `finish` waits for all of them. */
co_status co_allreduce_reserve(co_allreduce *all, size_t requests, co_error *err);
co_status co_allreduce_send(co_allreduce *all, const void *data, size_t bytes, int to,
                            co_error *err);
co_status co_allreduce_receive(co_allreduce *all, void *data, size_t bytes, int from,
                               co_error *err);
co_status co_allreduce_add_up(co_allreduce *all, co_range range,
                              co_error *err); /* by the library */
co_status co_allreduce_finish(co_allreduce *all, co_error *err);

/* Each makes its memory and moves the model's gradients (and parameters) there. */
co_status co_allreduce_open_shares(co_allreduce *all, co_error *err);
co_status co_allreduce_open_library(co_allreduce *all, co_error *err);
co_status co_allreduce_open_adasum(co_allreduce *all, co_error *err);

/* allreduce_window.c: the memory of a group of several members, which the model's gradients and
 * parameters move to; afterwards a member's slot and gradients. */
co_status co_allreduce_open_window(co_allreduce *all, co_error *err);
co_slot *co_allreduce_slot(const co_allreduce *all, int member);
float *co_allreduce_grads(const co_allreduce *all, int member);
/* After an update: rank 0 takes the others' regions of the gradient. */
co_status co_allreduce_show_regions(co_allreduce *all, co_error *err);

#endif
