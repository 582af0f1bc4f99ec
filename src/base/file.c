#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

enum { FILE_MODE = 0666, FOLDER_MODE = 0777 }; /* cut by the user's umask */

static int system_open(void *context, const char *path, int flags, mode_t mode)
{
    (void)context;
    return open(path, flags, mode);
}

static ssize_t system_write(void *context, int fd, const void *data, size_t bytes)
{
    (void)context;
    return write(fd, data, bytes);
}

static int system_fsync(void *context, int fd)
{
    (void)context;
    return fsync(fd);
}

static int system_close(void *context, int fd)
{
    (void)context;
    return close(fd);
}

static int system_rename(void *context, const char *from, const char *to)
{
    (void)context;
    return rename(from, to);
}

static int system_unlink(void *context, const char *path)
{
    (void)context;
    return unlink(path);
}

static int system_mkdir(void *context, const char *path, mode_t mode)
{
    (void)context;
    return mkdir(path, mode);
}

static int system_rmdir(void *context, const char *path)
{
    (void)context;
    return rmdir(path);
}

const co_files co_files_system = {
    .open = system_open,
    .write = system_write,
    .fsync = system_fsync,
    .close = system_close,
    .rename = system_rename,
    .unlink = system_unlink,
    .mkdir = system_mkdir,
    .rmdir = system_rmdir,
    .context = NULL,
};

/* --- reading --------------------------------------------------------------------------- */

static co_status read_all(int fd, const char *path, co_status kind, char *data, size_t bytes,
                          co_error *err)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t count = read(fd, data + done, bytes - done);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return co_fail_errno(err, kind, errno, "cannot read %s at byte %zu", path, done);
        }
        if (count == 0) {
            return co_fail(err, kind, "%s: became shorter while it was read (%zu of %zu bytes)",
                           path, done, bytes);
        }
        done += (size_t)count;
    }
    return CO_OK;
}

static co_status read_open_file(int fd, const char *path, size_t limit, co_status kind, char **out,
                                size_t *bytes, co_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return co_fail_errno(err, kind, errno, "cannot read %s", path);
    }
    if (!S_ISREG(info.st_mode)) {
        return co_fail(err, kind, "%s: %s", path,
                       S_ISDIR(info.st_mode) ? "is a folder, expected a file"
                                             : "is not a regular file");
    }
    if ((uint64_t)info.st_size > limit) {
        return co_fail(err, kind, "%s: has %lld bytes, more than the limit of %zu", path,
                       (long long)info.st_size, limit);
    }
    size_t size = (size_t)info.st_size;
    void *data = NULL;
    CO_TRY(co_alloc(size + 1, 1, path, &data, err));
    co_status status = read_all(fd, path, kind, data, size, err);
    if (status != CO_OK) {
        co_free(data);
        return status;
    }
    *out = data;
    *bytes = size;
    return CO_OK;
}

co_status co_file_read(const char *path, size_t limit, co_status kind, char **out, size_t *bytes,
                       co_error *err)
{
    /* O_NONBLOCK: opening a pipe by mistake must not hang; it means nothing for plain files. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return co_fail_errno(err, kind, errno, "cannot open %s", path);
    }
    co_status status = read_open_file(fd, path, limit, kind, out, bytes, err);
    (void)close(fd);
    return status;
}

/* --- folders --------------------------------------------------------------------------- */

static co_status make_folder(const co_files *files, const char *path, co_error *err)
{
    struct stat info;
    if (files->mkdir(files->context, path, FOLDER_MODE) == 0) {
        return CO_OK;
    }
    int error_number = errno;
    if (stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode)) {
            return CO_OK;
        }
        error_number = ENOTDIR;
    }
    return co_fail_errno(err, CO_FILE, error_number, "cannot create the folder %s", path);
}

co_status co_file_make_folders(const co_files *files, const char *path, co_error *err)
{
    char *copy = NULL;
    CO_TRY(co_strdup(path, &copy, err));
    co_status status = CO_OK;
    for (char *slash = copy; status == CO_OK && (slash = strchr(slash + 1, '/')) != NULL;) {
        *slash = '\0';
        status = make_folder(files, copy, err);
        *slash = '/';
    }
    if (status == CO_OK) {
        status = make_folder(files, copy, err);
    }
    co_free(copy);
    return status;
}

/* --- atomic save ----------------------------------------------------------------------- */

