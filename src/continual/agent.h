/* What a continual-learning method does to a training step: the interface, and its trivial form
 * `base` (plain training: cross-entropy over the batch).
 *
 * The trainer calls the hooks in this order in every step: before, loss_terms, gradient, after;
 * and predict in evaluation. With several batches per step, gradient comes with the last alone. One
 * thread drives an agent.
 */
#ifndef CO_CONTINUAL_AGENT_H
#define CO_CONTINUAL_AGENT_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/backend.h"
#include "continual/loss_term.h"
#include "state/visitor.h"

typedef struct co_agent co_agent;

typedef struct co_agent_ops {
    const char *name;
    void (*destroy)(co_agent *agent);
    /* May add rows to the batch (within the plan's size), or exchange the batch. */
    co_status (*before)(co_agent *agent, co_batch *batch, co_error *err);
    /* Writes at most CO_MAX_LOSS_TERMS terms for this batch; returns their number. */
    int (*loss_terms)(co_agent *agent, const co_batch *batch, co_loss_term *terms);
    /* May change the reduced gradient (model->grads); says so in *changed. */
    co_status (*gradient)(co_agent *agent, co_model *model, bool *changed, co_error *err);
    /* After the batch was used (the last of a step: after the update): candidates for a buffer,
     * say. */
    co_status (*after)(co_agent *agent, const co_batch *batch, co_error *err);
    /* classes[row] = the predicted class, from logits (rows, classes) and features (rows, n). */
    void (*predict)(co_agent *agent, int rows, int classes, const float *logits,
                    const float *features, int32_t *predicted);
    co_status (*state)(co_agent *agent, co_visitor *visitor, co_error *err);
} co_agent_ops;

struct co_agent {
    const co_agent_ops *ops;
};

/* label_smoothing: of its cross-entropy, in [0, 1]. */
CO_MUST_CHECK co_status co_agent_base(double label_smoothing, co_agent **out, co_error *err);

#endif
