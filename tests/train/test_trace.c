/* The trajectory of the weights, read back as a NumPy file; which steps it follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/faults.h"
#include "conf/conf.h"
#include "train/worker.h"

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

/* The rows that follow an epoch's steps, as numpy.unique(numpy.linspace(0, steps - 1,
 * saves).astype(int)) gives them. */
static void test_steps(void **state)
{
    (void)state;
    static const struct {
        uint32_t steps;
        uint32_t saves;
        uint32_t rows[12];
        int count;
    } cases[] = {
        {938, 3, {0, 468, 937}, 3},
        {1875, 5, {0, 468, 937, 1405, 1874}, 5},
        {50, 7, {0, 8, 16, 24, 32, 40, 49}, 7},
        {4, 10, {0, 1, 2, 3}, 4},
        {1, 3, {0}, 1},
        {20, 1, {0}, 1},
        {30, 11, {0, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29}, 11},
        {20, 0, {0}, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int found = 0;
        for (uint32_t step = 0; step < cases[i].steps; step++) {
            if (co_trace_wants(step, cases[i].steps, cases[i].saves)) {
                assert_true(found < cases[i].count);
                assert_int_equal(step, cases[i].rows[found]);
                found++;
            }
        }
        assert_int_equal(found, cases[i].count);
    }
}

typedef struct traced {
    co_conf conf;
    co_job *job;
    char folder[CO_TEST_PATH_SIZE];
    char path[2 * CO_TEST_PATH_SIZE];
    size_t values; /* of a row */
} traced;

static void open_traced(traced *t)
{
    static const char *const flags[] = {"--model",
                                        "resnet",
                                        "--model-config",
                                        "{depth: 18, width: 2}",
                                        "--train-split",
                                        "0.001",
                                        "--threads",
                                        "1",
                                        "--batch-size",
                                        "6",
                                        "--epochs",
                                        "2",
                                        "--no-evaluate",
                                        "--saves-per-epoch",
                                        "3"};
    co_error err = {0};
    char *arguments[20];
    int count = (int)(sizeof(flags) / sizeof(flags[0]));
    for (int i = 0; i < count; i++) {
        arguments[i] = (char *)(uintptr_t)flags[i];
    }
    check(co_conf_load(&t->conf, CO_COMMAND_TRAIN, count, arguments, NULL, &err), &err);
    check(co_job_open_training(&t->conf.values, &t->job, &err), &err);
    const co_graph *graph = t->job->graph;
    for (int i = 0; i < graph->param_count; i++) {
        t->values += graph->params[i].count;
    }
    for (int i = 0; i < graph->stat_count; i++) {
        t->values += graph->stats[i].count;
    }
    assert_int_equal(co_test_folder_make(t->folder), 0);
    co_test_join(t->path, t->folder, "weights.npy");
}

static void close_traced(traced *t)
{
    co_test_folder_remove(t->folder);
    co_job_close(t->job);
    co_conf_free(&t->conf);
}

static void same_as_model(const float *row, const co_model *model)
{
    size_t at = 0;
    for (int i = 0; i < model->graph->param_count; i++) {
        const co_tensor *tensor = &model->graph->params[i];
        assert_memory_equal(row + at, model->params + tensor->offset,
                            tensor->count * sizeof(float));
        at += tensor->count;
    }
    for (int i = 0; i < model->graph->stat_count; i++) {
        const co_tensor *tensor = &model->graph->stats[i];
        assert_memory_equal(row + at, model->stats + tensor->offset, tensor->count * sizeof(float));
        at += tensor->count;
    }
}

/* What the file holds, as the format says (NumPy, "numpy.lib.format"); freed by co_free. */
static const float *read_rows(const traced *t, uint64_t rows, char **content)
{
    char expected[96];
    size_t bytes = 0;
    size_t values = t->values;
    co_error err = {0};
    check(co_file_read(t->path, (size_t)1 << 24, CO_FILE, content, &bytes, &err), &err);
    size_t header = (size_t)(unsigned char)(*content)[8] + 256u * (unsigned char)(*content)[9];
    assert_memory_equal(*content, "\x93NUMPY\x01\x00", 8);
    assert_int_equal((10 + header) % 64, 0);
    assert_int_equal(bytes, 10 + header + rows * values * sizeof(float));
    assert_int_equal((*content)[10 + header - 1], '\n');
    (void)snprintf(expected, sizeof(expected),
                   "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %zu), } ",
                   (unsigned long long)rows, values);
    assert_memory_equal(*content + 10, expected, strlen(expected));
    return (const float *)(const void *)(*content + 10 + header);
}

/* 60 samples in 10 steps per epoch: rows 0; 1, 5, 10; 11, 15, 20. */
static void test_rows(void **state)
{
    (void)state;
    traced t = {0};
    co_error err = {0};
    char *content = NULL;
    co_trace *trace = NULL;
    co_progress progress;
    open_traced(&t);
    float first = t.job->model->params[0];
    const co_announcer announcer = {.clock = &co_clock_system};
    check(co_trace_open(&co_files_system, t.path, t.job->model, 0, &trace, &err), &err);
    const co_train_options options = {.announcer = &announcer, .trace = trace};
    co_progress_start(&progress);
    check(co_train_from(t.job, &options, &progress, &err), &err);
    co_trace_close(trace);
    assert_int_equal(progress.trace_rows, 7);
    const float *rows = read_rows(&t, 7, &content);
    size_t values = t.values;
    assert_memory_equal(rows, &first, sizeof(first));
    same_as_model(rows + 6 * values, t.job->model);
    co_free(content);
    /* cut back, and on */
    check(co_trace_open(&co_files_system, t.path, t.job->model, 5, &trace, &err), &err);
    check(co_trace_add(trace, &err), &err);
    co_trace_close(trace);
    rows = read_rows(&t, 6, &content);
    same_as_model(rows + 5 * values, t.job->model);
    co_free(content);
    assert_int_equal(co_trace_open(&co_files_system, t.path, t.job->model, 8, &trace, &err),
                     CO_FILE);
    assert_non_null(strstr(err.text, "it was changed"));
    close_traced(&t);
}

/* A full disk ends the trajectory, not the run. */
static void test_full_disk(void **state)
{
    (void)state;
    traced t = {0};
    co_error err = {0};
    co_trace *trace = NULL;
    co_progress progress;
    co_faults faults;
    open_traced(&t);
    co_faults_init(&faults, 6,
                   ENOSPC); /* open, header, row 0 and header, row 1: the header of it */
    const co_announcer announcer = {.clock = &co_clock_system};
    check(co_trace_open(&faults.files, t.path, t.job->model, 0, &trace, &err), &err);
    const co_train_options options = {.announcer = &announcer, .trace = trace};
    co_progress_start(&progress);
    check(co_train_from(t.job, &options, &progress, &err), &err);
    assert_non_null(faults.failed);
    assert_int_equal(progress.trace_rows, 1);
    assert_int_equal(progress.step, 20);
    co_trace_close(trace);
    close_traced(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
