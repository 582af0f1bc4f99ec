/* The spool: whole records in the file, whatever the disk or the reader of a pipe does; what does
 * not fit is dropped oldest first and counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/faults.h"
#include "monitor/spool.h"

enum { ROOM = 256 };

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

static co_spool *open_spool(const co_files *files, const char *path, uint64_t keep)
{
    co_error err;
    co_spool *spool = NULL;
    assert_int_equal(co_spool_open(files, path, keep, ROOM, &spool, &err), CO_OK);
    return spool;
}

/* "<number>.......\n", 20 bytes */
static void add_number(co_spool *spool, unsigned number)
{
    char record[32];
    (void)snprintf(record, sizeof(record), "%08u...........\n", number);
    co_spool_add(spool, record, 20);
}

static void add_numbers(co_spool *spool, unsigned first, unsigned last)
{
    for (unsigned i = first; i <= last; i++) {
        add_number(spool, i);
    }
}

static void expect_numbers(const char *data, unsigned first, unsigned last)
{
    char record[32];
    for (unsigned i = first; i <= last; i++, data += 20) {
        (void)snprintf(record, sizeof(record), "%08u...........\n", i);
        assert_memory_equal(data, record, 20);
    }
}

static char *read_file(const char *path, size_t *bytes)
{
    co_error err;
    char *data = NULL;
    assert_int_equal(co_file_read(path, 1 << 20, CO_FILE, &data, bytes, &err), CO_OK);
    return data;
}

static void test_records_arrive(void **state)
{
    co_error err;
    const char *path = CO_TEST_JOIN(*state, "records");
    co_spool *spool = open_spool(&co_files_system, path, 0);
    assert_string_equal(co_spool_name(spool), "records");
    for (unsigned round = 0; round < 50; round++) {
        add_numbers(spool, 1 + 7 * round, 7 + 7 * round);
        assert_int_equal(co_spool_waiting(spool), 140);
        assert_int_equal(co_spool_write(spool, &err), CO_OK);
        assert_int_equal(co_spool_offset(spool), 140 * (round + 1));
    }
    assert_int_equal(co_spool_sync(spool, &err), CO_OK);
    assert_int_equal(co_spool_lost(spool), 0);
    add_number(spool, 351);
    co_spool_close(spool); /* writes the last one */
    size_t bytes = 0;
    char *data = read_file(path, &bytes);
    assert_int_equal(bytes, 351 * 20);
    expect_numbers(data, 1, 351);
    free(data);
    co_spool_close(NULL);
}

/* 12 records of 20 bytes fit into 256. */
static void test_oldest_go_first(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "records");
    co_spool *spool = open_spool(&co_files_system, path, 0);
    char large[ROOM + 1] = {0};
    co_spool_add(spool, large, sizeof(large)); /* never fits */
    assert_int_equal(co_spool_lost(spool), 1);
    add_numbers(spool, 1, 100);
    assert_int_equal(co_spool_lost(spool), 1 + 88);
    co_spool_close(spool);
    size_t bytes = 0;
    char *data = read_file(path, &bytes);
    assert_int_equal(bytes, 240);
    expect_numbers(data, 89, 100);
    free(data);
}

/* Each write in turn finds the disk full, after none or a part of what it was given: the file has
 * whole records at every moment, and all of them once there is room again. */
static void test_full_disk(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "records");
    for (unsigned fail_at = 2; fail_at < 12; fail_at++) {
        for (size_t piece = 0; piece <= 33; piece += 11) {
            co_error err;
            co_faults faults;
            co_faults_init(&faults, fail_at, ENOSPC);
            faults.short_write = piece;
            (void)unlink(path);
            co_spool *spool = open_spool(&faults.files, path, 0);
            unsigned refused = 0;
            for (unsigned i = 0; i < 10; i++) {
                add_numbers(spool, 1 + 3 * i, 3 + 3 * i);
                refused += co_spool_write(spool, &err) != CO_OK;
                size_t bytes = 0;
                char *data = read_file(path, &bytes);
                assert_int_equal(bytes % 20, 0);
                assert_int_equal(bytes, co_spool_offset(spool));
                expect_numbers(data, 1, (unsigned)bytes / 20);
                free(data);
            }
            if (refused > 0) {
                assert_int_equal(co_spool_write(spool, &err), CO_OK);
            }
            assert_int_equal(refused, faults.failed != NULL && strcmp(faults.failed, "write") == 0);
            assert_int_equal(co_spool_offset(spool), 600);
            assert_int_equal(co_spool_lost(spool), 0);
            co_spool_close(spool);
        }
    }
}

static void test_removed_file_is_told(void **state)
{
    co_error err;
    const char *path = CO_TEST_JOIN(*state, "records");
    co_spool *spool = open_spool(&co_files_system, path, 0);
    add_number(spool, 1);
    assert_int_equal(co_spool_write(spool, &err), CO_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(co_spool_write(spool, &err), CO_OK); /* nothing to write */
    assert_int_equal(co_spool_sync(spool, &err), CO_FILE);
    add_number(spool, 2);
    assert_int_equal(co_spool_write(spool, &err), CO_FILE);
    assert_non_null(strstr(err.text, "records was removed while it was being written"));
    co_spool_close(spool);
}

/* A pipe whose reader sleeps is not waited for; it misses whole records only. */
static void test_pipe_with_a_sleeping_reader(void **state)
{
    enum { RECORDS = 20000 };
    co_error err;
    const char *path = CO_TEST_JOIN(*state, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    co_spool *spool = NULL;
    assert_int_equal(co_spool_open(&co_files_system, path, 0, ROOM, &spool, &err), CO_FILE);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    spool = open_spool(&co_files_system, path, 0);
    char *data = calloc(RECORDS + 1, 20);
    size_t got = 0;
    for (unsigned i = 0; i < RECORDS; i++) {
        add_number(spool, i);
        if (i % 3 == 0) {
            (void)!co_spool_write(spool, &err);
        }
        if (i % 5000 == 4999) { /* wakes up, and reads all there is, in odd pieces */
            for (ssize_t more = 1; more > 0; got += more > 0 ? (size_t)more : 0) {
                more = read(reader, data + got, 777);
            }
        }
    }
    for (int i = 0; i < 100 && co_spool_waiting(spool) > 0; i++) {
        (void)!co_spool_write(spool, &err);
        ssize_t more = read(reader, data + got, 4096);
        got += more > 0 ? (size_t)more : 0;
    }
    assert_int_equal(co_spool_waiting(spool), 0);
    for (ssize_t more = 1; more > 0; got += more > 0 ? (size_t)more : 0) {
        more = read(reader, data + got, 4096);
    }
    assert_int_equal(got % 20, 0);
    assert_true(co_spool_lost(spool) > 0);
    assert_int_equal(got / 20 + co_spool_lost(spool), RECORDS);
    unsigned long before = 0;
    for (size_t i = 0; i < got; i += 20) {
        unsigned long number = strtoul(data + i, NULL, 10);
        assert_true(i == 0 || number > before);
        assert_memory_equal(data + i + 8, "...........\n", 12);
        before = number;
    }
    close(reader); /* the reader is gone */
    (void)signal(SIGPIPE, SIG_IGN);
    add_number(spool, RECORDS);
    assert_int_equal(co_spool_write(spool, &err), CO_FILE);
    co_spool_close(spool);
    free(data);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_records_arrive),
        TEST(test_oldest_go_first),
        TEST(test_full_disk),
        TEST(test_removed_file_is_told),
        TEST(test_pipe_with_a_sleeping_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
