/* What happens to gradients between workers: the interface, and its trivial form `local`.
 *
 * A strategy decides, it does not loop: the trainer calls it at fixed points of a step
 * (ready for every phase's range, then reduce, then apply). It borrows the model and the
 * optimizer. One thread drives it.
 */
#ifndef CO_STRATEGY_STRATEGY_H
#define CO_STRATEGY_STRATEGY_H

#include "backend/backend.h"
#include "optim/optimizer.h"
#include "state/visitor.h"

typedef struct co_strategy co_strategy;

/* What all workers agree on before anything is applied. */
typedef struct co_reduction {
    double sum_squares; /* of the averaged gradient */
    bool finite;        /* no NaN or Inf in it */
} co_reduction;

typedef struct co_strategy_ops {
    const char *name;
    void (*destroy)(co_strategy *strategy);
    /* The gradients of this range (in floats) are final: sending them may begin. */
    co_status (*ready)(co_strategy *strategy, size_t offset, size_t count, co_error *err);
    /* Completes the exchange; afterwards the model's gradients are what apply will use. */
    co_status (*reduce)(co_strategy *strategy, co_reduction *out, co_error *err);
    /* Updates the parameters with these hyper-parameters. */
    co_status (*apply)(co_strategy *strategy, const co_hyper *hyper, co_error *err);
    co_status (*state)(co_strategy *strategy, co_visitor *visitor, co_error *err);
} co_strategy_ops;

struct co_strategy {
    const co_strategy_ops *ops;
    co_model *model;         /* borrowed */
    co_optimizer *optimizer; /* borrowed */
};

/* One worker: ready does nothing, apply is the optimizer's step over all parameters. */
CO_MUST_CHECK co_status co_strategy_local(co_model *model, co_optimizer *optimizer,
                                          co_strategy **out, co_error *err);

#endif
