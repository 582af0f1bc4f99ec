/* Checkpoints in the library: every kind of state survives, whatever the optimizer, wherever the
 * run is cut; what belongs to another model is refused by tensor; what is kept and removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/faults.h"
#include "train/resume.h"
#include "train/worker.h"

enum { ARGUMENTS_MAX = 40 };

static const co_announcer nobody = {.clock = &co_clock_system};

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

static int make_folder(void **state)
{
    char *folder = malloc(CO_TEST_PATH_SIZE);
    *state = folder;
    return folder != NULL ? co_test_folder_make(folder) : -1;
}

static int remove_folder(void **state)
{
    co_test_folder_remove(*state);
    free(*state);
    return 0;
}

/* A run that can be cut and gone on with. */
typedef struct run {
    co_conf conf;
    co_job *job;
    co_progress progress;
    co_checkpoints *checkpoints;
    char folder[2 * CO_TEST_PATH_SIZE];
} run;

static void open_run(run *r, const char *folder, const char *const more[])
{
    char *arguments[ARGUMENTS_MAX] = {
        "--train-split", "0.004", "--no-evaluate",    "--threads", "1", "--epochs", "3",
        "--batch-size",  "32",    "--loader-threads", "2"};
    int count = 11;
    for (int i = 0; more[i] != NULL; i++) {
        arguments[count++] = (char *)(uintptr_t)more[i];
    }
    co_error err = {0};
    memset(r, 0, sizeof(*r));
    check(co_conf_load(&r->conf, CO_COMMAND_TRAIN, count, arguments, NULL, &err), &err);
    check(co_job_open_training(&r->conf.values, &r->job, &err), &err);
    co_progress_start(&r->progress);
    (void)snprintf(r->folder, sizeof(r->folder), "%s", folder);
    char *yaml = NULL;
    check(co_conf_dump(&r->conf, &yaml, &err), &err);
    const co_checkpoint_options options = {
        .files = &co_files_system,
        .announcer = &nobody,
        .folder = r->folder,
        .config = yaml,
        .every = r->conf.values.checkpoint_every,
        .keep_last = r->conf.values.keep_last,
        .background = true,
        .wait = true,
    };
    check(co_checkpoints_create(&options, r->job, &r->progress, &r->checkpoints, &err), &err);
    free(yaml);
}

static void close_run(run *r)
{
    co_checkpoints_destroy(r->checkpoints);
    co_job_close(r->job);
    co_conf_free(&r->conf);
}

static co_status go(run *r, co_error *err)
{
    const co_train_options options = {.announcer = &nobody, .checkpoints = r->checkpoints};
    return co_train_from(r->job, &options, &r->progress, err);
}

static co_status load_newest(run *r, co_error *err)
{
    co_committed *committed = NULL;
    co_mark_files files;
    CO_TRY(co_checkpoint_newest(r->folder, false, &nobody, &committed, err));
    assert_non_null(committed);
    co_status status = co_resume_load(committed, r->job, &nobody, &r->progress, &files, err);
    co_committed_close(committed);
    return status;
}

/* Everything that lasts, as one block of bytes (wall times set to 0). */
static unsigned char *state_of(run *r, size_t *bytes)
{
    co_error err = {0};
    r->progress.result.train_seconds = 0.0;
    r->progress.result.first_step_seconds = 0.0;
    r->progress.epoch_seconds = 0.0;
    co_visitor v = co_visitor_sizing();
    check(co_run_state(r->job, &r->progress, &v, &err), &err);
    *bytes = v.offset;
    unsigned char *state = malloc(*bytes);
    assert_non_null(state);
    v = co_visitor_saving(state, *bytes);
    check(co_run_state(r->job, &r->progress, &v, &err), &err);
    return state;
}

/* In one go, and cut after every number of steps that is asked for. */
static void check_cuts(const char *folder, const char *const flags[])
{
    static const char *const cuts[] = {"1", "4", "7", "8", "20"};
    co_error err = {0};
    run whole;
    size_t bytes = 0;
    open_run(&whole, CO_TEST_JOIN(folder, "whole"), flags);
    check(go(&whole, &err), &err);
    unsigned char *expected = state_of(&whole, &bytes);
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        const char *more[ARGUMENTS_MAX] = {"--stop-at-step", cuts[i]};
        for (int k = 0; flags[k] != NULL; k++) {
            more[2 + k] = flags[k];
        }
        run first;
        run second;
        open_run(&first, CO_TEST_JOIN(folder, cuts[i]), more);
        assert_int_equal(go(&first, &err), CO_STOPPED);
        close_run(&first);
        open_run(&second, CO_TEST_JOIN(folder, cuts[i]), flags);
        check(load_newest(&second, &err), &err);
        assert_int_equal(second.progress.step, strtoull(cuts[i], NULL, 10));
        check(go(&second, &err), &err);
        size_t found_bytes = 0;
        unsigned char *found = state_of(&second, &found_bytes);
        assert_int_equal(found_bytes, bytes);
        assert_memory_equal(found, expected, bytes);
        free(found);
        close_run(&second);
    }
    free(expected);
    close_run(&whole);
}

