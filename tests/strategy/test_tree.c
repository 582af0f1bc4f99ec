/* Sums along the fixed tree, bfloat16, Adasum: against plain definitions written here. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "strategy/tree.h"

enum { MOST_RANKS = 37, COUNT = 3000 };

static float parts_memory[MOST_RANKS][COUNT];
static float scratch[CO_TREE_SCRATCH_FLOATS];

static void fill_parts(void)
{
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 3, .stream = CO_STREAM_TEST});
    for (int r = 0; r < MOST_RANKS; r++) {
        for (int i = 0; i < COUNT; i++) {
            parts_memory[r][i] = co_rng_normal(&rng) * expf(3.0F * co_rng_normal(&rng));
        }
    }
}

/* The definition, one number at a time. */
static float tree_of(int lo, int hi, int i)
{
    if (hi - lo == 1) {
        return parts_memory[lo][i];
    }
    int half = 1;
    while (half * 2 < hi - lo) {
        half *= 2;
    }
    return tree_of(lo, lo + half, i) + tree_of(lo + half, hi, i);
}

static void sums_follow_the_tree(void **state)
{
    (void)state;
    fill_parts();
    const float *parts[MOST_RANKS];
    static float out[COUNT];
    for (int r = 0; r < MOST_RANKS; r++) {
        parts[r] = parts_memory[r];
    }
    for (int ranks = 1; ranks <= MOST_RANKS; ranks++) {
        const co_tree tree = {.parts = parts, .ranks = ranks, .scratch = scratch};
        co_tree_sum(&tree, COUNT, 0.25F, out);
        for (int i = 0; i < COUNT; i++) {
            float expected = 0.25F * tree_of(0, ranks, i);
            assert_memory_equal(&out[i], &expected, sizeof(float));
        }
    }
    /* Into one of the parts itself. */
    float expected = tree_of(0, 5, 2999);
    const co_tree tree = {.parts = parts, .ranks = 5, .scratch = scratch};
    co_tree_sum(&tree, COUNT, 1.0F, parts_memory[2]);
    assert_memory_equal(&parts_memory[2][2999], &expected, sizeof(float));
}

/* The nearest of all bfloat16 values around, ties to the even one, by search. */
static float nearest_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    bits &= 0xffff0000U;
    float best = 0.0F;
    double best_gap = INFINITY;
    bool best_even = false;
    for (int step = -1; step <= 1; step++) {
        uint32_t near = bits + (uint32_t)(step * 65536);
        float value;
        memcpy(&value, &near, sizeof(value));
        double gap = fabs((double)value - (double)x);
        bool even = (near >> 16 & 1U) == 0;
        if (gap < best_gap || (gap == best_gap && even && !best_even)) {
            best = value;
            best_gap = gap;
            best_even = even;
        }
    }
    return best;
}

static void bf16_rounds_to_the_nearest(void **state)
{
    (void)state;
    static const float given[][2] = {
        {1.0F, 1.0F},
        {1.00390625F, 1.0F},      /* half way between 1 and 1 + 2^-7: to the even 1 */
        {1.01171875F, 1.015625F}, /* half way between 1 + 2^-7 and 1 + 2^-6: to the even one */
        {1.003907F, 1.0078125F},  /* a little above half way */
        {-2.5F, -2.5F},
        {3.4e38F, INFINITY}, /* beyond the largest bfloat16, 3.39e38 */
        {0.0F, 0.0F},
    };
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        assert_float_equal(co_bf16_value(co_bf16_of(given[i][0])), given[i][1], 0.0F);
    }
    assert_true(isnan(co_bf16_value(co_bf16_of(NAN))));
    uint32_t quiet = 0x7f800001U; /* a NaN whose upper half alone is infinity */
    float nan_low;
    memcpy(&nan_low, &quiet, sizeof(nan_low));
    assert_true(isnan(co_bf16_value(co_bf16_of(nan_low))));
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 4, .stream = CO_STREAM_TEST});
    for (int i = 0; i < 20000; i++) {
        float x = co_rng_normal(&rng) * expf(8.0F * co_rng_normal(&rng));
        float got = co_bf16_value(co_bf16_of(x));
        float expected = nearest_bf16(x);
        assert_memory_equal(&got, &expected, sizeof(float));
    }
}

/* Contributions are rounded, the sum is float32, the result is rounded: 256 small numbers beside
 * a large one would vanish if sums were bfloat16. */
static void bf16_sums_in_float32(void **state)
{
    (void)state;
    enum { RANKS = 33 };
    static float values[RANKS];
    const float *parts[RANKS];
    for (int r = 0; r < RANKS; r++) {
        values[r] = r == 0 ? 256.0F : 1.0F;
        parts[r] = &values[r];
    }
    const co_tree tree = {.parts = parts, .ranks = RANKS, .bf16 = true, .scratch = scratch};
    float sum = 0.0F;
    co_tree_sum(&tree, 1, 1.0F, &sum);
    assert_float_equal(sum, 288.0F, 0.0F);
    values[0] = 1.00390625F; /* rounds to 1 on the way */
    co_tree_sum(&tree, 1, 1.0F, &sum);
    assert_float_equal(sum, 33.0F, 0.0F);
}

static void adasum_of_known_vectors(void **state)
{
    (void)state;
    float a[4] = {3.0F, 0.0F, 4.0F, 0.0F};
    const float orthogonal[4] = {0.0F, 2.0F, 0.0F, -1.0F};
    co_adasum(4, a, orthogonal); /* the sum */
    const float sum[4] = {3.0F, 2.0F, 4.0F, -1.0F};
    assert_memory_equal(a, sum, sizeof(a));
    float b[3] = {1.0F, -2.0F, 5.0F};
    const float same[3] = {1.0F, -2.0F, 5.0F};
    co_adasum(3, b, same); /* the mean */
    assert_memory_equal(b, same, sizeof(b));
    /* Parallel of other length: a = 2b, a.b = 2|b|^2: a (1 - 1/4) + b (1 - 1) = 1.5 b */
    float c[2] = {2.0F, 4.0F};
    const float half[2] = {1.0F, 2.0F};
    co_adasum(2, c, half);
    assert_float_equal(c[0], 1.5F, 0.0F);
    assert_float_equal(c[1], 3.0F, 0.0F);
    /* In between: a = (1, 0), b = (1, 1): a.b = 1, |a|^2 = 1, |b|^2 = 2: a/2 + 3b/4 */
    float d[2] = {1.0F, 0.0F};
    const float e[2] = {1.0F, 1.0F};
    co_adasum(2, d, e);
    assert_float_equal(d[0], 1.25F, 0.0F);
    assert_float_equal(d[1], 0.75F, 0.0F);
    float zero[2] = {0.0F, 0.0F};
    co_adasum(2, zero, e);
    assert_memory_equal(zero, e, sizeof(zero));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_follow_the_tree),
        cmocka_unit_test(bf16_rounds_to_the_nearest),
        cmocka_unit_test(bf16_sums_in_float32),
        cmocka_unit_test(adasum_of_known_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
