/* metrics.jsonl and log.txt, line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <time.h>

#include "base/faults.h"
#include "monitor/example_run.h"
#include "monitor/sinks.h"

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

static co_sink *open_jsonl(const char *path, uint64_t keep, uint64_t log_interval)
{
    co_error err;
    co_sink *sink = NULL;
    assert_int_equal(co_jsonl_sink(&co_files_system, path, keep, log_interval, &sink, &err), CO_OK);
    return sink;
}

static void test_metrics_of_a_run(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "metrics.jsonl");
    co_error err;
    co_sink *sink = open_jsonl(path, 0, 4);
    assert_int_equal(example_run(sink, &err), CO_OK);
    sink->ops->close(sink);
    assert_true(co_test_file_is(
        path,
        "{\"event\":\"run_start\",\"dataset\":\"glyphs\",\"model\":\"lenet5\","
        "\"parameters\":61706,\"epochs\":2,\"steps\":8,\"steps_per_epoch\":4,\"first_step\":0,"
        "\"batch_size\":64,\"threads\":2,\"wall\":1706703896.789,\"seconds\":0.125}\n"
        "{\"event\":\"step\",\"step\":4,\"epoch\":1,\"loss\":0.5,\"running_loss\":0.5625,"
        "\"accuracy\":0.875,\"lr\":0.01,\"img_per_s\":13640.0,\"seconds\":5.000}\n"
        "{\"event\":\"epoch\",\"step\":4,\"epoch\":1,\"steps\":4,\"samples\":256,\"loss\":0.5,"
        "\"accuracy\":0.875,\"lr\":0.01,\"duration\":4.250,\"img_per_s\":13600.0,"
        "\"seconds\":5.000}\n"
        "{\"event\":\"evaluation\",\"split\":\"test\",\"step\":4,\"epoch\":1,\"samples\":10000,"
        "\"loss\":0.25,\"accuracy\":0.96875,\"duration\":0.500,\"seconds\":5.500}\n"
        "{\"event\":\"step\",\"step\":8,\"epoch\":2,\"loss\":0.25,\"running_loss\":0.28125,"
        "\"accuracy\":0.9375,\"lr\":0.01,\"img_per_s\":13640.0,\"communication_ms\":1.500,"
        "\"communication_max_ms\":2.250,\"seconds\":9.000}\n"
        "{\"event\":\"epoch\",\"step\":8,\"epoch\":2,\"steps\":4,\"samples\":256,\"loss\":0.25,"
        "\"accuracy\":0.875,\"lr\":0.01,\"duration\":4.250,\"img_per_s\":13600.0,"
        "\"seconds\":9.000}\n"
        "{\"event\":\"evaluation\",\"split\":\"test\",\"step\":8,\"epoch\":2,\"samples\":10000,"
        "\"loss\":0.125,\"accuracy\":0.96875,\"duration\":0.500,\"seconds\":9.500}\n"
        "{\"event\":\"run_end\",\"outcome\":\"finished\",\"step\":8,\"epochs\":2,"
        "\"test_accuracy\":0.96875,\"test_loss\":0.125,\"img_per_s\":13600.0,"
        "\"communication_ms\":1.500,\"seconds\":70.000}\n"));
}

/* JSON has no NaN: null and a flag. What was not measured is left out without one. */
static void test_not_finite(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "metrics.jsonl");
    co_error err;
    co_sink *sink = open_jsonl(path, 0, 1);
    co_event event = example_step(1, 1);
    event.rank = 3;
    event.step.loss = (double)NAN;
    event.step.running_loss = (double)INFINITY;
    event.step.accuracy = (double)NAN;
    event.step.images_per_second = (double)INFINITY;
    assert_int_equal(example_send(sink, event, &err), CO_OK);
    sink->ops->close(sink);
    const char *line = "{\"event\":\"step\",\"rank\":3,\"step\":1,\"epoch\":1,\"loss\":null,"
                       "\"running_loss\":null,\"lr\":0.01,\"seconds\":2.000,\"finite\":false}\n";
    assert_true(co_test_file_is(path, line));
    json_t *parsed = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(parsed);
    assert_true(json_is_null(json_object_get(parsed, "loss")));
    json_decref(parsed);
}

