/* What a model said of every sample of an evaluation, for other programs: logits and labels in the
 * order of the data set, as a safetensors file.
 *
 * The caller owns it: zeroed at first, co_predictions_free at the end. One thread.
 */
#ifndef CO_TRAIN_PREDICTIONS_H
#define CO_TRAIN_PREDICTIONS_H

#include "backend/batch.h"
#include "base/file.h"

typedef struct co_predictions {
    float *logits;   /* (rows, classes) */
    int32_t *labels; /* (rows) */
    uint32_t room;   /* rows */
    uint32_t rows;
    int classes;
} co_predictions;

/* Empties it and makes room. */
CO_MUST_CHECK co_status co_predictions_start(co_predictions *p, uint32_t rows, int classes,
                                             co_error *err);
/* Appends a batch; logits (batch->rows, classes). No more rows than there is room for. */
void co_predictions_add(co_predictions *p, const co_batch *batch, const float *logits);
/* Tensors "logits" (F32) and "labels" (I32); metadata: the model's name. Atomic. */
CO_MUST_CHECK co_status co_predictions_save(const co_predictions *p, const char *path,
                                            const char *model, co_error *err);
void co_predictions_free(co_predictions *p);

#endif
