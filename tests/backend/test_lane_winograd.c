/* Winograd convolution in lane layout against plain loops in double: 1e-4 in the relative norm. */
#include "lane_conv_test.h"

enum { SHAPES = 200 };

static co_lane_conv random_conv(co_rng *rng, const co_lane_ops *ops)
{
    for (;;) {
        co_lane_conv d = {.rows = test_batches[co_rng_below(rng, TEST_BATCHES)],
                          .in_channels = test_pick(rng, 1, 20),
                          .out_channels = test_pick(rng, 1, 36),
                          .in_h = test_pick(rng, 1, 13),
                          .in_w = test_pick(rng, 1, 13),
                          .kernel_h = 3,
                          .kernel_w = 3,
                          .stride_h = 1,
                          .stride_w = 1,
                          .groups = 1,
                          .pad_h = test_pick(rng, 0, 1),
                          .pad_w = test_pick(rng, 0, 1),
                          .relu = test_pick(rng, 0, 1) == 1,
                          .in_halo = test_pick(rng, 0, 3) == 0 ? test_pick(rng, 1, 2) : 0,
                          .algorithm = {CO_LANE_WINOGRAD, CO_LANE_WINOGRAD, CO_LANE_WINOGRAD}};
        if (test_pick(rng, 0, 1) == 0) {
            d.pool = test_pick(rng, 0, 2) == 0 ? 4 : 2;
            assert_true(co_lane_conv_can_pool(&d, d.pool));
        }
        if (d.in_h + 2 * d.pad_h < 3 || d.in_w + 2 * d.pad_w < 3) {
            continue;
        }
        co_lane_conv_init(&d, ops->lanes);
        if (d.y_h > 0 && d.y_w > 0) {
            return d;
        }
    }
}

static void check_random(const co_lane_ops *ops)
{
    for (uint32_t seed = 0; seed < SHAPES; seed++) {
        co_rng rng = test_rng(5000 + seed);
        co_lane_conv d = random_conv(&rng, ops);
        conv_check(ops, &d, 1e-4, seed % 3 != 0, seed);
    }
}

static void test_random_shapes(void **state)
{
    (void)state;
    test_each_isa(check_random);
}

/* So many that weights are transformed where they are multiplied. Small planes of several bundles,
 * larger ones of one: chunks of tiles span bundles, and there are several. */
static void check_many_channels(const co_lane_ops *ops)
{
    static const int planes[][3] = {{17, 2, 4}, {33, 1, 2}, {1, 9, 10}, {2, 6, 4}};
    for (uint32_t i = 0; i < sizeof planes / sizeof *planes; i++) {
        co_rng rng = test_rng(8000 + i);
        co_lane_conv d = {.rows = planes[i][0],
                          .in_channels = test_pick(&rng, 192, 215),
                          .out_channels = test_pick(&rng, 192, 215),
                          .in_h = planes[i][1],
                          .in_w = planes[i][2],
                          .kernel_h = 3,
                          .kernel_w = 3,
                          .stride_h = 1,
                          .stride_w = 1,
                          .groups = 1,
                          .pad_h = 1,
                          .pad_w = 1,
                          .relu = i % 2 == 0,
                          .pool = i == 0 ? 2 : 0,
                          .algorithm = {CO_LANE_WINOGRAD, CO_LANE_WINOGRAD, CO_LANE_WINOGRAD}};
        co_lane_conv_init(&d, ops->lanes);
        conv_check(ops, &d, 1e-4, i % 2 == 0, i);
    }
}

static void test_many_channels(void **state)
{
    (void)state;
    test_each_isa(check_many_channels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_shapes),
        cmocka_unit_test(test_many_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
