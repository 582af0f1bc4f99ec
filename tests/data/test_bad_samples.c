/* The policy for samples that cannot be used. */
#include "data/helper_data.h"

#include <string.h>

#include "data/bad_samples.h"

static co_status fault_number(int i, co_error *fault)
{
    return co_fail(fault, CO_DATA, "file%d.jpg: byte %d: is cut off", i, 10 * i);
}

static void test_error_passes_on(void **state)
{
    (void)state;
    co_bad_samples bad = {.policy = CO_BAD_ERROR, .budget = 100};
    co_error fault;
    co_error err;
    co_status status = fault_number(1, &fault);
    assert_fault(co_bad_samples_note(&bad, status, &fault, &err), CO_DATA, &err,
                 "file1.jpg: byte 10", NULL);
    assert_int_equal(bad.count, 0);
}

/* Only what is wrong with the data is skipped. */
static void test_skip_is_for_data(void **state)
{
    (void)state;
    co_bad_samples bad = {.policy = CO_BAD_SKIP, .budget = 100};
    co_error fault = {0};
    co_error err;
    assert_ok(co_bad_samples_note(&bad, CO_OK, &fault, &err), &err);
    co_status status = co_fail(&fault, CO_MEMORY, "no room");
    assert_fault(co_bad_samples_note(&bad, status, &fault, &err), CO_MEMORY, &err, "no room", NULL);
    assert_int_equal(bad.count, 0);
    status = fault_number(2, &fault);
    assert_ok(co_bad_samples_note(&bad, status, &fault, &err), &err);
    assert_int_equal(bad.count, 1);
}

static void test_budget(void **state)
{
    (void)state;
    co_bad_samples bad = {.policy = CO_BAD_SKIP, .budget = 6};
    co_error fault;
    co_error err;
    for (int i = 0; i < 6; i++) {
        co_status status = fault_number(i, &fault);
        assert_ok(co_bad_samples_note(&bad, status, &fault, &err), &err);
    }
    assert_ok(co_bad_samples_settle(&bad, "photos", &err), &err);
    co_status status = fault_number(6, &fault);
    assert_ok(co_bad_samples_note(&bad, status, &fault, &err), &err);
    assert_fault(co_bad_samples_settle(&bad, "photos", &err), CO_DATA, &err, "photos: 7 samples",
                 "--bad-samples-budget allows 6", "file0.jpg: byte 0", "file3.jpg: byte 30", NULL);
    assert_null(strstr(err.text, "file4.jpg")); /* the first ones, not all */
}

static void test_tell(void **state)
{
    (void)state;
    co_bad_samples bad = {.policy = CO_BAD_SKIP, .budget = 6};
    char told[CO_ERROR_SIZE];
    co_error fault;
    co_error err;
    co_text text = co_text_over(told, sizeof(told));
    co_bad_samples_tell(&bad, &text);
    assert_int_equal(text.length, 0);
    co_status status = fault_number(5, &fault);
    assert_ok(co_bad_samples_note(&bad, status, &fault, &err), &err);
    co_bad_samples_tell(&bad, &text);
    assert_string_equal(told, "1 sample left out; the first: file5.jpg: byte 50: is cut off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_passes_on),
        cmocka_unit_test(test_skip_is_for_data),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
