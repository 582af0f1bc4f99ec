/* The drawn digits: the same bytes from every compiler and on every call, balanced, all different,
 * and with the sums that the data set states. */
#include "data/helper_loader.h"

#include <string.h>

#include "data/glyphs_draw.h"
#include "data/normalise.h"

/* Of the first thousand images of each split; written down from the first version. A change here
 * is a new data set: results on the old one no longer compare. */
static const uint64_t golden[CO_SPLITS] = {0xdbd227f5d8d795b1u, 0x19a11ff477dd985fu};

static void test_golden(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    for (uint32_t split = 0; split < CO_SPLITS; split++) {
        int32_t labels[COUNT];
        uint64_t hash = FNV1A_START;
        co_glyph_labels(split, COUNT, labels);
        for (uint32_t i = 0; i < COUNT; i++) {
            uint8_t pixels[CO_GLYPH_BYTES];
            co_glyph_draw(split, i, labels[i], pixels);
            hash = fnv1a(hash, pixels, sizeof(pixels));
        }
        assert_true(hash == golden[split]);
    }
}

static void test_shape_and_balance(void **state)
{
    (void)state;
    co_dataset *set = open_set("glyphs", NULL);
    const co_dataset_info *info = co_dataset_describe(set);
    assert_string_equal(info->name, "glyphs");
    assert_int_equal(info->samples[CO_SPLIT_TRAIN], 60000);
    assert_int_equal(info->samples[CO_SPLIT_TEST], 10000);
    assert_int_equal(info->channels, 1);
    assert_int_equal(info->height, 28);
    assert_int_equal(info->width, 28);
    assert_int_equal(info->classes, 10);
    for (int split = 0; split < CO_SPLITS; split++) {
        const int32_t *labels = co_dataset_labels(set, (co_split)split);
        uint32_t moved = 0;
        for (uint32_t i = 0; i < info->samples[split]; i += 10) {
            uint32_t seen = 0;
            for (uint32_t k = 0; k < 10; k++) {
                assert_in_range(labels[i + k], 0, 9);
                seen |= 1u << labels[i + k];
                moved += labels[i + k] != (int32_t)k;
            }
            assert_int_equal(seen, 0x3FF); /* each ten have all digits */
        }
        assert_in_range(moved, info->samples[split] * 8 / 10, info->samples[split]);
    }
    co_dataset_close(set);
}

/* By any order of asking, the first time and again. */
static void test_pure(void **state)
{
    (void)state;
    co_error err;
    co_dataset *set = open_set("glyphs", NULL);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 300; i++) {
            uint32_t sample = (i * 7919u) % 10000u;
            uint8_t fetched[CO_GLYPH_BYTES];
            uint8_t drawn[CO_GLYPH_BYTES];
            int label = co_dataset_labels(set, CO_SPLIT_TEST)[sample];
            assert_ok(co_dataset_fetch(set, CO_SPLIT_TEST, sample, fetched, &err), &err);
            co_glyph_draw(CO_SPLIT_TEST, sample, label, drawn);
            assert_memory_equal(fetched, drawn, sizeof(drawn));
        }
    }
    assert_fault(co_dataset_fetch(set, CO_SPLIT_TEST, 10000, NULL, &err), CO_INTERNAL, &err,
                 "10000", NULL);
    co_dataset_close(set);
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* All 70,000 are drawn: none is in the set twice, and the stated sums are theirs. */
static void test_all(void **state)
{
    (void)state;
    co_error err;
    co_dataset *set = open_set("glyphs", NULL);
    uint64_t *hashes = calloc(70000, sizeof(uint64_t));
    assert_non_null(hashes);
    uint32_t count = 0;
    for (int split = 0; split < CO_SPLITS; split++) {
        uint64_t sum = 0;
        uint64_t squares = 0;
        for (uint32_t i = 0; i < co_dataset_describe(set)->samples[split]; i++) {
            uint8_t pixels[CO_GLYPH_BYTES];
            assert_ok(co_dataset_fetch(set, (co_split)split, i, pixels, &err), &err);
            hashes[count++] = fnv1a(FNV1A_START, pixels, sizeof(pixels));
            for (int k = 0; k < CO_GLYPH_BYTES; k++) {
                sum += pixels[k];
                squares += (uint64_t)pixels[k] * pixels[k];
            }
        }
        const uint64_t *known = set->ops->known_sums(set, (co_split)split);
        assert_true(sum == known[0]);
        assert_true(squares == known[1]);
    }
    qsort(hashes, count, sizeof(uint64_t), compare_hashes);
    for (uint32_t i = 1; i < count; i++) {
        assert_true(hashes[i] != hashes[i - 1]);
    }
    free(hashes);
    co_dataset_close(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_shape_and_balance),
        cmocka_unit_test(test_pure),
        cmocka_unit_test(test_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
