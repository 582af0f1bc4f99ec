/* What the golden values are about: a model, its first weights, and 40 batches of glyphs.
 *
 * Used twice: by the tests, and to hand the same inputs to PyTorch (helper_export.c). Dropout is
 * off. A case owns its arrays; golden_case_close frees them. One thread.
 */
#ifndef CO_TESTS_GOLDEN_CASE_H
#define CO_TESTS_GOLDEN_CASE_H

#include "backend/backend.h"
#include "base/hash.h"

/* The seed is one with which no activation comes so near to a kink (of a ReLU, between two pixels
 * of a max-pool) in 40 steps that rounding decides: make_golden.py prints how far PyTorch's own
 * float32 strays from float64. With seed 1 that is 1.6e-3 for mnistnet, more than we allow. */
enum { GOLDEN_BATCH = 64, GOLDEN_STEPS = 40, GOLDEN_SEED = 7 };
#define GOLDEN_LR       0.01f
#define GOLDEN_MOMENTUM 0.9f

typedef struct golden_case {
    const char *model;
    co_graph *graph;
    float *params; /* (param_floats) first weights */
    co_pixel_map map;
    uint8_t *pixels;   /* (GOLDEN_STEPS * GOLDEN_BATCH, C, H, W) */
    int32_t *labels;   /* (GOLDEN_STEPS * GOLDEN_BATCH) */
    uint32_t *samples; /* likewise: index in the data set */
    size_t sample_bytes;
    char inputs[CO_HASH_TEXT_SIZE]; /* of weights, map, pixels and labels */
} golden_case;

CO_MUST_CHECK co_status golden_case_open(const char *model, golden_case *out, co_error *err);
void golden_case_close(golden_case *c);
/* Batch number `step` (from 0), borrowed from the case. */
co_batch golden_case_batch(const golden_case *c, int step);

/* Writes the inputs of every model to <folder>/<model>.safetensors, for make_golden.py. */
CO_MUST_CHECK co_status golden_export(const char *folder, co_error *err);

/* The models that have golden values; NULL after the last. */
extern const char *const golden_models[];

#endif
