/* Between rows and lanes, element-wise kernels and dropout, bit by bit. */
#include "lane_test.h"

enum { SHAPES = 200 };

static void check_input(const co_lane_ops *ops)
{
    for (uint32_t seed = 0; seed < SHAPES; seed++) {
        co_rng rng = test_rng(4000 + seed);
        float scale[3] = {0.5f, 0.003f, 1.0f};
        float shift[3] = {-0.1f, 0.25f, 0.0f};
        co_lane_input d = {.rows = test_batches[co_rng_below(&rng, TEST_BATCHES)],
                           .channels = test_pick(&rng, 1, 3),
                           .h = test_pick(&rng, 1, 9),
                           .w = test_pick(&rng, 1, 30),
                           .halo = test_pick(&rng, 0, 2),
                           .scale = scale,
                           .shift = shift};
        co_lane_input_init(&d, ops->lanes);
        int plane = d.h * d.w;
        int count = d.channels * plane;
        size_t stride = (size_t)(count + test_pick(&rng, 0, 3));
        size_t all = (size_t)d.rows * stride;
        uint8_t *bytes = test_bytes(all);
        float *floats = test_floats(all);
        for (size_t i = 0; i < all; i++) {
            bytes[i] = (uint8_t)co_rng_below(&rng, 256);
            floats[i] = (float)bytes[i] - 100.0f;
        }
        for (int kind = 0; kind < 2; kind++) {
            float *plain = test_floats((size_t)(d.rows * count));
            for (int e = 0; e < d.rows * count; e++) {
                size_t at = (size_t)(e / count) * stride + (size_t)(e % count);
                float v = kind == 0 ? (float)bytes[at] : floats[at];
                int c = e % count / plane;
                /* fused in the vector forms, rounded twice in the plain one */
                plain[e] = ops->isa == CO_LANE_PLAIN ? (float)(v * scale[c]) + shift[c]
                                                     : fmaf(v, scale[c], shift[c]);
            }
            float *want = test_to_lanes(plain, d.rows, d.channels, d.h, d.w, d.halo, d.lanes, 0.0f);
            size_t size = co_lane_floats(
                d.rows, (size_t)(d.channels * (d.h + 2 * d.halo) * (d.w + 2 * d.halo)), d.lanes);
            float *got = test_floats(size);
            memset(got, 0xff, size * sizeof(float));
            int half = d.bundles / 2;
            if (kind == 0) {
                ops->input_u8(&d, bytes, stride, got, half, d.bundles);
                ops->input_u8(&d, bytes, stride, got, 0, half);
            } else {
                ops->input_f32(&d, floats, stride, got, half, d.bundles);
                ops->input_f32(&d, floats, stride, got, 0, half);
            }
            assert_memory_equal(got, want, size * sizeof(float));
            co_free(got);
            co_free(want);
            co_free(plain);
        }
        co_free(bytes);
        co_free(floats);
    }
}

static void test_input(void **state)
{
    (void)state;
    test_each_isa(check_input);
}

static void check_rows(const co_lane_ops *ops)
{
    for (uint32_t seed = 0; seed < SHAPES; seed++) {
        co_rng rng = test_rng(4500 + seed);
        int rows = test_batches[co_rng_below(&rng, TEST_BATCHES)];
        int count = test_pick(&rng, 1, 50);
        size_t stride = (size_t)(count + test_pick(&rng, 0, 5));
        int bundles = (rows + ops->lanes - 1) / ops->lanes;
        float *plain = test_random(&rng, (size_t)(rows * count));
        float *lanes = test_to_lanes(plain, rows, count, 1, 1, 0, ops->lanes, NAN);
        float *out = test_floats((size_t)rows * stride);
        float *again = test_floats(co_lane_floats(rows, (size_t)count, ops->lanes));
        memset(again, 0xff, co_lane_floats(rows, (size_t)count, ops->lanes) * sizeof(float));
        ops->to_rows(rows, count, lanes, out, stride, 0, bundles);
        for (int n = 0; n < rows; n++) {
            for (int i = 0; i < (int)stride; i++) { /* behind a row: untouched */
                float want = i < count ? plain[n * count + i] : 0.0f;
                assert_true(out[(size_t)n * stride + (size_t)i] == want);
            }
        }
        ops->from_rows(rows, count, out, stride, again, 0, bundles);
        float *want = test_to_lanes(plain, rows, count, 1, 1, 0, ops->lanes, 0.0f);
        assert_memory_equal(again, want,
                            co_lane_floats(rows, (size_t)count, ops->lanes) * sizeof(float));
        co_free(plain);
        co_free(lanes);
        co_free(out);
        co_free(again);
        co_free(want);
    }
}

static void test_rows(void **state)
{
    (void)state;
    test_each_isa(check_rows);
}

