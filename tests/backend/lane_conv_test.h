/* One convolution checked against plain loops in double: forward (with ReLU and pooling),
 * unpooling, gradients of data, weights and bias; partitions of the work; unused lanes. */
#ifndef CO_TESTS_BACKEND_LANE_CONV_TEST_H
#define CO_TESTS_BACKEND_LANE_CONV_TEST_H

#include "lane_test.h"

typedef struct conv_case {
    const co_lane_ops *ops;
    co_lane_conv d;
    float *x, *w, *bias, *dpooled; /* plain order */
    double *conv;                  /* (N, O, used_h, used_w), with bias, before ReLU */
    double tolerance;
    bool with_bias;
    uint32_t seed;
} conv_case;

typedef struct conv_call {
    const conv_case *c;
    co_lane_pass pass;
    const co_lane_conv_args *args;
    const float *w;
    float *packed;
} conv_call;

static inline void conv_call_range(void *context, int begin, int end)
{
    conv_call *call = context;
    const co_lane_conv *d = &call->c->d;
    size_t room = call->c->ops->conv_scratch_floats(d, call->pass);
    float *scratch = test_floats(room + 16);
    for (size_t i = 0; i < room; i++) {
        scratch[i] = NAN; /* contents must not matter */
    }
    for (size_t i = room; i < room + 16; i++) {
        scratch[i] = 12345.0f;
    }
    call->c->ops->conv_run(d, call->pass, call->args, begin, end, scratch);
    for (size_t i = room; i < room + 16; i++) {
        assert_true(scratch[i] == 12345.0f);
    }
    co_free(scratch);
}

static inline void conv_pack_range(void *context, int begin, int end)
{
    conv_call *call = context;
    call->c->ops->conv_pack(&call->c->d, call->pass, call->w, call->packed, begin, end);
}

static inline void conv_run_pass(const conv_case *c, co_lane_pass pass, co_lane_conv_args *args,
                                 int parts)
{
    conv_call call = {.c = c, .pass = pass, .args = args, .w = c->w};
    if (pass != CO_LANE_WEIGHTS) {
        size_t floats = c->ops->conv_packed_floats(&c->d, pass);
        args->packed = c->w; /* as they are */
        if (floats > 0) {
            call.packed = test_floats(floats);
            args->packed = call.packed;
            test_in_parts(c->ops->conv_pack_items(&c->d, pass), parts, conv_pack_range, &call);
        }
    }
    test_in_parts(c->ops->conv_items(&c->d, pass), parts, conv_call_range, &call);
    co_free(call.packed);
}

/* x at (n, c, y, x) with zeros outside. */
static inline double conv_x(const conv_case *c, int n, int channel, int y, int x)
{
    const co_lane_conv *d = &c->d;
    if (y < 0 || y >= d->in_h || x < 0 || x >= d->in_w) {
        return 0.0;
    }
    return (double)c->x[((n * d->in_channels + channel) * d->in_h + y) * d->in_w + x];
}

static inline double conv_w(const conv_case *c, int o, int i, int ky, int kx)
{
    const co_lane_conv *d = &c->d;
    int in = d->in_channels / d->groups;
    return (double)c->w[((o * in + i) * d->kernel_h + ky) * d->kernel_w + kx];
}

static inline double conv_at(const conv_case *c, int n, int o, int y, int x)
{
    const co_lane_conv *d = &c->d;
    int in = d->in_channels / d->groups;
    int group = o / (d->out_channels / d->groups);
    double sum = c->with_bias ? (double)c->bias[o] : 0.0;
    for (int i = 0; i < in; i++) {
        for (int ky = 0; ky < d->kernel_h; ky++) {
            for (int kx = 0; kx < d->kernel_w; kx++) {
                sum += conv_w(c, o, i, ky, kx) * conv_x(c, n, group * in + i,
                                                        y * d->stride_h - d->pad_h + ky,
                                                        x * d->stride_w - d->pad_w + kx);
            }
        }
    }
    return sum;
}

static inline size_t conv_dy_size(const co_lane_conv *d)
{
    return (size_t)d->rows * (size_t)(d->out_channels * d->used_h * d->used_w);
}

