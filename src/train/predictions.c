#include "train/predictions.h"

#include <string.h>

#include "base/alloc.h"
#include "state/safetensors.h"

co_status co_predictions_start(co_predictions *p, uint32_t rows, int classes, co_error *err)
{
    void *logits = NULL;
    void *labels = NULL;
    co_predictions_free(p);
    CO_TRY(co_alloc((size_t)rows * (size_t)classes, sizeof(float), "logits of all samples", &logits,
                    err));
    p->logits = logits;
    CO_TRY(co_alloc(rows, sizeof(int32_t), "labels of all samples", &labels, err));
    p->labels = labels;
    p->room = rows;
    p->classes = classes;
    return CO_OK;
}

void co_predictions_add(co_predictions *p, const co_batch *batch, const float *logits)
{
    const size_t classes = (size_t)p->classes;
    const uint32_t left = p->room - p->rows;
    const uint32_t rows = (uint32_t)batch->rows < left ? (uint32_t)batch->rows : left;
    memcpy(p->logits + p->rows * classes, logits, rows * classes * sizeof(float));
    memcpy(p->labels + p->rows, batch->labels, rows * sizeof(int32_t));
    p->rows += rows;
}

co_status co_predictions_save(const co_predictions *p, const char *path, const char *model,
                              co_error *err)
{
    const co_tensor_source tensors[] = {
        {"logits", CO_DTYPE_F32, 2, {p->rows, (uint64_t)p->classes}, p->logits},
        {"labels", CO_DTYPE_I32, 1, {p->rows}, p->labels},
    };
    const co_metadata metadata[] = {{"model", model}};
    return co_safetensors_save(&co_files_system, path, tensors,
                               sizeof(tensors) / sizeof(tensors[0]), metadata,
                               sizeof(metadata) / sizeof(metadata[0]), err);
}

void co_predictions_free(co_predictions *p)
{
    co_free(p->labels);
    co_free(p->logits);
    memset(p, 0, sizeof(*p));
}