struct co_file_writer {
    const co_files *files; /* borrowed */
    char *path;
    char *temp_path;
    uint64_t written;
    int fd; /* -1 once closed */
    bool temp_exists;
    void *memory;         /* of `block`; NULL: not a large file */
    unsigned char *block; /* (CO_FILE_BLOCK) aligned for O_DIRECT */
    size_t gathered;      /* bytes in it */
};

static void free_writer(co_file_writer *writer)
{
    co_free(writer->path);
    co_free(writer->temp_path);
    co_free(writer->memory);
    co_free(writer);
}

static co_status create_writer(const co_files *files, const char *path, co_file_writer **out,
                               co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_file_writer), "file writer", &block, err));
    co_file_writer *writer = block;
    writer->files = files;
    writer->fd = -1;
    size_t size = strlen(path) + sizeof(".tmp");
    co_status status = co_strdup(path, &writer->path, err);
    if (status == CO_OK) {
        status = co_alloc(size, 1, "file name", &block, err);
    }
    if (status != CO_OK) {
        free_writer(writer);
        return status;
    }
    writer->temp_path = block;
    (void)snprintf(writer->temp_path, size, "%s.tmp", path);
    *out = writer;
    return CO_OK;
}

/* Truncates only after the lock is held: until then the file may be another process's save. */
static co_status claim_temp(co_file_writer *writer, co_error *err)
{
    struct stat opened;
    struct stat named;
    if (flock(writer->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return co_fail(err, CO_FILE, "cannot save %s: another process is saving it", writer->path);
    }
    if (fstat(writer->fd, &opened) != 0 || stat(writer->temp_path, &named) != 0 ||
        opened.st_ino != named.st_ino || opened.st_dev != named.st_dev) {
        return co_fail(err, CO_FILE, "cannot save %s: another process has just saved it",
                       writer->path);
    }
    writer->temp_exists = true;
    if (ftruncate(writer->fd, 0) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot empty %s", writer->temp_path);
    }
    return CO_OK;
}

static co_status open_temp(co_file_writer *writer, int more_flags, co_error *err)
{
    const co_files *files = writer->files;
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    writer->fd = files->open(files->context, writer->temp_path, flags | more_flags, FILE_MODE);
    if (writer->fd < 0 && more_flags != 0 &&
        errno == EINVAL) { /* the file system has no O_DIRECT */
        writer->fd = files->open(files->context, writer->temp_path, flags, FILE_MODE);
    }
    if (writer->fd < 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot create %s", writer->temp_path);
    }
    return claim_temp(writer, err);
}

co_status co_file_writer_open(const co_files *files, const char *path, co_file_writer **out,
                              co_error *err)
{
    co_file_writer *writer = NULL;
    CO_TRY(create_writer(files, path, &writer, err));
    co_status status = open_temp(writer, 0, err);
    if (status != CO_OK) {
        co_file_writer_abandon(writer);
        return status;
    }
    *out = writer;
    return CO_OK;
}

static co_status add_block(co_file_writer *writer, co_error *err)
{
    size_t bytes = CO_FILE_BLOCK + CO_FILE_BLOCK_ALIGNMENT;
    CO_TRY(co_alloc(bytes, 1, "block of a file", &writer->memory, err));
    size_t address = (size_t)writer->memory;
    size_t skip = co_round_up(address, CO_FILE_BLOCK_ALIGNMENT) - address;
    writer->block = (unsigned char *)writer->memory + skip;
    return CO_OK;
}

co_status co_file_writer_open_large(const co_files *files, const char *path, co_file_writer **out,
                                    co_error *err)
{
    co_file_writer *writer = NULL;
    CO_TRY(create_writer(files, path, &writer, err));
    co_status status = add_block(writer, err);
    if (status == CO_OK) {
        status = open_temp(writer, O_DIRECT, err);
    }
    if (status != CO_OK) {
        co_file_writer_abandon(writer);
        return status;
    }
    *out = writer;
    return CO_OK;
}

void co_file_use_cache(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) {
        (void)fcntl(fd, F_SETFL, flags & ~O_DIRECT);
    }
}

