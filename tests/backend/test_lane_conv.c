/* Direct convolution in lane layout against plain loops in double. */
#include "lane_conv_test.h"

enum { SHAPES = 220 };

static co_lane_conv random_conv(co_rng *rng, const co_lane_ops *ops)
{
    for (;;) {
        int groups = test_pick(rng, 0, 3) == 0 ? test_pick(rng, 2, 3) : 1;
        co_lane_conv d = {.rows = test_batches[co_rng_below(rng, TEST_BATCHES)],
                          .in_channels = groups * test_pick(rng, 1, 7),
                          .out_channels = groups * test_pick(rng, 1, 14),
                          .in_h = test_pick(rng, 1, 13),
                          .in_w = test_pick(rng, 1, 15),
                          .kernel_h = test_pick(rng, 1, 7),
                          .kernel_w = test_pick(rng, 1, 8),
                          .stride_h = test_pick(rng, 1, 3),
                          .stride_w = test_pick(rng, 1, 3),
                          .pad_h = test_pick(rng, 0, 3),
                          .pad_w = test_pick(rng, 0, 3),
                          .groups = groups,
                          .relu = test_pick(rng, 0, 1) == 1,
                          .in_halo = test_pick(rng, 0, 3) == 0 ? test_pick(rng, 1, 2) : 0};
        if (test_pick(rng, 0, 1) == 0) { /* the usual ones more often */
            int k = 1 + 2 * test_pick(rng, 0, 2);
            d.kernel_h = k;
            d.kernel_w = k;
            d.stride_h = d.stride_w = test_pick(rng, 1, 2);
        }
        if (groups == 1 && test_pick(rng, 0, 3) == 0) { /* enough for products of matrices */
            d.in_channels = test_pick(rng, 16, 40);
            d.out_channels = test_pick(rng, 16, 70);
            d.in_h = test_pick(rng, 1, 7);
            d.in_w = test_pick(rng, 1, 7);
            d.kernel_h = 1 + 2 * test_pick(rng, 0, 1);
            d.kernel_w = 1 + 2 * test_pick(rng, 0, 1);
        }
        if (test_pick(rng, 0, 2) == 0) {
            d.pool = test_pick(rng, 2, 4);
        }
        bool fits = d.in_h + 2 * d.pad_h >= d.kernel_h && d.in_w + 2 * d.pad_w >= d.kernel_w;
        if (!fits || d.pad_h >= d.kernel_h || d.pad_w >= d.kernel_w) {
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
        co_rng rng = test_rng(1000 + seed);
        co_lane_conv d = random_conv(&rng, ops);
        conv_check(ops, &d, 1e-5, seed % 3 != 0, seed);
    }
}

static void test_random_shapes(void **state)
{
    (void)state;
    test_each_isa(check_random);
}

static void check_network_shapes(const co_lane_ops *ops)
{
    static const co_lane_conv shapes[] = {
        {.in_channels = 1,
         .out_channels = 6,
         .in_h = 28,
         .in_w = 28,
         .kernel_h = 5,
         .kernel_w = 5,
         .pad_h = 2,
         .pad_w = 2,
         .in_halo = 2,
         .pool = 2,
         .relu = true},
        {.in_channels = 6,
         .out_channels = 16,
         .in_h = 14,
         .in_w = 14,
         .kernel_h = 5,
         .kernel_w = 5,
         .pool = 2,
         .relu = true},
        {.in_channels = 3,
         .out_channels = 32,
         .in_h = 32,
         .in_w = 32,
         .kernel_h = 3,
         .kernel_w = 3,
         .pad_h = 1,
         .pad_w = 1,
         .pool = 2,
         .relu = true},
        {.in_channels = 1,
         .out_channels = 20,
         .in_h = 1,
         .in_w = 90,
         .kernel_h = 1,
         .kernel_w = 20,
         .relu = true},
        {.in_channels = 18, /* planes that lie in the way of each other in the cache */
         .out_channels = 33,
         .in_h = 32,
         .in_w = 32,
         .kernel_h = 3,
         .kernel_w = 3,
         .pad_h = 1,
         .pad_w = 1},
        {.in_channels = 17, /* a row is more than one block */
         .out_channels = 16,
         .in_h = 1,
         .in_w = 301,
         .kernel_h = 1,
         .kernel_w = 10},
    };
    for (uint32_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        co_lane_conv d = shapes[i];
        d.rows = d.in_channels < 16 ? 17 : 2;
        d.stride_h = d.stride_w = d.in_channels == 18 ? 2 : 1;
        d.groups = 1;
        co_lane_conv_init(&d, ops->lanes);
        conv_check(ops, &d, 1e-5, true, i);
    }
}

/* So many weights that they are turned where they are multiplied. */
static void check_many_weights(const co_lane_ops *ops)
{
    static const int cases[][5] = {/* channels in, out, plane, stride, images */
                                   {259, 509, 2, 1, 17},
                                   {509, 261, 5, 2, 3},
                                   {1030, 130, 1, 1, 33},
                                   {133, 1000, 4, 3, 2}};
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        co_lane_conv d = {.rows = cases[i][4],
                          .in_channels = cases[i][0],
                          .out_channels = cases[i][1],
                          .in_h = cases[i][2],
                          .in_w = cases[i][2],
                          .kernel_h = 1,
                          .kernel_w = 1,
                          .stride_h = cases[i][3],
                          .stride_w = cases[i][3],
                          .groups = 1,
                          .relu = i % 2 == 0};
        co_lane_conv_init(&d, ops->lanes);
        conv_check(ops, &d, 1e-5, i % 2 == 0, i);
        assert_int_equal(ops->conv_packed_floats(&d, CO_LANE_FORWARD), 0);
    }
}

