/* Settings: one table of rows, and the layers that fill them.
 *
 * options.def has one row per setting. The rows make the struct co_settings (typed values), and a
 * co_conf holds those values with where each came from. Layers, each overriding the one before:
 * defaults < profile < file < environment < command line. Everything is checked before anything
 * has a side effect: a co_conf that loads is complete and consistent.
 *
 * The caller owns the co_conf and frees it with co_conf_free; texts and lists in it belong to it.
 * Nothing here is global: arguments and environment are passed in. Any thread may read a loaded
 * co_conf.
 */
#ifndef CO_CONF_CONF_H
#define CO_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "conf/choices.h"

/* X(constant, words on the command line, positional setting or "", what it does). A setting that
 * ends in "..." takes any number of arguments, one per line of its text. */
#define CO_COMMAND_MAP(X)                                                                          \
    X(TRAIN, "train", "", "train a network and write a run folder")                                \
    X(EVAL, "eval", "run_dir", "evaluate the weights of a run folder or of a file")                \
    X(MODELS, "models", "model", "list networks, or show one: layers, parameters, memory")         \
    X(DATA_CHECK, "data check", "dataset", "read a data set through and check every part of it")   \
    X(DATA_INFO, "data info", "dataset", "show what a data set holds")                             \
    X(DATA_FETCH, "data fetch", "dataset", "download a public data set and check it")              \
    X(DATA_GENERATE, "data generate", "dataset",                                                   \
      "write made-up files in a data set's format: nt3")                                           \
    X(DATA_PARTITION, "data partition", "dataset", "show which worker gets which samples")         \
    X(SIM, "sim", "", "train on a simulated cluster, in virtual time")                             \
    X(CALIBRATE, "calibrate", "", "measure what a training step takes, for simulated clusters")    \
    X(DOCTOR, "doctor", "", "show what is built in, found and usable, and why not")                \
    X(CHECKPOINT_SHOW, "checkpoint show", "checkpoint_path",                                       \
      "show what a checkpoint holds: step, state, tensors, environment")                           \
    X(CHECKPOINT_VERIFY, "checkpoint verify", "checkpoint_path",                                   \
      "read a checkpoint through and compare every part with its manifest")                        \
    X(TUNE, "tune", "model", "measure kernels on this machine and write a tune file")              \
    X(RUNS_LIST, "runs list", "results_dir", "list the runs of a results folder")                  \
    X(RUNS_COMPARE, "runs compare", "runs...", "show where runs differ: settings and results")     \
    X(RUNS_TAIL, "runs tail", "run_dir", "show the end of a run's log, and what it adds")          \
    X(RUNS_PLOT, "runs plot", "runs...", "draw the curves of runs into a picture (gnuplot)")

typedef enum co_command {
#define CO_COMMAND_ENUM(name, words, positional, text) CO_COMMAND_##name,
    CO_COMMAND_MAP(CO_COMMAND_ENUM)
#undef CO_COMMAND_ENUM
        CO_COMMAND_COUNT
} co_command;

typedef struct co_number_list {
    double *items; /* NULL when empty */
    int count;
} co_number_list;

/* How each type of row is held. Texts are NULL when not set. A CHOICE is one of the constants of
 * choices.h. A YAML value is its text on one line, already checked: read it with co_yaml_parse. */
#define CO_FIELD_BOOL   bool
#define CO_FIELD_INT    int
#define CO_FIELD_UINT64 uint64_t
#define CO_FIELD_FLOAT  double
#define CO_FIELD_STRING char *
#define CO_FIELD_PATH   char *
#define CO_FIELD_CHOICE int
#define CO_FIELD_LIST   co_number_list
#define CO_FIELD_YAML   char *

typedef struct co_settings {
#define CO_OPTION(type, field, section, commands, standard, ...) CO_FIELD_##type field;
#include "conf/options.def"
#undef CO_OPTION
} co_settings;

