/* The loss between forward and backward: terms over row ranges of the logits. Pure functions;
 * nothing is allocated. Sums run in double in row order, so the result has one value.
 */
#ifndef CO_TRAIN_LOSS_H
#define CO_TRAIN_LOSS_H

#include <stdint.h>

#include "continual/loss_term.h"

/* Adds up what a range of rows gave, for averages over many batches. */
typedef struct co_score {
    double loss_sum; /* of the rows' losses, unweighted (smoothed where the term is) */
    int64_t rows;
    int64_t correct;  /* label = largest logit (the first one of equals); below 0: unknown */
    int64_t correct5; /* label among the min(5, classes) largest */
} co_score;

/* Computes all terms: writes d loss / d logits to gradient (rows, classes), zero for rows of no
 * term, and returns the loss; cross-entropy's is softmax(z) - target. Adds the rows of
 * cross-entropy terms to *score. Labels must lie in [0, classes). */
double co_loss_compute(const co_loss_term *terms, int count, int rows, int classes,
                       const float *logits, float *gradient, co_score *score);

/* Adds the rows' cross-entropy and hits to *score; no gradient. */
void co_score_add(co_score *score, int rows, int classes, const float *logits,
                  const int32_t *labels);

#endif
