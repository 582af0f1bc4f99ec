/* Which checkpoints a folder has: part of train/checkpoint.h. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "train/checkpoint.h"

enum { PATH_SIZE = 4096 };

/* step-000800 -> 800 */
static bool parse_name(const char *name, uint64_t *step)
{
    char *end = NULL;
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9') {
        return false;
    }
    *step = strtoull(name + 5, &end, 10);
    return *end == '\0';
}

static bool is_leftover(const char *name)
{
    size_t length = strlen(name);
    size_t suffix = strlen(CO_COMMIT_TEMP);
    return strncmp(name, "step-", 5) == 0 && length > suffix &&
           strcmp(name + length - suffix, CO_COMMIT_TEMP) == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    uint64_t left = 0;
    uint64_t right = 0;
    (void)parse_name((*a)->d_name, &left);
    (void)parse_name((*b)->d_name, &right);
    return left < right ? 1 : left > right ? -1 : strcmp((*a)->d_name, (*b)->d_name);
}

static int is_checkpoint_or_leftover(const struct dirent *entry)
{
    uint64_t step = 0;
    return parse_name(entry->d_name, &step) || is_leftover(entry->d_name);
}

static void free_names(struct dirent **names, int count)
{
    for (int i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
}

/* The names, newest first, leftovers among them; freed by free_names. */
static co_status list(const char *folder, struct dirent ***out, int *count, co_error *err)
{
    int found = scandir(folder, out, is_checkpoint_or_leftover, by_name);
    if (found < 0 && errno != ENOENT && errno != ENOTDIR) {
        return co_fail_errno(err, CO_FILE, errno, "cannot look into %s", folder);
    }
    *count = found < 0 ? 0 : found;
    if (found < 0) {
        *out = NULL;
    }
    return CO_OK;
}

static co_status join(char out[PATH_SIZE], const char *folder, const char *name, co_error *err)
{
    int length = snprintf(out, PATH_SIZE, "%s/%s", folder, name);
    if (length < 0 || length >= PATH_SIZE) {
        return co_fail(err, CO_FILE, "%s: the path is too long", folder);
    }
    return CO_OK;
}

co_status co_checkpoint_open(const char *path, co_committed **out, co_error *err)
{
    co_committed *committed = NULL;
    CO_TRY(co_committed_open(path, &committed, err));
    co_status status = co_committed_verify(committed, NULL, err);
    if (status != CO_OK) {
        co_committed_close(committed);
        return status;
    }
    *out = committed;
    return CO_OK;
}

static co_status open_newest(struct dirent **names, int count, const char *folder, bool fall_back,
                             const co_announcer *announcer, co_committed **out, co_error *err)
{
    int damaged = 0;
    int leftovers = 0;
    co_error last = {0};
    for (int i = 0; i < count; i++) {
        char path[PATH_SIZE];
        CO_TRY(join(path, folder, names[i]->d_name, err));
        if (is_leftover(names[i]->d_name)) {
            leftovers++;
            continue;
        }
        co_status status = co_checkpoint_open(path, out, &last);
        if (status == CO_MEMORY || (status != CO_OK && !fall_back)) {
            return co_fail(err, status, "%s%s", last.text,
                           status == CO_FILE ? "; --resume auto takes the checkpoint before it"
                                             : "");
        }
        if (status == CO_OK && leftovers > 0) {
            co_announce_note(announcer, CO_LEVEL_WARNING,
                             "%s: a checkpoint that was not finished is ignored", folder);
        }
        if (status == CO_OK) {
            return CO_OK;
        }
        damaged++;
        co_announce_note(announcer, CO_LEVEL_WARNING, "%s; trying the checkpoint before it",
                         last.text);
    }
    if (damaged > 0) {
        return co_fail(err, CO_FILE, "%s: no checkpoint is whole; the oldest: %.600s", folder,
                       last.text);
    }
    *out = NULL;
    return CO_OK;
}

co_status co_checkpoint_newest(const char *folder, bool fall_back, const co_announcer *announcer,
                               co_committed **out, co_error *err)
{
    struct dirent **names = NULL;
    int count = 0;
    CO_TRY(list(folder, &names, &count, err));
    co_status status = open_newest(names, count, folder, fall_back, announcer, out, err);
    free_names(names, count);
    return status;
}

/* Renamed first: what is killed half-way must not look like a checkpoint. */
static co_status remove_checkpoint(const co_files *files, const char *path, co_error *err)
{
    char temp[PATH_SIZE];
    int length = snprintf(temp, sizeof(temp), "%s%s", path, CO_COMMIT_TEMP);
    if (length < 0 || length >= PATH_SIZE) {
        return co_fail(err, CO_FILE, "%s: the path is too long", path);
    }
    if (files->rename(files->context, path, temp) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot rename %s", path);
    }
    return co_file_remove_folder(files, temp, err);
}

static co_status set_aside(const co_files *files, const char *path, const co_announcer *announcer,
                           co_error *err)
{
    char old[PATH_SIZE];
    int length = snprintf(old, sizeof(old), "%s.old", path);
    if (length < 0 || length >= PATH_SIZE) {
        return co_fail(err, CO_FILE, "%s: the path is too long", path);
    }
    CO_TRY(co_file_remove_folder(files, old, err));
    if (files->rename(files->context, path, old) != 0) {
        return co_fail_errno(err, CO_FILE, errno, "cannot rename %s", path);
    }
    co_announce_note(announcer, CO_LEVEL_WARNING,
                     "%s is of a later step than the one the run goes on from: it is %s.old now",
                     path, strrchr(path, '/') + 1);
    return CO_OK;
}

co_status co_checkpoint_set_aside(const co_files *files, const char *folder, uint64_t step,
                                  const co_announcer *announcer, co_error *err)
{
    struct dirent **names = NULL;
    int count = 0;
    CO_TRY(list(folder, &names, &count, err));
    co_status status = CO_OK;
    for (int i = 0; i < count && status == CO_OK; i++) {
        uint64_t other = 0;
        char path[PATH_SIZE];
        if (parse_name(names[i]->d_name, &other) && other > step) {
            status = join(path, folder, names[i]->d_name, err);
            status = status == CO_OK ? set_aside(files, path, announcer, err) : status;
        }
    }
    free_names(names, count);
    return status;
}

static co_status prune_names(const co_files *files, const char *folder, struct dirent **names,
                             int count, uint64_t step, int keep, co_error *err)
{
    int kept = 0;
    for (int i = 0; i < count; i++) {
        uint64_t other = 0;
        char path[PATH_SIZE];
        CO_TRY(join(path, folder, names[i]->d_name, err));
        if (is_leftover(names[i]->d_name)) {
            CO_TRY(co_file_remove_folder(files, path, err));
        } else if (parse_name(names[i]->d_name, &other) && other < step && ++kept > keep) {
            CO_TRY(remove_checkpoint(files, path, err));
        }
    }
    return CO_OK;
}

co_status co_checkpoint_prune(const co_files *files, const char *folder, uint64_t step, int keep,
                              co_error *err)
{
    struct dirent **names = NULL;
    int count = 0;
    CO_TRY(list(folder, &names, &count, err));
    co_status status = prune_names(files, folder, names, count, step, keep, err);
    free_names(names, count);
    return status;
}
