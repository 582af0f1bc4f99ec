/* The wall clock may jump by days: limits, checkpoints by time and results do not depend on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/faults.h"
#include "train/worker.h"

/* A clock of the test's own: each look at the monotonic time is a millisecond later; the wall time
 * jumps by a day to and fro. */
typedef struct jumping {
    co_clock clock;
    uint64_t looks;
    int64_t day; /* -1, 0, 1 */
    bool jumps;
} jumping;

static uint64_t monotonic(void *context)
{
    return ++((jumping *)context)->looks * 1000000;
}

static int64_t wall(void *context)
{
    jumping *clock = context;
    clock->day = clock->jumps ? (clock->day + 2) % 3 - 1 : 0;
    return 1700000000000000000 + clock->day * 86400000000000;
}

static void no_sleep(void *context, uint64_t duration_ns)
{
    (void)context;
    (void)duration_ns;
}

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

typedef struct outcome {
    uint64_t step;
    char saved[8][32]; /* names of the checkpoints */
    int saved_count;
    float *params;
    size_t floats;
} outcome;

static void list_checkpoints(const char *folder, outcome *out)
{
    for (uint64_t step = 0; step < 1000; step++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "step-%06llu", (unsigned long long)step);
        if (access(CO_TEST_JOIN(folder, name), F_OK) == 0) {
            assert_true(out->saved_count < 8);
            memcpy(out->saved[out->saved_count++], name, sizeof(name));
        }
    }
}

/* Stops by --max-minutes after some 600 looks at the clock, with checkpoints by time on the way. */
static outcome train(bool jumps)
{
    static const char *const flags[] = {"--train-split",
                                        "0.01",
                                        "--threads",
                                        "1",
                                        "--loader-threads",
                                        "0",
                                        "--epochs",
                                        "50",
                                        "--no-evaluate",
                                        "--max-minutes",
                                        "0.01",
                                        "--log-interval",
                                        "1"};
    char *arguments[16];
    int count = (int)(sizeof(flags) / sizeof(flags[0]));
    for (int i = 0; i < count; i++) {
        arguments[i] = (char *)(uintptr_t)flags[i];
    }
    jumping clock = {.jumps = jumps};
    clock.clock = (co_clock){monotonic, wall, no_sleep, &clock};
    char folder[CO_TEST_PATH_SIZE];
    co_error err = {0};
    co_conf conf;
    co_job *job = NULL;
    co_ring *ring = NULL;
    co_checkpoints *checkpoints = NULL;
    co_progress progress;
    check(co_conf_load(&conf, CO_COMMAND_TRAIN, count, arguments, NULL, &err), &err);
    check(co_job_open_training(&conf.values, &job, &err), &err);
    check(co_ring_create(4096, &ring, &err), &err);
    assert_int_equal(co_test_folder_make(folder), 0);
    const co_announcer announcer = {.ring = ring, .clock = &clock.clock};
    co_progress_start(&progress);
    const co_checkpoint_options options = {
        .files = &co_files_system,
        .announcer = &announcer,
        .folder = folder,
        .config = "",
        .minutes = 0.004,
        .keep_last = 8,
    };
    check(co_checkpoints_create(&options, job, &progress, &checkpoints, &err), &err);
    const co_train_options train_options = {.announcer = &announcer, .checkpoints = checkpoints};
    assert_int_equal(co_train_from(job, &train_options, &progress, &err), CO_STOPPED);
    assert_non_null(strstr(err.text, "--max-minutes"));
    outcome out = {.step = progress.step, .floats = job->graph->param_floats};
    list_checkpoints(folder, &out);
    void *block = NULL;
    check(co_alloc(out.floats, sizeof(float), "weights", &block, &err), &err);
    out.params = block;
    memcpy(out.params, job->model->params, out.floats * sizeof(float));
    co_checkpoints_destroy(checkpoints);
    co_test_folder_remove(folder);
    co_ring_destroy(ring);
    co_job_close(job);
    co_conf_free(&conf);
    return out;
}

static void test_jumps_change_nothing(void **state)
{
    (void)state;
    outcome steady = train(false);
    outcome jumped = train(true);
    assert_true(steady.step > 5);
    assert_int_equal(steady.step, jumped.step);
    assert_true(steady.saved_count >= 2);
    assert_int_equal(steady.saved_count, jumped.saved_count);
    for (int i = 0; i < steady.saved_count; i++) {
        assert_string_equal(steady.saved[i], jumped.saved[i]);
    }
    assert_memory_equal(steady.params, jumped.params, steady.floats * sizeof(float));
    co_free(steady.params);
    co_free(jumped.params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_jumps_change_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
