/* Event files: the wire format of protocol buffers, frames and checksums, and a file that a
 * resumed run goes on with. tests/e2e/test_tensorboard.sh reads whole files with protoc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/faults.h"
#include "monitor/example_run.h"
#include "monitor/proto.h"
#include "monitor/tensorboard.h"
#include "monitor/tfevents.h"

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

/* The examples of the encoding's own document. */
static void test_wire_format(void **state)
{
    (void)state;
    uint8_t data[256];
    co_proto proto = {.data = data, .size = sizeof(data)};
    co_proto_integer(&proto, 1, 150);
    co_proto_string(&proto, 2, "testing");
    size_t mark = co_proto_open(&proto, 3);
    co_proto_integer(&proto, 1, 150);
    co_proto_close(&proto, mark);
    co_proto_integer(&proto, 1, -2);
    co_proto_float(&proto, 2, 1.0f);
    co_proto_double(&proto, 19, -2.0);
    co_proto_doubles(&proto, 6, (const double[]){1.0, 0.0}, 2);
    static const uint8_t expected[] = {
        0x08, 0x96, 0x01,                                                 /* 150 */
        0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67,             /* "testing" */
        0x1a, 0x03, 0x08, 0x96, 0x01,                                     /* {150} */
        0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, /* -2 */
        0x15, 0x00, 0x00, 0x80, 0x3f,                                     /* 1.0f */
        0x99, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0,       /* -2.0 */
        0x32, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf0, 0x3f,       /* [1.0, 0.0] */
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    };
    assert_false(proto.overflow);
    assert_int_equal(proto.length, sizeof(expected));
    assert_memory_equal(data, expected, sizeof(expected));
}

/* Lengths of 127, 128, 16383 and 16384 bytes take one, two, two and three bytes, nested too. */
static void test_nested_lengths(void **state)
{
    (void)state;
    enum { LARGEST = 17000 };
    static uint8_t content[LARGEST];
    uint8_t *data = malloc(LARGEST + 64);
    memset(content, 'c', sizeof(content));
    for (size_t bytes = 1; bytes < LARGEST; bytes += bytes < 300 || bytes > 16200 ? 1 : 61) {
        co_proto proto = {.data = data, .size = LARGEST + 64};
        size_t outer = co_proto_open(&proto, 1);
        co_proto_bytes(&proto, 2, content, bytes);
        co_proto_close(&proto, outer);
        /* taken apart again */
        const uint8_t *at = data;
        size_t lengths[2] = {0, 0};
        for (int level = 0; level < 2; level++) {
            assert_int_equal(*at++, level == 0 ? 0x0a : 0x12);
            unsigned shift = 0;
            for (; (*at & 0x80) != 0; shift += 7) {
                lengths[level] |= (size_t)(*at++ & 0x7f) << shift;
            }
            assert_int_not_equal(*at, shift > 0 ? 0 : -1); /* no longer than needed */
            lengths[level] |= (size_t)*at++ << shift;
            assert_int_equal(level == 0 ? (size_t)(data + proto.length - at) : bytes,
                             lengths[level]);
        }
        assert_memory_equal(at, content, bytes);
        /* and with too little room it says so */
        co_proto small = {.data = data, .size = proto.length - 1};
        outer = co_proto_open(&small, 1);
        co_proto_bytes(&small, 2, content, bytes);
        co_proto_close(&small, outer);
        assert_true(small.overflow);
    }
    free(data);
}

static void test_checksum(void **state)
{
    (void)state;
    uint8_t record[64];
    co_tfevents events;
    co_tfevents_init(&events, NULL, record, sizeof(record));
    /* RFC 3720, B.4: 32 zeros give 8a9136aa, 123456789 gives e3069283; then masked */
    static const uint8_t zeros[32];
    uint32_t crc = 0x8a9136aau;
    assert_int_equal(co_tfevents_masked_crc(&events, zeros, 32),
                     (uint32_t)((crc >> 15 | crc << 17) + 0xa282ead8u));
    crc = 0xe3069283u;
    assert_int_equal(co_tfevents_masked_crc(&events, "123456789", 9),
                     (uint32_t)((crc >> 15 | crc << 17) + 0xa282ead8u));
}

