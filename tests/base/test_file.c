/* Files: a save is whole or not there, whichever system call fails; limits; full disks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/faults.h"

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

static void save_text(const char *path, const char *text)
{
    co_error err;
    assert_int_equal(co_file_save(&co_files_system, path, text, strlen(text), &err), CO_OK);
}

static void test_save_and_read(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "a");
    co_error err;
    char *data = NULL;
    size_t bytes = 0;
    save_text(path, "first");
    save_text(path, "second, longer");
    assert_true(co_test_file_is(path, "second, longer"));
    assert_false(exists(CO_TEST_JOIN(*state, "a.tmp")));
    assert_int_equal(co_file_read(path, 14, CO_FILE, &data, &bytes, &err), CO_OK);
    assert_int_equal(bytes, 14);
    assert_int_equal(data[14], 0);
    co_free(data);
    save_text(path, "");
    assert_int_equal(co_file_read(path, 0, CO_FILE, &data, &bytes, &err), CO_OK);
    assert_int_equal(bytes, 0);
    assert_string_equal(data, "");
    co_free(data);
}

static void test_read_refuses(void **state)
{
    char *const untouched = (char *)state;
    char *data = untouched;
    size_t bytes = 77;
    co_error err;
    save_text(CO_TEST_JOIN(*state, "five"), "12345");
    assert_int_equal(co_file_read(CO_TEST_JOIN(*state, "five"), 4, CO_DATA, &data, &bytes, &err),
                     CO_DATA);
    assert_non_null(strstr(err.text, "five"));
    assert_non_null(strstr(err.text, "limit of 4"));
    assert_int_equal(co_file_read(CO_TEST_JOIN(*state, "none"), 4, CO_USAGE, &data, &bytes, &err),
                     CO_USAGE);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(co_file_read(*state, 4, CO_FILE, &data, &bytes, &err), CO_FILE);
    assert_non_null(strstr(err.text, "folder"));
    assert_int_equal(co_file_read("/dev/zero", 4, CO_FILE, &data, &bytes, &err), CO_FILE);
    assert_int_equal(mkfifo(CO_TEST_JOIN(*state, "pipe"), 0600), 0);
    assert_int_equal(co_file_read(CO_TEST_JOIN(*state, "pipe"), 4, CO_FILE, &data, &bytes, &err),
                     CO_FILE);
    assert_ptr_equal(data, untouched);
    assert_int_equal(bytes, 77);
}

/* Fails every system call of a save in turn: the file holds the old text or the new one, never
 * anything between, and the message names the operation and a path. */
static void test_every_failure_keeps_a_whole_file(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "file");
    co_error err;
    unsigned fail_at = 0;
    for (fail_at = 1; fail_at < 100; fail_at++) {
        save_text(path, "old");
        co_faults faults;
        co_faults_init(&faults, fail_at, EIO);
        faults.short_write = 2;
        co_status status = co_file_save(&faults.files, path, "new text", 8, &err);
        assert_true(co_test_file_is(path, faults.renames > 0 ? "new text" : "old"));
        assert_false(exists(CO_TEST_JOIN(*state, "file.tmp")));
        if (faults.failed == NULL) {
            assert_int_equal(status, CO_OK);
            break;
        }
        if (status == CO_OK) { /* closing the folder after its fsync: nothing is lost any more */
            assert_string_equal(faults.failed, "close");
            assert_int_equal(faults.renames, 1);
            continue;
        }
        assert_int_equal(status, CO_FILE);
        assert_non_null(strstr(err.text, "Input/output error"));
        assert_non_null(strstr(err.text, *state));
        const char *named = strcmp(faults.failed, "open") == 0 ? "cannot" : faults.failed;
        assert_non_null(strstr(err.text, named));
    }
    /* open, 4 writes, fsync, rename, close, open, fsync, close */
    assert_int_equal(fail_at, 12);
}

