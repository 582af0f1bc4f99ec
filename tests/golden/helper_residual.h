/* What the golden values of the residual networks are about: a model, its weights, and a batch.
 *
 * Used twice: by the tests, and to hand the same inputs to PyTorch (make_residual.py). Weights are
 * the model's initial ones, but those that start at 0 or 1 (batch norms, biases) are drawn: a
 * mistake in them would not show otherwise. Pixels are noise. A case owns its arrays. One thread.
 *
 * Gradients are too large to be committed. A tensor's *summary* is its norm and its products with
 * RESIDUAL_SIGNS vectors of random signs. A product with a vector of random signs has the square
 * of the norm as its mean square, so the products of a difference tell its norm to within a few
 * tens of percent, however it is distributed over the tensor.
 */
#ifndef CO_TESTS_GOLDEN_RESIDUAL_H
#define CO_TESTS_GOLDEN_RESIDUAL_H

#include "backend/backend.h"
#include "base/hash.h"

enum {
    RESIDUAL_CLASSES = 10,
    RESIDUAL_SIGNS = 16,
    RESIDUAL_SUMMARY = RESIDUAL_SIGNS + 1, /* the norm comes last */
};

/* The batch is number `pick` of an endless list. It is one in which no ReLU's input is so near to
 * 0, and no two pixels of a max pooling so near to each other, that the rounding of any of our
 * kernels decides: one such flip among a million changes gradients by 1e-3 to 1e-2, in PyTorch as
 * here. make_residual.py --find chose it by PyTorch's numbers alone. */
typedef struct residual_row {
    const char *name;
    const char *model;
    const char *config;
    int side; /* pixels */
    int batch;
    int pick;
} residual_row;

extern const residual_row residual_rows[]; /* the last has no name */

typedef struct residual_case {
    const residual_row *row;
    co_graph *graph;
    float *params;   /* (param_floats) */
    float *pixels;   /* (batches, batch, 3, side, side) */
    int32_t *labels; /* (batches, batch) */
    int batches;
    char inputs[CO_HASH_TEXT_SIZE];
} residual_case;

/* The batches pick, pick + 1, ... */
CO_MUST_CHECK co_status residual_case_open(const residual_row *row, int pick, int batches,
                                           residual_case *out, co_error *err);
void residual_case_close(residual_case *c);

/* summary[0..RESIDUAL_SUMMARY) of a tensor. */
void residual_summarise(const float *values, size_t count, float *summary);
/* About ||a - b|| / ||b|| from the summaries; infinite where a is not finite. */
double residual_distance(const float *a, const float *b);

/* Writes the inputs of every row to <folder>/<name>.safetensors: the batch that was picked, or
 * batches 0..batches-1 where `batches` is above 0. */
CO_MUST_CHECK co_status residual_export(const char *folder, int batches, co_error *err);

#endif