static co_sink *open_sink(const char *path, uint64_t keep)
{
    static const co_hparam hparams[] = {
        {"lr", CO_HPARAM_NUMBER, "0.01", 0.01},
        {"shuffle", CO_HPARAM_BOOL, "true", 1.0},
        {"model", CO_HPARAM_TEXT, "lenet5", 0.0},
    };
    co_error err;
    co_sink *sink = NULL;
    const co_tensorboard_options options = {.files = &co_files_system,
                                            .path = path,
                                            .clock = &co_clock_system,
                                            .keep = keep,
                                            .log_interval = 1,
                                            .hparams = hparams,
                                            .hparam_count = 3};
    assert_int_equal(co_tensorboard_sink(&options, &sink, &err), CO_OK);
    return sink;
}

static char *read_all(const char *path, size_t *bytes)
{
    co_error err;
    char *data = NULL;
    assert_int_equal(co_file_read(path, 1 << 20, CO_FILE, &data, bytes, &err), CO_OK);
    return data;
}

/* A run that was stopped in its second epoch, whose file is cut back to the first: it is, byte for
 * byte, that of the run that was not stopped, but for the times of what came later. */
static void test_resumed_file(void **state)
{
    co_error err;
    const char *whole = CO_TEST_JOIN(*state, "whole");
    const char *path = CO_TEST_JOIN(*state, "events.out.tfevents.cohort");
    co_sink *sink = open_sink(whole, 0);
    assert_int_equal(example_run(sink, &err), CO_OK);
    sink->ops->close(sink);

    sink = open_sink(path, 0);
    assert_int_equal(example_send(sink, example_start(), &err), CO_OK);
    for (uint32_t step = 1; step <= EXAMPLE_STEPS; step++) {
        assert_int_equal(example_send(sink, example_step(1, step), &err), CO_OK);
    }
    assert_int_equal(example_send(sink, example_epoch_end(1), &err), CO_OK);
    assert_int_equal(example_send(sink, example_evaluation(1), &err), CO_OK);
    assert_int_equal(sink->ops->flush(sink, &err), CO_OK);
    uint64_t kept = co_spool_offset(sink->spool);
    assert_int_equal(example_send(sink, example_step(2, 1), &err), CO_OK); /* thrown away */
    assert_int_equal(example_send(sink, example_end(CO_OUTCOME_PREEMPTED), &err), CO_OK);
    sink->ops->close(sink);

    sink = open_sink(path, kept);
    assert_int_equal(example_send(sink, example_start(), &err), CO_OK);
    for (uint32_t step = 1; step <= EXAMPLE_STEPS; step++) {
        assert_int_equal(example_send(sink, example_step(2, step), &err), CO_OK);
    }
    assert_int_equal(example_send(sink, example_epoch_end(2), &err), CO_OK);
    assert_int_equal(example_send(sink, example_evaluation(2), &err), CO_OK);
    assert_int_equal(example_send(sink, example_end(CO_OUTCOME_FINISHED), &err), CO_OK);
    sink->ops->close(sink);

    size_t whole_bytes = 0;
    size_t bytes = 0;
    char *a = read_all(whole, &whole_bytes);
    char *b = read_all(path, &bytes);
    assert_int_equal(bytes, whole_bytes);
    /* the first record has the time at which the file was made: 16 + 34 bytes */
    assert_memory_equal(a + 50, b + 50, bytes - 50);
    free(a);
    free(b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_format),
        cmocka_unit_test(test_nested_lengths),
        cmocka_unit_test(test_checksum),
        TEST(test_resumed_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
