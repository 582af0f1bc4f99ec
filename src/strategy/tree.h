/* Sums of many gradients along a fixed binary tree.
 *
 * The tree over ranks lo..hi-1 adds the tree over the first h of them to the tree over the rest,
 * h being the largest power of two below their number. It depends on the number of ranks alone:
 * whoever adds, on whatever hosts, gets the same bits. Pure functions over the caller's memory.
 */
#ifndef CO_STRATEGY_TREE_H
#define CO_STRATEGY_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CO_TREE_CHUNK = 1024, /* floats that are added at a time: they stay in the first cache */
    CO_TREE_LEVELS = 24,  /* enough for 2^23 ranks */
};

#define CO_TREE_SCRATCH_FLOATS ((size_t)CO_TREE_LEVELS * CO_TREE_CHUNK)

typedef struct co_tree {
    const float *const *parts; /* (ranks) each rank's floats, the same range of all */
    int ranks;
    bool bf16;      /* what each rank gives is rounded to bfloat16 first */
    float *scratch; /* (CO_TREE_SCRATCH_FLOATS) */
} co_tree;

/* out[i] = factor * the sum over the ranks of parts[rank][i], i in 0..count-1; with bf16 the
 * result is rounded too, as it would travel. `out` may be one of the parts. */
void co_tree_sum(const co_tree *tree, size_t count, float factor, float *out);

/* The bfloat16 nearest to x, ties to even; NaN stays NaN. */
uint16_t co_bf16_of(float x);
float co_bf16_value(uint16_t bits);

/* Adasum of two gradients of one tensor (Maleki et al., "Scaling distributed training with
 * adaptive summation", 2020), into a:
 *     a (1 - a.b / 2|a|^2) + b (1 - a.b / 2|b|^2)
 * The sum where they are orthogonal, the mean where they are equal. */
void co_adasum(size_t count, float *a, const float *b);

#endif