static co_status write_all(const co_files *files, int fd, const char *path, uint64_t offset,
                           const void *data, size_t bytes, co_error *err)
{
    const char *next = data;
    size_t left = bytes;
    while (left > 0) {
        ssize_t count = files->write(files->context, fd, next, left);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0 && errno == EINVAL && (fcntl(fd, F_GETFL) & O_DIRECT) != 0) {
            co_file_use_cache(fd); /* it is not for this file system, or the block is cut short */
            continue;
        }
        if (count <= 0) {
            return co_fail_errno(err, CO_FILE, count < 0 ? errno : ENOSPC,
                                 "cannot write %s at byte %llu", path,
                                 (unsigned long long)(offset + (bytes - left)));
        }
        next += count;
        left -= (size_t)count;
    }
    return CO_OK;
}

static co_status write_block(co_file_writer *writer, co_error *err)
{
    size_t bytes = writer->gathered;
    writer->gathered = 0;
    CO_TRY(write_all(writer->files, writer->fd, writer->temp_path, writer->written, writer->block,
                     bytes, err));
    writer->written += bytes;
    return CO_OK;
}

static co_status gather(co_file_writer *writer, const void *data, size_t bytes, co_error *err)
{
    const unsigned char *next = data;
    while (bytes > 0) {
        size_t room = CO_FILE_BLOCK - writer->gathered;
        size_t take = bytes < room ? bytes : room;
        memcpy(writer->block + writer->gathered, next, take);
        writer->gathered += take;
        next += take;
        bytes -= take;
        if (writer->gathered == CO_FILE_BLOCK) {
            CO_TRY(write_block(writer, err));
        }
    }
    return CO_OK;
}

co_status co_file_writer_add(co_file_writer *writer, const void *data, size_t bytes, co_error *err)
{
    if (writer->block != NULL) {
        return gather(writer, data, bytes, err);
    }
    CO_TRY(
        write_all(writer->files, writer->fd, writer->temp_path, writer->written, data, bytes, err));
    writer->written += bytes;
    return CO_OK;
}

co_status co_file_sync_folder_of(const co_files *files, const char *path, co_error *err)
{
    char *folder = NULL;
    CO_TRY(co_strdup(path, &folder, err));
    char *slash = strrchr(folder, '/');
    const char *name = slash == NULL ? "." : slash == folder ? "/" : folder;
    if (slash != NULL && slash != folder) {
        *slash = '\0';
    }
    co_status status = CO_OK;
    int fd = files->open(files->context, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0) {
        status = co_fail_errno(err, CO_FILE, errno, "cannot open the folder %s", name);
        goto free_folder;
    }
    /* EINVAL: a file system that has no fsync for folders; nothing more can be done there. */
    if (files->fsync(files->context, fd) != 0 && errno != EINVAL) {
        status = co_fail_errno(err, CO_FILE, errno, "cannot fsync the folder %s", name);
    }
    (void)files->close(files->context, fd);
free_folder:
    co_free(folder);
    return status;
}

static co_status finish_temp(co_file_writer *writer, co_error *err)
{
    const co_files *files = writer->files;
    if (writer->gathered > 0) { /* the rest is no whole block */
        co_file_use_cache(writer->fd);
        CO_TRY(write_block(writer, err));
    }
    if (files->fsync(files->context, writer->fd) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot fsync %s", writer->temp_path);
    }
    /* Renamed while still open: the lock that claim_temp took ends with the close. */
    if (files->rename(files->context, writer->temp_path, writer->path) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot rename %s to %s", writer->temp_path,
                             writer->path);
    }
    writer->temp_exists = false;
    int fd = writer->fd;
    writer->fd = -1;
    if (files->close(files->context, fd) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot close %s", writer->path);
    }
    return co_file_sync_folder_of(files, writer->path, err);
}

co_status co_file_writer_commit(co_file_writer *writer, co_error *err)
{
    co_status status = finish_temp(writer, err);
    co_file_writer_abandon(writer);
    return status;
}

void co_file_writer_abandon(co_file_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    const co_files *files = writer->files;
    if (writer->temp_exists) {
        (void)files->unlink(files->context, writer->temp_path);
    }
    if (writer->fd >= 0) {
        (void)files->close(files->context, writer->fd);
    }
    free_writer(writer);
}

co_status co_file_save(const co_files *files, const char *path, const void *data, size_t bytes,
                       co_error *err)
{
    co_file_writer *writer = NULL;
    CO_TRY(co_file_writer_open(files, path, &writer, err));
    co_status status = co_file_writer_add(writer, data, bytes, err);
    if (status != CO_OK) {
        co_file_writer_abandon(writer);
        return status;
    }
    return co_file_writer_commit(writer, err);
}
