/* The parts of a batch norm in oneDNN's layouts against plain loops in double; the layouts are
 * written out again independently of the kernels. */
#include "backend/dnnl/norm_any.h"
#include "lane_test.h"

enum { SHAPES = 120, CHANNELS = 40 };

typedef enum kind { ROWS, LAST, BLOCK8, BLOCK16, KINDS } kind;

typedef struct subject {
    co_lane_norm d;
    co_norm_layout layout;
    kind kind;
    int plane;
    size_t floats; /* padding channels included */
} subject;

static int padded(const subject *s)
{
    int block = s->kind == BLOCK8 ? 8 : s->kind == BLOCK16 ? 16 : 1;
    return (s->d.channels + block - 1) / block * block;
}

/* Where channel c, pixel i of sample n lies. */
static size_t at(const subject *s, int n, int c, int i)
{
    int channels = padded(s);
    int block = s->kind == BLOCK8 ? 8 : 16;
    switch (s->kind) {
    case ROWS:
        return (size_t)((n * channels + c) * s->plane + i);
    case LAST:
        return (size_t)((n * s->plane + i) * channels + c);
    default:
        return (size_t)(((n * (channels / block) + c / block) * s->plane + i) * block + c % block);
    }
}

static float *place(const subject *s, const float *plain)
{
    float *out = test_floats(s->floats);
    memset(out, 0, s->floats * sizeof(float));
    for (int n = 0; n < s->d.rows; n++) {
        for (int c = 0; c < s->d.channels; c++) {
            for (int i = 0; i < s->plane; i++) {
                out[at(s, n, c, i)] = plain[(n * s->d.channels + c) * s->plane + i];
            }
        }
    }
    return out;
}

/* Of channel c: found in double, and compared with the kernel's. */
static void check_moments(const subject *s, const float *x, int c, double mean, double squares)
{
    double n = (double)s->d.rows * s->plane;
    double sum = 0.0;
    double square = 0.0;
    for (int k = 0; k < s->d.rows * s->plane; k++) {
        sum += (double)x[at(s, k / s->plane, c, k % s->plane)];
    }
    for (int k = 0; k < s->d.rows * s->plane; k++) {
        double off = (double)x[at(s, k / s->plane, c, k % s->plane)] - sum / n;
        square += off * off;
    }
    assert_true(fabs(mean - sum / n) < 1e-12);
    assert_true(fabs(squares - square) < 1e-10);
}

static void check_values(const subject *s, const co_lane_norm_args *a, int c, const double mean[2],
                         const double *statistics)
{
    double gamma = (double)a->gamma[c];
    for (int k = 0; k < s->d.rows * s->plane; k++) {
        size_t e = at(s, k / s->plane, c, k % s->plane);
        double hat = ((double)a->x[e] - statistics[0]) * statistics[1];
        double y = hat * gamma + (double)a->beta[c];
        y = s->d.relu && y < 0.0 ? 0.0 : y;
        double g = s->d.relu && !(a->y[e] > 0.0f) ? 0.0 : (double)a->dy[e];
        double dx = gamma * statistics[1] *
                    (g - mean[0] -
                     ((double)a->x[e] - statistics[0]) * statistics[1] * statistics[1] * mean[1]);
        assert_true(fabs((double)a->y[e] - y) < 1e-5 * (1.0 + fabs(y)));
        assert_true(fabs((double)a->dx[e] - dx) < 1e-5 * (1.0 + fabs(dx)));
    }
}

static void check_sums(const subject *s, const co_lane_norm_args *a, int c, const double sums[2])
{
    double sum = 0.0;
    double product = 0.0;
    for (int k = 0; k < s->d.rows * s->plane; k++) {
        size_t e = at(s, k / s->plane, c, k % s->plane);
        double g = s->d.relu && !(a->y[e] > 0.0f) ? 0.0 : (double)a->dy[e];
        sum += g;
        product += g * ((double)a->x[e] - (double)a->saved_mean[c]);
    }
    assert_true(fabs(sum - sums[0]) < 1e-10);
    assert_true(fabs(product - sums[1]) < 1e-4);
    assert_true(fabs(sum - (double)a->dbeta[c]) < 1e-4);
    assert_true(fabs(product * (double)a->saved_rstd[c] - (double)a->dgamma[c]) < 1e-3);
}