/* The number of each row: CO_ROW_batch_size, ... */
typedef enum co_row {
#define CO_OPTION(type, field, section, commands, standard, ...) CO_ROW_##field,
#include "conf/options.def"
#undef CO_OPTION
    CO_ROW_COUNT
} co_row;

typedef enum co_source_kind {
    CO_SOURCE_DEFAULT,
    CO_SOURCE_PROFILE,
    CO_SOURCE_FILE,
    CO_SOURCE_ENVIRONMENT,
    CO_SOURCE_COMMAND_LINE
} co_source_kind;

typedef struct co_source {
    co_source_kind kind;
    char *where; /* "profile s1", "run.yaml:3:7", "COHORT_LR", "--lr"; NULL for a default */
} co_source;

typedef struct co_conf {
    co_command command;
    co_settings values;
    co_source sources[CO_ROW_COUNT];
} co_conf;

/* Which command the first arguments name; *used: how many of them (1 or 2). arguments[0] is the
 * first word after the program's name. Fails with CO_USAGE and the nearest name. */
CO_MUST_CHECK co_status co_conf_find_command(int count, char *const arguments[], co_command *out,
                                             int *used, co_error *err);
const char *co_command_words(co_command command);
const char *co_command_summary(co_command command);

/* Fills *conf from all layers. `arguments`: what follows the command's words; `environment`: as in
 * environ, NULL for none. With --help among the arguments nothing else is read and only
 * conf->values.help is set. Fails with CO_USAGE (the message names flag, variable or
 * file:line:column, and the nearest name or the allowed range) or CO_MEMORY; *conf is then empty
 * and needs no co_conf_free. */
CO_MUST_CHECK co_status co_conf_load(co_conf *conf, co_command command, int count,
                                     char *const arguments[], char *const environment[],
                                     co_error *err);
/* The same from one document alone, such as a run folder's config.yaml, whose text is in memory;
 * `name` begins the messages. */
CO_MUST_CHECK co_status co_conf_read(co_conf *conf, co_command command, const char *name,
                                     const char *text, size_t length, co_error *err);
void co_conf_free(co_conf *conf); /* a zeroed one is allowed */

/* The settings as config.yaml: all that belong to the run (not to this call of the program),
 * resolved; reading it back with --config gives the same settings. Freed by co_free. */
CO_MUST_CHECK co_status co_conf_dump(const co_conf *conf, char **out, co_error *err);
/* What --print-config shows: every setting of the command, its value and its source. */
CO_MUST_CHECK co_status co_conf_print_sources(const co_conf *conf, FILE *file, co_error *err);
/* What `cohort COMMAND --help` shows. */
void co_conf_print_help(co_command command, FILE *file);
/* docs/reference.md. */
void co_conf_print_reference(FILE *file);

/* Takes the settings that another process dumped, but keeps what belongs to this call of the
 * program. On a failure *conf is as it was. */
CO_MUST_CHECK co_status co_conf_adopt(co_conf *conf, const char *name, const char *text,
                                      size_t length, co_error *err);

/* Writes "lr: 0.1 then, 0.2 now; ..." for the settings of a run that differ ("" when none does):
 * those that decide its results, or those that `may_change` when it is resumed. */
CO_MUST_CHECK co_status co_conf_compare(const co_settings *then, const co_settings *now,
                                        bool may_change, char *out, size_t size, co_error *err);

/* The value of one row as the dump writes it. Freed by co_free. */
CO_MUST_CHECK co_status co_conf_value_text(const co_settings *settings, co_row row, char **out,
                                           co_error *err);

/* eval_batch_size with its -1 resolved. */
static inline int co_settings_eval_batch_size(const co_settings *settings)
{
    return settings->eval_batch_size > 0 ? settings->eval_batch_size : settings->batch_size;
}

/* Refuses what several workers cannot do, where settings.workers is more than one. co_conf_load has
 * done so; again for who learns the number of workers later. */
CO_MUST_CHECK co_status co_conf_check_many(const co_conf *conf, co_error *err);
/* How many workers have a place on hosts that were checked ("node1:4,node2": 5). */
long co_conf_places(const char *hosts);

#endif
