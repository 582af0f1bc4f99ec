/* The monitor: everything arrives in order, a failing or slow sink changes nothing for the run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/faults.h"
#include "monitor/memory_sink.h"
#include "monitor/monitor.h"
#include "monitor/sinks.h"

static co_monitor *make_monitor(bool inline_drain, size_t events)
{
    co_error err;
    co_monitor *monitor = NULL;
    const co_monitor_options options = {
        .events = events, .inline_drain = inline_drain, .clock = &co_clock_system};
    assert_int_equal(co_monitor_create(&options, &monitor, &err), CO_OK);
    return monitor;
}

static void add(co_monitor *monitor, memory_sink *sink)
{
    co_error err;
    assert_int_equal(co_monitor_add(monitor, &sink->base, &err), CO_OK);
}

static void start(co_monitor *monitor)
{
    co_error err;
    assert_int_equal(co_monitor_start(monitor, &err), CO_OK);
}

static void announce_steps(co_monitor *monitor, uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i <= last; i++) {
        co_event event = {.kind = CO_EVENT_STEP};
        event.step.step = i;
        co_announce(co_monitor_announcer(monitor), &event);
    }
}

static void test_all_arrive(void **state)
{
    (void)state;
    co_monitor *monitor = make_monitor(false, 4096);
    memory_sink sink = memory_sink_make(0);
    memory_sink other = memory_sink_make(0);
    add(monitor, &sink);
    add(monitor, &other);
    start(monitor);
    announce_steps(monitor, 1, 3000);
    co_announce_note(co_monitor_announcer(monitor), CO_LEVEL_WARNING, "take %s", "care");
    co_monitor_stop(monitor);
    co_monitor_stop(monitor);
    assert_int_equal(sink.steps, 3000);
    assert_int_equal(sink.last_step, 3000);
    assert_int_equal(other.events, 3001);
    assert_string_equal(sink.warnings, "take care");
    assert_int_equal(sink.flushes, 1);
    assert_int_equal(sink.closes, 0);
    assert_int_equal(co_monitor_dropped(monitor), 0);
    co_monitor_destroy(monitor);
    assert_int_equal(sink.closes, 1);
    assert_int_equal(other.closes, 1);
}

static void test_inline_delivers_at_once(void **state)
{
    (void)state;
    co_monitor *monitor = make_monitor(true, 0);
    memory_sink sink = memory_sink_make(0);
    add(monitor, &sink);
    start(monitor);
    for (uint64_t i = 1; i <= 10000; i++) {
        announce_steps(monitor, i, i);
        assert_int_equal(sink.last_step, i);
    }
    co_monitor_stop(monitor);
    assert_int_equal(sink.flushes, 1);
    co_monitor_destroy(monitor);
}

static void test_failing_sink_is_closed_with_one_warning(void **state)
{
    (void)state;
    for (int inline_drain = 0; inline_drain < 2; inline_drain++) {
        co_monitor *monitor = make_monitor(inline_drain != 0, 0);
        memory_sink good = memory_sink_make(0);
        memory_sink bad = memory_sink_make(5);
        add(monitor, &bad);
        add(monitor, &good);
        start(monitor);
        announce_steps(monitor, 1, 100);
        co_monitor_stop(monitor);
        assert_int_equal(good.steps, 100);
        assert_int_equal(bad.events, 5);
        assert_int_equal(bad.closes, 1);
        assert_int_equal(bad.flushes, 0);
        assert_int_equal(co_monitor_failed_sinks(monitor), 1);
        assert_string_equal(good.warnings, "test sink is switched off for the rest of the run: "
                                           "the disk of this test is full");
        co_monitor_destroy(monitor);
        assert_int_equal(bad.closes, 1);
    }
}

static void test_all_sinks_may_fail(void **state)
{
    (void)state;
    co_monitor *monitor = make_monitor(true, 0);
    memory_sink sinks[3];
    for (unsigned i = 0; i < 3; i++) {
        sinks[i] = memory_sink_make(i + 1); /* the warning about one makes the next fail */
        add(monitor, &sinks[i]);
    }
    start(monitor);
    announce_steps(monitor, 1, 10);
    co_monitor_destroy(monitor);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(sinks[i].closes, 1);
    }
}

/* A sink that hangs until it is let go. */
typedef struct stuck_sink {
    co_sink base;
    _Atomic int entered;
    _Atomic int released;
} stuck_sink;

static co_status stuck_event(co_sink *base, const co_event *event, co_error *err)
{
    (void)event;
    (void)err;
    stuck_sink *sink = (stuck_sink *)base;
    atomic_store(&sink->entered, 1);
    while (atomic_load(&sink->released) == 0) {
        usleep(1000);
    }
    return CO_OK;
}

static void stuck_close(co_sink *base)
{
    (void)base;
}

