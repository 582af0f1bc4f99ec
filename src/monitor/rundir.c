#include "monitor/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"

enum { RUN_FILES = CO_RUN_STATUS + 1 };

static const char *const file_names[RUN_FILES] = {
    [CO_RUN_CONFIG] = "config.yaml",
    [CO_RUN_ENV] = "env.json",
    [CO_RUN_LOG] = "log.txt",
    [CO_RUN_METRICS] = "metrics.jsonl",
    [CO_RUN_CSV] = "metrics.csv",
    [CO_RUN_TENSORBOARD] = "events.out.tfevents.cohort",
    [CO_RUN_SUMMARY] = "summary.json",
    [CO_RUN_NETWORK] = "network.yaml",
    [CO_RUN_MODEL] = "model.safetensors",
    [CO_RUN_MODEL_RAW] = "model.raw.safetensors",
    [CO_RUN_WEIGHTS] = "weights.npy",
    [CO_RUN_STATUS] = "status",
};

struct co_rundir {
    const co_files *files; /* borrowed */
    char *path;
    char *file_paths[RUN_FILES];
    co_file_lock *lock;
};

/* --- names ----------------------------------------------------------------------------- */

static co_status join(const char *folder, const char *name, char **out, co_error *err)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    void *block = NULL;
    CO_TRY(co_alloc(size, 1, "file name", &block, err));
    (void)snprintf(block, size, "%s/%s", folder, name);
    *out = block;
    return CO_OK;
}

/* Also drops trailing slashes, but for "/". */
static co_status set_path(co_rundir *rundir, const char *path, co_error *err)
{
    CO_TRY(co_strdup(path, &rundir->path, err));
    size_t length = strlen(rundir->path);
    while (length > 1 && rundir->path[length - 1] == '/') {
        rundir->path[--length] = '\0';
    }
    return CO_OK;
}

/* results/<timestamp>-<dataset>-<model>, with -2, -3 ... when runs start in the same second.
 * The folder is made here: only making it tells who was first. */
static co_status make_default(co_rundir *rundir, const co_rundir_options *options, co_error *err)
{
    enum { TRIES = 1000 };
    char stamp[32];
    char name[160];
    CO_TRY(co_file_make_folders(options->files, options->results_dir, err));
    co_clock_format(co_clock_wall_ns(options->clock), "%Y%m%d-%H%M%S", stamp, sizeof(stamp));
    for (int i = 1; i <= TRIES; i++) {
        co_text text = co_text_over(name, sizeof(name));
        co_text_printf(&text, "%s-%.60s-%.60s", stamp, options->dataset, options->model);
        if (i > 1) {
            co_text_printf(&text, "-%d", i);
        }
        char *path = NULL;
        CO_TRY(join(options->results_dir, name, &path, err));
        if (options->files->mkdir(options->files->context, path, 0777) == 0) {
            rundir->path = path;
            return CO_OK;
        }
        int error_number = errno;
        co_free(path);
        if (error_number != EEXIST) {
            return co_fail_errno(err, CO_FILE, error_number, "cannot create the run folder %s/%s",
                                 options->results_dir, name);
        }
    }
    return co_fail(err, CO_FILE, "%s: too many runs with the name %s", options->results_dir, name);
}

/* --- creating -------------------------------------------------------------------------- */

/* Whether the folder has anything in it but the leavings of a run that never began. */
static co_status look_inside(const char *path, const char *lock_path, bool *empty, bool *lock_there,
                             co_error *err)
{
    const char *lock_name = strrchr(lock_path, '/') + 1;
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return co_fail_errno(err, CO_FILE, errno, "cannot look into the run folder %s", path);
    }
    *empty = true;
    *lock_there = false;
    for (struct dirent *entry = NULL; (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, lock_name) == 0) {
            *lock_there = true;
        } else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            *empty = false;
        }
    }
    (void)closedir(folder);
    return CO_OK;
}

/* A folder that is not ours to use gets no lock file; one that has a lock tells its owner. */
static co_status lock_folder(co_rundir *rundir, bool reuse, co_error *err)
{
    char *lock_path = NULL;
    bool empty = false;
    bool lock_there = false;
    CO_TRY(join(rundir->path, "lock", &lock_path, err));
    co_status status = look_inside(rundir->path, lock_path, &empty, &lock_there, err);
    if (status == CO_OK && (empty || reuse || lock_there)) {
        status = co_file_lock_take(lock_path, &rundir->lock, err);
    }
    if (status == CO_OK && !empty && !reuse) {
        status = co_fail(err, CO_FILE,
                         "the run folder %s is not empty: choose another with --run-dir, empty "
                         "it, or go on with the run in it with --resume auto",
                         rundir->path);
    }
    co_free(lock_path);
    return status;
}

