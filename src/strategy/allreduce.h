/* What the forms of allreduce share: in a window of one host, by messages between hosts. Not for
 * others.
 *
 * The flat gradient is cut into one share per worker. A share is summed by its owner along the
 * fixed tree; what then travels are weights (window) or summed gradients (messages).
 */
#ifndef CO_STRATEGY_ALLREDUCE_H
#define CO_STRATEGY_ALLREDUCE_H

#include "strategy/strategy.h"
#include "strategy/tree.h"

enum { CO_SHARE_UNIT = 16 }; /* floats: shares begin on cache lines */

typedef struct co_allreduce {
    co_strategy base;
    co_comm *comm; /* borrowed */
    co_allreduce_options options;
    size_t floats; /* of the flat gradient */
    float before;  /* factors of the gradient: each worker's own, and of the sum */
    float after;
    co_tree tree;
    const float **parts; /* (workers) what the tree adds */
    float *scratch;

    co_window *window; /* or NULL: messages */

    float *memory;        /* the gradients and a tail; NULL with a window */
    co_request *requests; /* of what is under way */
    int request_count;
    int request_limit;
    size_t pending_begin; /* ready, but not sent: too little for a bucket */
    size_t pending_end;
    float *inbox;             /* (workers, share) what others send for one's own share */
    uint16_t *wire_out;       /* (gradient) with bf16 */
    uint16_t *wire_in;        /* (gradient) */
    const co_tensor *tensors; /* Adasum works tensor by tensor */
    int tensor_count;
} co_allreduce;

static inline co_allreduce *co_allreduce_of(co_strategy *strategy)
{
    return (co_allreduce *)strategy;
}

/* Where the share of a worker begins; that of worker `workers` is where the last one ends. */
static inline size_t co_share_begin(const co_allreduce *all, int worker)
{
    size_t units = (all->floats + CO_SHARE_UNIT - 1) / CO_SHARE_UNIT;
    size_t begin = units * (size_t)worker / (size_t)all->comm->size * CO_SHARE_UNIT;
    return begin < all->floats ? begin : all->floats;
}

static inline size_t co_share_count(const co_allreduce *all, int worker)
{
    return co_share_begin(all, worker + 1) - co_share_begin(all, worker);
}

/* Squares of one share, as every form adds them up: in the order of the workers. */
double co_share_squares(const co_allreduce *all, int worker);

extern const co_strategy_ops co_allreduce_window_ops;
extern const co_strategy_ops co_allreduce_message_ops;

/* Each makes its memory and moves the model's gradients (and parameters) there. */
co_status co_allreduce_open_window(co_allreduce *all, co_error *err);
co_status co_allreduce_open_messages(co_allreduce *all, co_error *err);
void co_allreduce_destroy(co_strategy *strategy);

#endif
