#include "data/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "base/alloc.h"

enum { TAR_BLOCK = 512 };

struct co_tar {
    const char *path; /* borrowed */
    const co_bytes *content;
    struct archive *archive;
};

static co_status archive_fault(const co_tar *tar, co_error *err)
{
    const char *text = archive_error_string(tar->archive);
    return co_fail(err, CO_DATA, "%s: byte %lld of the archive: %s; it is damaged, get it again",
                   tar->path, (long long)archive_read_header_position(tar->archive),
                   text != NULL ? text : "damaged");
}

co_status co_tar_open(const char *path, const co_bytes *content, co_tar **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_tar), "archive", &block, err));
    co_tar *tar = block;
    *tar = (co_tar){.path = path, .content = content, .archive = archive_read_new()};
    if (tar->archive == NULL) {
        co_tar_close(tar);
        return co_fail(err, CO_MEMORY, "%s: no memory to read it", path);
    }
    archive_read_support_format_tar(tar->archive);
    co_status status = CO_OK;
    if (archive_read_open_memory(tar->archive, content->data, content->size) != ARCHIVE_OK) {
        status = archive_fault(tar, err);
    }
    if (status != CO_OK) {
        co_tar_close(tar);
        return status;
    }
    *out = tar;
    return CO_OK;
}

void co_tar_close(co_tar *tar)
{
    if (tar != NULL) {
        if (tar->archive != NULL) {
            archive_read_free(tar->archive);
        }
        co_free(tar);
    }
}

bool co_tar_leads_out(const char *path)
{
    if (path[0] == '/') {
        return true;
    }
    for (const char *at = path; at != NULL; at = strchr(at, '/')) {
        at += *at == '/';
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0')) {
            return true;
        }
    }
    return false;
}

static co_status check_member(const co_tar *tar, const co_tar_member *member, int64_t promised,
                              co_error *err)
{
    long long at = (long long)archive_read_header_position(tar->archive);
    if (co_tar_leads_out(member->path)) {
        return co_fail(err, CO_DATA,
                       "%s: byte %lld of the archive: the member '%.200s' leads out of it; no good "
                       "archive has such paths, get it from its official page",
                       tar->path, at, member->path);
    }
    uint64_t left = tar->content->size - (uint64_t)at;
    if (promised < 0 || left < TAR_BLOCK || (uint64_t)promised > left - TAR_BLOCK) {
        return co_fail(err, CO_DATA,
                       "%s: byte %lld of the archive: the header of '%.200s' promises %lld bytes, "
                       "the archive ends after %llu; it is truncated or damaged, get it again",
                       tar->path, at, member->path, (long long)promised,
                       (unsigned long long)(left < TAR_BLOCK ? 0 : left - TAR_BLOCK));
    }
    return CO_OK;
}

co_status co_tar_next(co_tar *tar, bool *more, co_tar_member *out, co_error *err)
{
    struct archive_entry *entry = NULL;
    int got = archive_read_next_header(tar->archive, &entry);
    if (got == ARCHIVE_EOF) {
        *more = false;
        return CO_OK;
    }
    if (got != ARCHIVE_OK && got != ARCHIVE_WARN) {
        return archive_fault(tar, err);
    }
    co_tar_member member = {.path = archive_entry_pathname(entry)};
    if (member.path == NULL) {
        return archive_fault(tar, err);
    }
    CO_TRY(check_member(tar, &member, archive_entry_size(entry), err));
    member.is_file = archive_entry_filetype(entry) == AE_IFREG &&
                     archive_entry_hardlink(entry) == NULL;
    member.bytes = member.is_file ? (uint64_t)archive_entry_size(entry) : 0;
    *out = member;
    *more = true;
    return CO_OK;
}

static co_status copy_content(co_tar *tar, const co_tar_member *member, uint8_t *bytes,
                              co_error *err)
{
    uint64_t filled = 0;
    for (;;) {
        const void *block = NULL;
        size_t count = 0;
        la_int64_t offset = 0;
        int got = archive_read_data_block(tar->archive, &block, &count, &offset);
        if (got == ARCHIVE_EOF) {
            break;
        }
        if (got != ARCHIVE_OK) {
            return archive_fault(tar, err);
        }
        if (offset < 0 || (uint64_t)offset != filled || count > member->bytes - filled) {
            return co_fail(err, CO_DATA, "%s: the member '%.200s' has holes; pack it again",
                           tar->path, member->path);
        }
        memcpy(bytes + filled, block, count);
        filled += count;
    }
    if (filled != member->bytes) {
        return co_fail(err, CO_DATA,
                       "%s: the member '%.200s' has %llu bytes, its header promises %llu; it is "
                       "truncated, get it again",
                       tar->path, member->path, (unsigned long long)filled,
                       (unsigned long long)member->bytes);
    }
    return CO_OK;
}

co_status co_tar_read(co_tar *tar, const co_tar_member *member, co_bytes *out, co_error *err)
{
    if (!member->is_file || member->bytes == 0) {
        return co_fail(err, CO_DATA, "%s: the member '%.200s' is %s", tar->path, member->path,
                       member->is_file ? "empty" : "not a file");
    }
    co_bytes bytes = {0};
    CO_TRY(co_bytes_reserve((size_t)member->bytes, tar->path, &bytes, err));
    co_status status = copy_content(tar, member, bytes.pages, err);
    if (status != CO_OK) {
        co_bytes_free(&bytes);
        return status;
    }
    *out = bytes;
    return CO_OK;
}
