/* Winograd convolution in lane layout against plain loops in double: 1e-4 in the relative norm, in
 * one dimension 1e-5. */
#include "lane_conv_test.h"

enum { SHAPES = 200 };

#define LINE_TOLERANCE 1e-5

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

/* One dimension: kernels of one row, in one to three pieces of five taps, of any number of
 * channels. Rows shorter than a tile, several rows, padding up to the kernel's width. */
static co_lane_conv random_line(co_rng *rng, const co_lane_ops *ops)
{
    for (;;) {
        co_lane_conv d = {.rows = test_batches[co_rng_below(rng, TEST_BATCHES)],
                          .in_channels = test_pick(rng, 1, 30),
                          .out_channels = test_pick(rng, 1, 40),
                          .in_h = test_pick(rng, 0, 2) == 0 ? test_pick(rng, 2, 4) : 1,
                          .in_w = test_pick(rng, 1, 61),
                          .kernel_h = 1,
                          .kernel_w = test_pick(rng, 2, 13),
                          .stride_h = 1,
                          .stride_w = 1,
                          .groups = 1,
                          .relu = test_pick(rng, 0, 1) == 1,
                          .in_halo = test_pick(rng, 0, 3) == 0 ? test_pick(rng, 1, 2) : 0,
                          .algorithm = {CO_LANE_WINOGRAD, CO_LANE_WINOGRAD, CO_LANE_WINOGRAD}};
        d.pad_w = test_pick(rng, 0, 2) == 0 ? test_pick(rng, 0, d.kernel_w - 1) : 0;
        if (d.in_w + 2 * d.pad_w < d.kernel_w) {
            continue;
        }
        assert_true(co_lane_conv_is_line(&d) && co_lane_conv_has_winograd(&d));
        assert_false(co_lane_conv_can_pool(&d, 2));
        if (d.in_h > 1 && d.in_w > d.kernel_w && test_pick(rng, 0, 1) == 0) {
            d.algorithm[CO_LANE_FORWARD] = CO_LANE_DIRECT; /* pooled: the gradients are opened */
            d.pool = 2;
        } else if (test_pick(rng, 0, 1) == 0) {
            d.pool = test_pick(rng, 2, 15);
            d.pool_row = true;
            assert_true(co_lane_conv_can_pool_row(&d, d.pool));
        }
        co_lane_conv_init(&d, ops->lanes);
        if (d.y_h > 0 && d.y_w > 0) {
            return d;
        }
    }
}

static void check_lines(const co_lane_ops *ops)
{
    for (uint32_t seed = 0; seed < SHAPES; seed++) {
        co_rng rng = test_rng(11000 + seed);
        co_lane_conv d = random_line(&rng, ops);
        conv_check(ops, &d, LINE_TOLERANCE, seed % 3 != 0, seed);
    }
}

static void test_random_lines(void **state)
{
    (void)state;
    test_each_isa(check_lines);
}

/* Several chunks to a row, their last one shorter; as many channels as candlenet, and odd ones. */
static void check_long_lines(const co_lane_ops *ops)
{
    static const int shapes[][5] = {{3, 128, 128, 10, 10}, {17, 35, 50, 11, 0}, {1, 130, 21, 7, 3}};
    for (uint32_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        co_lane_conv d = {.rows = shapes[i][0],
                          .in_channels = shapes[i][1],
                          .out_channels = shapes[i][2],
                          .in_h = 1,
                          .in_w = 150,
                          .kernel_h = 1,
                          .kernel_w = shapes[i][3],
                          .stride_h = 1,
                          .stride_w = 1,
                          .groups = 1,
                          .relu = true,
                          .pool = shapes[i][4],
                          .pool_row = shapes[i][4] > 1};
        co_lane_conv_init(&d, ops->lanes);
        co_lane_conv_choose(&d);
        for (int pass = 0; pass < 3; pass++) {
            assert_int_equal(d.algorithm[pass], CO_LANE_WINOGRAD);
        }
        conv_check(ops, &d, LINE_TOLERANCE, i % 2 == 0, i);
    }
}

static void test_long_lines(void **state)
{
    (void)state;
    test_each_isa(check_long_lines);
}

/* Only where it exists and saves something. */
static void test_choice_of_lines(void **state)
{
    (void)state;
    const co_lane_conv good = {.rows = 16,
                               .in_channels = 16,
                               .out_channels = 16,
                               .in_h = 1,
                               .in_w = 100,
                               .kernel_h = 1,
                               .kernel_w = 4,
                               .stride_h = 1,
                               .stride_w = 1,
                               .groups = 1};
    co_lane_conv others[] = {good, good, good, good, good, good, good};
    others[1].in_channels = 15;
    others[2].kernel_w = 3;
    others[3].stride_w = 2;
    others[4].groups = 2;
    others[5].in_w = 32; /* 29 results */
    others[6].pad_w = 4;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        co_lane_conv_init(&others[i], CO_LANE_MAX);
        co_lane_conv_choose(&others[i]);
        for (int pass = 0; pass < 3; pass++) {
            assert_int_equal(others[i].algorithm[pass], i == 0 ? CO_LANE_WINOGRAD : CO_LANE_DIRECT);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_shapes),   cmocka_unit_test(test_many_channels),
        cmocka_unit_test(test_random_lines),    cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_choice_of_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
