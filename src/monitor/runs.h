/* Finished and running run folders, read back: what `cohort runs` shows.
 *
 * A folder is a run when it has a status or a metrics file. Everything is taken from the folder's
 * files, which may be of a killed run and end anywhere: what is missing or damaged is left out,
 * never an error. With SQLite in the build, an index (index.sqlite in the results folder) saves
 * reading folders that did not change; it is made again when it is lost or damaged, and anybody
 * may look at it with sqlite3. Main thread only.
 */
#ifndef CO_MONITOR_RUNS_H
#define CO_MONITOR_RUNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { CO_RUN_NAME_SIZE = 256, CO_RUN_TEXT_SIZE = 40, CO_RUN_STAMP_SIZE = 33 };

/* Texts are "" and numbers NaN or -1 where they are not known. */
typedef struct co_run_record {
    char name[CO_RUN_NAME_SIZE];   /* of the folder, in the results folder */
    char stamp[CO_RUN_STAMP_SIZE]; /* changes when the files that matter do */
    char status[CO_RUN_TEXT_SIZE]; /* that of the file; "killed": says running, but nobody is */
    char dataset[CO_RUN_TEXT_SIZE];
    char model[CO_RUN_TEXT_SIZE];
    int64_t started; /* seconds since 1970 */
    int64_t steps;
    int64_t steps_total;
    int64_t epochs;
    int64_t epochs_total;
    double train_loss;
    double train_accuracy;
    double test_loss;
    double test_accuracy;
    double seconds;
    double images_per_second;
} co_run_record;

typedef struct co_run_list {
    co_run_record *records; /* sorted by name */
    size_t count;
    size_t read;       /* folders that were read; the others came from the index */
    co_error no_index; /* status not CO_OK: why there is no index (never a failure) */
} co_run_list;

/* All runs of a results folder. CO_FILE when the folder cannot be read. */
CO_MUST_CHECK co_status co_runs_list(const char *results_dir, co_run_list *out, co_error *err);
void co_runs_free(co_run_list *list);

/* One run folder; CO_FILE when it is none. */
CO_MUST_CHECK co_status co_run_read(const char *run_dir, co_run_record *out, co_error *err);

/* "SQLite 3.40.1", or "" in a build without. */
const char *co_runs_index_kind(void);

#endif