static void test_abandon_leaves_nothing(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "file");
    co_error err;
    co_file_writer *writer = NULL;
    save_text(path, "old");
    assert_int_equal(co_file_writer_open(&co_files_system, path, &writer, &err), CO_OK);
    assert_int_equal(co_file_writer_add(writer, "new", 3, &err), CO_OK);
    assert_true(exists(CO_TEST_JOIN(*state, "file.tmp")));
    co_file_writer_abandon(writer);
    co_file_writer_abandon(NULL);
    assert_false(exists(CO_TEST_JOIN(*state, "file.tmp")));
    assert_true(co_test_file_is(path, "old"));
}

/* What a killed process left behind, longer than the new file, is gone after the next save. */
static void test_leftover_is_overwritten(void **state)
{
    save_text(CO_TEST_JOIN(*state, "file.tmp"), "a long leftover of a process that was killed");
    save_text(CO_TEST_JOIN(*state, "file"), "new");
    assert_true(co_test_file_is(CO_TEST_JOIN(*state, "file"), "new"));
    assert_false(exists(CO_TEST_JOIN(*state, "file.tmp")));
}

static void test_second_saver_is_refused(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "file");
    co_error err;
    co_file_writer *first = NULL;
    co_file_writer *second = NULL;
    assert_int_equal(co_file_writer_open(&co_files_system, path, &first, &err), CO_OK);
    assert_int_equal(co_file_writer_add(first, "first", 5, &err), CO_OK);
    assert_int_equal(co_file_writer_open(&co_files_system, path, &second, &err), CO_FILE);
    assert_non_null(strstr(err.text, "another process"));
    assert_int_equal(co_file_writer_commit(first, &err), CO_OK);
    assert_true(co_test_file_is(path, "first"));
    assert_int_equal(co_file_writer_open(&co_files_system, path, &second, &err), CO_OK);
    assert_int_equal(co_file_writer_commit(second, &err), CO_OK);
    assert_true(co_test_file_is(path, ""));
}

static void test_unwritable_places(void **state)
{
    co_error err;
    save_text(CO_TEST_JOIN(*state, "plain"), "");
    const char *below = CO_TEST_JOIN(*state, "plain/file");
    assert_int_equal(co_file_save(&co_files_system, below, "x", 1, &err), CO_FILE);
    assert_non_null(strstr(err.text, "plain/file.tmp"));
    assert_non_null(strstr(err.text, "Not a directory"));
    assert_int_equal(
        co_file_save(&co_files_system, CO_TEST_JOIN(*state, "none/file"), "x", 1, &err), CO_FILE);
    assert_non_null(strstr(err.text, "No such file or directory"));
    /* The target is a folder: the rename fails and the temporary file goes. */
    assert_int_equal(mkdir(CO_TEST_JOIN(*state, "folder"), 0700), 0);
    assert_int_equal(co_file_save(&co_files_system, CO_TEST_JOIN(*state, "folder"), "x", 1, &err),
                     CO_FILE);
    assert_non_null(strstr(err.text, "rename"));
    assert_false(exists(CO_TEST_JOIN(*state, "folder.tmp")));
}

static void test_make_folders(void **state)
{
    co_error err;
    const char *deep = CO_TEST_JOIN(*state, "a/b//c/");
    assert_int_equal(co_file_make_folders(&co_files_system, deep, &err), CO_OK);
    assert_true(exists(CO_TEST_JOIN(*state, "a/b/c")));
    assert_int_equal(co_file_make_folders(&co_files_system, deep, &err), CO_OK);
    save_text(CO_TEST_JOIN(*state, "plain"), "");
    assert_int_equal(co_file_make_folders(&co_files_system, CO_TEST_JOIN(*state, "plain"), &err),
                     CO_FILE);
    assert_non_null(strstr(err.text, "Not a directory"));
    assert_int_equal(
        co_file_make_folders(&co_files_system, CO_TEST_JOIN(*state, "plain/x/y"), &err), CO_FILE);
    assert_non_null(strstr(err.text, "/plain: Not a directory")); /* the one in the way */
}

/* A real limit of the system instead of an injected one: no file above 4096 bytes. In a child,
 * for the limit cannot be raised again by everybody. */
