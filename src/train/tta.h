/* Test-time augmentation: a sample is predicted from the image and from its mirror image.
 *
 * Logits are averaged, not probabilities, and so are features: (f(x) + f(mirror of x)) / 2, each
 * in float32 (Jordan, "94 % on CIFAR-10 in 3.29 seconds on a single GPU", 2024). Everything that
 * follows (loss, hits, what an agent predicts from features) uses the averages. The mirror image
 * is made of the pixels before normalisation.
 *
 * Buffers for the largest batch are allocated up front; one thread uses it.
 */
#ifndef CO_TRAIN_TTA_H
#define CO_TRAIN_TTA_H

#include "backend/backend.h"

typedef struct co_tta co_tta;

/* For batches of at most `rows` samples of the shape (C, H, W) that the graph was made for. */
CO_MUST_CHECK co_status co_tta_create(const co_graph *graph, int rows, co_pixel pixel, co_tta **out,
                                      co_error *err);
void co_tta_destroy(co_tta *tta); /* NULL is allowed */
size_t co_tta_bytes(const co_tta *tta);

/* Runs the plan on the batch and on its mirror images; the averages are then at co_tta_output,
 * until the next call. */
CO_MUST_CHECK co_status co_tta_forward(co_tta *tta, const co_backend_ops *ops, co_plan *plan,
                                       const co_batch *batch, co_error *err);
/* (rows, features of that output), row-major. */
const float *co_tta_output(const co_tta *tta, co_output which);

#endif
