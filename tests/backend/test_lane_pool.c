/* Pooling in lane layout against plain loops in double. */
#include "lane_test.h"

enum { SHAPES = 220 };

static co_lane_pool random_pool(co_rng *rng, const co_lane_ops *ops)
{
    for (;;) {
        co_lane_pool d = {.kind = (co_lane_pool_kind)test_pick(rng, 0, 1),
                          .rows = test_batches[co_rng_below(rng, TEST_BATCHES)],
                          .channels = test_pick(rng, 1, 5),
                          .in_h = test_pick(rng, 1, 12),
                          .in_w = test_pick(rng, 1, 12),
                          .kernel_h = test_pick(rng, 1, 5),
                          .kernel_w = test_pick(rng, 1, 5),
                          .stride_h = test_pick(rng, 1, 4),
                          .stride_w = test_pick(rng, 1, 4)};
        d.pad_h = test_pick(rng, 0, d.kernel_h / 2);
        d.pad_w = test_pick(rng, 0, d.kernel_w / 2);
        if (test_pick(rng, 0, 3) == 0) { /* global */
            d.kernel_h = d.in_h;
            d.kernel_w = d.in_w;
            d.stride_h = d.stride_w = 1;
            d.pad_h = d.pad_w = 0;
        }
        if (d.in_h + 2 * d.pad_h >= d.kernel_h && d.in_w + 2 * d.pad_w >= d.kernel_w) {
            co_lane_pool_init(&d, ops->lanes);
            return d;
        }
    }
}

/* One window of one plane: its result, and the gradient g put back to dx. */
static double pool_window(const co_lane_pool *d, const float *x, int oy, int ox, double g,
                          double *dx)
{
    double best = -INFINITY;
    double sum = 0.0;
    int place = -1;
    int area = d->kernel_h * d->kernel_w;
    for (int tap = 0; tap < area; tap++) {
        int y = oy * d->stride_h - d->pad_h + tap / d->kernel_w;
        int col = ox * d->stride_w - d->pad_w + tap % d->kernel_w;
        if (y < 0 || y >= d->in_h || col < 0 || col >= d->in_w) {
            continue;
        }
        int at = y * d->in_w + col;
        sum += (double)x[at];
        if ((double)x[at] > best) {
            best = (double)x[at];
            place = at;
        }
        if (d->kind == CO_LANE_POOL_AVERAGE) {
            dx[at] += g / area;
        }
    }
    if (d->kind == CO_LANE_POOL_AVERAGE) {
        return sum / area;
    }
    dx[place] += g;
    return best;
}

static void check_pool(const co_lane_ops *ops, const co_lane_pool *d, co_rng *rng)
{
    int in_plane = d->in_h * d->in_w;
    int out_plane = d->out_h * d->out_w;
    int planes = d->rows * d->channels;
    float *x = test_random(rng, (size_t)(planes * in_plane));
    for (int i = 0; i < planes * in_plane; i++) {
        x[i] = rintf(x[i] * 8.0f); /* many ties: the first one must win */
    }
    float *dy = test_random(rng, (size_t)(planes * out_plane));
    double *y = test_doubles((size_t)(planes * out_plane));
    double *dx = test_doubles((size_t)(planes * in_plane));
    for (int i = 0; i < planes * out_plane; i++) {
        int plane = i / out_plane;
        y[i] = pool_window(d, x + (size_t)plane * (size_t)in_plane, i / d->out_w % d->out_h,
                           i % d->out_w, (double)dy[i], dx + (size_t)plane * (size_t)in_plane);
    }
    float *x_lanes = test_to_lanes(x, d->rows, d->channels, d->in_h, d->in_w, 0, d->lanes, NAN);
    float *dy_lanes = test_to_lanes(dy, d->rows, d->channels, d->out_h, d->out_w, 0, d->lanes,
                                    0.0f);
    int in_all = d->channels * in_plane;
    int out_all = d->channels * out_plane;
    float *y_lanes = test_floats(co_lane_floats(d->rows, (size_t)out_all, d->lanes));
    float *dx_lanes = test_floats(co_lane_floats(d->rows, (size_t)in_all, d->lanes));
    uint16_t *index = test_bytes(co_lane_floats(d->rows, (size_t)out_all, d->lanes) * 2);
    int items = d->bundles * d->channels;
    ops->pool_forward(d, x_lanes, y_lanes, index, items / 2, items);
    ops->pool_forward(d, x_lanes, y_lanes, index, 0, items / 2);
    ops->pool_backward(d, dy_lanes, index, dx_lanes, items / 3, items);
    ops->pool_backward(d, dy_lanes, index, dx_lanes, 0, items / 3);
    assert_true(test_lane_error(y_lanes, y, d->rows, out_all, d->lanes) <= 1e-6);
    assert_true(test_lane_error(dx_lanes, dx, d->rows, in_all, d->lanes) <= 1e-6);
    assert_true(test_unused_zero(dx_lanes, d->rows, in_all, d->lanes));
    co_free(x);
    co_free(dy);
    co_free(y);
    co_free(dx);
    co_free(x_lanes);
    co_free(dy_lanes);
    co_free(y_lanes);
    co_free(dx_lanes);
    co_free(index);
}

static void check_random(const co_lane_ops *ops)
{
    for (uint32_t seed = 0; seed < SHAPES; seed++) {
        co_rng rng = test_rng(3000 + seed);
        co_lane_pool d = random_pool(&rng, ops);
        check_pool(ops, &d, &rng);
    }
}

static void test_random_shapes(void **state)
{
    (void)state;
    test_each_isa(check_random);
}

/* NaN comes through max pooling, wherever in the window it is (as PyTorch does it). */
static void check_nan(const co_lane_ops *ops)
{
    for (int place = 0; place < 4; place++) {
        co_lane_pool d = {.rows = 1,
                          .channels = 1,
                          .in_h = 2,
                          .in_w = 2,
                          .kernel_h = 2,
                          .kernel_w = 2,
                          .stride_h = 2,
                          .stride_w = 2};
        co_lane_pool_init(&d, ops->lanes);
        float x[4] = {1.0f, 2.0f, 3.0f, 4.0f};
        x[place] = NAN;
        float *lanes = test_to_lanes(x, 1, 1, 2, 2, 0, d.lanes, 0.0f);
        float *y = test_floats(CO_LANE_MAX);
        ops->pool_forward(&d, lanes, y, NULL, 0, 1);
        assert_true(isnan(y[0]));
        assert_true(ops->lanes == 1 || y[1] == 0.0f);
        co_free(lanes);
        co_free(y);
    }
}

static void test_nan(void **state)
{
    (void)state;
    test_each_isa(check_nan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_shapes),
        cmocka_unit_test(test_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
