/* The run folder: its files, its names, and every way in which it can be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/faults.h"
#include "monitor/rundir.h"

static int make_folder(void **state)
{
    char *folder = calloc(1, CO_TEST_PATH_SIZE);
    *state = folder;
    return folder == NULL ? -1 : co_test_folder_make(folder);
}

static int remove_folder(void **state)
{
    co_test_folder_remove(*state);
    free(*state);
    return 0;
}

static int exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

static int64_t fixed_wall(void *context)
{
    (void)context;
    return 1706703896789000000; /* 2024-01-31 12:24:56 UTC */
}

static const co_clock fixed_clock = {.wall_ns = fixed_wall};

static co_rundir_options options_for(const char *path, const char *results)
{
    return (co_rundir_options){.path = path,
                               .results_dir = results,
                               .dataset = "mnist",
                               .model = "lenet5",
                               .files = &co_files_system,
                               .clock = &fixed_clock};
}

static co_rundir *create(const co_rundir_options *options)
{
    co_error err = {.text = ""};
    co_rundir *rundir = NULL;
    co_status status = co_rundir_create(options, &rundir, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(status, CO_OK);
    return rundir;
}

static void refuse(const co_rundir_options *options, const char *message)
{
    co_error err = {.text = ""};
    co_rundir *rundir = NULL;
    assert_int_equal(co_rundir_create(options, &rundir, &err), CO_FILE);
    assert_null(rundir);
    if (strstr(err.text, message) == NULL) {
        fail_msg("'%s' is not in '%s'", message, err.text);
    }
}

static void test_files_of_a_run(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "a/run");
    const co_rundir_options options = options_for(CO_TEST_JOIN(*state, "a/run//"), NULL);
    co_error err;
    co_rundir *rundir = create(&options);
    assert_string_equal(co_rundir_path(rundir), path);
    assert_string_equal(co_rundir_previous_owner(rundir), "");
    assert_true(co_test_file_is(CO_TEST_JOIN(path, "status"), "running\n"));
    assert_true(exists(CO_TEST_JOIN(path, "lock")));
    assert_int_equal(co_rundir_write_config(rundir, "seed: 1\n", &err), CO_OK);
    const co_entry env[] = {
        co_entry_text("cpu", "Some \"CPU\""), co_entry_integer("threads", 2),
        co_entry_bool("openmp", true),        co_entry_null("tune_file"),
        co_entry_number("ghz", 2.5),
    };
    assert_int_equal(co_rundir_write_env(rundir, env, 5, &err), CO_OK);
    assert_true(co_test_file_is(CO_TEST_JOIN(path, "env.json"), "{\n"
                                                                "  \"cpu\": \"Some \\\"CPU\\\"\",\n"
                                                                "  \"threads\": 2,\n"
                                                                "  \"openmp\": true,\n"
                                                                "  \"tune_file\": null,\n"
                                                                "  \"ghz\": 2.5\n"
                                                                "}\n"));
    const co_entry summary[] = {
        co_entry_number("test_accuracy", 0.9891),
        co_entry_number("test_loss", (double)NAN),
    };
    assert_int_equal(co_rundir_write_summary(rundir, summary, 2, &err), CO_OK);
    json_t *read = json_load_file(CO_TEST_JOIN(path, "summary.json"), 0, NULL);
    assert_true(json_real_value(json_object_get(read, "test_accuracy")) == 0.9891);
    assert_true(json_is_null(json_object_get(read, "test_loss")));
    json_decref(read);
    assert_int_equal(co_rundir_set_status(rundir, CO_OUTCOME_FINISHED, &err), CO_OK);
    assert_string_equal(co_rundir_file(rundir, CO_RUN_MODEL),
                        CO_TEST_JOIN(path, "model.safetensors"));
    assert_string_equal(co_rundir_file(rundir, CO_RUN_METRICS),
                        CO_TEST_JOIN(path, "metrics.jsonl"));
    assert_string_equal(co_rundir_file(rundir, CO_RUN_LOG), CO_TEST_JOIN(path, "log.txt"));
    co_rundir_destroy(rundir);
    co_rundir_destroy(NULL);
    assert_true(co_test_file_is(CO_TEST_JOIN(path, "config.yaml"), "seed: 1\n"));
    assert_true(co_test_file_is(CO_TEST_JOIN(path, "status"), "finished\n"));
    assert_false(exists(CO_TEST_JOIN(path, "lock")));
}

static void test_summary_needs_the_accuracy(void **state)
{
    const co_rundir_options options = options_for(CO_TEST_JOIN(*state, "run"), NULL);
    co_error err;
    co_rundir *rundir = create(&options);
    const co_entry summary[] = {co_entry_number("accuracy", 0.5)};
    assert_int_equal(co_rundir_write_summary(rundir, summary, 1, &err), CO_INTERNAL);
    assert_non_null(strstr(err.text, "test_accuracy"));
    assert_false(exists(co_rundir_file(rundir, CO_RUN_SUMMARY)));
    co_rundir_destroy(rundir);
}

