/* For tests: a co_files whose n-th call fails, and a folder of the test's own.
 *
 * `fail_at` 0 only counts the calls, so that a test can then fail each of them in turn.
 */
#ifndef CO_TESTS_BASE_FAULTS_H
#define CO_TESTS_BASE_FAULTS_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

typedef struct co_faults {
    co_files files;
    unsigned calls;
    unsigned fail_at;   /* 1 = the first call */
    int error_number;   /* what the failing call says */
    size_t short_write; /* a write that does not fail takes at most so many bytes (0: all) */
    const char *failed; /* name of the call that failed */
    unsigned renames;   /* that succeeded */
    int no_sync;        /* fsync only counts: a test of thousands of saves need not wait */
} co_faults;

static inline int co_faults_hit(co_faults *faults, const char *name)
{
    faults->calls++;
    if (faults->calls != faults->fail_at) {
        return 0;
    }
    faults->failed = name;
    errno = faults->error_number;
    return -1;
}

static inline int co_faults_open(void *context, const char *path, int flags, mode_t mode)
{
    return co_faults_hit(context, "open") != 0 ? -1 : co_files_system.open(NULL, path, flags, mode);
}

static inline ssize_t co_faults_write(void *context, int fd, const void *data, size_t bytes)
{
    co_faults *faults = context;
    if (co_faults_hit(context, "write") != 0) {
        return -1;
    }
    size_t limit = faults->short_write;
    return co_files_system.write(NULL, fd, data, limit > 0 && limit < bytes ? limit : bytes);
}

static inline int co_faults_fsync(void *context, int fd)
{
    const co_faults *faults = context;
    if (co_faults_hit(context, "fsync") != 0) {
        return -1;
    }
    return faults->no_sync != 0 ? 0 : co_files_system.fsync(NULL, fd);
}

/* As the system does, the descriptor is gone even when close reports an error. */
static inline int co_faults_close(void *context, int fd)
{
    int failed = co_faults_hit(context, "close");
    int error_number = errno;
    int closed = co_files_system.close(NULL, fd);
    errno = error_number;
    return failed != 0 ? -1 : closed;
}

static inline int co_faults_rename(void *context, const char *from, const char *to)
{
    co_faults *faults = context;
    if (co_faults_hit(context, "rename") != 0 || co_files_system.rename(NULL, from, to) != 0) {
        return -1;
    }
    faults->renames++;
    return 0;
}

static inline int co_faults_unlink(void *context, const char *path)
{
    return co_faults_hit(context, "unlink") != 0 ? -1 : co_files_system.unlink(NULL, path);
}

static inline int co_faults_mkdir(void *context, const char *path, mode_t mode)
{
    return co_faults_hit(context, "mkdir") != 0 ? -1 : co_files_system.mkdir(NULL, path, mode);
}

static inline int co_faults_rmdir(void *context, const char *path)
{
    return co_faults_hit(context, "rmdir") != 0 ? -1 : co_files_system.rmdir(NULL, path);
}

/* `faults` must stay where it is while the table is used. */
static inline void co_faults_init(co_faults *faults, unsigned fail_at, int error_number)
{
    *faults = (co_faults){
        .files = {.open = co_faults_open,
                  .write = co_faults_write,
                  .fsync = co_faults_fsync,
                  .close = co_faults_close,
                  .rename = co_faults_rename,
                  .unlink = co_faults_unlink,
                  .mkdir = co_faults_mkdir,
                  .rmdir = co_faults_rmdir,
                  .context = faults},
        .fail_at = fail_at,
        .error_number = error_number,
    };
}

#define CO_TEST_PATH_SIZE 512

/* Makes an empty folder below $TMPDIR; 0 on success. */
static inline int co_test_folder_make(char out[CO_TEST_PATH_SIZE])
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(out, CO_TEST_PATH_SIZE, "%s/cohort-test-XXXXXX",
                   base != NULL && base[0] != '\0' ? base : "/tmp");
    return mkdtemp(out) != NULL ? 0 : -1;
}

/* Removes the folder and what the test left in it. */
static inline void co_test_folder_remove(const char *path)
{
    char command[2 * CO_TEST_PATH_SIZE + 16];
    co_text text = co_text_over(command, sizeof(command));
    co_text_printf(&text, "rm -rf '%s'", path);
    if (system(command) != 0) {
        (void)fprintf(stderr, "cannot remove %s\n", path);
    }
}

/* folder/name, in a buffer of the caller. */
static inline const char *co_test_join(char out[2 * CO_TEST_PATH_SIZE], const char *folder,
                                       const char *name)
{
    co_text text = co_text_over(out, 2 * CO_TEST_PATH_SIZE); /* a cut name fails the test's check */
    co_text_printf(&text, "%s/%s", folder, name);
    return out;
}

#define CO_TEST_JOIN(folder, name) co_test_join((char[2 *CO_TEST_PATH_SIZE]){0}, (folder), (name))

/* Whether the file holds exactly that text. */
static inline int co_test_file_is(const char *path, const char *text)
{
    char *data = NULL;
    size_t bytes = 0;
    co_error err;
    if (co_file_read(path, 1u << 24, CO_FILE, &data, &bytes, &err) != CO_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 0;
    }
    int same = bytes == strlen(text) && memcmp(data, text, bytes) == 0;
    if (!same) {
        (void)fprintf(stderr, "%s holds:\n%s\nexpected:\n%s\n", path, data, text);
    }
    free(data);
    return same;
}

#endif