static void check_padding(const subject *s, const float *values)
{
    for (int c = s->d.channels; c < padded(s); c++) {
        for (int k = 0; k < s->d.rows * s->plane; k++) {
            assert_true(values[at(s, k / s->plane, c, k % s->plane)] == 0.0f);
        }
    }
}

static void check_subject(const subject *s, co_rng *rng)
{
    const int channels = s->d.channels;
    const int items = co_norm_items(&s->layout, channels);
    const int half = items / 2;
    size_t count = (size_t)(s->d.rows * channels * s->plane);
    float *plain_x = test_random(rng, count);
    float *plain_dy = test_random(rng, count);
    float *x = place(s, plain_x);
    float *dy = place(s, plain_dy);
    float *y = test_floats(s->floats);
    float *dx = test_floats(s->floats);
    float *gamma = test_random(rng, CHANNELS);
    float *beta = test_random(rng, CHANNELS);
    double mean[CHANNELS];
    double second[CHANNELS];
    double sum_dy[CHANNELS];
    double sum_dyx[CHANNELS];
    float saved_mean[CHANNELS];
    float saved_rstd[CHANNELS];
    float dgamma[CHANNELS];
    float dbeta[CHANNELS];
    co_norm_any_moments(&s->d, &s->layout, x, mean, second, half, items);
    co_norm_any_moments(&s->d, &s->layout, x, mean, second, 0, half);
    for (int c = 0; c < channels; c++) {
        check_moments(s, x, c, mean[c], second[c]);
        mean[c] += 0.25; /* as if other workers had samples too */
        second[c] = 0.5 + 0.01 * c;
        saved_mean[c] = (float)mean[c];
        saved_rstd[c] = (float)second[c];
    }
    const co_lane_norm_args a = {.x = x,
                                 .gamma = gamma,
                                 .beta = beta,
                                 .y = y,
                                 .saved_mean = saved_mean,
                                 .saved_rstd = saved_rstd,
                                 .dy = dy,
                                 .dx = dx,
                                 .dgamma = dgamma,
                                 .dbeta = dbeta};
    co_norm_any_normalise(&s->d, &s->layout, &a, mean, second, half, items);
    co_norm_any_normalise(&s->d, &s->layout, &a, mean, second, 0, half);
    co_norm_any_sums(&s->d, &s->layout, &a, sum_dy, sum_dyx, half, items);
    co_norm_any_sums(&s->d, &s->layout, &a, sum_dy, sum_dyx, 0, half);
    double means_dy[CHANNELS];
    double means_dyx[CHANNELS];
    for (int c = 0; c < channels; c++) {
        check_sums(s, &a, c, (const double[2]){sum_dy[c], sum_dyx[c]});
        means_dy[c] = 0.1 * c;
        means_dyx[c] = 0.3 - 0.02 * c;
    }
    co_norm_any_gradient(&s->d, &s->layout, &a, means_dy, means_dyx, half, items);
    co_norm_any_gradient(&s->d, &s->layout, &a, means_dy, means_dyx, 0, half);
    for (int c = 0; c < channels; c++) {
        check_values(s, &a, c, (const double[2]){means_dy[c], means_dyx[c]},
                     (const double[2]){mean[c], second[c]});
    }
    check_padding(s, y);
    check_padding(s, dx);
    float *const owned[] = {plain_x, plain_dy, x, dy, y, dx, gamma, beta};
    for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
        co_free(owned[i]);
    }
}

static co_norm_layout layout_of(kind k, int channels, int h, int w)
{
    return k == ROWS   ? co_norm_rows_layout(channels, h, w)
           : k == LAST ? co_norm_last_layout(channels, h, w)
                       : co_norm_block_layout(channels, h, w, k == BLOCK8 ? 8 : 16);
}

static void all_layouts(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < SHAPES; seed++) {
        co_rng rng = test_rng(9000 + seed);
        subject s = {.d = {.rows = test_pick(&rng, 1, 9),
                           .channels = test_pick(&rng, 1, CHANNELS),
                           .h = test_pick(&rng, 1, 6),
                           .w = test_pick(&rng, 1, 6),
                           .relu = test_pick(&rng, 0, 1) == 1},
                     .kind = (kind)(seed % KINDS)};
        s.plane = s.d.h * s.d.w;
        s.layout = layout_of(s.kind, s.d.channels, s.d.h, s.d.w);
        s.floats = (size_t)(s.d.rows * padded(&s) * s.plane);
        check_subject(&s, &rng);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_layouts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
