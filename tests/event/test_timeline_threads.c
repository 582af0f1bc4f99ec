/* The timeline: what found no room is counted, and threads may add while it is saved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/faults.h"
#include "event/timeline.h"

static uint64_t ticks_ns(void *context)
{
    return atomic_fetch_add((atomic_uint_fast64_t *)context, 1500) + 1500;
}

static co_timeline *make_timeline(const co_clock *clock)
{
    co_error err;
    co_timeline *timeline = NULL;
    assert_int_equal(co_timeline_create(clock, 1000, &timeline, &err), CO_OK);
    return timeline;
}

static co_track *add_track(co_timeline *timeline, const char *name, size_t spans)
{
    co_error err;
    co_track *track = NULL;
    assert_int_equal(co_timeline_add_track(timeline, name, spans, &track, &err), CO_OK);
    return track;
}

static void test_file(void **state)
{
    (void)state;
    co_error err;
    atomic_uint_fast64_t now = 1000;
    const co_clock clock = {.monotonic_ns = ticks_ns, .context = &now};
    char folder[CO_TEST_PATH_SIZE];
    assert_int_equal(co_test_folder_make(folder), 0);
    co_timeline *timeline = make_timeline(&clock);
    co_track *track = add_track(timeline, "tr\"ain", 3);
    assert_ptr_equal(co_track_timeline(track), timeline);
    assert_ptr_equal(co_track_clock(track), &clock);
    uint64_t outer = co_track_now(track);
    co_track_end(track, co_track_now(track), "a", "inner");
    co_track_end_value(track, outer, "b", "outer", "step", 7);
    co_track_add(track, &(co_timed){.start_ns = 9000,
                                    .end_ns = 9007,
                                    .category = "c",
                                    .name = "n",
                                    .work = "w",
                                    .kernel = "k",
                                    .value_name = "bytes"});
    co_track_end(track, co_track_now(track), "a", "no room");
    assert_int_equal(co_timeline_dropped(timeline), 1);
    co_timeline_stop(timeline);
    assert_int_equal(co_track_now(track), 0);
    co_track_end(track, 5000, "a", "stopped");
    assert_int_equal(co_timeline_dropped(timeline), 1);
    const char *path = CO_TEST_JOIN(folder, "timeline.json");
    assert_int_equal(co_timeline_save(timeline, &co_files_system, path, &err), CO_OK);
    assert_true(co_test_file_is(
        path,
        "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"dropped_spans\":1},\"traceEvents\":[\n"
        "{\"ph\":\"M\",\"pid\":1,\"tid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"cohort\"}"
        "},\n"
        "{\"ph\":\"M\",\"pid\":1,\"tid\":1,\"name\":\"thread_name\",\"args\":{\"name\":"
        "\"tr\\\"ain\"}},\n"
        "{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":3.000,\"dur\":1.500,\"cat\":\"a\",\"name\":"
        "\"inner\"},\n"
        "{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":1.500,\"dur\":4.500,\"cat\":\"b\",\"name\":"
        "\"outer\",\"args\":{\"step\":7}},\n"
        "{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":8.000,\"dur\":0.007,\"cat\":\"c\",\"name\":\"n\","
        "\"args\":{\"work\":\"w\",\"kernel\":\"k\",\"bytes\":0}}\n]}\n"));
    /* every call of the file layer may fail: the file is whole at any time */
    size_t whole = 0;
    unsigned calls = 0;
    unsigned failures = 0;
    char *first = NULL;
    assert_int_equal(co_file_read(path, 4096, CO_FILE, &first, &whole, &err), CO_OK);
    free(first);
    for (unsigned n = 1; n <= calls + 1; n++) {
        co_faults faults;
        co_faults_init(&faults, n, ENOSPC);
        co_status status = co_timeline_save(timeline, &faults.files, path, &err);
        calls = faults.calls > calls ? faults.calls : calls;
        failures += status != CO_OK;
        char *text = NULL;
        size_t bytes = 0;
        assert_int_equal(co_file_read(path, 4096, CO_FILE, &text, &bytes, &err), CO_OK);
        assert_int_equal(bytes, whole);
        assert_string_equal(text + bytes - 4, "\n]}\n");
        free(text);
    }
    assert_true(failures >= 5);
    co_timeline_destroy(timeline);
    co_timeline_destroy(NULL);
    co_test_folder_remove(folder);
}

static void test_nothing_is_free(void **state)
{
    (void)state;
    assert_int_equal(co_track_now(NULL), 0);
    co_track_end(NULL, 0, "a", "b");
    co_track_end_value(NULL, 1, "a", "b", "c", 1);
    co_track_add(NULL, &(co_timed){.start_ns = 1});
    assert_null(co_track_timeline(NULL));
}

enum { THREADS = 3, SPANS = 20000 };

static atomic_int started;

static void *add_spans(void *arg)
{
    atomic_fetch_add(&started, 1);
    for (int i = 0; i < SPANS; i++) {
        co_track_end(arg, co_track_now(arg), "work", "span");
    }
    return NULL;
}

static void test_saved_while_threads_add(void **state)
{
    (void)state;
    co_error err;
    char folder[CO_TEST_PATH_SIZE];
    assert_int_equal(co_test_folder_make(folder), 0);
    co_timeline *timeline = make_timeline(&co_clock_system);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        co_track *track = add_track(timeline, "thread", SPANS / 2);
        assert_int_equal(pthread_create(&threads[i], NULL, add_spans, track), 0);
    }
    while (atomic_load(&started) < THREADS) {
    }
    for (int i = 0; i < 5; i++) {
        const char *path = CO_TEST_JOIN(folder, "timeline.json");
        assert_int_equal(co_timeline_save(timeline, &co_files_system, path, &err), CO_OK);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(co_timeline_dropped(timeline), THREADS * (SPANS - SPANS / 2));
    co_timeline_destroy(timeline);
    co_test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_nothing_is_free),
        cmocka_unit_test(test_saved_while_threads_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
