#include "train/evaluate.h"

#include <math.h>

static co_status evaluate_batch(const co_evaluator *evaluator, const co_batch *batch,
                                co_score *score, co_error *err)
{
    const co_plan_table *table = evaluator->plans;
    const co_backend_ops *ops = table->model->backend->ops;
    co_plan *plan = co_plan_table_find(table, CO_EVAL, batch->rows);
    if (plan == NULL) {
        return co_fail(err, CO_INTERNAL, "no evaluation plan for a batch of %d rows", batch->rows);
    }
    CO_TRY(ops->forward(plan, batch, err));
    co_comm_compute(evaluator->comm, evaluator->cost[0] * batch->rows + evaluator->cost[1]);
    const float *logits = ops->output(plan, CO_OUTPUT_LOGITS);
    const float *features = ops->output(plan, CO_OUTPUT_FEATURES);
    int classes = (int)co_output_width(table->model->graph, CO_OUTPUT_LOGITS);
    int64_t correct = score->correct;
    co_score_add(score, batch->rows, classes, logits, batch->labels);
    /* The agent has the last word on what is predicted. */
    co_agent *agent = evaluator->agent;
    agent->ops->predict(agent, batch->rows, classes, logits, features, evaluator->predicted);
    for (int row = 0; row < batch->rows; row++) {
        correct += evaluator->predicted[row] == batch->labels[row];
    }
    score->correct = correct;
    return CO_OK;
}

co_status co_evaluate(const co_evaluator *evaluator, co_score *out, co_error *err)
{
    co_score score = {0};
    CO_TRY(co_loader_seek(evaluator->loader, 0, 0, err));
    uint32_t batches = co_loader_batches(evaluator->loader);
    for (uint32_t i = 0; i < batches; i++) {
        const co_batch *batch = NULL;
        CO_TRY(co_loader_next(evaluator->loader, &batch, err));
        CO_TRY(evaluate_batch(evaluator, batch, &score, err));
    }
    *out = score;
    return CO_OK;
}

double co_score_loss(const co_score *score)
{
    return score->rows > 0 ? score->loss_sum / (double)score->rows : (double)NAN;
}

double co_score_accuracy(const co_score *score)
{
    return score->rows > 0 ? (double)score->correct / (double)score->rows : (double)NAN;
}

double co_score_accuracy5(const co_score *score)
{
    return score->rows > 0 ? (double)score->correct5 / (double)score->rows : (double)NAN;
}
