/* The rules of normalisation, and the moments they rest on, against plain double sums. */
#include "data/helper_loader.h"

#include <math.h>
#include <string.h>

#include "data/normalise.h"

/* A data set in memory with the channels one likes. */
enum { SAMPLES = 37, CHANNELS = 3, PLANE = 13 * 11, SAMPLE = CHANNELS * PLANE };

static co_status ready(co_dataset *set, co_split split, co_error *err)
{
    (void)set;
    (void)split;
    (void)err;
    return CO_OK;
}

static const co_dataset_ops memory_ops = {.require = ready};

static co_dataset memory_set(const uint8_t *pixels, int channels)
{
    co_dataset set = {.ops = &memory_ops,
                      .info = {.name = "memory",
                               .samples = {SAMPLES, SAMPLES},
                               .channels = channels,
                               .height = 13,
                               .width = 11,
                               .sample_bytes = (size_t)channels * PLANE}};
    set.part[CO_SPLIT_TRAIN].pixels = pixels;
    set.part[CO_SPLIT_TEST].pixels = pixels;
    return set;
}

static void fill(uint8_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pixels[i] = (uint8_t)((i * 31 + (i / PLANE) * 17) % 256);
    }
}

/* Two passes in double over one channel, or all (channel < 0). */
static void direct_moments(const uint8_t *pixels, int channels, int channel, double *mean,
                           double *std)
{
    double sum = 0.0;
    double squares = 0.0;
    double count = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < SAMPLES * channels * PLANE; i++) {
            if (channel >= 0 && (i / PLANE) % channels != channel) {
                continue;
            }
            double value = pixels[i] / 255.0;
            if (pass == 0) {
                sum += value;
                count += 1.0;
            } else {
                squares += (value - sum / count) * (value - sum / count);
            }
        }
    }
    *mean = sum / count;
    *std = sqrt(squares / (count - 1.0));
}

static void test_moments(void **state)
{
    (void)state;
    static uint8_t pixels[SAMPLES * SAMPLE];
    fill(pixels, sizeof(pixels));
    for (int channels = 1; channels <= CHANNELS; channels += CHANNELS - 1) {
        co_error err;
        co_dataset set = memory_set(pixels, channels);
        co_moments found[CHANNELS];
        double mean = 0.0;
        double std = 0.0;
        assert_ok(co_dataset_moments(&set, CO_SPLIT_TEST, true, found, &err), &err);
        direct_moments(pixels, channels, -1, &mean, &std);
        assert_int_equal(found[0].count, SAMPLES * channels * PLANE);
        assert_close(found[0].mean, mean, 1e-12);
        assert_close(found[0].std, std, 1e-12);
        assert_ok(co_dataset_moments(&set, CO_SPLIT_TRAIN, false, found, &err), &err);
        for (int c = 0; c < channels; c++) {
            direct_moments(pixels, channels, c, &mean, &std);
            assert_int_equal(found[c].count, SAMPLES * PLANE);
            assert_close(found[c].mean, mean, 1e-12);
            assert_close(found[c].std, std, 1e-12);
        }
    }
}

/* What pixel value 200 becomes. */
static double mapped(const co_pixel_map *map, int channel)
{
    return 200.0 * (double)map->scale[channel] + (double)map->shift[channel];
}

static void test_rules(void **state)
{
    (void)state;
    static uint8_t pixels[SAMPLES * SAMPLE];
    fill(pixels, sizeof(pixels));
    co_error err;
    co_pixel_map map;
    co_dataset set = memory_set(pixels, CHANNELS);
    const double value = 200.0 / 255.0;
    double mean = 0.0;
    double std = 0.0;
    for (int c = 0; c < CHANNELS; c++) {
        static const double imagenet[2][3] = {{.485, .456, .406}, {.229, .224, .225}};
        static const double cifar10[2][3] = {{125.3, 123.0, 113.9}, {63.0, 62.1, 66.7}};
        static const double cifar100[2][3] = {{129.3, 124.1, 112.4}, {68.2, 65.4, 70.4}};
        assert_ok(co_normalise(&set, CO_NORMALISE_NONE, &map, &err), &err);
        assert_close(mapped(&map, c), value, 1e-6);
        assert_ok(co_normalise(&set, CO_NORMALISE_HALF, &map, &err), &err);
        assert_close(mapped(&map, c), (value - 0.5) / 0.5, 1e-6);
        assert_ok(co_normalise(&set, CO_NORMALISE_IMAGENET, &map, &err), &err);
        assert_close(mapped(&map, c), (value - imagenet[0][c]) / imagenet[1][c], 1e-6);
        assert_ok(co_normalise(&set, CO_NORMALISE_CIFAR10, &map, &err), &err);
        assert_close(mapped(&map, c), (200.0 - cifar10[0][c]) / cifar10[1][c], 1e-6);
        assert_ok(co_normalise(&set, CO_NORMALISE_CIFAR100, &map, &err), &err);
        assert_close(mapped(&map, c), (200.0 - cifar100[0][c]) / cifar100[1][c], 1e-6);
        assert_ok(co_normalise(&set, CO_NORMALISE_GLOBAL, &map, &err), &err);
        direct_moments(pixels, CHANNELS, -1, &mean, &std);
        assert_close(mapped(&map, c), (value - mean) / std, 1e-6);
        assert_ok(co_normalise(&set, CO_NORMALISE_CHANNEL, &map, &err), &err);
        direct_moments(pixels, CHANNELS, c, &mean, &std);
        assert_close(mapped(&map, c), (value - mean) / std, 1e-6);
        assert_int_equal(map.channels, CHANNELS);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    static uint8_t pixels[SAMPLES * SAMPLE];
    memset(pixels, 9, sizeof(pixels));
    co_error err;
    co_pixel_map map;
    co_dataset grey = memory_set(pixels, 1);
    assert_fault(co_normalise(&grey, CO_NORMALISE_IMAGENET, &map, &err), CO_USAGE, &err, "imagenet",
                 "3 channels", "memory", NULL);
    assert_fault(co_normalise(&grey, CO_NORMALISE_GLOBAL, &map, &err), CO_DATA, &err, "equal",
                 NULL);
}

static void test_keys(void **state)
{
    (void)state;
    for (co_normalise_rule rule = CO_NORMALISE_NONE; rule <= CO_NORMALISE_CIFAR100; rule++) {
        co_normalise_rule found = CO_NORMALISE_NONE;
        assert_true(co_normalise_find(co_normalise_key(rule), &found));
        assert_int_equal(found, rule);
    }
    co_normalise_rule untouched = CO_NORMALISE_HALF;
    assert_false(co_normalise_find("haf", &untouched));
    assert_int_equal(untouched, CO_NORMALISE_HALF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
