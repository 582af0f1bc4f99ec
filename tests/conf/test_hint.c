/* Distances between names, against a plain recursive definition, and what is near enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "conf/hint.h"

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* The definition (optimal string alignment), exponential and obvious. */
static int distance_by_definition(const char *a, int n, const char *b, int m)
{
    if (n == 0 || m == 0) {
        return n + m;
    }
    int best = smaller(distance_by_definition(a, n - 1, b, m) + 1,
                       distance_by_definition(a, n, b, m - 1) + 1);
    best = smaller(best, distance_by_definition(a, n - 1, b, m - 1) + (a[n - 1] != b[m - 1]));
    if (n > 1 && m > 1 && a[n - 1] == b[m - 2] && a[n - 2] == b[m - 1]) {
        best = smaller(best, distance_by_definition(a, n - 2, b, m - 2) + 1);
    }
    return best;
}

static void test_distance(void **state)
{
    (void)state;
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 11, .stream = CO_STREAM_TEST});
    for (int i = 0; i < 2000; i++) {
        char words[2][8] = {{0}};
        int lengths[2];
        for (int w = 0; w < 2; w++) {
            lengths[w] = (int)co_rng_below(&rng, 7);
            for (int c = 0; c < lengths[w]; c++) {
                words[w][c] = (char)('a' + co_rng_below(&rng, 3));
            }
        }
        assert_int_equal(co_name_distance(words[0], words[1]),
                         distance_by_definition(words[0], lengths[0], words[1], lengths[1]));
    }
    assert_int_equal(co_name_distance("Batch-Size", "batch_size"), 0);
}

static void test_long_names(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(co_name_distance(name, "a"), 199);
    name[63] = '\0';
    assert_int_equal(co_name_distance(name, name), 0);
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const names[] = {"lenet5", "cnn1", "cnn2", "mnistnet"};
    assert_string_equal(co_nearest_name("lent5", names, 4), "lenet5");
    assert_string_equal(co_nearest_name("mnist-net", names, 4), "mnistnet");
    assert_string_equal(co_nearest_name("cnn", names, 4), "cnn1");
    assert_null(co_nearest_name("resnet50", names, 4));
    assert_null(co_nearest_name("x", names, 4));
    assert_null(co_nearest_name("lenet5", names, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests_name("conf/hint", tests, NULL, NULL);
}
