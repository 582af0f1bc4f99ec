/* Faults for whole commands, in the manner of SQLite's tests: the program `cohort_faults` is cohort
 * with its own calls of these functions turned aside by the linker (--wrap).
 *
 *     CO_FAULT=ACTION:CALL:N     ACTION: an errno's name (EIO, ENOSPC, ENOMEM), kill, or hang
 *                                CALL: open write fsync close rename unlink mkdir rmdir ftruncate,
 *                                      file (any of these), alloc, batch (co_loader_next),
 *                                      update (co_optimizer_step)
 *                                N: from 1; only this call fails, or is the last of the process
 *     CO_FAULT=late:CALL:FILE    each such call takes as many seconds more as FILE says, if it is
 *                                there
 *     CO_FAULT_REPORT=FILE       gets a line "hit" when call N came
 *     CO_FAULT_RANK=R            of several workers only this one (or "all"), not the front process
 *
 * Nothing in the program proper knows of this.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/alloc.h"
#include "data/loader.h"
#include "optim/optimizer.h"

int __real_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *data, size_t bytes);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __real_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
int __real_ftruncate(int fd, off_t length);
co_status __real_co_alloc(size_t count, size_t size, const char *what, void **out, co_error *err);
co_status __real_co_strdup(const char *text, char **out, co_error *err);
co_status __real_co_loader_next(co_loader *loader, const co_batch **out, co_error *err);
co_status __real_co_optimizer_step(co_optimizer *optimizer, co_model *model, size_t offset,
                                   size_t count, const co_hyper *hyper, co_error *err);

int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *data, size_t bytes);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
int __wrap_ftruncate(int fd, off_t length);
co_status __wrap_co_alloc(size_t count, size_t size, const char *what, void **out, co_error *err);
co_status __wrap_co_strdup(const char *text, char **out, co_error *err);
co_status __wrap_co_loader_next(co_loader *loader, const co_batch **out, co_error *err);
co_status __wrap_co_optimizer_step(co_optimizer *optimizer, co_model *model, size_t offset,
                                   size_t count, const co_hyper *hyper, co_error *err);

static atomic_ulong calls;

static void report(void)
{
    const char *path = getenv("CO_FAULT_REPORT");
    int fd = path != NULL ? __real_open(path, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
    if (fd >= 0) {
        (void)!__real_write(fd, "hit\n", 4);
        (void)__real_close(fd);
    }
}

static int errno_of(const char *name, size_t length)
{
    static const struct {
        const char *name;
        int number;
    } rows[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"ENOMEM", ENOMEM}, {"EDQUOT", EDQUOT}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strlen(rows[i].name) == length && strncmp(rows[i].name, name, length) == 0) {
            return rows[i].number;
        }
    }
    abort();
}

/* The front process has it in its own environment, for the workers: its folder names it. */
static bool is_only_worker(void)
{
    const char *folder = getenv("CO_JOB_FOLDER");
    const char *front = folder != NULL ? strrchr(folder, '-') : NULL;
    return front != NULL && strtol(front + 1, NULL, 10) != (long)getpid();
}

/* Open MPI's name for the rank, or the only worker of a front process; SimGrid's ranks are one
 * process. */
static bool is_chosen(void)
{
    const char *chosen = getenv("CO_FAULT_RANK");
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    rank = rank == NULL && is_only_worker() ? "0" : rank;
    return chosen == NULL ||
           (rank != NULL && (strcmp(chosen, "all") == 0 || strcmp(chosen, rank) == 0));
}

static void be_late(const char *path)
{
    char text[16] = "";
    int fd = __real_open(path, O_RDONLY);
    if (fd >= 0) {
        (void)!read(fd, text, sizeof(text) - 1);
        (void)__real_close(fd);
        (void)usleep((useconds_t)(1e6 * strtod(text, NULL)));
    }
}

/* The loop is at this call; the rest of the process is as alive as ever. */
static _Noreturn void hang(void)
{
    for (;;) {
        (void)pause();
    }
}

/* Whether this call is the one that fails; errno is then set. */
static bool fails(const char *call, bool is_file)
{
    const char *fault = getenv("CO_FAULT");
    const char *name = fault != NULL ? strchr(fault, ':') : NULL;
    const char *number = name != NULL ? strchr(name + 1, ':') : NULL;
    if (number == NULL || !is_chosen()) {
        return false;
    }
    size_t length = (size_t)(number - name - 1);
    bool same = strlen(call) == length && strncmp(name + 1, call, length) == 0;
    bool any = is_file && length == 4 && strncmp(name + 1, "file", 4) == 0;
    if (same && strncmp(fault, "late:", 5) == 0) {
        be_late(number + 1);
        return false;
    }
    if ((!same && !any) || atomic_fetch_add(&calls, 1) + 1 != strtoul(number + 1, NULL, 10)) {
        return false;
    }
    report();
    if (strncmp(fault, "kill:", 5) == 0) {
        (void)raise(SIGKILL);
    }
    if (strncmp(fault, "hang:", 5) == 0) {
        hang();
    }
    errno = errno_of(fault, (size_t)(name - fault));
    return true;
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails("open", true) ? -1 : __real_open(path, flags, mode);
}

/* Half of it is there when the disk is full. */
ssize_t __wrap_write(int fd, const void *data, size_t bytes)
{
    if (fails("write", true)) {
        int error_number = errno;
        (void)!__real_write(fd, data, bytes / 2);
        errno = error_number;
        return -1;
    }
    return __real_write(fd, data, bytes);
}

int __wrap_fsync(int fd)
{
    return fails("fsync", true) ? -1 : __real_fsync(fd);
}

int __wrap_close(int fd)
{
    bool failed = fails("close", true);
    int error_number = errno;
    int closed = __real_close(fd);
    errno = failed ? error_number : errno;
    return failed ? -1 : closed;
}

int __wrap_rename(const char *from, const char *to)
{
    return fails("rename", true) ? -1 : __real_rename(from, to);
}

int __wrap_unlink(const char *path)
{
    return fails("unlink", true) ? -1 : __real_unlink(path);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    return fails("mkdir", true) ? -1 : __real_mkdir(path, mode);
}

int __wrap_rmdir(const char *path)
{
    return fails("rmdir", true) ? -1 : __real_rmdir(path);
}

int __wrap_ftruncate(int fd, off_t length)
{
    return fails("ftruncate", true) ? -1 : __real_ftruncate(fd, length);
}

co_status __wrap_co_alloc(size_t count, size_t size, const char *what, void **out, co_error *err)
{
    if (fails("alloc", false)) {
        return co_fail(err, CO_MEMORY, "%s: cannot allocate %zu x %zu bytes", what, count, size);
    }
    return __real_co_alloc(count, size, what, out, err);
}

co_status __wrap_co_strdup(const char *text, char **out, co_error *err)
{
    if (fails("alloc", false)) {
        return co_fail(err, CO_MEMORY, "text: cannot allocate %zu bytes", strlen(text) + 1);
    }
    return __real_co_strdup(text, out, err);
}

co_status __wrap_co_loader_next(co_loader *loader, const co_batch **out, co_error *err)
{
    (void)fails("batch", false);
    return __real_co_loader_next(loader, out, err);
}

co_status __wrap_co_optimizer_step(co_optimizer *optimizer, co_model *model, size_t offset,
                                   size_t count, const co_hyper *hyper, co_error *err)
{
    (void)fails("update", false);
    return __real_co_optimizer_step(optimizer, model, offset, count, hyper, err);
}
