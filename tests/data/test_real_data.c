/* The real MNIST and Fashion-MNIST: counts, label histograms, moments as published. */
#include "data/helper_loader.h"

#include "data/check.h"

typedef struct published {
    const char *name;
    const char *sub;
    uint32_t histogram[CO_SPLITS][10];
    double mean; /* of the training pixels / 255, as PyTorch's users have it */
    double std;
} published;

static const published mnist = {
    "mnist",
    "mnist",
    {{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949},
     {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}},
    0.1307,
    0.3081,
};
static const published fashion = {
    "fashion_mnist",
    "fashion-mnist",
    {{6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000},
     {1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000}},
    0.2860,
    0.3530,
};

static void check_set(const published *expected)
{
    char path[HELPER_PATH];
    const char *dir = real_data(expected->sub, path); /* skips before anything is taken */
    co_error err;
    co_dataset *set = NULL;
    co_dataset_summary *summary = malloc(sizeof(*summary));
    co_dataset_findings *findings = malloc(sizeof(*findings));
    assert_non_null(summary);
    assert_non_null(findings);
    const co_dataset_options options = {.background = true};
    assert_ok(co_dataset_open(expected->name, dir, &options, &set, &err), &err);
    assert_int_equal(co_dataset_describe(set)->samples[CO_SPLIT_TRAIN], 60000);
    assert_int_equal(co_dataset_describe(set)->samples[CO_SPLIT_TEST], 10000);
    assert_int_equal(co_dataset_describe(set)->sample_bytes, 784);
    assert_ok(co_dataset_summarise(set, summary, &err), &err);
    for (int split = 0; split < CO_SPLITS; split++) {
        assert_memory_equal(summary->histogram[split], expected->histogram[split],
                            sizeof(expected->histogram[split]));
    }
    assert_close(summary->moments[CO_SPLIT_TRAIN].mean, expected->mean, 5e-5);
    assert_close(summary->moments[CO_SPLIT_TRAIN].std, expected->std, 5e-5);
    co_dataset_close(set);
    assert_ok(co_dataset_check(expected->name, dir, findings, &err), &err);
    assert_int_equal(findings->count, 0);
    free(findings);
    free(summary);
}

static void test_mnist(void **state)
{
    (void)state;
    check_set(&mnist);
}

static void test_fashion(void **state)
{
    (void)state;
    check_set(&fashion);
}

/* Both sets lie in one folder under their usual names: each finds its own. */
static void test_common_folder(void **state)
{
    (void)state;
    char path[HELPER_PATH];
    const published *sets[2] = {&mnist, &fashion};
    (void)real_data("mnist", path);
    (void)real_data("fashion-mnist", path);
    const char *dir = real_data("", path);
    for (int i = 0; i < 2; i++) {
        co_dataset *set = open_set(sets[i]->name, dir);
        const int32_t *labels = co_dataset_labels(set, CO_SPLIT_TEST);
        uint32_t zeros = 0;
        for (uint32_t k = 0; k < 10000; k++) {
            zeros += labels[k] == 0;
        }
        assert_int_equal(zeros, sets[i]->histogram[CO_SPLIT_TEST][0]);
        co_dataset_close(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mnist),
        cmocka_unit_test(test_fashion),
        cmocka_unit_test(test_common_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
