/* What a user says of a cluster, and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "comm/comm.h"
#include "comm/platform.h"

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-12 * fabs(b);
}

static void a_cluster_is_read(void **state)
{
    (void)state;
    co_cluster c;
    co_error err = {0};
    assert_int_equal(co_cluster_read(NULL, &c, &err), CO_OK);
    assert_true(near(c.bandwidth, 1.25e9));
    assert_true(near(c.latency, 20e-6));
    assert_int_equal(c.per_host, 1);
    assert_int_equal(co_cluster_read("{bandwidth: 100 Gbps, latency: 2us, per_host: 4, per_rack: 8,"
                                     " speeds: {3: 0.5, 8-15: 2}}",
                                     &c, &err),
                     CO_OK);
    assert_true(near(c.bandwidth, 12.5e9));
    assert_int_equal(c.per_host, 4);
    assert_true(near(c.rack_bandwidth, 100e9)); /* eight hosts at full speed */
    assert_int_equal(c.speed_count, 2);
    assert_int_equal(c.speeds[1].first, 8);
    assert_int_equal(c.speeds[1].last, 15);
}

static void wrong_clusters_say_where(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{bandwidth: 10}",
         "--cluster:1:13: bandwidth must be a number above 0 with its unit, such as 10Gbps"},
        {"{latency: -1us}",
         "--cluster:1:11: latency must be a number above 0 with its unit, such as 20us"},
        {"{speeds: {x: 1}}",
         "--cluster:1:11: 'x' names no hosts; they are counted from 0, such as 3 or 8-15"},
        {"{speeds: {3: 0}}",
         "--cluster:1:14: a speed is a factor above 0, relative to the reference host"},
        {"{hosts: 3}", "--cluster:1:2: a cluster has no 'hosts'; it has bandwidth, latency, "
                       "per_host, per_rack, rack_bandwidth, rack_latency, speeds, platform, "
                       "hostfile"},
        {"{platform: a.xml}",
         "--cluster:1:1: a platform of your own needs its hostfile: give both"},
        {"{per_host: 0}", "--cluster:1:12: per_host must be 1 to 1000000"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        co_cluster c;
        co_error err = {0};
        assert_int_equal(co_cluster_read(rows[i][0], &c, &err), CO_USAGE);
        assert_string_equal(err.text, rows[i][1]);
    }
}

/* One worker needs no library, and its collectives are what they are for one. */
static void a_single_worker(void **state)
{
    (void)state;
    co_comm *comm = NULL;
    co_window *window = NULL;
    co_error err = {0};
    float sum = 3.0F;
    co_request request = {0};
    int mine = 7;
    int all = 0;
    assert_int_equal(co_comm_single(&comm, &err), CO_OK);
    assert_true(co_comm_alone(comm));
    assert_int_equal(co_comm_start_sum(comm, &sum, 1, &request, &err), CO_OK);
    assert_int_equal(co_comm_wait(comm, &request, 1, &err), CO_OK);
    assert_true(near((double)sum, 3.0));
    assert_int_equal(co_comm_gather(comm, &mine, sizeof(mine), &all, &err), CO_OK);
    assert_int_equal(all, 7);
    assert_int_equal(co_comm_send(comm, &mine, sizeof(mine), 0, 1, &err), CO_INTERNAL);
    assert_int_equal(co_comm_agree(comm, CO_DATA, &err), CO_DATA);
    assert_int_equal(co_window_open(comm, 100, &window, &err), CO_OK);
    memset(window->part[0], 1, 100);
    assert_int_equal(co_window_barrier(window, &err), CO_OK);
    co_window_close(window);
    co_comm_close(comm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_is_read),
        cmocka_unit_test(wrong_clusters_say_where),
        cmocka_unit_test(a_single_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
