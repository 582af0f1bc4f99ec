/* A model's weights as a safetensors file: parameters and batch norm statistics under PyTorch's
 * names, nothing about time or place, so equal weights give equal files.
 */
#ifndef CO_TRAIN_WEIGHTS_H
#define CO_TRAIN_WEIGHTS_H

#include "backend/backend.h"
#include "base/file.h"

/* Saves atomically; metadata: the model's name. CO_FILE on failure, the old file untouched. */
CO_MUST_CHECK co_status co_weights_save(const co_files *files, const char *path,
                                        const co_model *model, co_error *err);
/* Reads all tensors of the model, by name and shape; the file may have no others. CO_FILE names
 * the tensor. On failure the model's weights are a mixture and must not be used. */
CO_MUST_CHECK co_status co_weights_load(const char *path, co_model *model, co_error *err);

#endif
