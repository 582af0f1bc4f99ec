#include "state/commit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"

struct co_commit {
    const co_files *files; /* borrowed */
    char *folder;
    char *temp;
    co_manifest manifest; /* its names are owned by `names` */
    char **names;
    size_t name_count;
    size_t name_capacity;
    size_t file_capacity;
    size_t range_capacity;
    bool made; /* the temporary folder */
};

static co_status join(const char *left, const char *middle, const char *right, char **out,
                      co_error *err)
{
    size_t size = strlen(left) + strlen(middle) + strlen(right) + 1;
    void *block = NULL;
    CO_TRY(co_alloc(size, 1, "file name", &block, err));
    (void)snprintf(block, size, "%s%s%s", left, middle, right);
    *out = block;
    return CO_OK;
}

static void free_commit(co_commit *commit)
{
    for (size_t i = 0; i < commit->name_count; i++) {
        co_free(commit->names[i]);
    }
    co_free(commit->names);
    co_manifest_free(&commit->manifest);
    co_free(commit->folder);
    co_free(commit->temp);
    co_free(commit);
}

void co_commit_abandon(co_commit *commit)
{
    if (commit == NULL) {
        return;
    }
    co_error ignored; /* the reason to abandon is what counts */
    if (commit->made) {
        (void)!co_file_remove_folder(commit->files, commit->temp, &ignored);
    }
    free_commit(commit);
}

static co_status make_temp(co_commit *commit, co_error *err)
{
    const co_files *files = commit->files;
    CO_TRY(co_file_remove_folder(files, commit->temp, err));
    CO_TRY(co_file_make_folders(files, commit->temp, err));
    commit->made = true;
    return CO_OK;
}

co_status co_commit_begin(const co_files *files, const char *folder, co_commit **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_commit), "checkpoint", &block, err));
    co_commit *commit = block;
    commit->files = files;
    co_status status = co_strdup(folder, &commit->folder, err);
    if (status == CO_OK) {
        status = join(folder, CO_COMMIT_TEMP, "", &commit->temp, err);
    }
    if (status == CO_OK) {
        status = make_temp(commit, err);
    }
    if (status != CO_OK) {
        co_commit_abandon(commit);
        return status;
    }
    *out = commit;
    return CO_OK;
}

/* --- what the manifest will say -------------------------------------------------------- */

/* Room for `more` items after `count`. */
static co_status grow(void **items, size_t count, size_t more, size_t size, size_t *capacity,
                      co_error *err)
{
    if (count + more <= *capacity) {
        return CO_OK;
    }
    size_t wanted = 2 * (count + more);
    void *block = NULL;
    CO_TRY(co_alloc(wanted, size, "manifest", &block, err));
    if (count > 0) {
        memcpy(block, *items, count * size);
    }
    co_free(*items);
    *items = block;
    *capacity = wanted;
    return CO_OK;
}

static co_status keep_name(co_commit *commit, const char *name, const char **out, co_error *err)
{
    void *items = commit->names;
    CO_TRY(grow(&items, commit->name_count, 1, sizeof(char *), &commit->name_capacity, err));
    commit->names = items;
    CO_TRY(co_strdup(name, &commit->names[commit->name_count], err));
    *out = commit->names[commit->name_count++];
    return CO_OK;
}

static co_status add_file(co_commit *commit, const char *name, co_error *err)
{
    co_manifest *manifest = &commit->manifest;
    void *items = manifest->files;
    CO_TRY(grow(&items, manifest->file_count, 1, sizeof(co_manifest_file), &commit->file_capacity,
                err));
    manifest->files = items;
    co_manifest_file file = {.first = manifest->range_count};
    CO_TRY(keep_name(commit, name, &file.name, err));
    manifest->files[manifest->file_count++] = file;
    return CO_OK;
}

/* The next range of the file added last. */
static co_status add_range(co_commit *commit, const char *name, uint64_t bytes, co_hash hash,
                           co_error *err)
{
    co_manifest *manifest = &commit->manifest;
    co_manifest_file *file = &manifest->files[manifest->file_count - 1];
    void *items = manifest->ranges;
    CO_TRY(grow(&items, manifest->range_count, 1, sizeof(co_manifest_range),
                &commit->range_capacity, err));
    manifest->ranges = items;
    co_manifest_range range = {.begin = file->bytes, .end = file->bytes + bytes, .hash = hash};
    CO_TRY(keep_name(commit, name, &range.name, err));
    manifest->ranges[manifest->range_count++] = range;
    file->bytes = range.end;
    file->count++;
    return CO_OK;
}

/* --- files ----------------------------------------------------------------------------- */

