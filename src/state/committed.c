/* Reading checkpoint folders: part of state/commit.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "state/commit.h"

enum { SMALL_FILE_MAX = 1 << 26 };

struct co_committed {
    char *folder;
    co_manifest manifest;
};

static co_status join(const char *folder, const char *name, char **out, co_error *err)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    void *block = NULL;
    CO_TRY(co_alloc(size, 1, "file name", &block, err));
    (void)snprintf(block, size, "%s/%s", folder, name);
    *out = block;
    return CO_OK;
}

static co_status read_manifest(co_committed *committed, co_error *err)
{
    char *path = NULL;
    char *text = NULL;
    size_t bytes = 0;
    CO_TRY(join(committed->folder, CO_COMMIT_MANIFEST, &path, err));
    co_status status = co_file_read(path, CO_MANIFEST_BYTES_MAX, CO_FILE, &text, &bytes, err);
    if (status == CO_OK) {
        status = co_manifest_parse(text, bytes, path, &committed->manifest, err);
        co_free(text);
    }
    co_free(path);
    return status;
}

co_status co_committed_open(const char *folder, co_committed **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_committed), "checkpoint", &block, err));
    co_committed *committed = block;
    co_status status = co_strdup(folder, &committed->folder, err);
    if (status == CO_OK) {
        status = read_manifest(committed, err);
    }
    if (status != CO_OK) {
        co_committed_close(committed);
        return status;
    }
    *out = committed;
    return CO_OK;
}

void co_committed_close(co_committed *committed)
{
    if (committed == NULL) {
        return;
    }
    co_manifest_free(&committed->manifest);
    co_free(committed->folder);
    co_free(committed);
}

const co_manifest *co_committed_manifest(const co_committed *committed)
{
    return &committed->manifest;
}

const char *co_committed_folder(const co_committed *committed)
{
    return committed->folder;
}

/* --- verifying ------------------------------------------------------------------------- */

/* One file being compared with what the manifest says of it. */
typedef struct check {
    const char *path;
    int fd;
    co_hasher *hasher;
    unsigned char *block; /* (CO_FILE_BLOCK) aligned for O_DIRECT: part of the file ... */
    uint64_t block_at;    /* ... from here on */
    size_t block_bytes;   /* so much of it; 0: none yet */
    const co_files *told; /* of every block; or NULL */
    co_error *err;
} check;

/* Reads the block that byte `at` lies in. */
static co_status read_block(check *c, uint64_t at, const co_manifest_range *range)
{
    uint64_t start = at / CO_FILE_BLOCK * CO_FILE_BLOCK;
    ssize_t count = pread(c->fd, c->block, CO_FILE_BLOCK, (off_t)start);
    while (count < 0 && (errno == EINTR || errno == EINVAL)) {
        if (errno == EINVAL && (fcntl(c->fd, F_GETFL) & O_DIRECT) == 0) {
            break;
        }
        if (errno == EINVAL) {
            co_file_use_cache(c->fd); /* this file system has no O_DIRECT */
        }
        count = pread(c->fd, c->block, CO_FILE_BLOCK, (off_t)start);
    }
    if (count < 0 || start + (uint64_t)count <= at) {
        return co_fail_errno(c->err, CO_FILE, count < 0 ? errno : ENODATA,
                             "%s: cannot read %s, bytes %llu-%llu", c->path, range->name,
                             (unsigned long long)range->begin, (unsigned long long)range->end);
    }
    c->block_at = start;
    c->block_bytes = (size_t)count;
    return CO_OK;
}

static co_status hash_range(check *c, const co_manifest_range *range)
{
    for (uint64_t at = range->begin; at < range->end;) {
        if (at < c->block_at || at >= c->block_at + c->block_bytes) {
            CO_TRY(read_block(c, at, range));
            if (c->told != NULL && c->told->progress != NULL) {
                c->told->progress(c->told->context);
            }
        }
        size_t skip = (size_t)(at - c->block_at);
        uint64_t left = range->end - at;
        size_t take = c->block_bytes - skip;
        take = left < take ? (size_t)left : take;
        co_hasher_add(c->hasher, c->block + skip, take);
        at += take;
    }
    return CO_OK;
}

/* The first range that a file of that size does not have in full. */
static const co_manifest_range *find_cut(const co_manifest *manifest, const co_manifest_file *file,
                                         uint64_t bytes)
{
    const co_manifest_range *ranges = manifest->ranges + file->first;
    for (size_t i = 0; i < file->count; i++) {
        if (ranges[i].end > bytes) {
            return &ranges[i];
        }
    }
    return NULL;
}