/* Prints the shape when a check fails. */
static inline void conv_expect(const conv_case *c, const char *what, double error, double tolerance)
{
    const co_lane_conv *d = &c->d;
    if (!(error <= tolerance)) {
        print_message("%s seed %u, %s: error %g. rows %d, %d->%d channels, %dx%d, kernel %dx%d, "
                      "stride %dx%d, pad %dx%d, groups %d, halo %d, relu %d, pool %d%s\n",
                      c->ops->name, c->seed, what, error, d->rows, d->in_channels, d->out_channels,
                      d->in_h, d->in_w, d->kernel_h, d->kernel_w, d->stride_h, d->stride_w,
                      d->pad_h, d->pad_w, d->groups, d->in_halo, d->relu, d->pool,
                      d->pool_row ? " (rows)" : "");
    }
    assert_true(error <= tolerance);
}

static inline void conv_check_forward(const conv_case *c)
{
    const co_lane_conv *d = &c->d;
    int per = d->out_channels * d->y_h * d->y_w;
    int k = d->pool > 1 ? d->pool : 1;
    int high = d->pool_row ? 1 : k;
    double *want = test_doubles((size_t)d->rows * (size_t)per);
    for (int e = 0; e < d->rows * per; e++) {
        int plane = e / (d->y_h * d->y_w);
        int y = e / d->y_w % d->y_h;
        int x = e % d->y_w;
        double best = -INFINITY;
        for (int p = 0; p < high * k; p++) {
            int row = y * high + p / k;
            int col = x * k + p % k;
            double v =
                c->conv[((size_t)plane * (size_t)d->used_h + (size_t)row) * (size_t)d->used_w +
                        (size_t)col];
            best = v > best ? v : best;
        }
        want[e] = d->relu && best < 0.0 ? 0.0 : best;
    }
    size_t floats = co_lane_floats(d->rows, (size_t)per, d->lanes);
    float *x = test_to_lanes(c->x, d->rows, d->in_channels, d->in_h, d->in_w, d->in_halo, d->lanes,
                             NAN);
    float *y[2];
    uint8_t *index[2];
    for (int run = 0; run < 2; run++) {
        y[run] = test_floats(floats);
        index[run] = test_bytes(floats);
        co_lane_conv_args args = {
            .x = x, .bias = c->with_bias ? c->bias : NULL, .y = y[run], .pool_index = index[run]};
        conv_run_pass(c, CO_LANE_FORWARD, &args, run == 0 ? 1 : 5);
    }
    double error = test_lane_error(y[0], want, d->rows, per, d->lanes);
    conv_expect(c, "forward", error, c->tolerance);
    for (int n = 0; n < d->rows; n++) { /* same bits for another partition (used lanes) */
        for (int e = 0; e < per; e++) {
            assert_true(test_lane_at(y[0], per, d->lanes, n, e) ==
                        test_lane_at(y[1], per, d->lanes, n, e));
        }
    }
    for (int run = 0; run < 2; run++) {
        co_free(y[run]);
        co_free(index[run]);
    }
    co_free(x);
    co_free(want);
}

/* Gradient at the convolution's output, in plain order and in lanes; when there is pooling, what it
 * was opened from. */
typedef struct conv_gradient {
    float *plain, *lanes, *dpooled;
    uint8_t *index;
} conv_gradient;

/* The arguments for run 0 (dy) and run 1 (the pooled gradient where the kernel takes that). */
static inline co_lane_conv_args conv_gradient_args(const conv_case *c, co_lane_pass pass,
                                                   const conv_gradient *g, int run)
{
    if (run == 1 && co_lane_conv_takes_pooled(&c->d, pass)) {
        return (co_lane_conv_args){.dpooled = g->dpooled, .pool_index = g->index};
    }
    return (co_lane_conv_args){.dy = g->lanes};
}