static unsigned count_lines(const char *path, const char *marker)
{
    co_error err;
    char *data = NULL;
    size_t bytes = 0;
    unsigned count = 0;
    assert_int_equal(co_file_read(path, 1 << 20, CO_FILE, &data, &bytes, &err), CO_OK);
    for (const char *line = data; *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_non_null(strchr(line, '\n'));
        count += strncmp(line, marker, strlen(marker)) == 0;
    }
    free(data);
    return count;
}

static void test_log_interval(void **state)
{
    static const uint64_t intervals[] = {0, 1, 3, 8, 9};
    static const unsigned lines[] = {0, 8, 2, 1, 0};
    for (size_t i = 0; i < 5; i++) {
        const char *path = CO_TEST_JOIN(*state, "metrics.jsonl");
        co_error err;
        co_sink *sink = open_jsonl(path, 0, intervals[i]);
        assert_int_equal(example_run(sink, &err), CO_OK);
        sink->ops->close(sink);
        assert_int_equal(count_lines(path, "{\"event\":\"step\""), lines[i]);
        assert_int_equal(count_lines(path, "{\"event\":\"evaluation\""), 2);
    }
}

/* A resumed run cuts the file to what its checkpoint recorded, then goes on. */
static void test_resumed_metrics(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "metrics.jsonl");
    co_error err;
    co_sink *sink = open_jsonl(path, 0, 1);
    assert_int_equal(example_send(sink, example_step(1, 1), &err), CO_OK);
    sink->ops->close(sink);
    char *before = NULL;
    size_t recorded = 0;
    assert_int_equal(co_file_read(path, 4096, CO_FILE, &before, &recorded, &err), CO_OK);
    sink = open_jsonl(path, CO_LINE_FILE_KEEP_ALL, 1);
    assert_int_equal(example_send(sink, example_step(1, 2), &err), CO_OK);
    sink->ops->close(sink);
    assert_int_equal(count_lines(path, "{\"event\":\"step\""), 2);
    sink = open_jsonl(path, recorded, 1);
    sink->ops->close(sink);
    assert_true(co_test_file_is(path, before));
    free(before);
}

static void test_log_of_a_run(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "log.txt");
    co_error err;
    co_sink *sink = NULL;
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    assert_int_equal(co_file_save(&co_files_system, path, "before\n", 7, &err), CO_OK);
    assert_int_equal(co_textlog_sink(&co_files_system, path, &co_clock_system, &sink, &err), CO_OK);
    assert_int_equal(example_run(sink, &err), CO_OK);
    sink->ops->close(sink);
    assert_true(co_test_file_is(
        path,
        "before\n"
        "2024-01-31 12:24:56,789 - INFO - training lenet5 (61,706 parameters) on glyphs: 2 "
        "epochs of 4 steps, batch size 64, 2 threads\n"
        "2024-01-31 12:25:01,664 - INFO - epoch 1/2: train loss 0.5000, accuracy 87.50 %, "
        "13.6k img/s, 0:04\n"
        "2024-01-31 12:25:02,164 - INFO - epoch 1/2: test  loss 0.2500, accuracy 96.88 %\n"
        "2024-01-31 12:25:05,664 - INFO - epoch 2/2: train loss 0.2500, accuracy 87.50 %, "
        "13.6k img/s, 0:04\n"
        "2024-01-31 12:25:06,164 - INFO - epoch 2/2: test  loss 0.1250, accuracy 96.88 %\n"
        "2024-01-31 12:24:58,664 - WARNING - one line\n"
        "2024-01-31 12:24:58,664 - DEBUG - for the curious\n"
        "2024-01-31 12:26:06,664 - INFO - finished after 2 epochs, 8 steps, 1:10, 13.6k img/s, "
        "communication 1.5 ms per step: test accuracy 96.88 %\n"));
}

