/* Blobs: each is taken once until it is released, and waited for; histograms count every finite
 * value once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <time.h>

#include "event/announce.h"

static void test_taking(void **state)
{
    (void)state;
    co_error err;
    co_blobs *blobs = NULL;
    assert_int_equal(co_blobs_create(3, 100, &blobs, &err), CO_OK);
    assert_true(co_blobs_bytes(blobs) >= 100);
    uint32_t numbers[3] = {9, 9, 9};
    for (uint32_t i = 0; i < 3; i++) {
        char *blob = co_blobs_take(blobs, &numbers[i]);
        assert_non_null(blob);
        assert_ptr_equal(blob, co_blobs_at(blobs, numbers[i]));
        memset(blob, (int)i, 100);
    }
    for (uint32_t i = 0; i < 3; i++) { /* each has memory of its own */
        const char *blob = co_blobs_at(blobs, numbers[i]);
        assert_int_equal(blob[0], i);
        assert_int_equal(blob[99], i);
    }
    uint32_t number = 0;
    assert_null(co_blobs_take(blobs, &number));
    assert_int_equal(co_blobs_missed(blobs), 1);
    co_blobs_release(blobs, numbers[1]);
    assert_non_null(co_blobs_take(blobs, &number));
    assert_int_equal(number, numbers[1]);
    assert_null(co_blobs_take(NULL, &number));
    co_blobs_destroy(blobs);
    co_blobs_destroy(NULL);
}

static void *release_later(void *context)
{
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    co_blobs_release(context, 0);
    return NULL;
}

static void test_waiting(void **state)
{
    (void)state;
    co_error err;
    co_blobs *blobs = NULL;
    pthread_t thread;
    uint32_t number = 0;
    assert_int_equal(co_blobs_create(1, 8, &blobs, &err), CO_OK);
    for (uint64_t turn = 0; turn < 2; turn++) {
        assert_non_null(co_blobs_take(blobs, &number));
        assert_int_equal(pthread_create(&thread, NULL, release_later, blobs), 0);
        assert_non_null(co_blobs_take(blobs, &number)); /* soon */
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(co_blobs_missed(blobs), 2 * turn);
        assert_null(co_blobs_take(blobs, &number)); /* never */
        assert_null(co_blobs_take(blobs, &number));
        co_blobs_release(blobs, number);
    }
    co_blobs_destroy(blobs);
}

/* An event that finds the ring full gives its blob back. */
static void test_full_ring(void **state)
{
    (void)state;
    co_error err;
    co_blobs *blobs = NULL;
    co_ring *ring = NULL;
    assert_int_equal(co_blobs_create(2, 8, &blobs, &err), CO_OK);
    assert_int_equal(co_ring_create(16, &ring, &err), CO_OK);
    const co_announcer announcer = {.ring = ring, .clock = &co_clock_system, .blobs = blobs};
    uint32_t number = 0;
    for (int i = 0; i < 100; i++) {
        co_announce_note(&announcer, CO_LEVEL_NOTE, "a note");
    }
    for (int i = 0; i < 5; i++) {
        assert_non_null(co_announce_take(&announcer, &number));
        co_event event = {.kind = CO_EVENT_IMAGE};
        co_announce_blob(&announcer, &event, number);
    }
    assert_int_equal(co_blobs_missed(blobs), 0);
    const co_announcer nobody = {.clock = &co_clock_system};
    assert_null(co_announce_take(&nobody, &number));
    co_ring_destroy(ring);
    co_blobs_destroy(blobs);
}

static void test_histogram(void **state)
{
    (void)state;
    static co_histogram h;
    const float values[] = {
        0.0f,    -0.0f,       1.0f,       1.24f,           1.25f,           -3.0f,
        FLT_MAX, FLT_MIN / 4, (float)NAN, (float)INFINITY, -(float)INFINITY};
    co_histogram_fill(&h, "fc.weight", values, sizeof(values) / sizeof(values[0]));
    assert_string_equal(h.name, "fc.weight");
    assert_int_equal(h.count, 8);
    assert_true(h.min == -3.0 && h.max == (double)FLT_MAX);
    /* sign, exponent (127: 1.0), two bits of fraction */
    assert_int_equal(h.buckets[127 * 4], 2);
    assert_int_equal(h.buckets[127 * 4 + 1], 1);
    assert_int_equal(h.buckets[1024 + 128 * 4 + 2], 1); /* -3 = -(1 + 2/4) 2 */
    assert_int_equal(h.buckets[254 * 4 + 3], 1);
    assert_int_equal(h.buckets[1024], 1); /* -0 */
    uint64_t all = 0;
    for (int i = 0; i < CO_HISTOGRAM_BUCKETS; i++) {
        all += h.buckets[i];
    }
    assert_int_equal(all, 8);
    co_histogram_fill(&h, "empty", NULL, 0);
    assert_int_equal(h.count, 0);
    assert_true(h.min == 0.0 && h.max == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taking),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_full_ring),
        cmocka_unit_test(test_histogram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
