/* What happens to gradients between workers: the interface, its trivial form `local`, and
 * `allreduce` (every step takes the mean gradient of all workers).
 *
 * A strategy decides, it does not loop: the trainer calls it at fixed points of a step
 * (ready for every phase's range, then reduce, then apply). It borrows the model and the
 * optimizer. One thread drives it.
 */
#ifndef CO_STRATEGY_STRATEGY_H
#define CO_STRATEGY_STRATEGY_H

#include "backend/backend.h"
#include "comm/comm.h"
#include "optim/optimizer.h"
#include "state/visitor.h"

typedef struct co_strategy co_strategy;

/* What all workers agree on before anything is applied. */
typedef struct co_reduction {
    double sum_squares; /* of the averaged gradient */
    bool finite;        /* no NaN or Inf in it */
    double loss;        /* the mean of co_strategy.loss over the workers */
    bool stop;          /* a worker was asked to stop: all do, after this step */
    bool save;          /* the first worker wants a checkpoint after this step */
} co_reduction;

/* Changes the model's parameters from `offset` on (in floats). */
typedef void (*co_rewrite)(void *arg, size_t offset, size_t count);

typedef struct co_strategy_ops {
    const char *name;
    void (*destroy)(co_strategy *strategy);
    /* The gradients of this range (in floats) are final: sending them may begin. */
    co_status (*ready)(co_strategy *strategy, size_t offset, size_t count, co_error *err);
    /* Completes the exchange; afterwards the model's gradients are what apply will use. Where a
     * worker updates only its share of the parameters, only that share of them is. */
    co_status (*reduce)(co_strategy *strategy, co_reduction *out, co_error *err);
    /* Updates the parameters with these hyper-parameters. */
    co_status (*apply)(co_strategy *strategy, const co_hyper *hyper, co_error *err);
    /* All workers together, between steps: changes parameters in place, with `write` and its `arg`.
     * Workers may see the same parameters: each writes what it answers for. */
    co_status (*rewrite)(co_strategy *strategy, co_rewrite write, void *arg, co_error *err);
    /* All workers together: the first one's optimizer's state becomes whole, for a checkpoint. */
    co_status (*complete)(co_strategy *strategy, co_error *err);
    /* Likewise after apply: the first worker's gradient becomes whole, for those who watch. */
    co_status (*show_gradient)(co_strategy *strategy, co_error *err);
    co_status (*state)(co_strategy *strategy, co_visitor *visitor, co_error *err);
} co_strategy_ops;

struct co_strategy {
    const co_strategy_ops *ops;
    co_model *model;         /* borrowed */
    co_optimizer *optimizer; /* borrowed */
    bool repeatable;         /* the same gradients give the same bits in every run */
    /* Written by the trainer before the first `ready` of a step: */
    double loss; /* of this worker's samples */
    bool stop;   /* this worker was asked to stop */
    bool save;   /* a checkpoint is due after this step: the first worker says so */
    /* Seconds that this worker waited for others and copied, since it was last set to 0. */
    double exposed_seconds;
};

/* `state` of a strategy all of whose lasting state is in the model and the optimizer. */
co_status co_strategy_no_state(co_strategy *strategy, co_visitor *visitor, co_error *err);

/* One worker: ready does nothing, apply is the optimizer's step over all parameters. */
CO_MUST_CHECK co_status co_strategy_local(co_model *model, co_optimizer *optimizer,
                                          co_strategy **out, co_error *err);

typedef struct co_allreduce_options {
    bool ordered;        /* the fixed tree, whatever the hosts and the timing */
    bool messages;       /* no shared memory, even inside a host */
    bool bf16;           /* gradients travel as bfloat16; sums are float32 */
    bool adasum;         /* adaptive summation instead of the mean */
    double predivide;    /* gradients are divided by this before, and by the rest after */
    size_t bucket_bytes; /* of what is sent while backward still runs */
} co_allreduce_options;

/* Before the plans are compiled: the model's gradients (and parameters) move to memory of this
 * strategy. All workers of comm (borrowed; two or more) create it together. */
CO_MUST_CHECK co_status co_strategy_allreduce(co_comm *comm, co_model *model,
                                              co_optimizer *optimizer,
                                              const co_allreduce_options *options,
                                              co_strategy **out, co_error *err);

#endif