/* A note of several events is one line. */
static void test_long_note_is_one_line(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "log.txt");
    co_error err;
    co_sink *sink = NULL;
    char text[500];
    memset(text, 'x', sizeof(text));
    text[499] = '\0';
    assert_int_equal(co_textlog_sink(&co_files_system, path, &co_clock_system, &sink, &err), CO_OK);
    const char *next = text;
    do {
        co_event event = {.kind = CO_EVENT_NOTE};
        next = co_event_set_note(&event.note, CO_LEVEL_ERROR, next);
        assert_int_equal(example_send(sink, event, &err), CO_OK);
    } while (*next != '\0');
    sink->ops->close(sink);
    char *data = NULL;
    size_t bytes = 0;
    assert_int_equal(co_file_read(path, 4096, CO_FILE, &data, &bytes, &err), CO_OK);
    char *message = strstr(data, " - ERROR - ");
    assert_non_null(message);
    message += strlen(" - ERROR - ");
    assert_memory_equal(message, text, 499);
    assert_string_equal(message + 499, "\n");
    free(data);
}

static co_sink *open_csv(const char *path, uint64_t keep, uint64_t log_interval)
{
    co_error err;
    co_sink *sink = NULL;
    assert_int_equal(co_csv_sink(&co_files_system, path, keep, log_interval, &sink, &err), CO_OK);
    return sink;
}

#define CSV_HEADER                                                                                 \
    "event,split,step,epoch,samples,loss,running_loss,accuracy,accuracy5,gradient_norm,"           \
    "weight_norm,lr,img_per_s,communication_ms,communication_max_ms,duration,seconds\n"

static void test_table_of_a_run(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "metrics.csv");
    co_error err;
    co_sink *sink = open_csv(path, 0, 4);
    assert_int_equal(example_run(sink, &err), CO_OK);
    sink->ops->close(sink);
    assert_true(
        co_test_file_is(path, CSV_HEADER
                        "step,train,4,1,64,0.5,0.5625,0.875,,,,0.01,13640.0,,,,5.000\n"
                        "epoch,train,4,1,256,0.5,,0.875,,,,0.01,13600.0,,,4.250,5.000\n"
                        "evaluation,test,4,1,10000,0.25,,0.96875,,,,,,,,0.500,5.500\n"
                        "step,train,8,2,64,0.25,0.28125,0.9375,,,,0.01,13640.0,1.500,2.250,,9.000\n"
                        "epoch,train,8,2,256,0.25,,0.875,,,,0.01,13600.0,,,4.250,9.000\n"
                        "evaluation,test,8,2,10000,0.125,,0.96875,,,,,,,,0.500,9.500\n"));
    /* cut back to after its first row, it has one header and goes on there */
    sink = open_csv(path, strlen(CSV_HEADER) + 60, 4);
    co_event event = example_step(1, 4);
    event.step.loss = (double)NAN;
    event.step.running_loss = -(double)INFINITY;
    assert_int_equal(example_send(sink, event, &err), CO_OK);
    sink->ops->close(sink);
    assert_true(co_test_file_is(path,
                                CSV_HEADER "step,train,4,1,64,0.5,0.5625,0.875,,,,0.01,13640.0,,,,"
                                           "5.000\nstep,train,4,1,64,nan,-inf,0.875,,,,0.01,"
                                           "13640.0,,,,5.000\n"));
}

static void test_full_disk_is_reported(void **state)
{
    (void)state;
    co_error err;
    co_sink *sink = open_jsonl("/dev/full", 0, 1);
    assert_int_equal(example_send(sink, example_step(1, 1), &err), CO_OK);
    assert_int_equal(sink->ops->flush(sink, &err), CO_FILE);
    assert_non_null(strstr(err.text, "/dev/full: No space left"));
    sink->ops->close(sink);
    assert_int_equal(
        co_textlog_sink(&co_files_system, "/dev/null/log", &co_clock_system, &sink, &err), CO_FILE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_metrics_of_a_run), TEST(test_not_finite),
        TEST(test_log_interval),     TEST(test_resumed_metrics),
        TEST(test_log_of_a_run),     TEST(test_long_note_is_one_line),
        TEST(test_table_of_a_run),   TEST(test_full_disk_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
