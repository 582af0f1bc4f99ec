/* Optimizers: SGD, Adam and AdamW over a model's flat buffers, with PyTorch's formulas.
 *
 * An optimizer owns its state (momentum; first and second moments), laid out like the
 * parameters. The arithmetic is the backend's. One thread drives it; a step allocates nothing.
 */
#ifndef CO_OPTIM_OPTIMIZER_H
#define CO_OPTIM_OPTIMIZER_H

#include "backend/backend.h"
#include "optim/groups.h"
#include "state/visitor.h"

typedef enum co_optimizer_kind {
    CO_OPTIMIZER_SGD,
    CO_OPTIMIZER_ADAM,
    CO_OPTIMIZER_ADAMW,
} co_optimizer_kind;

/* What one step uses; a schedule gives the values of each step. */
typedef struct co_hyper {
    double lr;
    double momentum; /* SGD */
    double weight_decay;
    bool nesterov; /* SGD */
    double beta1;  /* Adam, AdamW */
    double beta2;
    double epsilon;
} co_hyper;

typedef struct co_optimizer co_optimizer;

/* State for a model of that size; zeroed. */
CO_MUST_CHECK co_status co_optimizer_create(co_optimizer_kind kind, const co_graph *graph,
                                            co_optimizer **out, co_error *err);
/* Without the buffers, for a backend that computes nothing. */
CO_MUST_CHECK co_status co_optimizer_create_blank(co_optimizer_kind kind, const co_graph *graph,
                                                  co_optimizer **out, co_error *err);
void co_optimizer_destroy(co_optimizer *optimizer); /* NULL is allowed */
size_t co_optimizer_bytes(const co_optimizer *optimizer);
/* Its i-th buffer, as long as the parameters (momentum; first and second moments); NULL after the
 * last. Borrowed. */
float *co_optimizer_buffer(const co_optimizer *optimizer, int index);

/* From now on the groups' factors count. The optimizer takes them over: *groups is emptied. */
void co_optimizer_use_groups(co_optimizer *optimizer, co_groups *groups);

/* A new step begins (Adam counts them for its bias correction); once per step, before
 * co_optimizer_step, which may then run over several ranges of the same step. */
void co_optimizer_begin(co_optimizer *optimizer);
/* Updates the parameters in [offset, offset + count) (floats, whole parameters) from
 * model->grads. The backend's private copies of them are then old (co_backend_ops.refresh). */
CO_MUST_CHECK co_status co_optimizer_step(co_optimizer *optimizer, co_model *model, size_t offset,
                                          size_t count, const co_hyper *hyper, co_error *err);
/* Back to zeroed state (a new task begins). */
void co_optimizer_reset(co_optimizer *optimizer);
CO_MUST_CHECK co_status co_optimizer_state(co_optimizer *optimizer, co_visitor *visitor,
                                           co_error *err);

#endif
