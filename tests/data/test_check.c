/* `data check`: every fault of a broken set is found in one go, and none in a good one. */
#include "data/helper_data.h"

#include <stdio.h>
#include <string.h>

#include "data/check.h"

static bool listed(const co_dataset_findings *findings, const char *text)
{
    uint64_t most = findings->count < CO_CHECK_LISTED ? findings->count : CO_CHECK_LISTED;
    for (uint64_t i = 0; i < most; i++) {
        if (strstr(findings->listed[i].text, text) != NULL) {
            return true;
        }
    }
    return false;
}

static void run_check(const char *dir, co_dataset_findings *findings)
{
    co_error err;
    assert_ok(co_dataset_check("mnist", dir, findings, &err), &err);
}

static void test_good(void **state)
{
    static co_dataset_findings findings;
    co_error err;
    put_set(*state, CO_PACKING_GZIP);
    run_check(*state, &findings);
    assert_int_equal(findings.count, 0);
    assert_ok(co_dataset_check("glyphs", NULL, &findings, &err), &err);
    assert_int_equal(findings.count, 0);
}

static void test_every_fault(void **state)
{
    const char *dir = *state;
    static co_dataset_findings findings;
    put_set(dir, CO_PACKING_NONE);
    idx_image labels = set_labels(0);
    labels.bytes[8 + 3] = 77;
    labels.bytes[8 + 50] = 10;
    put_bytes(dir, "train-labels-idx1-ubyte", labels.bytes, labels.size);
    idx_image images = set_images(1);
    put_bytes(dir, "t10k-images-idx3-ubyte", images.bytes, images.size - 4);
    idx_image other = idx_build(3, HELPER_TRAIN + 2, HELPER_HEIGHT, HELPER_WIDTH, 1);
    put_bytes(dir, "train-images-idx3-ubyte", other.bytes, other.size);
    char path[2 * HELPER_PATH];
    (void)snprintf(path, sizeof(path), "%s/t10k-labels-idx1-ubyte", dir);
    assert_int_equal(remove(path), 0);
    run_check(dir, &findings);
    assert_int_equal(findings.count, 5);
    assert_true(listed(&findings, "byte 11: label 77 of sample 3"));
    assert_true(listed(&findings, "byte 58: label 10 of sample 50"));
    assert_true(listed(&findings, "t10k-images-idx3-ubyte: byte 357"));
    assert_true(listed(&findings, "57 labels for the 59 images"));
    assert_true(listed(&findings, "t10k-labels-idx1-ubyte is missing"));
    idx_free(&labels);
    idx_free(&images);
    idx_free(&other);
}

/* The list is bounded, the count is not. */
static void test_many_faults(void **state)
{
    const char *dir = *state;
    static co_dataset_findings findings;
    put_set(dir, CO_PACKING_NONE);
    idx_image labels = set_labels(0);
    memset(labels.bytes + 8, 99, HELPER_TRAIN);
    put_packed(dir, "train-labels-idx1-ubyte", labels.bytes, labels.size, CO_PACKING_NONE);
    run_check(dir, &findings);
    assert_int_equal(findings.count, HELPER_TRAIN);
    assert_true(listed(&findings, "label 99 of sample 0"));
    idx_free(&labels);
}

static void test_nothing_there(void **state)
{
    static co_dataset_findings findings;
    co_error err;
    run_check(*state, &findings);
    assert_int_equal(findings.count, 1);
    assert_true(listed(&findings, "no files of mnist"));
    assert_fault(co_dataset_check("nothing", *state, &findings, &err), CO_USAGE, &err, "nothing",
                 NULL);
    assert_fault(co_dataset_check("mnist", NULL, &findings, &err), CO_USAGE, &err, "--dataset-dir",
                 NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_every_fault, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_many_faults, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_nothing_there, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
