#include "data/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "data/tar.h"

enum { READ_BLOCK_BYTES = 128 * 1024, NAME_MAX_BYTES = 1024 };

typedef struct unpacker {
    const char *path; /* of the archive */
    const char *folder;
    struct archive *archive;
    co_unpack_limits left;
    const atomic_int *stop; /* or NULL */
    co_error *err;
} unpacker;

static co_status archive_fault(const unpacker *u, const char *member)
{
    const char *text = archive_error_string(u->archive);
    return co_fail(u->err, CO_DATA, "%s: %s%.200s%s%s; it is damaged, get it again", u->path,
                   member != NULL ? "the member '" : "", member != NULL ? member : "",
                   member != NULL ? "': " : "", text != NULL ? text : "damaged");
}

static co_status member_fault(const unpacker *u, const char *member, const char *what)
{
    return co_fail(u->err, CO_DATA,
                   "%s: the member '%.200s' %s; no good archive of data has that, get it from its "
                   "official page",
                   u->path, member, what);
}

static co_status disk_fault(const unpacker *u, const char *path, int error)
{
    return co_fail_errno(u->err, CO_FILE, error, "%s: cannot be written%s", path,
                         error == ENOSPC || error == EDQUOT || error == EFBIG
                             ? " (the disk is full: make room, then the same command again)"
                             : "");
}

static co_status make_folder(const unpacker *u, const char *path)
{
    return co_file_make_folders(&co_files_system, path, u->err);
}

/* A new file; the folders above it are made when they are not there. */
static co_status create_file(const unpacker *u, const char *member, const char *path, int *out)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = open(path, flags, 0666);
    if (fd < 0 && errno == ENOENT) {
        char above[PATH_MAX];
        (void)snprintf(above, sizeof(above), "%s", path);
        *strrchr(above, '/') = '\0';
        CO_TRY(make_folder(u, above));
        fd = open(path, flags, 0666);
    }
    if (fd < 0) {
        return errno == EEXIST || errno == EISDIR || errno == ENOTDIR
                   ? member_fault(u, member, "comes twice")
                   : disk_fault(u, path, errno);
    }
    *out = fd;
    return CO_OK;
}

static co_status write_block(const unpacker *u, int fd, const char *path, const void *data,
                             size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        ssize_t done = write(fd, at, bytes);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return disk_fault(u, path, errno);
        }
        at += done;
        bytes -= (size_t)done;
    }
    return CO_OK;
}

static co_status copy_content(unpacker *u, struct archive_entry *entry, const char *member, int fd,
                              const char *path)
{
    uint64_t filled = 0;
    for (;;) {
        const void *block = NULL;
        size_t count = 0;
        la_int64_t offset = 0;
        int got = archive_read_data_block(u->archive, &block, &count, &offset);
        if (got == ARCHIVE_EOF) {
            break;
        }
        if (got != ARCHIVE_OK) {
            return archive_fault(u, member);
        }
        if (offset < 0 || (uint64_t)offset != filled) {
            return member_fault(u, member, "has holes");
        }
        if (count > u->left.bytes) {
            return member_fault(u, member, "makes the archive larger than it can be");
        }
        if (u->stop != NULL && atomic_load_explicit(u->stop, memory_order_relaxed) != 0) {
            return co_fail(u->err, CO_STOPPED, "%s: unpacking was stopped", u->path);
        }
        CO_TRY(write_block(u, fd, path, block, count));
        filled += count;
        u->left.bytes -= count;
    }
    if (archive_entry_size_is_set(entry) && (uint64_t)archive_entry_size(entry) != filled) {
        return co_fail(u->err, CO_DATA,
                       "%s: the member '%.200s' has %llu bytes, its header promises %lld; it is "
                       "damaged, get it again",
                       u->path, member, (unsigned long long)filled,
                       (long long)archive_entry_size(entry));
    }
    return CO_OK;
}

static co_status take_file(unpacker *u, struct archive_entry *entry, const char *member,
                           const char *path)
{
    int fd = -1;
    if (archive_entry_size_is_set(entry) && archive_entry_size(entry) >= 0 &&
        (uint64_t)archive_entry_size(entry) > u->left.bytes) {
        return member_fault(u, member, "makes the archive larger than it can be");
    }
    CO_TRY(create_file(u, member, path, &fd));
    co_status status = copy_content(u, entry, member, fd, path);
    if (close(fd) != 0 && status == CO_OK) {
        status = disk_fault(u, path, errno);
    }
    return status;
}

static co_status take_member(unpacker *u, struct archive_entry *entry)
{
    char path[PATH_MAX];
    const char *member = archive_entry_pathname(entry);
    if (member == NULL || member[0] == '\0') {
        return archive_fault(u, NULL);
    }
    if (u->left.members == 0) {
        return member_fault(u, member, "is one of more than there can be");
    }
    u->left.members--;
    if (co_tar_leads_out(member)) {
        return member_fault(u, member, "leads out of it");
    }
    if (archive_entry_hardlink(entry) != NULL || archive_entry_symlink(entry) != NULL) {
        return member_fault(u, member, "is a link");
    }
    int length = snprintf(path, sizeof(path), "%s/%s", u->folder, member);
    if (length < 0 || (size_t)length >= sizeof(path) || strlen(member) > NAME_MAX_BYTES) {
        return member_fault(u, member, "has too long a path");
    }
    if (archive_entry_filetype(entry) == AE_IFDIR) {
        return make_folder(u, path);
    }
    if (archive_entry_filetype(entry) != AE_IFREG || path[length - 1] == '/') {
        return member_fault(u, member, "is neither a file nor a folder");
    }
    return take_file(u, entry, member, path);
}

static co_status take_members(unpacker *u)
{
    for (;;) {
        struct archive_entry *entry = NULL;
        int got = archive_read_next_header(u->archive, &entry);
        if (got == ARCHIVE_EOF) {
            return CO_OK;
        }
        if (got != ARCHIVE_OK && got != ARCHIVE_WARN) {
            return archive_fault(u, NULL);
        }
        CO_TRY(take_member(u, entry));
    }
}

co_status co_unpack(const char *archive, const char *folder, const co_unpack_limits *limits,
                    const atomic_int *stop, co_error *err)
{
    unpacker u = {.path = archive, .folder = folder, .left = *limits, .stop = stop, .err = err};
    if (mkdir(folder, 0777) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "%s: cannot be made", folder);
    }
    u.archive = archive_read_new();
    if (u.archive == NULL) {
        return co_fail(err, CO_MEMORY, "%s: no memory to unpack it", archive);
    }
    archive_read_support_filter_gzip(u.archive);
    archive_read_support_filter_xz(u.archive);
    archive_read_support_format_tar(u.archive);
    archive_read_support_format_zip(u.archive);
    co_status status = CO_OK;
    if (archive_read_open_filename(u.archive, archive, READ_BLOCK_BYTES) != ARCHIVE_OK) {
        status = archive_fault(&u, NULL);
    } else {
        status = take_members(&u);
    }
    archive_read_free(u.archive);
    return status;
}