static void check_elements(const co_lane_ops *ops)
{
    co_rng rng = test_rng(7);
    size_t vectors = 37;
    size_t count = vectors * (size_t)ops->lanes;
    float *a = test_random(&rng, count);
    float *b = test_random(&rng, count);
    float *y[5];
    for (int i = 0; i < 5; i++) {
        y[i] = test_floats(count);
    }
    a[3] = 0.0f;
    a[5] = NAN;
    for (int part = 0; part < 2; part++) {
        size_t begin = part == 0 ? 20 : 0;
        size_t end = part == 0 ? vectors : 20;
        ops->relu_forward(a, y[0], begin, end);
        ops->relu_backward(a, b, y[1], begin, end);
        ops->add(a, b, y[2], begin, end);
        ops->add_relu(a, b, y[3], begin, end);
        ops->scale(a, 0.125f, y[4], begin, end);
    }
    for (size_t i = 0; i < count; i++) {
        if (i == 5) { /* NaN stays visible forward */
            assert_true(isnan(y[0][i]) && isnan(y[2][i]) && isnan(y[3][i]) && isnan(y[4][i]));
            continue;
        }
        float sum = a[i] + b[i];
        assert_true(y[0][i] == (a[i] > 0.0f ? a[i] : 0.0f));
        assert_true(y[1][i] == (a[i] > 0.0f ? b[i] : 0.0f));
        assert_true(y[2][i] == sum);
        assert_true(y[3][i] == (sum > 0.0f ? sum : 0.0f));
        assert_true(y[4][i] == a[i] * 0.125f);
    }
    co_free(a);
    co_free(b);
    for (int i = 0; i < 5; i++) {
        co_free(y[i]);
    }
}

static void test_elements(void **state)
{
    (void)state;
    test_each_isa(check_elements);
}

/* The definition, from co_philox. */
static bool dropout_keeps(const co_lane_dropout *d, uint32_t sample, int e)
{
    uint32_t counter[4] = {(uint32_t)(e / 8), sample, d->key.epoch,
                           d->key.stream << 24 | d->key.replica};
    uint32_t key[2] = {(uint32_t)d->key.seed, (uint32_t)(d->key.seed >> 32)};
    uint32_t out[4];
    co_philox(counter, key, out);
    uint32_t word = out[e % 8 / 2];
    uint32_t piece = e % 2 == 0 ? word & 0xffffu : word >> 16;
    return (double)piece >= round((double)d->p * 65536.0);
}

static void check_dropout(const co_lane_ops *ops)
{
    static const float chances[] = {0.0f, 0.1f, 0.25f, 0.5f, 0.9f, 1.0f};
    for (uint32_t seed = 0; seed < SHAPES; seed++) {
        co_rng rng = test_rng(6000 + seed);
        co_lane_dropout d = {.rows = test_batches[co_rng_below(&rng, TEST_BATCHES)],
                             .channels = test_pick(&rng, 1, 20),
                             .plane = test_pick(&rng, 1, 9),
                             .by_channel = test_pick(&rng, 0, 1) == 1,
                             .p = chances[test_pick(&rng, 0, 5)],
                             .key = {.seed = 0x123456789abcdefULL + seed,
                                     .stream = CO_STREAM_DROPOUT + seed % 3,
                                     .replica = seed % 5,
                                     .epoch = co_rng_below(&rng, 100)}};
        co_lane_dropout_init(&d, ops->lanes);
        int count = d.channels * d.plane;
        uint32_t samples[64];
        for (int n = 0; n < d.rows; n++) {
            samples[n] = co_rng_u32(&rng);
        }
        float *plain = test_random(&rng, (size_t)(d.rows * count));
        float *x = test_to_lanes(plain, d.rows, d.channels, 1, d.plane, 0, d.lanes, 0.0f);
        size_t floats = co_lane_floats(d.rows, (size_t)count, d.lanes);
        float *y = test_floats(floats);
        float *dx = test_floats(floats);
        uint16_t *keep = test_bytes(floats * sizeof(uint16_t));
        int half = d.bundles / 2;
        ops->dropout_forward(&d, samples, x, y, keep, half, d.bundles);
        ops->dropout_forward(&d, samples, x, y, keep, 0, half);
        ops->dropout_backward(&d, keep, x, dx, 0, d.bundles);
        for (int e = 0; e < d.rows * count; e++) {
            int n = e / count;
            int i = e % count;
            bool kept = dropout_keeps(&d, samples[n], d.by_channel ? i / d.plane : i);
            float want = kept && d.p < 1.0f ? plain[e] * (1.0f / (1.0f - d.p)) : 0.0f;
            assert_true(test_lane_at(y, count, d.lanes, n, i) == want);
            assert_true(test_lane_at(dx, count, d.lanes, n, i) == want);
        }
        assert_true(test_unused_zero(dx, d.rows, count, d.lanes));
        co_free(plain);
        co_free(x);
        co_free(y);
        co_free(dx);
        co_free(keep);
    }
}

static void test_dropout(void **state)
{
    (void)state;
    test_each_isa(check_dropout);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_dropout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
