/* Batch norm in lane layout against plain loops in double. */
#include "lane_test.h"

enum { SHAPES = 200, CHANNELS = 6 };

typedef struct norm_case {
    const co_lane_ops *ops;
    co_lane_norm d;
    float *x, *dy, *gamma, *beta; /* plain order */
    double mean[CHANNELS], rstd[CHANNELS], var[CHANNELS];
    int plane, per;
} norm_case;

static size_t at(const norm_case *c, int n, int channel, int i)
{
    return (size_t)((n * c->d.channels + channel) * c->plane + i);
}

static void find_moments(norm_case *c)
{
    double count = (double)(c->d.rows * c->plane);
    for (int k = 0; k < c->d.channels; k++) {
        double sum = 0.0;
        double square = 0.0;
        for (int i = 0; i < c->d.rows * c->plane; i++) {
            sum += (double)c->x[at(c, i / c->plane, k, i % c->plane)];
        }
        c->mean[k] = sum / count;
        for (int i = 0; i < c->d.rows * c->plane; i++) {
            double off = (double)c->x[at(c, i / c->plane, k, i % c->plane)] - c->mean[k];
            square += off * off;
        }
        c->var[k] = square / count;
        c->rstd[k] = 1.0 / sqrt(c->var[k] + (double)c->d.epsilon);
    }
}

static double norm_y(const norm_case *c, int n, int k, int i)
{
    double y = ((double)c->x[at(c, n, k, i)] - c->mean[k]) * c->rstd[k] * (double)c->gamma[k] +
               (double)c->beta[k];
    return c->d.relu && y < 0.0 ? 0.0 : y;
}

static void check_backward(norm_case *c, co_lane_norm_args *a)
{
    const co_lane_norm *d = &c->d;
    double count = (double)(d->rows * c->plane);
    double *want = test_doubles((size_t)(d->rows * c->per));
    double dgamma[CHANNELS] = {0};
    double dbeta[CHANNELS] = {0};
    double size = 0.0; /* what the sums would be without cancellation */
    for (int pass = 0; pass < 2; pass++) {
        for (int e = 0; e < d->rows * c->per; e++) {
            int n = e / c->per;
            int k = e % c->per / c->plane;
            int i = e % c->plane;
            /* the kernel's own sign decides near zero */
            bool cut = d->relu && !(test_lane_at(a->y, c->per, d->lanes, n, e % c->per) > 0.0f);
            double g = cut ? 0.0 : (double)c->dy[e];
            double hat = ((double)c->x[at(c, n, k, i)] - c->mean[k]) * c->rstd[k];
            if (pass == 0) {
                dgamma[k] += g * hat;
                dbeta[k] += g;
                size += fabs(g * hat) / d->channels;
            } else {
                want[e] = (double)c->gamma[k] * c->rstd[k] *
                          (g - dbeta[k] / count - hat * dgamma[k] / count);
            }
        }
    }
    float got_gamma[CHANNELS];
    float got_beta[CHANNELS];
    a->dgamma = got_gamma;
    a->dbeta = got_beta;
    float *dy = test_to_lanes(c->dy, d->rows, d->channels, d->h, d->w, 0, d->lanes, 0.0f);
    a->dy = dy;
    a->dx = dy; /* in place is allowed */
    c->ops->norm_backward(d, a, d->channels / 2, d->channels);
    c->ops->norm_backward(d, a, 0, d->channels / 2);
    double error = test_lane_error(a->dx, want, d->rows, c->per, d->lanes);
    double error_gamma = 0.0;
    double error_beta = 0.0;
    for (int k = 0; k < d->channels; k++) {
        error_gamma = fmax(error_gamma, fabs((double)got_gamma[k] - dgamma[k]) / size);
        error_beta = fmax(error_beta, fabs((double)got_beta[k] - dbeta[k]) / size);
    }
    if (!(error <= 1e-5 && error_gamma <= 1e-6 && error_beta <= 1e-6)) {
        print_message("%s: rows %d, %d channels, %dx%d: %g %g %g\n", c->ops->name, d->rows,
                      d->channels, d->h, d->w, error, error_gamma, error_beta);
    }
    assert_true(error <= 1e-5 && error_gamma <= 1e-6 && error_beta <= 1e-6);
    assert_true(test_unused_zero(a->dx, d->rows, c->per, d->lanes));
    co_free(dy);
    co_free(want);
}

