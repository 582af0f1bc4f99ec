#include "data/image/walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 16 };

bool co_walk_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool co_walk_is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

co_status co_walk_join(const char *a, const char *b, char out[CO_WALK_PATH], co_error *err)
{
    int length = snprintf(out, CO_WALK_PATH, "%s/%s", a, b);
    if (length < 0 || length >= CO_WALK_PATH) {
        return co_fail(err, CO_DATA, "%.200s...: a path of more than %d bytes", a, CO_WALK_PATH);
    }
    return CO_OK;
}

static bool is_image(const char *name)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
                                          ".pgm", ".tif",  ".tiff", ".webp"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (strcasecmp(dot, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Follows links, as torchvision does. */
static bool entry_is_folder(const char *path, const struct dirent *entry)
{
    char whole[CO_WALK_PATH];
    co_error unused;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }
    return co_walk_join(path, entry->d_name, whole, &unused) == CO_OK && co_walk_is_folder(whole);
}

/* The sub-folders, or the images, of one folder. */
static co_status read_folder(const char *path, bool folders, co_names *out, co_error *err)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return co_fail_errno(err, CO_DATA, errno, "%s: cannot be read as a folder", path);
    }
    co_status status = CO_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            status = errno == 0 ? CO_OK
                                : co_fail_errno(err, CO_DATA, errno, "%s: cannot be read", path);
            break;
        }
        bool wanted = folders ? entry->d_name[0] != '.' && entry_is_folder(path, entry)
                              : is_image(entry->d_name) && !entry_is_folder(path, entry);
        if (wanted) {
            status = co_names_add(out, entry->d_name, err);
            if (status != CO_OK) {
                break;
            }
        }
    }
    closedir(dir);
    co_names_sort(out);
    return status;
}

co_status co_walk_folders(const char *path, co_names *out, co_error *err)
{
    return read_folder(path, true, out, err);
}

/* Adds `sub` and the folders below it, unsorted. */
static co_status collect_folders(const char *root, const char *sub, int depth, co_names *all,
                                 co_error *err)
{
    char path[CO_WALK_PATH];
    co_names own = {0};
    CO_TRY(co_walk_join(root, sub, path, err));
    if (depth > DEPTH_MAX) {
        return co_fail(err, CO_DATA,
                       "%s: more than %d folders inside each other; a link in a loop?", path,
                       DEPTH_MAX);
    }
    CO_TRY(co_names_add(all, sub, err));
    co_status status = read_folder(path, true, &own, err);
    for (uint32_t i = 0; i < own.count && status == CO_OK; i++) {
        char below[CO_WALK_PATH];
        status = co_walk_join(sub, co_names_get(&own, i), below, err);
        if (status == CO_OK) {
            status = collect_folders(root, below, depth + 1, all, err);
        }
    }
    co_names_free(&own);
    return status;
}

static co_status add_files(const char *root, const char *sub, co_names *files, co_names *out,
                           co_error *err)
{
    char path[CO_WALK_PATH];
    CO_TRY(co_walk_join(root, sub, path, err));
    co_names_clear(files);
    CO_TRY(read_folder(path, false, files, err));
    for (uint32_t i = 0; i < files->count; i++) {
        CO_TRY(co_walk_join(sub, co_names_get(files, i), path, err));
        CO_TRY(co_names_add(out, path, err));
    }
    return CO_OK;
}

co_status co_walk_images(const char *root, const char *sub, co_names *out, co_error *err)
{
    co_names folders = {0};
    co_names files = {0};
    co_status status = collect_folders(root, sub, 0, &folders, err);
    co_names_sort(&folders);
    for (uint32_t i = 0; i < folders.count && status == CO_OK; i++) {
        status = add_files(root, co_names_get(&folders, i), &files, out, err);
    }
    co_names_free(&folders);
    co_names_free(&files);
    return status;
}
