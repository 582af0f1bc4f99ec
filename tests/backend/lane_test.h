/* Helpers of the lane kernel tests: seeded values, plain (N, C, H, W) arrays in double, and the
 * lane layout written out again independently of the kernels. */
#ifndef CO_TESTS_BACKEND_LANE_TEST_H
#define CO_TESTS_BACKEND_LANE_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backend/dnnl/lane/lane.h"
#include "base/alloc.h"
#include "base/rng.h"

/* Batches around the lane counts. */
static const int test_batches[] = {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 33, 63, 64};
enum { TEST_BATCHES = sizeof test_batches / sizeof *test_batches };

static inline co_rng test_rng(uint32_t seed)
{
    co_rng_key key = {.seed = seed, .stream = CO_STREAM_TEST};
    return co_rng_at(&key);
}

static inline int test_pick(co_rng *rng, int low, int high)
{
    return low + (int)co_rng_below(rng, (uint32_t)(high - low + 1));
}

static inline void *test_bytes(size_t size)
{
    void *block = NULL;
    co_error err;
    assert_int_equal(co_alloc(size + CO_ALIGNMENT, 1, "test", &block, &err), CO_OK);
    return block;
}

static inline float *test_floats(size_t count)
{
    return test_bytes(count * sizeof(float));
}

static inline double *test_doubles(size_t count)
{
    return test_bytes(count * sizeof(double));
}

/* Floats with a mean off zero, so that sums do not cancel by chance. */
static inline float *test_random(co_rng *rng, size_t count)
{
    float *values = test_floats(count);
    for (size_t i = 0; i < count; i++) {
        values[i] = co_rng_uniform(rng) * 2.0f - 0.9f;
    }
    return values;
}

/* (rows, channels, h, w) -> [bundle][channels][h + 2 halo][w + 2 halo][L]; unused lanes: fill; halo
 * is 0. */
static inline float *test_to_lanes(const float *values, int rows, int channels, int h, int w,
                                   int halo, int lanes, float fill)
{
    int bundles = (rows + lanes - 1) / lanes;
    int ph = h + 2 * halo;
    int pw = w + 2 * halo;
    float *out = test_floats((size_t)bundles * (size_t)(channels * ph * pw * lanes));
    for (int n = 0; n < bundles * lanes; n++) {
        for (int c = 0; c < channels; c++) {
            for (int i = 0; i < h * w; i++) {
                int pixel = (i / w + halo) * pw + i % w + halo;
                size_t at = (((size_t)(n / lanes) * (size_t)channels + (size_t)c) *
                                 (size_t)(ph * pw) +
                             (size_t)pixel) *
                                (size_t)lanes +
                            (size_t)(n % lanes);
                out[at] = n < rows ? values[(size_t)((n * channels + c) * h * w + i)] : fill;
            }
        }
    }
    return out;
}

/* The value of sample n, element e (in C, H, W order) of a lane buffer. */
static inline float test_lane_at(const float *lane, int per_sample, int lanes, int n, int e)
{
    size_t at = ((size_t)(n / lanes) * (size_t)per_sample + (size_t)e) * (size_t)lanes;
    return lane[at + (size_t)(n % lanes)];
}

/* ||got - want|| / ||want|| of a lane buffer against (rows, per_sample) doubles. */
static inline double test_lane_error(const float *lane, const double *want, int rows,
                                     int per_sample, int lanes)
{
    double off = 0.0;
    double size = 0.0;
    for (int n = 0; n < rows; n++) {
        for (int e = 0; e < per_sample; e++) {
            double w = want[(size_t)n * (size_t)per_sample + (size_t)e];
            double diff = (double)test_lane_at(lane, per_sample, lanes, n, e) - w;
            off += diff * diff;
            size += w * w;
        }
    }
    return size > 0.0 ? sqrt(off / size) : sqrt(off);
}

static inline double test_error(const float *got, const double *want, size_t count)
{
    double off = 0.0;
    double size = 0.0;
    for (size_t i = 0; i < count; i++) {
        double diff = (double)got[i] - want[i];
        off += diff * diff;
        size += want[i] * want[i];
    }
    return size > 0.0 ? sqrt(off / size) : sqrt(off);
}

/* true when the unused lanes of a gradient are exactly 0. */
static inline bool test_unused_zero(const float *lane, int rows, int per_sample, int lanes)
{
    int all = (rows + lanes - 1) / lanes * lanes;
    for (int n = rows; n < all; n++) {
        for (int e = 0; e < per_sample; e++) {
            if (test_lane_at(lane, per_sample, lanes, n, e) != 0.0f) {
                return false;
            }
        }
    }
    return true;
}

/* Calls run(context, begin, end) over 0 .. items - 1 in `parts` pieces, last piece first. */
typedef void (*test_range_func)(void *context, int begin, int end);
static inline void test_in_parts(int items, int parts, test_range_func run, void *context)
{
    for (int part = parts - 1; part >= 0; part--) {
        run(context, (int)((long)items * part / parts), (int)((long)items * (part + 1) / parts));
    }
}

/* Runs check(ops) for every instruction set that this machine has. */
static inline void test_each_isa(void (*check)(const co_lane_ops *ops))
{
    for (int isa = CO_LANE_PLAIN; isa <= CO_LANE_AVX512; isa++) {
        const co_lane_ops *ops = co_lane_ops_for((co_lane_isa)isa);
        if (ops == NULL) {
            print_message("instruction set %d: not on this machine\n", isa);
            continue;
        }
        check(ops);
    }
}

#endif
