/* The clock is an interface: a virtual one is obeyed, and the wall clock's jumps change nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"

typedef struct virtual_time {
    uint64_t now_ns;
    int64_t wall_ns;
} virtual_time;

static uint64_t virtual_monotonic(void *context)
{
    return ((virtual_time *)context)->now_ns;
}

static int64_t virtual_wall(void *context)
{
    return ((virtual_time *)context)->wall_ns;
}

static void virtual_sleep(void *context, uint64_t duration_ns)
{
    ((virtual_time *)context)->now_ns += duration_ns;
}

static void test_virtual_clock(void **state)
{
    (void)state;
    virtual_time time = {.now_ns = 5000000000u, .wall_ns = 1};
    co_clock clock = {virtual_monotonic, virtual_wall, virtual_sleep, &time};
    double start = co_clock_seconds(&clock);
    co_clock_sleep(&clock, 2.5);
    time.wall_ns -= 86400000000000; /* somebody sets the machine's clock back by a day */
    assert_true(co_clock_seconds(&clock) - start == 2.5);
    co_clock_sleep(&clock, -1.0);
    co_clock_sleep(&clock, 0.0);
    assert_int_equal(time.now_ns, 7500000000u);
    assert_int_equal(co_clock_wall_ns(&clock), 1 - 86400000000000);
}

static void test_system_clock(void **state)
{
    (void)state;
    uint64_t before = co_clock_ns(&co_clock_system);
    co_clock_sleep(&co_clock_system, 0.002);
    assert_true(co_clock_ns(&co_clock_system) - before >= 2000000);
    int64_t wall = co_clock_wall_ns(&co_clock_system) / 1000000000;
    assert_true(llabs((long long)wall - (long long)time(NULL)) <= 1);
}

static void test_format(void **state)
{
    (void)state;
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    char text[32];
    co_clock_format(1706703896999999999, "%Y-%m-%d %H:%M:%S", text, sizeof(text));
    assert_string_equal(text, "2024-01-31 12:24:56");
    char small[5];
    co_clock_format(1706703896999999999, "%Y-%m-%d", small, sizeof(small));
    assert_string_equal(small, "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_virtual_clock),
        cmocka_unit_test(test_system_clock),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
