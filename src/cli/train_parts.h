/* What the files of `cohort train` share: train_command.c runs, train_resume.c finds out where it
 * goes on, train_names.c makes S3's file names. Not for others.
 */
#ifndef CO_CLI_TRAIN_PARTS_H
#define CO_CLI_TRAIN_PARTS_H

#include "cli/cli.h"
#include "comm/beating_files.h"
#include "monitor/monitor.h"
#include "monitor/rundir.h"
#include "train/checkpoint.h"
#include "train/worker.h"

enum { CO_TRAIN_PATH_SIZE = 4096 };

typedef struct train_command {
    co_cli *cli;
    const co_settings *settings;
    co_comm *comm;
    co_beating_files disk; /* saving to it shows in the pulse */
    co_monitor *monitor;
    co_job *job;
    co_rundir *rundir;                     /* NULL but on the first worker */
    char run_path[CO_TRAIN_PATH_SIZE];     /* chosen for the run; "": date and time */
    char results_path[CO_TRAIN_PATH_SIZE]; /* with --subfolder */
    bool continued;                        /* the run folder is that of the run that is resumed */
    co_mark_files files;                   /* how long its append-only files were */
    co_progress progress;
    char *config; /* YAML, as resolved */
    co_checkpoints *checkpoints;
    co_trace *trace;
    co_timeline *timeline; /* NULL without --timeline */
    co_hparam *hparams;    /* (hparam_count) what TensorBoard is told; NULL without */
    size_t hparam_count;
    co_outcome outcome;
} train_command;

/* Chooses the run folder's path, and with --resume brings job and progress to the checkpoint. */
CO_MUST_CHECK co_status co_cli_train_begin(train_command *t, co_error *err);

/* Bytes to keep of an append-only file of the run folder. */
uint64_t co_cli_train_keep(const train_command *t, co_run_file file, const char *name);

/* --base-names: links with S3's file names to the files that are there. */
CO_MUST_CHECK co_status co_cli_train_base_names(const train_command *t, co_error *err);

#endif
