/* Philox against the known-answer vectors of Random123 (kat_vectors, philox4x32 10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"

static void test_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4];
        uint32_t key[2];
        uint32_t expected[4];
    } vectors[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint32_t out[4];
        co_philox(vectors[i].counter, vectors[i].key, out);
        assert_memory_equal(out, vectors[i].expected, sizeof(out));
    }
}

static void test_permutation_is_one(void **state)
{
    (void)state;
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 7, .stream = CO_STREAM_TEST});
    enum { N = 1000 };
    uint32_t order[N];
    unsigned char seen[N] = {0};
    unsigned moved = 0;
    co_rng_permutation(&rng, order, N);
    for (uint32_t i = 0; i < N; i++) {
        assert_true(order[i] < N);
        assert_int_equal(seen[order[i]], 0);
        seen[order[i]] = 1;
        moved += order[i] != i;
    }
    assert_true(moved > N * 9 / 10);
}

static void test_moments(void **state)
{
    (void)state;
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 1, .stream = CO_STREAM_TEST, .sample = 3});
    enum { N = 200000 };
    double uniform = 0.0;
    double normal = 0.0;
    double square = 0.0;
    double below = 0.0;
    for (int i = 0; i < N; i++) {
        uniform += (double)co_rng_uniform(&rng);
        double z = (double)co_rng_normal(&rng);
        normal += z;
        square += z * z;
        below += (double)co_rng_below(&rng, 10);
    }
    assert_true(uniform / N > 0.497 && uniform / N < 0.503);
    assert_true(normal / N > -0.01 && normal / N < 0.01);
    assert_true(square / N > 0.98 && square / N < 1.02);
    assert_true(below / N > 4.46 && below / N < 4.54);
}

static void test_every_field_of_the_key_counts(void **state)
{
    (void)state;
    const co_rng_key base = {.seed = 5, .stream = CO_STREAM_AUGMENT};
    co_rng_key keys[7] = {base, base, base, base, base, base, base};
    keys[1].seed = 5ull + (1ull << 32);
    keys[2].stream = CO_STREAM_SHUFFLE;
    keys[3].replica = 1;
    keys[4].epoch = 1;
    keys[5].sample = 1;
    keys[6].visit = 1;
    uint32_t first[7];
    for (int i = 0; i < 7; i++) {
        co_rng rng = co_rng_at(&keys[i]);
        first[i] = co_rng_u32(&rng);
        for (int j = 0; j < i; j++) {
            assert_int_not_equal(first[i], first[j]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_permutation_is_one),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_every_field_of_the_key_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
