/* Removing folders: part of base/file.h. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"

enum { DEPTH_MAX = 8 };

static co_status remove_below(const co_files *files, const char *path, int depth, co_error *err);

static co_status remove_entry(const co_files *files, const char *folder, const char *name,
                              int depth, co_error *err)
{
    void *block = NULL;
    struct stat info;
    size_t size = strlen(folder) + strlen(name) + 2;
    CO_TRY(co_alloc(size, 1, "file name", &block, err));
    char *path = block;
    (void)snprintf(path, size, "%s/%s", folder, name);
    co_status status = CO_OK;
    if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        status = remove_below(files, path, depth + 1, err);
    } else if (files->unlink(files->context, path) != 0 && errno != ENOENT) {
        status = co_fail_errno(err, CO_FILE, errno, "cannot remove %s", path);
    }
    co_free(block);
    return status;
}

static co_status remove_below(const co_files *files, const char *path, int depth, co_error *err)
{
    if (depth > DEPTH_MAX) {
        return co_fail(err, CO_FILE, "cannot remove %s: its folders are nested too deeply", path);
    }
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return errno == ENOENT ? CO_OK
                               : co_fail_errno(err, CO_FILE, errno, "cannot look into %s", path);
    }
    co_status status = CO_OK;
    for (struct dirent *entry = NULL; status == CO_OK && (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            status = remove_entry(files, path, entry->d_name, depth, err);
        }
    }
    (void)closedir(folder);
    CO_TRY(status);
    if (files->rmdir(files->context, path) != 0 && errno != ENOENT) {
        return co_fail_errno(err, CO_FILE, errno, "cannot remove the folder %s", path);
    }
    return CO_OK;
}

co_status co_file_remove_folder(const co_files *files, const char *path, co_error *err)
{
    return remove_below(files, path, 0, err);
}