#define CUTS(...) check_cuts(*state, (const char *const[]){__VA_ARGS__, NULL})

static void test_sgd(void **state)
{
    CUTS("--momentum", "0.9", "--model", "mnistnet");
}

static void test_adam(void **state)
{
    CUTS("--optimizer", "adam", "--ema-decay", "0.9", "--lr-schedule", "cosine");
}

static void test_accumulation(void **state)
{
    CUTS("--accumulate", "3", "--batch-size", "10", "--ema-decay", "0.5", "--val");
}

static void test_residual(void **state)
{
    CUTS("--model", "resnet", "--model-config", "{width: 2}", "--augment-flip", "alternating",
         "--augment-crop", "2", "--optimizer", "adamw", "--regime",
         "[{epoch: 0, lr: 0.01}, {step: 9, lr: 0.02}]");
}

/* The loader refuses what is no batch of its own; so the state of other data is refused. */
static void refuse(const char *folder, const char *words, const char *const flags[])
{
    co_error err = {0};
    run other;
    co_committed *committed = NULL;
    co_mark_files files;
    open_run(&other, folder, flags);
    check(co_checkpoint_newest(folder, false, &nobody, &committed, &err), &err);
    assert_int_equal(co_snapshot_load(committed, other.job, &other.progress, &files, &err),
                     CO_FILE);
    if (strstr(err.text, words) == NULL) {
        fail_msg("'%s' has no '%s'", err.text, words);
    }
    co_committed_close(committed);
    close_run(&other);
}

#define REFUSE(words, ...) refuse(folder, words, (const char *const[]){__VA_ARGS__, NULL})

/* Whatever the settings say: the state itself does not fit. */
static void test_of_another_run(void **state)
{
    co_error err = {0};
    run r;
    const char *folder = CO_TEST_JOIN(*state, "run");
    open_run(&r, folder,
             (const char *const[]){"--model", "resnet", "--model-config", "{width: 2}",
                                   "--stop-at-step", "3", NULL});
    assert_int_equal(go(&r, &err), CO_STOPPED);
    close_run(&r);
    REFUSE("run.model was 'resnet' when saved", "--model", "cnn1");
    REFUSE("tensor conv1.weight is F32[2,1,3,3], expected F32[4,1,3,3]", "--model", "resnet",
           "--model-config", "{width: 4}");
    REFUSE("run.seed was 1 when saved, and is 2 here", "--model", "resnet", "--model-config",
           "{width: 2}", "--seed", "2");
    REFUSE("run.steps_per_epoch was 8", "--model", "resnet", "--model-config", "{width: 2}",
           "--batch-size", "16");
    REFUSE("optimizer.kind was 'sgd' when saved, and is 'adam' here", "--model", "resnet",
           "--model-config", "{width: 2}", "--optimizer", "adam");
    REFUSE("run.average was 0", "--model", "resnet", "--model-config", "{width: 2}", "--ema-decay",
           "0.5");
}

static int count_checkpoints(const char *folder)
{
    int count = 0;
    for (int step = 0; step < 100; step++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "step-%06d", step);
        count += access(CO_TEST_JOIN(folder, name), F_OK) == 0;
    }
    return count;
}

/* Every 4 of 24 steps: 4, 8, ... 24. */
static void test_kept(void **state)
{
    static const char *const keeps[] = {"1", "2", "5", "9"};
    static const int expected[] = {1, 2, 5, 6};
    for (int i = 0; i < 4; i++) {
        co_error err = {0};
        run r;
        const char *folder = CO_TEST_JOIN(*state, keeps[i]);
        open_run(&r, folder,
                 (const char *const[]){"--checkpoint-every", "4", "--keep-last", keeps[i], NULL});
        check(go(&r, &err), &err);
        assert_int_equal(count_checkpoints(folder), expected[i]);
        assert_int_equal(access(CO_TEST_JOIN(folder, "step-000024"), F_OK), 0);
        close_run(&r);
    }
}

static void check_owner(const char *target, const char *expected)
{
    char out[256];
    co_error err = {0};
    check(co_resume_run_folder(target, out, sizeof(out), &err), &err);
    assert_string_equal(out, expected);
}

static void test_run_folder_of_a_target(void **state)
{
    (void)state;
    check_owner("runs/a", "runs/a");
    check_owner("runs/a/checkpoints/step-000800", "runs/a");
    check_owner("runs/a/checkpoints/step-000800/", "runs/a");
    check_owner("/x/checkpoints/b/checkpoints/step-000001", "/x/checkpoints/b");
    check_owner("elsewhere/step-000800", "");
    check_owner("step-000800", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sgd, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_adam, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_accumulation, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_residual, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_of_another_run, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_kept, make_folder, remove_folder),
        cmocka_unit_test(test_run_folder_of_a_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