static co_status create_folder(co_rundir *rundir, const co_rundir_options *options, bool *made,
                               co_error *err)
{
    struct stat info;
    if (options->path == NULL) {
        CO_TRY(make_default(rundir, options, err));
        *made = true;
    } else {
        CO_TRY(set_path(rundir, options->path, err));
        *made = stat(rundir->path, &info) != 0;
        CO_TRY(co_file_make_folders(options->files, rundir->path, err));
    }
    for (int i = 0; i < RUN_FILES; i++) {
        CO_TRY(join(rundir->path, file_names[i], &rundir->file_paths[i], err));
    }
    CO_TRY(lock_folder(rundir, options->reuse, err));
    return co_rundir_set_status(rundir, CO_OUTCOME_RUNNING, err);
}

co_status co_rundir_create(const co_rundir_options *options, co_rundir **out, co_error *err)
{
    void *block = NULL;
    bool made = false;
    CO_TRY(co_alloc(1, sizeof(co_rundir), "run folder", &block, err));
    co_rundir *rundir = block;
    rundir->files = options->files;
    co_status status = create_folder(rundir, options, &made, err);
    if (status != CO_OK) {
        co_file_lock_release(rundir->lock);
        rundir->lock = NULL;
        if (made && rundir->path != NULL) {
            (void)rmdir(rundir->path); /* fails, rightly, if anything is in it */
        }
        co_rundir_destroy(rundir);
        return status;
    }
    *out = rundir;
    return CO_OK;
}

void co_rundir_destroy(co_rundir *rundir)
{
    if (rundir == NULL) {
        return;
    }
    co_file_lock_release(rundir->lock);
    for (int i = 0; i < RUN_FILES; i++) {
        co_free(rundir->file_paths[i]);
    }
    co_free(rundir->path);
    co_free(rundir);
}

const char *co_rundir_path(const co_rundir *rundir)
{
    return rundir->path;
}

const char *co_rundir_previous_owner(const co_rundir *rundir)
{
    return co_file_lock_previous(rundir->lock);
}

const char *co_rundir_file(const co_rundir *rundir, co_run_file file)
{
    return rundir->file_paths[file];
}

/* --- writing --------------------------------------------------------------------------- */

co_status co_rundir_write_config(co_rundir *rundir, const char *yaml, co_error *err)
{
    return co_file_save(rundir->files, rundir->file_paths[CO_RUN_CONFIG], yaml, strlen(yaml), err);
}

co_status co_rundir_set_status(co_rundir *rundir, co_outcome outcome, co_error *err)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "%s\n", co_outcome_name(outcome));
    return co_file_save(rundir->files, rundir->file_paths[CO_RUN_STATUS], text, (size_t)length,
                        err);
}

static void add_field(co_text *text, const co_entry *field)
{
    co_text_json_string(text, field->key);
    co_text_put(text, ": ");
    switch (field->type) {
    case CO_ENTRY_TEXT:
        co_text_json_string(text, field->text);
        break;
    case CO_ENTRY_INTEGER:
        co_text_printf(text, "%lld", (long long)field->integer);
        break;
    case CO_ENTRY_NUMBER:
        co_text_json_f64(text, field->number);
        break;
    case CO_ENTRY_BOOL:
        co_text_put(text, field->integer != 0 ? "true" : "false");
        break;
    case CO_ENTRY_NULL:
        co_text_put(text, "null");
        break;
    }
}

static void add_object(co_text *text, const co_entry *fields, size_t count)
{
    co_text_put(text, "{\n");
    for (size_t i = 0; i < count; i++) {
        co_text_put(text, "  ");
        add_field(text, &fields[i]);
        co_text_put(text, i + 1 < count ? ",\n" : "\n");
    }
    co_text_put(text, "}\n");
}

static co_status save_object(const co_rundir *rundir, co_run_file file, const co_entry *fields,
                             size_t count, co_error *err)
{
    void *block = NULL;
    co_text sized = co_text_over(NULL, 0);
    add_object(&sized, fields, count);
    CO_TRY(co_alloc(sized.length + 1, 1, file_names[file], &block, err));
    co_text text = co_text_over(block, sized.length + 1);
    add_object(&text, fields, count);
    co_status status = co_file_save(rundir->files, rundir->file_paths[file], text.data, text.length,
                                    err);
    co_free(block);
    return status;
}

co_status co_rundir_write_env(co_rundir *rundir, const co_entry *fields, size_t count,
                              co_error *err)
{
    return save_object(rundir, CO_RUN_ENV, fields, count, err);
}

co_status co_rundir_write_summary(co_rundir *rundir, const co_entry *fields, size_t count,
                                  co_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].key, "test_accuracy") == 0) {
            return save_object(rundir, CO_RUN_SUMMARY, fields, count, err);
        }
    }
    return co_fail(err, CO_INTERNAL, "%s: test_accuracy is missing",
                   rundir->file_paths[CO_RUN_SUMMARY]);
}