static co_status add_tensors(co_commit *commit, const char *name, const co_tensor_source *tensors,
                             size_t count, const co_hash *hashes, uint64_t header_bytes,
                             co_error *err)
{
    CO_TRY(add_file(commit, name, err));
    CO_TRY(add_range(commit, "(header)", header_bytes, hashes[0], err));
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes = 0;
        CO_TRY(co_tensor_source_bytes(&tensors[i], &bytes, err));
        CO_TRY(add_range(commit, tensors[i].name, bytes, hashes[1 + i], err));
    }
    return CO_OK;
}

co_status co_commit_tensors(co_commit *commit, const char *name, const co_tensor_source *tensors,
                            size_t count, const co_metadata *metadata, size_t metadata_count,
                            co_error *err)
{
    char *path = NULL;
    void *hashes = NULL;
    uint64_t header_bytes = 0;
    CO_TRY(co_alloc(count + 1, sizeof(co_hash), "hashes", &hashes, err));
    co_status status = join(commit->temp, "/", name, &path, err);
    CO_TRY_GOTO(status, status, free_hashes);
    status = co_safetensors_save_hashed(commit->files, path, tensors, count, metadata,
                                        metadata_count, hashes, &header_bytes, err);
    if (status == CO_OK) {
        status = add_tensors(commit, name, tensors, count, hashes, header_bytes, err);
    }
    co_free(path);
free_hashes:
    co_free(hashes);
    return status;
}

co_status co_commit_bytes(co_commit *commit, const char *name, const void *data, size_t bytes,
                          co_error *err)
{
    char *path = NULL;
    CO_TRY(join(commit->temp, "/", name, &path, err));
    co_status status = co_file_save(commit->files, path, data, bytes, err);
    co_free(path);
    CO_TRY(status);
    CO_TRY(add_file(commit, name, err));
    return add_range(commit, "(all)", bytes, co_hash_bytes(data, bytes), err);
}

/* --- the end --------------------------------------------------------------------------- */

static co_status write_manifest(co_commit *commit, co_error *err)
{
    char *path = NULL;
    char *text = NULL;
    size_t bytes = 0;
    CO_TRY(co_manifest_write(&commit->manifest, &text, &bytes, err));
    co_status status = join(commit->temp, "/", CO_COMMIT_MANIFEST, &path, err);
    if (status == CO_OK) {
        status = co_file_save(commit->files, path, text, bytes, err);
    }
    co_free(path);
    co_free(text);
    return status;
}

static co_status read_back(const co_commit *commit, co_error *err)
{
    co_committed *committed = NULL;
    CO_TRY(co_committed_open(commit->temp, &committed, err));
    co_status status = co_committed_verify(committed, commit->files, err);
    co_committed_close(committed);
    return status;
}

/* A folder of that name is moved away: a rename cannot replace a folder that has files. */
static co_status make_room(const co_commit *commit, const char *old, bool *moved, co_error *err)
{
    const co_files *files = commit->files;
    struct stat info;
    *moved = false;
    if (stat(commit->folder, &info) != 0) {
        return CO_OK;
    }
    CO_TRY(co_file_remove_folder(files, old, err));
    if (files->rename(files->context, commit->folder, old) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot rename %s to %s", commit->folder, old);
    }
    *moved = true;
    return CO_OK;
}

static co_status move_in(co_commit *commit, const char *old, co_error *err)
{
    const co_files *files = commit->files;
    bool moved = false;
    CO_TRY(make_room(commit, old, &moved, err));
    if (files->rename(files->context, commit->temp, commit->folder) != 0) {
        int error_number = errno;
        if (moved) {
            (void)files->rename(files->context, old, commit->folder);
        }
        return co_fail_errno(err, CO_FILE, error_number, "cannot rename %s to %s", commit->temp,
                             commit->folder);
    }
    commit->made = false;
    CO_TRY(co_file_sync_folder_of(files, commit->folder, err));
    co_error ignored; /* a leftover is removed after the next checkpoint */
    if (moved) {
        (void)!co_file_remove_folder(files, old, &ignored);
    }
    return CO_OK;
}

static co_status put_in_place(co_commit *commit, co_error *err)
{
    char *old = NULL;
    CO_TRY(join(commit->folder, ".old", CO_COMMIT_TEMP, &old, err));
    co_status status = move_in(commit, old, err);
    co_free(old);
    return status;
}

static uint64_t sum_of_bytes(const co_manifest *manifest)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < manifest->file_count; i++) {
        sum += manifest->files[i].bytes;
    }
    return sum;
}

static co_status finish(co_commit *commit, co_error *err)
{
    CO_TRY(write_manifest(commit, err));
    CO_TRY(read_back(commit, err));
    return put_in_place(commit, err);
}

co_status co_commit_finish(co_commit *commit, uint64_t step, uint64_t *bytes, co_error *err)
{
    commit->manifest.step = step;
    co_status status = finish(commit, err);
    if (status == CO_OK) {
        *bytes = sum_of_bytes(&commit->manifest);
    }
    co_commit_abandon(commit);
    return status;
}