/* The run goes on: announcing returns while the sink hangs, what does not fit is counted, and
 * an evaluation still has room. */
static void test_stuck_sink_does_not_stop_the_run(void **state)
{
    (void)state;
    static const co_sink_ops ops = {.name = "stuck", .event = stuck_event, .close = stuck_close};
    co_error err;
    co_monitor *monitor = make_monitor(false, 64);
    stuck_sink stuck = {.base = {.ops = &ops}};
    memory_sink good = memory_sink_make(0);
    assert_int_equal(co_monitor_add(monitor, &stuck.base, &err), CO_OK);
    add(monitor, &good);
    start(monitor);
    announce_steps(monitor, 1, 1);
    while (atomic_load(&stuck.entered) == 0) {
        usleep(1000);
    }
    announce_steps(monitor, 2, 1001);
    assert_int_equal(co_monitor_dropped(monitor), 1000 - 56);
    co_event evaluation = {.kind = CO_EVENT_EVALUATION};
    co_announce(co_monitor_announcer(monitor), &evaluation);
    assert_int_equal(co_monitor_dropped(monitor), 1000 - 56);
    atomic_store(&stuck.released, 1);
    co_monitor_stop(monitor);
    assert_int_equal(good.steps, 57);
    assert_int_equal(good.events, 57 + 1 + 1);
    assert_string_equal(good.warnings, "944 events were dropped: the sinks could not keep up");
    co_monitor_destroy(monitor);
}

/* Ctrl-C must interrupt the main thread, so the monitor's thread takes no signals. */
static co_status signal_event(co_sink *base, const co_event *event, co_error *err)
{
    (void)event;
    (void)err;
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    ((memory_sink *)base)->events = (unsigned)(sigismember(&blocked, SIGINT) +
                                               2 * sigismember(&blocked, SIGTERM));
    return CO_OK;
}

static void test_thread_blocks_signals(void **state)
{
    (void)state;
    static const co_sink_ops ops = {
        .name = "signals", .event = signal_event, .close = memory_sink_close};
    co_monitor *monitor = make_monitor(false, 0);
    memory_sink sink = {.base = {.ops = &ops}};
    sigset_t blocked;
    add(monitor, &sink);
    start(monitor);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    assert_int_equal(sigismember(&blocked, SIGINT), 0);
    announce_steps(monitor, 1, 1);
    co_monitor_stop(monitor);
    assert_int_equal(sink.events, 3);
    co_monitor_destroy(monitor);
}

static void test_sinks_have_a_limit(void **state)
{
    (void)state;
    co_error err;
    memory_sink sinks[17];
    co_monitor *monitor = make_monitor(true, 0);
    for (unsigned i = 0; i < 17; i++) {
        sinks[i] = memory_sink_make(0);
        assert_int_equal(co_monitor_add(monitor, &sinks[i].base, &err),
                         i < 16 ? CO_OK : CO_INTERNAL);
    }
    assert_int_equal(sinks[16].closes, 1);
    co_monitor_destroy(monitor); /* never started */
    assert_int_equal(sinks[0].closes, 1);
    co_monitor_destroy(NULL);
}

static void expect_file(const co_mark_files *files, unsigned index, const char *name,
                        uint64_t bytes)
{
    assert_true(index < files->count);
    assert_string_equal(files->files[index].name, name);
    assert_int_equal(files->files[index].bytes, bytes);
}