static inline conv_gradient conv_make_dy(const conv_case *c)
{
    const co_lane_conv *d = &c->d;
    size_t per = (size_t)(d->out_channels * d->used_h * d->used_w);
    conv_gradient g = {.plain = test_floats(conv_dy_size(d))};
    if (d->pool <= 1) {
        memcpy(g.plain, c->dpooled, conv_dy_size(d) * sizeof(float));
        g.lanes = test_to_lanes(g.plain, d->rows, d->out_channels, d->used_h, d->used_w, 0,
                                d->lanes, 0.0f);
        return g;
    }
    int k = d->pool;
    int high = d->pool_row ? 1 : k;
    int per_pooled = d->out_channels * d->y_h * d->y_w;
    size_t floats = co_lane_floats(d->rows, (size_t)per_pooled, d->lanes);
    float *x = test_to_lanes(c->x, d->rows, d->in_channels, d->in_h, d->in_w, d->in_halo, d->lanes,
                             0.5f);
    float *y = test_floats(floats);
    g.index = test_bytes(floats);
    co_lane_conv_args args = {
        .x = x, .bias = c->with_bias ? c->bias : NULL, .y = y, .pool_index = g.index};
    conv_run_pass(c, CO_LANE_FORWARD, &args, 3);
    g.dpooled = test_to_lanes(c->dpooled, d->rows, d->out_channels, d->y_h, d->y_w, 0, d->lanes,
                              0.0f);
    g.lanes = test_floats(co_lane_floats(d->rows, per, d->lanes));
    c->ops->conv_unpool(d, g.dpooled, g.index, g.lanes, 0, d->bundles * d->out_channels);
    /* The rule again, from the values in double: the first maximum gets the gradient, nothing does
     * when ReLU cuts it. Near ties may fall the other way in float: those windows are taken over.
     */
    for (int e = 0; e < d->rows * per_pooled; e++) {
        int plane = e / (d->y_h * d->y_w);
        int row = e / d->y_w % d->y_h * high;
        int col = e % d->y_w * k;
        size_t base = ((size_t)plane * (size_t)d->used_h + (size_t)row) * (size_t)d->used_w +
                      (size_t)col;
        int place = 0;
        double best = -INFINITY;
        double second = -INFINITY;
        for (int p = 0; p < high * k; p++) {
            double v = c->conv[base + (size_t)(p / k * d->used_w + p % k)];
            if (v > best) {
                second = best;
                best = v;
                place = p;
            } else if (v > second) {
                second = v;
            }
        }
        bool near = best - second < 1e-3 || fabs(best) < 1e-3;
        bool cut = d->relu && best <= 0.0;
        for (int p = 0; p < high * k; p++) {
            size_t at = base + (size_t)(p / k * d->used_w + p % k);
            int n = plane / d->out_channels;
            float got = test_lane_at(g.lanes, (int)per, d->lanes, n, (int)(at - (size_t)n * per));
            float want = p == place && !cut ? c->dpooled[e] : 0.0f;
            assert_true(got == want || (near && (got == 0.0f || got == c->dpooled[e])));
            g.plain[at] = got;
        }
    }
    assert_true(test_unused_zero(g.lanes, d->rows, (int)per, d->lanes));
    co_free(x);
    co_free(y);
    return g;
}

static inline void conv_check_data(const conv_case *c, const conv_gradient *g, bool masked)
{
    const co_lane_conv *d = &c->d;
    int in = d->in_channels / d->groups;
    int out = d->out_channels / d->groups;
    int per = d->in_channels * d->in_h * d->in_w;
    double *want = test_doubles((size_t)d->rows * (size_t)per);
    size_t at = 0;
    for (int plane = 0; plane < d->rows * d->out_channels; plane++) {
        int n = plane / d->out_channels;
        int o = plane % d->out_channels;
        for (int pixel = 0; pixel < d->used_h * d->used_w; pixel++, at++) {
            for (int tap = 0; tap < in * d->kernel_h * d->kernel_w; tap++) {
                int i = tap / (d->kernel_h * d->kernel_w);
                int ky = tap / d->kernel_w % d->kernel_h;
                int kx = tap % d->kernel_w;
                int y = pixel / d->used_w * d->stride_h - d->pad_h + ky;
                int x = pixel % d->used_w * d->stride_w - d->pad_w + kx;
                if (y < 0 || y >= d->in_h || x < 0 || x >= d->in_w) {
                    continue;
                }
                int channel = o / out * in + i;
                want[((n * d->in_channels + channel) * d->in_h + y) * d->in_w + x] +=
                    (double)g->plain[at] * conv_w(c, o, i, ky, kx);
            }
        }
    }
    float *mask = test_to_lanes(c->x, d->rows, d->in_channels, d->in_h, d->in_w, 0, d->lanes, 1.0f);
    for (int e = 0; masked && e < d->rows * per; e++) {
        want[e] = c->x[e] > 0.0f ? want[e] : 0.0;
    }
    size_t floats = co_lane_floats(d->rows, (size_t)per, d->lanes);
    float *dx[2];
    for (int run = 0; run < 2; run++) {
        dx[run] = test_floats(floats);
        memset(dx[run], 0xff, floats * sizeof(float)); /* NaN: must be overwritten */
        co_lane_conv_args args = conv_gradient_args(c, CO_LANE_DATA, g, run);
        args.dx = dx[run];
        args.relu_x = masked ? mask : NULL;
        conv_run_pass(c, CO_LANE_DATA, &args, run == 0 ? 1 : 4);
    }
    double error = test_lane_error(dx[0], want, d->rows, per, d->lanes);
    conv_expect(c, "data", error, c->tolerance);
    assert_memory_equal(dx[0], dx[1], floats * sizeof(float));
    assert_true(test_unused_zero(dx[0], d->rows, per, d->lanes));
    co_free(dx[0]);
    co_free(dx[1]);
    co_free(mask);
    co_free(want);
}