static void check_norm(norm_case *c)
{
    const co_lane_norm *d = &c->d;
    double n = (double)(d->rows * c->plane);
    find_moments(c);
    double *want = test_doubles((size_t)(d->rows * c->per));
    for (int e = 0; e < d->rows * c->per; e++) {
        want[e] = norm_y(c, e / c->per, e % c->per / c->plane, e % c->plane);
    }
    float running_mean[CHANNELS];
    float running_var[CHANNELS];
    float mean[CHANNELS];
    float rstd[CHANNELS];
    for (int k = 0; k < d->channels; k++) {
        running_mean[k] = 0.5f;
        running_var[k] = 2.0f;
    }
    size_t floats = co_lane_floats(d->rows, (size_t)c->per, d->lanes);
    float *x = test_to_lanes(c->x, d->rows, d->channels, d->h, d->w, 0, d->lanes, 55.0f);
    float *y = test_floats(floats);
    co_lane_norm_args a = {.x = x,
                           .gamma = c->gamma,
                           .beta = c->beta,
                           .y = y,
                           .saved_mean = mean,
                           .saved_rstd = rstd,
                           .running_mean = running_mean,
                           .running_var = running_var};
    c->ops->norm_train(d, &a, d->channels / 2, d->channels);
    c->ops->norm_train(d, &a, 0, d->channels / 2);
    assert_true(test_lane_error(y, want, d->rows, c->per, d->lanes) <= 1e-5);
    for (int k = 0; k < d->channels; k++) {
        double unbiased = n > 1.0 ? c->var[k] * n / (n - 1.0) : c->var[k];
        assert_true(fabs((double)running_mean[k] - (0.9 * 0.5 + 0.1 * c->mean[k])) < 1e-6);
        assert_true(fabs((double)running_var[k] - (0.9 * 2.0 + 0.1 * unbiased)) < 1e-6);
    }
    check_backward(c, &a);
    for (int k = 0; k < d->channels; k++) { /* evaluation: the running estimates */
        c->mean[k] = (double)running_mean[k];
        c->rstd[k] = 1.0 / sqrt((double)running_var[k] + (double)d->epsilon);
    }
    for (int e = 0; e < d->rows * c->per; e++) {
        want[e] = norm_y(c, e / c->per, e % c->per / c->plane, e % c->plane);
    }
    c->ops->norm_eval(d, &a, 0, d->channels);
    assert_true(test_lane_error(y, want, d->rows, c->per, d->lanes) <= 1e-5);
    co_free(want);
    co_free(x);
    co_free(y);
}

static void check_random(const co_lane_ops *ops)
{
    for (uint32_t seed = 0; seed < SHAPES; seed++) {
        co_rng rng = test_rng(8000 + seed);
        norm_case c = {.ops = ops,
                       .d = {.rows = test_batches[co_rng_below(&rng, TEST_BATCHES)],
                             .channels = test_pick(&rng, 1, CHANNELS),
                             .h = test_pick(&rng, 1, 6),
                             .w = test_pick(&rng, 1, 6),
                             .epsilon = 1e-5f,
                             .momentum = 0.1f,
                             .relu = test_pick(&rng, 0, 1) == 1}};
        if (c.d.rows * c.d.h * c.d.w < 8) { /* the gradient cancels to nothing */
            c.d.h = 6;
            c.d.w = 6;
        }
        co_lane_norm_init(&c.d, ops->lanes);
        c.plane = c.d.h * c.d.w;
        c.per = c.d.channels * c.plane;
        c.x = test_random(&rng, (size_t)(c.d.rows * c.per));
        c.dy = test_random(&rng, (size_t)(c.d.rows * c.per));
        c.gamma = test_random(&rng, CHANNELS);
        c.beta = test_random(&rng, CHANNELS);
        check_norm(&c);
        co_free(c.x);
        co_free(c.dy);
        co_free(c.gamma);
        co_free(c.beta);
    }
}

static void test_random_shapes(void **state)
{
    (void)state;
    test_each_isa(check_random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