/* A checkpoint learns how long the files are with all that was announced before it. */
static void test_marks(void **state)
{
    (void)state;
    for (int inline_drain = 0; inline_drain < 2; inline_drain++) {
        co_error err;
        char folder[CO_TEST_PATH_SIZE];
        assert_int_equal(co_test_folder_make(folder), 0);
        co_monitor *monitor = make_monitor(inline_drain != 0, 4096);
        const co_announcer *announcer = co_monitor_announcer(monitor);
        co_sink *sink = NULL;
        const char *path = CO_TEST_JOIN(folder, "metrics.jsonl");
        assert_int_equal(co_jsonl_sink(&co_files_system, path, 0, 1, &sink, &err), CO_OK);
        assert_int_equal(co_monitor_add(monitor, sink, &err), CO_OK);
        assert_int_equal(co_csv_sink(&co_files_system, "/dev/full", 0, 1, &sink, &err), CO_OK);
        assert_int_equal(co_monitor_add(monitor, sink, &err), CO_OK);
        const char *log = CO_TEST_JOIN(folder, "log.txt"); /* is never cut back */
        assert_int_equal(co_textlog_sink(&co_files_system, log, &co_clock_system, &sink, &err),
                         CO_OK);
        assert_int_equal(co_monitor_add(monitor, sink, &err), CO_OK);
        start(monitor);
        co_mark_files marked[3];
        for (uint64_t id = 1; id <= 3; id++) {
            announce_steps(monitor, 100 * id, 100 * id + 49);
            assert_true(co_announce_mark(announcer, id));
        }
        announce_steps(monitor, 1, 1000);
        for (uint64_t id = 1; id <= 3; id++) {
            co_mark_files *files = &marked[id - 1];
            assert_int_equal(co_announce_collect(announcer, id, 60.0, files, &err), CO_OK);
            assert_int_equal(files->count, 2);
            expect_file(files, 1, "full", 0);
        }
        co_mark_files none;
        assert_int_equal(co_announce_collect(announcer, 9, 0.01, &none, &err), CO_FILE);
        co_monitor_stop(monitor);
        assert_int_equal(co_announce_collect(announcer, 9, 1e9, &none, &err), CO_FILE);
        assert_int_equal(co_monitor_failed_sinks(monitor), 1);
        co_monitor_destroy(monitor);
        char *data = NULL;
        size_t bytes = 0;
        assert_int_equal(co_file_read(path, 1 << 24, CO_FILE, &data, &bytes, &err), CO_OK);
        for (unsigned i = 0; i < 3; i++) { /* the last line before the offset is that step's */
            size_t at = (size_t)marked[i].files[0].bytes;
            char last[64];
            expect_file(&marked[i], 0, "metrics.jsonl", at);
            assert_int_equal(data[at - 1], '\n');
            data[at - 1] = '\0';
            (void)snprintf(last, sizeof(last), "{\"event\":\"step\",\"step\":%u,",
                           100 * (i + 1) + 49);
            const char *line = strrchr(data, '\n');
            assert_memory_equal(line + 1, last, strlen(last));
            data[at - 1] = '\n';
        }
        free(data);
        co_test_folder_remove(folder);
    }
}

/* Everything but the size that a write may have is refused for a while. */
typedef struct small_disk {
    co_files files;
    atomic_int full;
} small_disk;

static ssize_t small_disk_write(void *context, int fd, const void *data, size_t bytes)
{
    if (atomic_load(&((small_disk *)context)->full) != 0) {
        errno = ENOSPC;
        return -1;
    }
    return co_files_system.write(NULL, fd, data, bytes);
}

/* While the disk is full the run goes on; what the spool held is written once there is room. */
static void test_full_disk_is_tried_again(void **state)
{
    (void)state;
    co_error err;
    char folder[CO_TEST_PATH_SIZE];
    assert_int_equal(co_test_folder_make(folder), 0);
    small_disk disk = {.files = co_files_system, .full = 1};
    disk.files.write = small_disk_write;
    disk.files.context = &disk;
    const char *path = CO_TEST_JOIN(folder, "metrics.jsonl");
    co_monitor *monitor = make_monitor(false, 4096);
    const co_announcer *announcer = co_monitor_announcer(monitor);
    memory_sink watcher = memory_sink_make(0);
    co_sink *sink = NULL;
    assert_int_equal(co_jsonl_sink(&disk.files, path, 0, 1, &sink, &err), CO_OK);
    assert_int_equal(co_monitor_add(monitor, sink, &err), CO_OK);
    add(monitor, &watcher);
    start(monitor);
    co_mark_files files;
    announce_steps(monitor, 1, 1000);
    assert_true(co_announce_mark(announcer, 1));
    assert_int_equal(co_announce_collect(announcer, 1, 60.0, &files, &err), CO_OK);
    expect_file(&files, 0, "metrics.jsonl", 0);
    atomic_store(&disk.full, 0);
    for (uint64_t id = 2; files.files[0].bytes == 0; id++) {
        usleep(50000);
        assert_true(co_announce_mark(announcer, id));
        assert_int_equal(co_announce_collect(announcer, id, 60.0, &files, &err), CO_OK);
    }
    co_monitor_stop(monitor);
    assert_int_equal(co_monitor_failed_sinks(monitor), 0);
    assert_non_null(strstr(watcher.warnings, "metrics.jsonl: No space left"));
    assert_null(strstr(strstr(watcher.warnings, "No space left") + 1, "No space left"));
    co_monitor_destroy(monitor);
    char *data = NULL;
    size_t bytes = 0;
    unsigned lines = 0;
    assert_int_equal(co_file_read(path, 1 << 24, CO_FILE, &data, &bytes, &err), CO_OK);
    for (const char *line = data; *line != '\0'; line = strchr(line, '\n') + 1) {
        lines++;
    }
    assert_int_equal(lines, 1000);
    free(data);
    co_test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_arrive),
        cmocka_unit_test(test_inline_delivers_at_once),
        cmocka_unit_test(test_failing_sink_is_closed_with_one_warning),
        cmocka_unit_test(test_all_sinks_may_fail),
        cmocka_unit_test(test_stuck_sink_does_not_stop_the_run),
        cmocka_unit_test(test_thread_blocks_signals),
        cmocka_unit_test(test_sinks_have_a_limit),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_full_disk_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