static int save_under_limit(const char *path)
{
    struct rlimit limit = {4096, 4096};
    char data[10000];
    co_error err;
    memset(data, 'x', sizeof(data));
    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 ||
        co_file_save(&co_files_system, path, data, sizeof(data), &err) != CO_FILE ||
        strstr(err.text, "byte 4096") == NULL || strstr(err.text, "File too large") == NULL) {
        return 1;
    }
    return 0;
}

static void test_no_room_on_disk(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "file");
    save_text(path, "old");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(save_under_limit(path));
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(co_test_file_is(path, "old"));
    assert_false(exists(CO_TEST_JOIN(*state, "file.tmp")));
}

/* --- line files ------------------------------------------------------------------------ */

static void append(co_line_file *file, const char *line)
{
    co_error err;
    assert_int_equal(co_line_file_append(file, line, strlen(line), &err), CO_OK);
}

static void test_lines_append_and_cut(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "lines");
    co_error err;
    co_line_file *file = NULL;
    assert_int_equal(co_line_file_open(&co_files_system, path, 0, &file, &err), CO_OK);
    append(file, "one\n");
    uint64_t recorded = co_line_file_offset(file);
    append(file, "two\n");
    assert_int_equal(co_line_file_sync(file, &err), CO_OK);
    co_line_file_close(file);
    assert_true(co_test_file_is(path, "one\ntwo\n"));
    assert_int_equal(co_line_file_open(&co_files_system, path, CO_LINE_FILE_KEEP_ALL, &file, &err),
                     CO_OK);
    assert_int_equal(co_line_file_offset(file), 8);
    append(file, "three\n");
    co_line_file_close(file);
    assert_true(co_test_file_is(path, "one\ntwo\nthree\n"));
    assert_int_equal(co_line_file_open(&co_files_system, path, recorded, &file, &err), CO_OK);
    append(file, "2\n");
    co_line_file_close(file);
    assert_true(co_test_file_is(path, "one\n2\n"));
    assert_int_equal(co_line_file_open(&co_files_system, path, 7, &file, &err), CO_FILE);
    assert_non_null(strstr(err.text, "7 were recorded"));
    assert_true(co_test_file_is(path, "one\n2\n"));
    co_line_file_close(NULL);
}

static void test_half_a_line_is_taken_back(void **state)
{
    const char *path = CO_TEST_JOIN(*state, "lines");
    co_error err;
    co_line_file *file = NULL;
    co_faults faults;
    co_faults_init(&faults, 4, ENOSPC); /* open, write "one", write "tw", write fails */
    faults.short_write = 4;
    assert_int_equal(co_line_file_open(&faults.files, path, 0, &file, &err), CO_OK);
    append(file, "one\n");
    assert_int_equal(co_line_file_append(file, "two two two\n", 12, &err), CO_FILE);
    assert_string_equal(faults.failed, "write");
    assert_non_null(strstr(err.text, "No space left"));
    assert_non_null(strstr(err.text, path));
    assert_true(co_test_file_is(path, "one\n"));
    append(file, "three\n"); /* there is room again */
    co_line_file_close(file);
    assert_true(co_test_file_is(path, "one\nthree\n"));
}

static void test_lines_to_a_full_device(void **state)
{
    (void)state;
    co_error err;
    co_line_file *file = NULL;
    assert_int_equal(co_line_file_open(&co_files_system, "/dev/full", 0, &file, &err), CO_OK);
    assert_int_equal(co_line_file_append(file, "line\n", 5, &err), CO_FILE);
    assert_non_null(strstr(err.text, "/dev/full"));
    co_line_file_close(file);
    assert_int_equal(co_line_file_open(&co_files_system, "/dev/null/x", 0, &file, &err), CO_FILE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(test_save_and_read),
        TEST(test_read_refuses),
        TEST(test_every_failure_keeps_a_whole_file),
        TEST(test_abandon_leaves_nothing),
        TEST(test_leftover_is_overwritten),
        TEST(test_second_saver_is_refused),
        TEST(test_unwritable_places),
        TEST(test_make_folders),
        TEST(test_no_room_on_disk),
        TEST(test_lines_append_and_cut),
        TEST(test_half_a_line_is_taken_back),
        TEST(test_lines_to_a_full_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