static inline void conv_check_weights(const conv_case *c, const conv_gradient *g)
{
    const co_lane_conv *d = &c->d;
    int in = d->in_channels / d->groups;
    int out = d->out_channels / d->groups;
    int taps = d->kernel_h * d->kernel_w;
    size_t count = (size_t)(d->out_channels * in * taps);
    double *want = test_doubles(count);
    double *want_bias = test_doubles((size_t)d->out_channels);
    size_t at = 0;
    for (int plane = 0; plane < d->rows * d->out_channels; plane++) {
        int n = plane / d->out_channels;
        int o = plane % d->out_channels;
        for (int pixel = 0; pixel < d->used_h * d->used_w; pixel++, at++) {
            want_bias[o] += (double)g->plain[at];
            for (int tap = 0; tap < in * taps; tap++) {
                int y = pixel / d->used_w * d->stride_h - d->pad_h +
                        tap / d->kernel_w % d->kernel_h;
                int x = pixel % d->used_w * d->stride_w - d->pad_w + tap % d->kernel_w;
                want[(size_t)(o * in * taps + tap)] += (double)g->plain[at] *
                                                       conv_x(c, n, o / out * in + tap / taps, y,
                                                              x);
            }
        }
    }
    float *x = test_to_lanes(c->x, d->rows, d->in_channels, d->in_h, d->in_w, d->in_halo, d->lanes,
                             777.0f); /* finite garbage: dy is 0 there */
    float *dw[2];
    float *db[2];
    for (int run = 0; run < 2; run++) {
        dw[run] = test_floats(count);
        db[run] = test_floats((size_t)d->out_channels);
        memset(dw[run], 0xff, count * sizeof(float));
        co_lane_conv_args args = conv_gradient_args(c, CO_LANE_WEIGHTS, g, run);
        args.x = x;
        args.dw = dw[run];
        args.dbias = db[run];
        conv_run_pass(c, CO_LANE_WEIGHTS, &args, run == 0 ? 1 : 3);
    }
    double error = test_error(dw[0], want, count);
    double bias_error = test_error(db[0], want_bias, (size_t)d->out_channels);
    conv_expect(c, "weights", error, c->tolerance);
    conv_expect(c, "bias", bias_error, 1e-5);
    assert_memory_equal(dw[0], dw[1], count * sizeof(float));
    assert_memory_equal(db[0], db[1], (size_t)d->out_channels * sizeof(float));
    for (int run = 0; run < 2; run++) {
        co_free(dw[run]);
        co_free(db[run]);
    }
    co_free(x);
    co_free(want);
    co_free(want_bias);
}

/* d: filled and initialised. */
static inline void conv_check(const co_lane_ops *ops, const co_lane_conv *d, double tolerance,
                              bool with_bias, uint32_t seed)
{
    co_rng rng = test_rng(seed);
    size_t taps = (size_t)(d->in_channels / d->groups * d->kernel_h * d->kernel_w);
    conv_case c = {
        .ops = ops, .d = *d, .tolerance = tolerance, .with_bias = with_bias, .seed = seed};
    c.x = test_random(&rng, (size_t)d->rows * (size_t)(d->in_channels * d->in_h * d->in_w));
    c.w = test_random(&rng, (size_t)d->out_channels * taps);
    c.bias = test_random(&rng, (size_t)d->out_channels);
    c.dpooled = test_random(&rng, (size_t)d->rows * (size_t)(d->out_channels * d->y_h * d->y_w));
    c.conv = test_doubles(conv_dy_size(d));
    size_t at = 0;
    for (int plane = 0; plane < d->rows * d->out_channels; plane++) {
        for (int pixel = 0; pixel < d->used_h * d->used_w; pixel++) {
            c.conv[at++] = conv_at(&c, plane / d->out_channels, plane % d->out_channels,
                                   pixel / d->used_w, pixel % d->used_w);
        }
    }
    conv_check_forward(&c);
    conv_gradient g = conv_make_dy(&c);
    conv_check_data(&c, &g, seed % 2 == 0);
    conv_check_weights(&c, &g);
    co_free(g.plain);
    co_free(g.lanes);
    co_free(g.dpooled);
    co_free(g.index);
    co_free(c.x);
    co_free(c.w);
    co_free(c.bias);
    co_free(c.dpooled);
    co_free(c.conv);
}

#endif
