/* The lock of a folder: part of base/file.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

enum { OWNER_SIZE = 128, HOST_SIZE = 80 };

struct co_file_lock {
    char *path;
    int fd;
    char previous[OWNER_SIZE];
};

static void this_host(char out[HOST_SIZE])
{
    if (gethostname(out, HOST_SIZE) != 0) {
        out[0] = '\0';
    }
    out[HOST_SIZE - 1] = '\0';
}

/* The owner's text up to its newline; "" when there is none. Unprintable bytes become '?'. */
static void read_owner(int fd, char out[OWNER_SIZE])
{
    ssize_t count = pread(fd, out, OWNER_SIZE - 1, 0);
    out[count > 0 ? count : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    for (char *c = out; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~') {
            *c = '?';
        }
    }
}

/* Whether "pid@host" may be alive, judged without a lock of the file system. */
static bool may_be_alive(const char *owner)
{
    char host[HOST_SIZE];
    char *end = NULL;
    long pid = strtol(owner, &end, 10);
    this_host(host);
    if (pid <= 0 || *end != '@' || strcmp(end + 1, host) != 0) {
        return owner[0] != '\0';
    }
    return pid != (long)getpid() && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

bool co_file_lock_is_held(const char *path)
{
    char owner[OWNER_SIZE];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    read_owner(fd, owner);
    (void)close(fd);
    return may_be_alive(owner);
}

static co_status refuse(const char *path, const char *owner, co_error *err)
{
    return co_fail(err, CO_FILE, "%s: in use by process %s; wait for it, or choose another folder",
                   path, owner[0] != '\0' ? owner : "(unknown)");
}

/* *retry: the file was removed by its owner between our open and our lock. */
static co_status lock_open_file(co_file_lock *lock, bool *retry, co_error *err)
{
    char owner[OWNER_SIZE];
    bool locked = flock(lock->fd, LOCK_EX | LOCK_NB) == 0;
    int error_number = errno;
    read_owner(lock->fd, owner);
    if (!locked && (error_number == EWOULDBLOCK || may_be_alive(owner))) {
        return refuse(lock->path, owner, err);
    }
    struct stat opened;
    struct stat named;
    if (fstat(lock->fd, &opened) != 0 || stat(lock->path, &named) != 0 ||
        opened.st_ino != named.st_ino || opened.st_dev != named.st_dev) {
        *retry = true;
        return CO_OK;
    }
    *retry = false;
    memcpy(lock->previous, owner, sizeof(owner));
    char host[HOST_SIZE];
    char text[OWNER_SIZE];
    this_host(host);
    int length = snprintf(text, sizeof(text), "%ld@%s\n", (long)getpid(), host);
    if (ftruncate(lock->fd, 0) != 0 || pwrite(lock->fd, text, (size_t)length, 0) != length) {
        return co_fail_errno(err, CO_FILE, errno, "cannot write the lock %s", lock->path);
    }
    return CO_OK;
}

static co_status take(co_file_lock *lock, co_error *err)
{
    enum { TRIES = 100 };
    for (int i = 0; i < TRIES; i++) {
        bool retry = false;
        lock->fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (lock->fd < 0) {
            return co_fail_errno(err, CO_FILE, errno, "cannot create the lock %s", lock->path);
        }
        co_status status = lock_open_file(lock, &retry, err);
        if (status == CO_OK && !retry) {
            return CO_OK;
        }
        (void)close(lock->fd);
        lock->fd = -1;
        CO_TRY(status);
    }
    return co_fail(err, CO_FILE, "cannot take the lock %s: it keeps changing hands", lock->path);
}

co_status co_file_lock_take(const char *path, co_file_lock **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_file_lock), "file lock", &block, err));
    co_file_lock *lock = block;
    lock->fd = -1;
    co_status status = co_strdup(path, &lock->path, err);
    if (status == CO_OK) {
        status = take(lock, err);
    }
    if (status != CO_OK) {
        co_free(lock->path);
        co_free(lock);
        return status;
    }
    *out = lock;
    return CO_OK;
}

const char *co_file_lock_previous(const co_file_lock *lock)
{
    return lock->previous;
}

void co_file_lock_release(co_file_lock *lock)
{
    if (lock == NULL) {
        return;
    }
    (void)unlink(lock->path); /* while still held, so that nobody takes a file about to vanish */
    (void)close(lock->fd);
    co_free(lock->path);
    co_free(lock);
}
