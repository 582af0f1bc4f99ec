/* The real CIFAR files: counts per class and moments as published; the cut samples agree. */
#include "data/helper_loader.h"

#include <string.h>

#include "data/check.h"

static void check_clean(const char *name, const char *dir)
{
    co_error err;
    co_dataset_findings *findings = malloc(sizeof(*findings));
    assert_non_null(findings);
    assert_ok(co_dataset_check(name, dir, findings, &err), &err);
    assert_int_equal(findings->count, 0);
    free(findings);
}

/* The whole set has 5000 training and 1000 test images of each class. */
static void test_ten(void **state)
{
    (void)state;
    char path[HELPER_PATH];
    const char *dir = real_data("cifar-10", path);
    co_error err;
    co_dataset *set = NULL;
    co_dataset_summary *summary = malloc(sizeof(*summary));
    const co_dataset_options options = {.background = true};
    assert_non_null(summary);
    assert_ok(co_dataset_open("cifar10", dir, &options, &set, &err), &err);
    assert_ok(co_dataset_summarise(set, summary, &err), &err);
    for (int c = 0; c < 10; c++) {
        assert_int_equal(summary->histogram[CO_SPLIT_TRAIN][c], 5000);
        assert_int_equal(summary->histogram[CO_SPLIT_TEST][c], 1000);
    }
    co_moments moments[3];
    assert_ok(co_dataset_moments(set, CO_SPLIT_TRAIN, false, moments, &err), &err);
    static const double mean[3] = {125.3, 123.0, 113.9}; /* S4's, of the same pixels */
    static const double deviation[3] = {63.0, 62.1, 66.7};
    for (int c = 0; c < 3; c++) {
        assert_close(moments[c].mean * 255, mean[c], 0.06);
        assert_close(moments[c].std * 255, deviation[c], 0.06);
    }
    assert_string_equal(co_dataset_describe(set)->class_names[3], "cat");
    co_dataset_close(set);
    free(summary);
}

/* The samples are the first records of the whole set. */
static void test_samples(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *part;
        const char *whole;
    } sets[] = {{"cifar100", "cifar-100-sample", "cifar-100"},
                {"cifar100_coarse", "cifar-100-sample", "cifar-100"}};
    for (int i = 0; i < 2; i++) {
        char part_dir[HELPER_PATH];
        char whole_dir[HELPER_PATH];
        (void)real_data(sets[i].part, part_dir);
        (void)real_data(sets[i].whole, whole_dir);
        check_clean(sets[i].name, part_dir);
        co_dataset *part = open_set(sets[i].name, part_dir);
        co_dataset *whole = open_set(sets[i].name, whole_dir);
        assert_int_equal(co_dataset_describe(part)->samples[CO_SPLIT_TRAIN], 300);
        assert_int_equal(co_dataset_describe(whole)->samples[CO_SPLIT_TRAIN], 5000);
        assert_int_equal(co_dataset_describe(part)->samples[CO_SPLIT_TEST], 100);
        for (int split = 0; split < CO_SPLITS; split++) {
            uint32_t samples = co_dataset_describe(part)->samples[split];
            assert_memory_equal(co_dataset_labels(part, (co_split)split),
                                co_dataset_labels(whole, (co_split)split),
                                samples * sizeof(int32_t));
            for (uint32_t k = 0; k < samples; k++) {
                co_error err;
                uint8_t pixels[2][3072];
                assert_ok(co_dataset_fetch(part, (co_split)split, k, pixels[0], &err), &err);
                assert_ok(co_dataset_fetch(whole, (co_split)split, k, pixels[1], &err), &err);
                assert_memory_equal(pixels[0], pixels[1], sizeof(pixels[0]));
            }
        }
        co_dataset_close(part);
        co_dataset_close(whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten),
        cmocka_unit_test(test_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
