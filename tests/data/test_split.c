/* train_split and the validation part (docs/METHODS.md 3). */
#include "data/helper_data.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/rng.h"
#include "data/split.h"

static void test_sizes(void **state)
{
    static const struct {
        uint32_t samples;
        double fraction;
        bool hold_out;
        uint32_t train;
        uint32_t validation;
    } rows[] = {
        {60000, 1.0, false, 60000, 0}, {60000, 0.5, false, 30000, 0},
        {60000, 0.1, false, 6000, 0},  {60000, 1.0, true, 54000, 6000},
        {60000, 0.1, true, 5400, 600}, {7, 0.5, false, 3, 0}, /* int(3.5) */
        {100, 0.29, false, 28, 0}, /* int(28.999999999999996), as Python has it */
        {10, 1.0, true, 9, 1},         {11, 1.0, true, 9, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        co_error err;
        co_subset train = {0};
        co_subset validation = {0};
        assert_ok(co_subset_split(rows[i].samples, rows[i].fraction, rows[i].hold_out, 1, &train,
                                  &validation, &err),
                  &err);
        assert_int_equal(train.count, rows[i].train);
        assert_int_equal(validation.count, rows[i].validation);
        bool *seen = calloc(rows[i].samples, sizeof(bool));
        assert_non_null(seen);
        for (uint32_t k = 0; k < train.count + validation.count; k++) {
            uint32_t index = k < train.count ? train.indices[k]
                                             : validation.indices[k - train.count];
            assert_in_range(index, 0, rows[i].samples - 1);
            assert_false(seen[index]); /* no sample twice, none in both */
            seen[index] = true;
        }
        free(seen);
        co_subset_free(&train);
        co_subset_free(&validation);
        assert_null(train.indices);
    }
}

static void test_order(void **state)
{
    enum { N = 500, KEPT = 200 };
    (void)state;
    co_error err;
    co_subset train = {0};
    co_subset validation = {0};
    uint32_t expected[N];
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 42, .stream = CO_STREAM_SPLIT});
    co_rng_permutation(&rng, expected, N);
    assert_ok(co_subset_split(N, 0.4, true, 42, &train, &validation, &err), &err);
    assert_memory_equal(train.indices, expected, train.count * sizeof(uint32_t));
    assert_memory_equal(validation.indices, expected + train.count,
                        validation.count * sizeof(uint32_t));
    assert_int_equal(train.count + validation.count, KEPT);
    co_subset_free(&train);
    co_subset_free(&validation);
    assert_ok(co_subset_split(N, 1.0, false, 42, &train, &validation, &err), &err);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(train.indices[i], i); /* all of it: nothing to draw */
    }
    co_subset_free(&train);
    assert_ok(co_subset_split(N, 0.4, false, 43, &train, &validation, &err), &err);
    assert_memory_not_equal(train.indices, expected, KEPT * sizeof(uint32_t));
    co_subset_free(&train);
}

static void test_bad(void **state)
{
    static const struct {
        uint32_t samples;
        double fraction;
        bool hold_out;
        const char *says;
    } rows[] = {
        {100, 0.0, false, "above 0"},         {100, -0.5, false, "above 0"},
        {100, 1.01, false, "to 1"},           {100, NAN, false, "train_split"},
        {10, 0.05, false, "without samples"}, {1, 1.0, true, "validation"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        co_error err;
        co_subset train = {0};
        co_subset validation = {0};
        assert_fault(co_subset_split(rows[i].samples, rows[i].fraction, rows[i].hold_out, 1, &train,
                                     &validation, &err),
                     CO_USAGE, &err, rows[i].says, NULL);
        assert_null(train.indices);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