static void test_many_weights(void **state)
{
    (void)state;
    test_each_isa(check_many_weights);
}

/* Deep layers of small images: 3x3 onto planes of 2x2. */
static void check_tiny_planes(const co_lane_ops *ops)
{
    static const int cases[][4] = {/* channels in, out, stride, images */
                                   {64, 64, 1, 1},   {64, 64, 2, 16},   {97, 130, 1, 17},
                                   {131, 75, 2, 33}, {259, 301, 1, 35}, {67, 512, 2, 5}};
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        co_lane_conv d = {.rows = cases[i][3],
                          .in_channels = cases[i][0],
                          .out_channels = cases[i][1],
                          .in_h = 2 * cases[i][2],
                          .in_w = 2 * cases[i][2],
                          .kernel_h = 3,
                          .kernel_w = 3,
                          .stride_h = cases[i][2],
                          .stride_w = cases[i][2],
                          .pad_h = 1,
                          .pad_w = 1,
                          .groups = 1,
                          .relu = i % 3 == 0};
        co_lane_conv_init(&d, ops->lanes);
        conv_check(ops, &d, 1e-5, i % 2 == 0, i);
    }
}

static void test_tiny_planes(void **state)
{
    (void)state;
    test_each_isa(check_tiny_planes);
}

static void test_network_shapes(void **state)
{
    (void)state;
    test_each_isa(check_network_shapes);
}

static void test_names(void **state)
{
    (void)state;
    co_error err;
    co_lane_isa isa = CO_LANE_AVX2;
    assert_int_equal(co_lane_isa_parse("plain", &isa, &err), CO_OK);
    assert_int_equal(isa, CO_LANE_PLAIN);
    assert_int_equal(co_lane_isa_parse("auto", &isa, &err), CO_OK);
    assert_int_equal(isa, co_lane_isa_best());
    isa = CO_LANE_AVX2;
    assert_int_equal(co_lane_isa_parse("sse9", &isa, &err), CO_USAGE);
    assert_int_equal(isa, CO_LANE_AVX2);
    assert_non_null(strstr(err.text, "sse9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),         cmocka_unit_test(test_network_shapes),
        cmocka_unit_test(test_many_weights),  cmocka_unit_test(test_tiny_planes),
        cmocka_unit_test(test_random_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