static co_status check_size(const check *c, const co_manifest *manifest,
                            const co_manifest_file *file)
{
    struct stat info;
    if (fstat(c->fd, &info) != 0) {
        return co_fail_errno(c->err, CO_FILE, errno, "cannot read %s", c->path);
    }
    if (!S_ISREG(info.st_mode)) {
        return co_fail(c->err, CO_FILE, "%s: is not a regular file", c->path);
    }
    uint64_t bytes = (uint64_t)info.st_size;
    const co_manifest_range *cut = find_cut(manifest, file, bytes);
    if (cut != NULL) {
        return co_fail(c->err, CO_FILE,
                       "%s: cut short: has %llu bytes of %llu; %s, bytes %llu-%llu, is not whole",
                       c->path, (unsigned long long)bytes, (unsigned long long)file->bytes,
                       cut->name, (unsigned long long)cut->begin, (unsigned long long)cut->end);
    }
    if (bytes != file->bytes) {
        return co_fail(c->err, CO_FILE, "%s: has %llu bytes, the manifest says %llu", c->path,
                       (unsigned long long)bytes, (unsigned long long)file->bytes);
    }
    return CO_OK;
}

static co_status check_ranges(check *c, const co_manifest *manifest, const co_manifest_file *file)
{
    CO_TRY(check_size(c, manifest, file));
    for (size_t i = 0; i < file->count; i++) {
        const co_manifest_range *range = &manifest->ranges[file->first + i];
        co_hasher_reset(c->hasher);
        CO_TRY(hash_range(c, range));
        if (!co_hash_equal(co_hasher_result(c->hasher), range->hash)) {
            return co_fail(c->err, CO_FILE,
                           "%s: damaged: %s, bytes %llu-%llu, does not have the hash in the "
                           "manifest",
                           c->path, range->name, (unsigned long long)range->begin,
                           (unsigned long long)range->end);
        }
    }
    return CO_OK;
}

/* A large file is read past the page cache: what the disk has is what counts, and the reading costs
 * the least processor time. */
static int open_file(const char *path, uint64_t bytes)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    int fd = bytes >= CO_FILE_LARGE ? open(path, flags | O_DIRECT) : open(path, flags);
    return fd < 0 && errno == EINVAL ? open(path, flags) : fd;
}

static co_status check_file(check *c, const co_committed *committed, const co_manifest_file *file)
{
    char *path = NULL;
    CO_TRY(join(committed->folder, file->name, &path, c->err));
    c->path = path;
    c->block_bytes = 0;
    co_status status = CO_OK;
    c->fd = open_file(path, file->bytes);
    if (c->fd < 0) {
        status = co_fail_errno(c->err, CO_FILE, errno, "cannot open %s", path);
    } else {
        status = check_ranges(c, &committed->manifest, file);
        (void)close(c->fd);
    }
    co_free(path);
    return status;
}

co_status co_committed_verify(const co_committed *committed, const co_files *told, co_error *err)
{
    check c = {.told = told, .err = err};
    void *block = NULL;
    CO_TRY(co_alloc(CO_FILE_BLOCK + CO_FILE_BLOCK_ALIGNMENT, 1, "part of a file", &block, err));
    size_t skip = co_round_up((size_t)block, CO_FILE_BLOCK_ALIGNMENT) - (size_t)block;
    c.block = (unsigned char *)block + skip;
    co_status status = co_hasher_create(&c.hasher, err);
    for (size_t i = 0; status == CO_OK && i < committed->manifest.file_count; i++) {
        status = check_file(&c, committed, &committed->manifest.files[i]);
    }
    co_hasher_destroy(c.hasher);
    co_free(block);
    return status;
}

/* --- reading --------------------------------------------------------------------------- */

co_status co_committed_path(const co_committed *committed, const char *name, char **out,
                            co_error *err)
{
    for (size_t i = 0; i < committed->manifest.file_count; i++) {
        if (strcmp(committed->manifest.files[i].name, name) == 0) {
            return join(committed->folder, name, out, err);
        }
    }
    return co_fail(err, CO_FILE, "%s: the checkpoint has no file %s", committed->folder, name);
}

co_status co_committed_read(const co_committed *committed, const char *name, char **out,
                            size_t *bytes, co_error *err)
{
    char *path = NULL;
    CO_TRY(co_committed_path(committed, name, &path, err));
    co_status status = co_file_read(path, SMALL_FILE_MAX, CO_FILE, out, bytes, err);
    co_free(path);
    return status;
}
