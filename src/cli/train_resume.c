/* cohort train: which folder it writes to, and where it goes on. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "cli/train_parts.h"
#include "train/resume.h"
#include "train/weights.h"

static co_status choose_path(train_command *t, co_error *err)
{
    int length = co_cli_run_folder(t->settings, t->run_path, sizeof(t->run_path));
    if (length < 0 || (size_t)length >= sizeof(t->run_path)) {
        return co_fail(err, CO_USAGE, "--results-dir and --save-dir: the path is too long");
    }
    return CO_OK;
}

static bool same_folder(const char *a, const char *b)
{
    struct stat left;
    struct stat right;
    return stat(a, &left) == 0 && stat(b, &right) == 0 && left.st_dev == right.st_dev &&
           left.st_ino == right.st_ino;
}

/* A run that ended would lose its results. Without a status it is no run folder of ours, and the
 * usual refusal of folders that are not empty holds. */
static co_status check_unfinished(train_command *t, co_error *err)
{
    char path[CO_TRAIN_PATH_SIZE + 16];
    char *text = NULL;
    size_t bytes = 0;
    co_error ignored;
    (void)snprintf(path, sizeof(path), "%s/status", t->run_path);
    if (co_file_read(path, 4096, CO_FILE, &text, &bytes, &ignored) != CO_OK) {
        return CO_OK;
    }
    bool finished = strcmp(text, "finished\n") == 0;
    co_free(text);
    if (finished) {
        return co_fail(err, CO_FILE,
                       "%s: the run is finished, and has no checkpoint to resume from",
                       t->run_path);
    }
    t->continued = true;
    return CO_OK;
}

static co_status start_anew(train_command *t, co_error *err)
{
    const co_settings *settings = t->settings;
    if (t->comm->rank == 0) {
        co_announce_note(co_monitor_announcer(t->monitor), CO_LEVEL_NOTE,
                         "no checkpoint in %s: starting from the beginning", t->run_path);
        CO_TRY(check_unfinished(t, err));
    }
    return settings->checkpoint != NULL ? co_weights_load(settings->checkpoint, t->job->model, err)
                                        : CO_OK;
}

static co_status load(train_command *t, const co_committed *committed, co_error *err)
{
    const co_announcer *announcer = co_monitor_announcer(t->monitor);
    char owner[CO_TRAIN_PATH_SIZE];
    CO_TRY(co_resume_load(committed, t->job, announcer, &t->progress, &t->files, err));
    if (t->comm->rank != 0) {
        return CO_OK; /* the first worker keeps the record */
    }
    CO_TRY(co_resume_run_folder(co_committed_folder(committed), owner, sizeof(owner), err));
    if (t->run_path[0] == '\0') {
        memcpy(t->run_path, owner, sizeof(owner));
    }
    t->continued = owner[0] != '\0' && same_folder(owner, t->run_path);
    if (!t->continued) {
        t->files = (co_mark_files){0};
        t->progress.trace_rows = 0;
    }
    co_announce_note(announcer, CO_LEVEL_NOTE, "resumed from %s", co_committed_folder(committed));
    return CO_OK;
}

static co_status resume(train_command *t, co_error *err)
{
    const char *target = t->settings->resume;
    bool is_auto = strcmp(target, "auto") == 0;
    co_committed *committed = NULL;
    co_status status = CO_OK;
    if (t->comm->rank == 0) {
        status = co_resume_find(is_auto ? t->run_path : target, is_auto,
                                co_monitor_announcer(t->monitor), &committed, err);
    }
    CO_TRY(co_comm_agree(t->comm, status, err));
    uint8_t found = committed != NULL;
    CO_TRY(co_comm_broadcast(t->comm, &found, sizeof(found), 0, err));
    if (found == 0) {
        return start_anew(t, err);
    }
    status = load(t, committed, err);
    co_committed_close(committed);
    return status;
}

co_status co_cli_train_begin(train_command *t, co_error *err)
{
    co_progress_start(&t->progress);
    CO_TRY(choose_path(t, err));
    return t->settings->resume != NULL ? resume(t, err) : CO_OK;
}

/* What was recorded. A file that is shorter (it was removed, say) is told, and no reason to lose
 * the run. */
uint64_t co_cli_train_keep(const train_command *t, co_run_file file, const char *name)
{
    struct stat info;
    for (uint32_t i = 0; i < t->files.count; i++) {
        uint64_t bytes = t->files.files[i].bytes;
        if (strcmp(t->files.files[i].name, name) != 0) {
            continue;
        }
        const char *path = co_rundir_file(t->rundir, file);
        uint64_t size = stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
        if (size < bytes) {
            co_announce_note(co_monitor_announcer(t->monitor), CO_LEVEL_WARNING,
                             "%s: has %llu of the %llu bytes that it had: lines are missing", path,
                             (unsigned long long)size, (unsigned long long)bytes);
        }
        return size < bytes ? size : bytes;
    }
    return 0;
}
