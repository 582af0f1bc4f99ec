/* Plain training: the batch as it comes, cross-entropy over all of it, the largest logit wins. */
#include "base/alloc.h"
#include "continual/agent.h"

typedef struct base_agent {
    co_agent base;
    float label_smoothing;
} base_agent;

static void base_destroy(co_agent *agent)
{
    co_free(agent);
}

static co_status base_before(co_agent *agent, co_batch *batch, co_error *err)
{
    (void)agent;
    (void)batch;
    (void)err;
    return CO_OK;
}

static int base_loss_terms(co_agent *agent, const co_batch *batch, co_loss_term *terms)
{
    const base_agent *self = (const base_agent *)agent;
    terms[0] = (co_loss_term){
        .kind = CO_LOSS_CROSS_ENTROPY,
        .row_begin = 0,
        .row_end = batch->rows,
        .labels = batch->labels,
        .row_weights = NULL,
        .weight = 1.0f,
        .smoothing = self->label_smoothing,
    };
    return 1;
}

static co_status base_gradient(co_agent *agent, co_model *model, bool *changed, co_error *err)
{
    (void)agent;
    (void)model;
    (void)err;
    *changed = false;
    return CO_OK;
}

static co_status base_after(co_agent *agent, const co_batch *batch, co_error *err)
{
    (void)agent;
    (void)batch;
    (void)err;
    return CO_OK;
}

static void base_predict(co_agent *agent, int rows, int classes, const float *logits,
                         const float *features, int32_t *predicted)
{
    (void)agent;
    (void)features;
    for (int row = 0; row < rows; row++) {
        const float *values = logits + (size_t)row * (size_t)classes;
        int best = 0;
        for (int c = 1; c < classes; c++) {
            if (values[c] > values[best]) {
                best = c;
            }
        }
        predicted[row] = best;
    }
}

static co_status base_state(co_agent *agent, co_visitor *visitor, co_error *err)
{
    (void)agent;
    (void)visitor;
    (void)err;
    return CO_OK;
}

static const co_agent_ops base_ops = {
    .name = "base",
    .destroy = base_destroy,
    .before = base_before,
    .loss_terms = base_loss_terms,
    .gradient = base_gradient,
    .after = base_after,
    .predict = base_predict,
    .state = base_state,
};

co_status co_agent_base(double label_smoothing, co_agent **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(base_agent), "agent", &block, err));
    base_agent *agent = block;
    agent->base.ops = &base_ops;
    agent->label_smoothing = (float)label_smoothing;
    *out = &agent->base;
    return CO_OK;
}
