/* One term of the loss: what is asked of a range of rows of the logits.
 *
 * The loss of a step is the sum of its terms. Terms are described here, where agents can make
 * them, and computed by train/loss. All pointers are borrowed for the length of the step.
 */
#ifndef CO_CONTINUAL_LOSS_TERM_H
#define CO_CONTINUAL_LOSS_TERM_H

#include <stdint.h>

typedef enum co_loss_kind {
    /* -sum_r w_r t_r . log softmax(logits_r) / sum_r w_r, with the target t_r = (1 - s) onehot(
     * label_r) + s / classes */
    CO_LOSS_CROSS_ENTROPY,
} co_loss_kind;

typedef struct co_loss_term {
    co_loss_kind kind;
    int row_begin; /* rows [row_begin, row_end) of the batch */
    int row_end;
    const int32_t *labels;    /* of row row_begin on */
    const float *row_weights; /* w_r of the same rows; NULL = all 1 */
    float weight;             /* factor of the whole term */
    float smoothing;          /* s, in [0, 1]; 0: the label alone */
} co_loss_term;

enum { CO_MAX_LOSS_TERMS = 4 };

#endif
