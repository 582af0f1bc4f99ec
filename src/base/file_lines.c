/* Append-only line files: part of base/file.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

struct co_line_file {
    const co_files *files; /* borrowed */
    char *path;
    uint64_t offset;
    int fd;
    bool regular; /* can be cut; a terminal or pipe cannot */
};

static co_status position(co_line_file *file, uint64_t keep, co_error *err)
{
    struct stat info;
    if (fstat(file->fd, &info) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot open %s", file->path);
    }
    file->regular = S_ISREG(info.st_mode);
    uint64_t size = file->regular ? (uint64_t)info.st_size : 0;
    file->offset = size;
    if (!file->regular || keep == CO_LINE_FILE_KEEP_ALL || keep == size) {
        return CO_OK;
    }
    if (keep > size) {
        return co_fail(err, CO_FILE, "%s: has %llu bytes, but %llu were recorded: it was changed",
                       file->path, (unsigned long long)size, (unsigned long long)keep);
    }
    if (ftruncate(file->fd, (off_t)keep) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot cut %s to %llu bytes", file->path,
                             (unsigned long long)keep);
    }
    file->offset = keep;
    return CO_OK;
}

co_status co_line_file_open(const co_files *files, const char *path, uint64_t keep,
                            co_line_file **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_line_file), "line file", &block, err));
    co_line_file *file = block;
    file->files = files;
    file->fd = -1;
    co_status status = CO_OK;
    CO_TRY_GOTO(status, co_strdup(path, &file->path, err), close_file);
    /* Not to wait for the reader of a pipe, neither here nor in a write. */
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    file->fd = files->open(files->context, path, flags, 0666);
    if (file->fd < 0) {
        status = co_fail_errno(err, CO_FILE, errno, "cannot open %s for writing", path);
        goto close_file;
    }
    CO_TRY_GOTO(status, position(file, keep, err), close_file);
    *out = file;
    return CO_OK;
close_file:
    co_line_file_close(file);
    return status;
}

/* Takes back what a full disk cut short; a write that failed may have left something too. */
static void take_back(co_line_file *file, size_t *taken)
{
    if (file->regular && ftruncate(file->fd, (off_t)file->offset) == 0) {
        *taken = 0;
    }
}

co_status co_line_file_write(co_line_file *file, const char *data, size_t bytes, size_t *taken,
                             co_error *err)
{
    const co_files *files = file->files;
    size_t done = 0;
    co_status status = CO_OK;
    while (done < bytes) {
        ssize_t count = files->write(files->context, file->fd, data + done, bytes - done);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            status = co_fail_errno(err, CO_FILE, count < 0 ? errno : ENOSPC, "cannot write %s",
                                   file->path);
            take_back(file, &done); /* half a line would break every reader */
            break;
        }
        done += (size_t)count;
    }
    file->offset += done;
    *taken = done;
    return status;
}

co_status co_line_file_append(co_line_file *file, const char *lines, size_t bytes, co_error *err)
{
    size_t taken = 0;
    return co_line_file_write(file, lines, bytes, &taken, err);
}

co_status co_line_file_check(const co_line_file *file, co_error *err)
{
    struct stat info;
    if (file->regular && fstat(file->fd, &info) == 0 && info.st_nlink == 0) {
        return co_fail(err, CO_FILE, "%s was removed while it was being written", file->path);
    }
    return CO_OK;
}

uint64_t co_line_file_offset(const co_line_file *file)
{
    return file->offset;
}

co_status co_line_file_sync(co_line_file *file, co_error *err)
{
    if (file->regular && file->files->fsync(file->files->context, file->fd) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot fsync %s", file->path);
    }
    return CO_OK;
}

void co_line_file_close(co_line_file *file)
{
    if (file == NULL) {
        return;
    }
    if (file->fd >= 0) {
        (void)file->files->close(file->files->context, file->fd);
    }
    co_free(file->path);
    co_free(file);
}
