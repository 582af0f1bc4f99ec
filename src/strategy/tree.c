#include "strategy/tree.h"

#include <string.h>

uint16_t co_bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    if ((bits & 0x7fffffffU) > 0x7f800000U) {
        return (uint16_t)(bits >> 16 | 0x40U); /* a NaN must not round to infinity */
    }
    uint32_t odd = bits >> 16 & 1U;
    return (uint16_t)((bits + 0x7fffU + odd) >> 16);
}

float co_bf16_value(uint16_t bits)
{
    uint32_t word = (uint32_t)bits << 16;
    float x;
    memcpy(&x, &word, sizeof(x));
    return x;
}

static void round_all(size_t count, const float *in, float *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = co_bf16_value(co_bf16_of(in[i]));
    }
}

static void add(size_t count, const float *restrict a, const float *restrict b, float *restrict out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = a[i] + b[i];
    }
}

static void add_to(size_t count, float *restrict a, const float *restrict b)
{
    for (size_t i = 0; i < count; i++) {
        a[i] += b[i];
    }
}

static const float *leaf(const co_tree *tree, int rank, size_t offset, size_t count, int level)
{
    const float *values = tree->parts[rank] + offset;
    if (!tree->bf16) {
        return values;
    }
    float *rounded = tree->scratch + (size_t)level * CO_TREE_CHUNK;
    round_all(count, values, rounded);
    return rounded;
}

/* The sum over ranks lo..hi-1 of one chunk. Where it lies: in a rank's own memory, or in the
 * scratch of this level; levels above `level` are free. */
static const float *chunk_sum(const co_tree *tree, int lo, int hi, size_t offset, size_t count,
                              int level)
{
    if (hi - lo == 1) {
        return leaf(tree, lo, offset, count, level);
    }
    int half = 1;
    while (2 * half < hi - lo) {
        half *= 2;
    }
    float *out = tree->scratch + (size_t)level * CO_TREE_CHUNK;
    const float *left = chunk_sum(tree, lo, lo + half, offset, count, level);
    const float *right = chunk_sum(tree, lo + half, hi, offset, count, level + 1);
    if (left == out) {
        add_to(count, out, right);
    } else {
        add(count, left, right, out);
    }
    return out;
}

void co_tree_sum(const co_tree *tree, size_t count, float factor, float *out)
{
    for (size_t offset = 0; offset < count; offset += CO_TREE_CHUNK) {
        size_t chunk = count - offset < CO_TREE_CHUNK ? count - offset : CO_TREE_CHUNK;
        const float *sum = chunk_sum(tree, 0, tree->ranks, offset, chunk, 0);
        for (size_t i = 0; i < chunk; i++) {
            out[offset + i] = sum[i] * factor;
        }
        if (tree->bf16) {
            round_all(chunk, out + offset, out + offset);
        }
    }
}

void co_adasum(size_t count, float *a, const float *b)
{
    double ab = 0.0;
    double aa = 0.0;
    double bb = 0.0;
    for (size_t i = 0; i < count; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    const double of_a = aa > 0.0 ? 1.0 - ab / (2.0 * aa) : 1.0;
    const double of_b = bb > 0.0 ? 1.0 - ab / (2.0 * bb) : 1.0;
    for (size_t i = 0; i < count; i++) {
        a[i] = (float)(of_a * a[i] + of_b * b[i]);
    }
}
