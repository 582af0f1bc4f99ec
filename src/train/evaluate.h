/* Evaluation: the loss and hits of a model over all samples of a loader. */
#ifndef CO_TRAIN_EVALUATE_H
#define CO_TRAIN_EVALUATE_H

#include <math.h>

#include "comm/comm.h"
#include "continual/agent.h"
#include "data/loader.h"
#include "train/loss.h"
#include "train/pictures.h"
#include "train/plan_table.h"
#include "train/predictions.h"
#include "train/tta.h"

typedef struct co_evaluator {
    const co_plan_table *plans; /* borrowed: EVAL plans for the loader's batches */
    co_agent *agent;            /* borrowed: predicts */
    co_loader *loader;          /* borrowed: sequential, not shuffled */
    co_comm *comm;              /* borrowed: computing time is declared to it */
    double cost[2];             /* a batch of x rows takes cost[0] x + cost[1] seconds */
    int32_t *predicted;         /* (rows of the largest batch), borrowed */
    co_tta *tta;                /* borrowed; NULL: each sample is seen once, as it is */
    co_predictions *record;     /* borrowed: filled with the logits; NULL: not wanted */
    co_mistakes *mistakes;      /* borrowed: is told of wrong predictions; or NULL */
    bool time_only;             /* declares the time and computes nothing: a blank score */
} co_evaluator;

/* One pass; *out is the sum over all samples, each counted once. */
CO_MUST_CHECK co_status co_evaluate(const co_evaluator *evaluator, co_score *out, co_error *err);

/* Of so many rows that nobody looked at: its means are NaN. */
static inline co_score co_score_blank(int64_t rows)
{
    return (co_score){.loss_sum = (double)NAN, .rows = rows, .correct = -1, .correct5 = -1};
}

/* Means over the samples of a score; NaN for none. */
double co_score_loss(const co_score *score);
double co_score_accuracy(const co_score *score);
double co_score_accuracy5(const co_score *score);

#endif
