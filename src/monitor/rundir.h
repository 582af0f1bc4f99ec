/* The run folder: where one run leaves everything it has to say.
 *
 *     config.yaml   as resolved             metrics.jsonl      see monitor/sinks.h
 *     env.json      versions, CPU, ISA ...  summary.json       with `test_accuracy`
 *     log.txt       what happened           model.safetensors  no time, no path in it
 *     network.yaml  with --model FILE.yaml: that file; config.yaml names the copy
 *     model.raw.safetensors   with --ema-decay: the weights that model.safetensors averages
 *     metrics.csv   the same as a table    events.out.tfevents.cohort   with --tensorboard
 *     weights.npy   with --saves-per-epoch: the trajectory of the weights
 *     checkpoints/  step-000800 ...: what a run is resumed from (train/checkpoint.h)
 *     best_model_*.safetensors, not-finite-*.json   where there is reason to
 *     status        running | finished | preempted | failed
 *     lock          "pid@host" while a process uses the folder
 *
 * Files other than log.txt, the metrics and events.out.tfevents.cohort are saved atomically. Used
 * by the main thread.
 */
#ifndef CO_MONITOR_RUNDIR_H
#define CO_MONITOR_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/file.h"
#include "event/event.h"

typedef struct co_rundir co_rundir;

typedef struct co_rundir_options {
    const char *path;        /* --run-dir; NULL: results_dir/<timestamp>-<dataset>-<model> */
    const char *results_dir; /* used when path is NULL */
    const char *dataset;
    const char *model;
    bool reuse; /* a folder that has files in it is taken anyway; its files are replaced */
    const co_files *files; /* borrowed */
    const co_clock *clock; /* borrowed */
} co_rundir_options;

/* Creates and locks the folder and sets its status to "running". CO_FILE when it has files in it
 * (and reuse is not set), is in use by another process, or cannot be written: then nothing is
 * left behind. */
CO_MUST_CHECK co_status co_rundir_create(const co_rundir_options *options, co_rundir **out,
                                         co_error *err);
/* Releases the lock; NULL is allowed. The status is left as it is. */
void co_rundir_destroy(co_rundir *rundir);

const char *co_rundir_path(const co_rundir *rundir);
/* "pid@host" of a killed run whose lock was taken over; "" when there was none. */
const char *co_rundir_previous_owner(const co_rundir *rundir);

typedef enum co_run_file {
    CO_RUN_CONFIG,
    CO_RUN_ENV,
    CO_RUN_LOG,
    CO_RUN_METRICS,
    CO_RUN_CSV,
    CO_RUN_TENSORBOARD,
    CO_RUN_SUMMARY,
    CO_RUN_MODEL,
    CO_RUN_NETWORK,
    CO_RUN_MODEL_RAW, /* beside an average of the weights: the weights themselves */
    CO_RUN_WEIGHTS,   /* their trajectory */
    CO_RUN_STATUS,
} co_run_file;

/* The file's path; borrowed, as long as the folder. */
const char *co_rundir_file(const co_rundir *rundir, co_run_file file);

CO_MUST_CHECK co_status co_rundir_write_config(co_rundir *rundir, const char *yaml, co_error *err);
CO_MUST_CHECK co_status co_rundir_set_status(co_rundir *rundir, co_outcome outcome, co_error *err);

typedef enum co_entry_type {
    CO_ENTRY_TEXT,
    CO_ENTRY_INTEGER,
    CO_ENTRY_NUMBER,
    CO_ENTRY_BOOL,
    CO_ENTRY_NULL,
} co_entry_type;

/* One "key": value of a JSON object; strings are borrowed. */
typedef struct co_entry {
    const char *key;
    co_entry_type type;
    const char *text;
    int64_t integer; /* also a bool's value */
    double number;   /* not finite: written as null */
} co_entry;

static inline co_entry co_entry_text(const char *key, const char *text)
{
    return (co_entry){.key = key, .type = CO_ENTRY_TEXT, .text = text};
}

static inline co_entry co_entry_integer(const char *key, int64_t value)
{
    return (co_entry){.key = key, .type = CO_ENTRY_INTEGER, .integer = value};
}

static inline co_entry co_entry_number(const char *key, double value)
{
    return (co_entry){.key = key, .type = CO_ENTRY_NUMBER, .number = value};
}

static inline co_entry co_entry_bool(const char *key, bool value)
{
    return (co_entry){.key = key, .type = CO_ENTRY_BOOL, .integer = value};
}

static inline co_entry co_entry_null(const char *key)
{
    return (co_entry){.key = key, .type = CO_ENTRY_NULL};
}

/* One JSON object, keys in the given order, one per line. */
CO_MUST_CHECK co_status co_rundir_write_env(co_rundir *rundir, const co_entry *fields, size_t count,
                                            co_error *err);
/* The same; CO_INTERNAL when no field is called test_accuracy. */
CO_MUST_CHECK co_status co_rundir_write_summary(co_rundir *rundir, const co_entry *fields,
                                                size_t count, co_error *err);

#endif
