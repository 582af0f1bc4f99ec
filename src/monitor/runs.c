#include "monitor/runs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "monitor/runs_index.h"

enum { PATH_SIZE = 4096, HEAD_BYTES = 4096, TAIL_BYTES = 65536, SUMMARY_BYTES = 1 << 20 };

/* --- files that may end anywhere ----------------------------------------------------------- */

/* false: the path is too long for any file of ours to be there. */
static bool join(char out[PATH_SIZE], const char *folder, const char *name)
{
    int length = snprintf(out, PATH_SIZE, "%s/%s", folder, name);
    return length > 0 && length < PATH_SIZE;
}

/* The first or last bytes of a file, as text; 0 when there are none. */
static size_t read_part(const char *path, bool tail, char *out, size_t size)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t count = 0;
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        off_t room = (off_t)size - 1;
        off_t from = tail && info.st_size > room ? info.st_size - room : 0;
        count = pread(fd, out, size - 1, from);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    out[count > 0 ? count : 0] = '\0';
    return count > 0 ? (size_t)count : 0;
}

static void take_text(const json_t *object, const char *key, char out[CO_RUN_TEXT_SIZE])
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text != NULL) {
        (void)snprintf(out, CO_RUN_TEXT_SIZE, "%s", text);
    }
}

static void take_number(const json_t *object, const char *key, double *out)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_number(value)) {
        *out = json_number_value(value);
    }
}

static void take_integer(const json_t *object, const char *key, int64_t *out)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_integer(value)) {
        *out = (int64_t)json_integer_value(value);
    }
}

/* --- one run ------------------------------------------------------------------------------- */

static void take_line(co_run_record *record, const json_t *line)
{
    const char *event = json_string_value(json_object_get(line, "event"));
    const char *split = json_string_value(json_object_get(line, "split"));
    if (event == NULL) {
        return;
    }
    if (strcmp(event, "run_start") == 0) {
        take_text(line, "dataset", record->dataset);
        take_text(line, "model", record->model);
        take_integer(line, "steps", &record->steps_total);
        take_integer(line, "epochs", &record->epochs_total);
        return;
    }
    take_integer(line, "step", &record->steps);
    take_number(line, "seconds", &record->seconds);
    if (strcmp(event, "evaluation") == 0 && split != NULL && strcmp(split, "test") == 0) {
        take_number(line, "loss", &record->test_loss);
        take_number(line, "accuracy", &record->test_accuracy);
    } else if (strcmp(event, "epoch") == 0) {
        take_integer(line, "epoch", &record->epochs);
        take_number(line, "loss", &record->train_loss);
        take_number(line, "accuracy", &record->train_accuracy);
        take_number(line, "img_per_s", &record->images_per_second);
    } else if (strcmp(event, "step") == 0) {
        take_number(line, "running_loss", &record->train_loss);
        take_number(line, "img_per_s", &record->images_per_second);
    }
}

/* Whole lines only: the first may have been cut by us, the last by a kill. */
static void take_lines(co_run_record *record, char *text, bool first_is_whole)
{
    char *line = text;
    if (!first_is_whole) {
        line = strchr(text, '\n');
        line = line != NULL ? line + 1 : text + strlen(text);
    }
    for (char *end = NULL; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        json_t *object = json_loads(line, 0, NULL);
        if (object != NULL) {
            take_line(record, object);
            json_decref(object);
        }
    }
}

static co_status read_metrics(const char *path, co_run_record *record, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(TAIL_BYTES, 1, "metrics", &block, err));
    char *text = block;
    size_t bytes = read_part(path, false, text, HEAD_BYTES);
    take_lines(record, text, true);
    if (bytes == HEAD_BYTES - 1) {
        bytes = read_part(path, true, text, TAIL_BYTES);
        take_lines(record, text, bytes < TAIL_BYTES - 1);
    }
    co_free(text);
    return CO_OK;
}

static void read_summary(const char *path, co_run_record *record)
{
    co_error unused;
    char *text = NULL;
    size_t bytes = 0;
    if (co_file_read(path, SUMMARY_BYTES, CO_FILE, &text, &bytes, &unused) != CO_OK) {
        return;
    }
    json_t *summary = json_loadb(text, bytes, 0, NULL);
    if (summary != NULL) {
        take_text(summary, "dataset", record->dataset);
        take_text(summary, "model", record->model);
        take_integer(summary, "steps", &record->steps);
        take_integer(summary, "epochs", &record->epochs);
        take_number(summary, "train_loss", &record->train_loss);
        take_number(summary, "train_accuracy", &record->train_accuracy);
        take_number(summary, "test_loss", &record->test_loss);
        take_number(summary, "test_accuracy", &record->test_accuracy);
        take_number(summary, "train_seconds", &record->seconds);
        take_number(summary, "img_per_s", &record->images_per_second);
        json_decref(summary);
    }
    co_free(text);
}

static void read_status(const char *run_dir, co_run_record *record)
{
    char path[PATH_SIZE];
    if (join(path, run_dir, "status") &&
        read_part(path, false, record->status, sizeof(record->status)) > 0) {
        record->status[strcspn(record->status, "\n")] = '\0';
    }
    if (strcmp(record->status, "running") == 0 && join(path, run_dir, "lock") &&
        !co_file_lock_is_held(path)) {
        (void)snprintf(record->status, sizeof(record->status), "killed");
    }
}