static void test_default_names(void **state)
{
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    const co_rundir_options options = options_for(NULL, CO_TEST_JOIN(*state, "deep/results"));
    co_rundir *first = create(&options);
    co_rundir *second = create(&options);
    co_rundir *third = create(&options);
    assert_string_equal(co_rundir_path(first),
                        CO_TEST_JOIN(*state, "deep/results/20240131-122456-mnist-lenet5"));
    assert_string_equal(co_rundir_path(second),
                        CO_TEST_JOIN(*state, "deep/results/20240131-122456-mnist-lenet5-2"));
    assert_string_equal(co_rundir_path(third),
                        CO_TEST_JOIN(*state, "deep/results/20240131-122456-mnist-lenet5-3"));
    co_rundir_destroy(first);
    co_rundir_destroy(second);
    co_rundir_destroy(third);
}

/* Somebody's folder stays as it is, without even a lock file. */
static void test_full_folder_is_refused(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "run");
    co_rundir_options options = options_for(path, NULL);
    co_error err;
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(co_file_save(&co_files_system, CO_TEST_JOIN(path, "thesis.tex"), "x", 1, &err),
                     CO_OK);
    refuse(&options, "is not empty");
    refuse(&options, "--run-dir");
    assert_false(exists(CO_TEST_JOIN(path, "lock")));
    assert_false(exists(CO_TEST_JOIN(path, "status")));
    options.reuse = true;
    co_rundir *rundir = create(&options);
    assert_true(co_test_file_is(CO_TEST_JOIN(path, "status"), "running\n"));
    assert_true(co_test_file_is(CO_TEST_JOIN(path, "thesis.tex"), "x"));
    co_rundir_destroy(rundir);
}

static void test_empty_folder_is_taken(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "run");
    const co_rundir_options options = options_for(path, NULL);
    assert_int_equal(mkdir(path, 0700), 0);
    co_rundir_destroy(create(&options));
}

/* A second run is told who is in the folder; when that one is killed, its lock is no obstacle. */
static void test_second_run(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "run");
    co_rundir_options options = options_for(path, NULL);
    int fds[2];
    char byte = 0;
    char owner[32];
    int status = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        co_error err;
        co_rundir *mine = NULL;
        if (co_rundir_create(&options, &mine, &err) != CO_OK || write(fds[1], "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    (void)close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    (void)close(fds[0]);
    (void)snprintf(owner, sizeof(owner), "process %ld@", (long)child);
    refuse(&options, owner);
    options.reuse = true;
    refuse(&options, owner);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    co_rundir *rundir = create(&options);
    assert_non_null(strstr(owner, "process "));
    assert_memory_equal(co_rundir_previous_owner(rundir), owner + strlen("process "),
                        strlen(owner) - strlen("process "));
    co_rundir_destroy(rundir);
}

static void test_unwritable_places(void **state)
{
    co_error err;
    assert_int_equal(co_file_save(&co_files_system, CO_TEST_JOIN(*state, "plain"), "", 0, &err),
                     CO_OK);
    co_rundir_options options = options_for(CO_TEST_JOIN(*state, "plain/run"), NULL);
    refuse(&options, "plain: Not a directory");
    options = options_for(CO_TEST_JOIN(*state, "plain"), NULL);
    refuse(&options, "plain: Not a directory");
    options = options_for(NULL, CO_TEST_JOIN(*state, "plain/results"));
    refuse(&options, "Not a directory");
}

/* Whichever call fails, creating says so and leaves no folder behind. */
static void test_every_failure_leaves_nothing(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "run");
    unsigned fail_at = 1;
    for (; fail_at < 100; fail_at++) {
        co_error err;
        co_faults faults;
        co_faults_init(&faults, fail_at, ENOSPC);
        co_rundir_options options = options_for(path, NULL);
        options.files = &faults.files;
        co_rundir *rundir = NULL;
        co_status status = co_rundir_create(&options, &rundir, &err);
        if (status == CO_OK) {
            co_rundir_destroy(rundir);
            co_test_folder_remove(path);
            if (faults.failed == NULL) {
                break;
            }
            continue;
        }
        assert_int_equal(status, CO_FILE);
        assert_non_null(strstr(err.text, "No space left"));
        if (exists(path)) {
            /* only a status that was renamed into place and could not be synced may stay */
            assert_int_equal(faults.renames, 1);
            co_test_folder_remove(path);
        }
    }
    assert_true(fail_at > 5 && fail_at < 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_files_of_a_run),        TEST(test_summary_needs_the_accuracy),
        TEST(test_default_names),         TEST(test_full_folder_is_refused),
        TEST(test_empty_folder_is_taken), TEST(test_second_run),
        TEST(test_unwritable_places),     TEST(test_every_failure_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
