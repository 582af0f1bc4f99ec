#include "train/evaluate.h"

static co_status forward(const co_evaluator *evaluator, co_plan *plan, const co_batch *batch,
                         const float *outputs[CO_OUTPUT_COUNT], co_error *err)
{
    const co_backend_ops *ops = evaluator->plans->model->backend->ops;
    co_tta *tta = evaluator->tta;
    CO_TRY(tta != NULL ? co_tta_forward(tta, ops, plan, batch, err)
                       : ops->forward(plan, batch, err));
    for (int i = 0; i < CO_OUTPUT_COUNT; i++) {
        outputs[i] = tta != NULL ? co_tta_output(tta, (co_output)i)
                                 : ops->output(plan, (co_output)i);
    }
    return CO_OK;
}

static co_status evaluate_batch(const co_evaluator *evaluator, const co_batch *batch,
                                co_score *score, co_error *err)
{
    const co_plan_table *table = evaluator->plans;
    const double seconds = evaluator->cost[0] * batch->rows + evaluator->cost[1];
    if (evaluator->time_only) {
        co_comm_compute(evaluator->comm, seconds);
        *score = co_score_blank(score->rows + batch->rows);
        return CO_OK;
    }
    co_plan *plan = co_plan_table_find(table, CO_EVAL, batch->rows);
    if (plan == NULL) {
        return co_fail(err, CO_INTERNAL, "no evaluation plan for a batch of %d rows", batch->rows);
    }
    const float *outputs[CO_OUTPUT_COUNT] = {NULL};
    CO_TRY(forward(evaluator, plan, batch, outputs, err));
    const float *logits = outputs[CO_OUTPUT_LOGITS];
    const float *features = outputs[CO_OUTPUT_FEATURES];
    int classes = (int)co_output_width(table->model->graph, CO_OUTPUT_LOGITS);
    int64_t correct = score->correct;
    co_score_add(score, batch->rows, classes, logits, batch->labels);
    if (evaluator->record != NULL) {
        co_predictions_add(evaluator->record, batch, logits);
    }
    /* The agent has the last word on what is predicted. */
    co_agent *agent = evaluator->agent;
    agent->ops->predict(agent, batch->rows, classes, logits, features, evaluator->predicted);
    for (int row = 0; row < batch->rows; row++) {
        bool hit = evaluator->predicted[row] == batch->labels[row];
        correct += hit;
        if (!hit && evaluator->mistakes != NULL) {
            co_mistakes_add(evaluator->mistakes, batch, row, evaluator->predicted[row]);
        }
    }
    score->correct = correct;
    /* Last: while it passes other ranks of a simulation compute in the same memory. */
    co_comm_compute(evaluator->comm, seconds);
    return CO_OK;
}

co_status co_evaluate(const co_evaluator *evaluator, co_score *out, co_error *err)
{
    co_score score = {0};
    CO_TRY(co_loader_seek(evaluator->loader, 0, 0, err));
    uint32_t batches = co_loader_batches(evaluator->loader);
    if (evaluator->record != NULL) {
        const co_graph *graph = evaluator->plans->model->graph;
        CO_TRY(co_predictions_start(evaluator->record, co_loader_samples(evaluator->loader),
                                    (int)co_output_width(graph, CO_OUTPUT_LOGITS), err));
    }
    for (uint32_t i = 0; i < batches; i++) {
        const co_batch *batch = NULL;
        CO_TRY(co_loader_next(evaluator->loader, &batch, err));
        CO_TRY(evaluate_batch(evaluator, batch, &score, err));
        co_pulse_beat(evaluator->comm->pulse);
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
    bool known = score->rows > 0 && score->correct >= 0;
    return known ? (double)score->correct / (double)score->rows : (double)NAN;
}

double co_score_accuracy5(const co_score *score)
{
    bool known = score->rows > 0 && score->correct5 >= 0;
    return known ? (double)score->correct5 / (double)score->rows : (double)NAN;
}