/* Sizes and times of the files that a record is made of. false: this is no run folder. */
static bool stamp_of(const char *run_dir, co_run_record *record)
{
    static const char *const names[] = {"status", "metrics.jsonl", "summary.json", "config.yaml",
                                        "lock"};
    int64_t seen[sizeof(names) / sizeof(names[0])][3] = {{0}};
    char path[PATH_SIZE];
    struct stat info;
    bool is_run = false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (join(path, run_dir, names[i]) && stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
            seen[i][0] = info.st_size;
            seen[i][1] = info.st_mtim.tv_sec;
            seen[i][2] = info.st_mtim.tv_nsec;
            is_run = is_run || i < 2;
            record->started = i == 3 ? info.st_mtim.tv_sec : record->started;
        }
    }
    co_hash_text(co_hash_bytes(seen, sizeof(seen)), record->stamp);
    return is_run;
}

static co_run_record empty_record(const char *name)
{
    const double none = (double)NAN;
    co_run_record record = {.started = -1,
                            .steps = -1,
                            .steps_total = -1,
                            .epochs = -1,
                            .epochs_total = -1,
                            .train_loss = none,
                            .train_accuracy = none,
                            .test_loss = none,
                            .test_accuracy = none,
                            .seconds = none,
                            .images_per_second = none};
    (void)snprintf(record.name, sizeof(record.name), "%s", name);
    return record;
}

static co_status fill(const char *run_dir, co_run_record *record, co_error *err)
{
    char path[PATH_SIZE];
    read_status(run_dir, record);
    if (join(path, run_dir, "metrics.jsonl")) {
        CO_TRY(read_metrics(path, record, err));
    }
    /* A folder may be of a run that goes on after a summary was written: then it is old. */
    if (strcmp(record->status, "running") != 0 && strcmp(record->status, "killed") != 0 &&
        join(path, run_dir, "summary.json")) {
        read_summary(path, record);
    }
    return CO_OK;
}

co_status co_run_read(const char *run_dir, co_run_record *out, co_error *err)
{
    co_run_record record = empty_record(run_dir);
    if (!stamp_of(run_dir, &record)) {
        return co_fail(err, CO_FILE, "%s is not a run folder: it has neither status nor metrics",
                       run_dir);
    }
    CO_TRY(fill(run_dir, &record, err));
    *out = record;
    return CO_OK;
}

/* --- all of them --------------------------------------------------------------------------- */

static co_status grow(co_run_list *list, size_t *room, co_error *err)
{
    if (list->count < *room) {
        return CO_OK;
    }
    void *block = NULL;
    size_t more = *room > 0 ? 2 * *room : 64;
    CO_TRY(co_alloc(more, sizeof(co_run_record), "runs", &block, err));
    if (list->count > 0) {
        memcpy(block, list->records, list->count * sizeof(co_run_record));
    }
    co_free(list->records);
    list->records = block;
    *room = more;
    return CO_OK;
}

static co_status add_run(const char *run_dir, const char *name, co_runs_index *index,
                         co_run_list *list, co_error *err)
{
    co_run_record *record = &list->records[list->count];
    *record = empty_record(name);
    if (strlen(name) >= CO_RUN_NAME_SIZE || !stamp_of(run_dir, record)) {
        return CO_OK;
    }
    /* Whether a process still runs shows in no file's time: such a run is looked at again. */
    bool known = index != NULL && co_runs_index_find(index, record);
    if (!known || strcmp(record->status, "running") == 0) {
        CO_TRY(fill(run_dir, record, err));
        list->read++;
    }
    list->count++;
    return CO_OK;
}

static co_status add_runs(const char *results_dir, co_runs_index *index, co_run_list *list,
                          co_error *err)
{
    size_t room = 0;
    co_status status = CO_OK;
    DIR *folder = opendir(results_dir);
    if (folder == NULL) {
        return co_fail_errno(err, CO_FILE, errno, "cannot look into the results folder %s",
                             results_dir);
    }
    for (struct dirent *entry = NULL; status == CO_OK && (entry = readdir(folder)) != NULL;) {
        char path[PATH_SIZE];
        if (entry->d_name[0] == '.' || !join(path, results_dir, entry->d_name)) {
            continue;
        }
        status = grow(list, &room, err);
        if (status == CO_OK) {
            status = add_run(path, entry->d_name, index, list, err);
        }
    }
    (void)closedir(folder);
    return status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const co_run_record *)a)->name, ((const co_run_record *)b)->name);
}

co_status co_runs_list(const char *results_dir, co_run_list *out, co_error *err)
{
    co_run_list list = {0};
    co_runs_index *index = NULL;
    if (co_runs_index_open(results_dir, &index, &list.no_index) != CO_OK) {
        index = NULL;
    }
    co_status status = add_runs(results_dir, index, &list, err);
    if (list.count > 1) {
        qsort(list.records, list.count, sizeof(co_run_record), by_name);
    }
    if (index != NULL) {
        (void)!co_runs_index_save(index, &list, &list.no_index);
    }
    if (status != CO_OK) {
        co_runs_free(&list);
        return status;
    }
    *out = list;
    return CO_OK;
}

void co_runs_free(co_run_list *list)
{
    co_free(list->records);
    *list = (co_run_list){0};
}
