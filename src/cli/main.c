/* cohort: trains neural networks with many workers. Finds the command, runs it, reports. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "co_build.h"

extern char **environ;

typedef co_status (*command_func)(co_cli *cli, co_error *err);

static command_func command_of(co_command command)
{
    static const command_func functions[CO_COMMAND_COUNT] = {
        [CO_COMMAND_TRAIN] = co_cli_train,
        [CO_COMMAND_EVAL] = co_cli_eval,
        [CO_COMMAND_MODELS] = co_cli_models,
        [CO_COMMAND_DATA_CHECK] = co_cli_data_check,
        [CO_COMMAND_DATA_INFO] = co_cli_data_info,
        [CO_COMMAND_DOCTOR] = co_cli_doctor,
        [CO_COMMAND_CALIBRATE] = co_cli_calibrate,
        [CO_COMMAND_SIM] = co_cli_sim,
        [CO_COMMAND_TUNE] = co_cli_tune,
        [CO_COMMAND_DATA_PARTITION] = co_cli_data_partition,
        [CO_COMMAND_DATA_GENERATE] = co_cli_data_generate,
        [CO_COMMAND_DATA_FETCH] = co_cli_data_fetch,
        [CO_COMMAND_RUNS_LIST] = co_cli_runs_list,
        [CO_COMMAND_RUNS_COMPARE] = co_cli_runs_compare,
        [CO_COMMAND_RUNS_TAIL] = co_cli_runs_tail,
        [CO_COMMAND_RUNS_PLOT] = co_cli_runs_plot,
        [CO_COMMAND_CHECKPOINT_SHOW] = co_cli_checkpoint_show,
        [CO_COMMAND_CHECKPOINT_VERIFY] = co_cli_checkpoint_verify,
    };
    return functions[command];
}

static void print_usage(FILE *file)
{
    (void)fprintf(file,
                  "cohort %s: trains neural networks with many workers\n\n"
                  "usage: cohort COMMAND [--flag value ...]\n\n"
                  "commands:\n",
                  CO_BUILD_VERSION);
    for (int i = 0; i < CO_COMMAND_COUNT; i++) {
        (void)fprintf(file, "  %-18s %s\n", co_command_words((co_command)i),
                      co_command_summary((co_command)i));
    }
    (void)fprintf(file,
                  "\nexamples:\n"
                  "  cohort train                                        a first run, no files "
                  "needed\n"
                  "  cohort train --dataset mnist --dataset-dir DIR      the real thing\n"
                  "  cohort COMMAND --help                               all flags of a command\n");
}

/* The same arguments with --config FILE after them. */
static co_status load_again_with(co_cli *cli, co_command command, int count,
                                 char *const arguments[], char *path, co_error *err)
{
    enum { MAX_ARGUMENTS = 1024 };
    char flag[] = "--config";
    char *more[MAX_ARGUMENTS + 2];
    if (count > MAX_ARGUMENTS) {
        return co_fail(err, CO_USAGE, "more than %d arguments", MAX_ARGUMENTS);
    }
    memcpy(more, arguments, sizeof(more[0]) * (size_t)count);
    more[count] = flag;
    more[count + 1] = path;
    co_conf_free(&cli->conf);
    return co_conf_load(&cli->conf, command, count + 2, more, environ, err);
}

/* The config.yaml of the run folder that eval looks at, or of the run or checkpoint that train goes
 * on with; "": there is none to read. */
static co_status recorded_settings(const co_settings *settings, co_command command, char *path,
                                   size_t size, co_error *err)
{
    char folder[4096] = "";
    int length = 0;
    bool trains = command == CO_COMMAND_TRAIN || command == CO_COMMAND_SIM;
    path[0] = '\0';
    if (settings->help || settings->config != NULL) {
        return CO_OK;
    }
    if (command == CO_COMMAND_EVAL && settings->run_dir != NULL) {
        length = snprintf(path, size, "%s/config.yaml", settings->run_dir);
    } else if (trains && settings->resume != NULL) {
        bool is_auto = strcmp(settings->resume, "auto") == 0;
        length = is_auto ? co_cli_run_folder(settings, folder, sizeof(folder))
                         : snprintf(folder, sizeof(folder), "%s", settings->resume);
        length = length < 0 || (size_t)length >= sizeof(folder)
                     ? length
                     : snprintf(path, size, "%s/config.yaml", folder);
    }
    if (length < 0 || (size_t)length >= size) {
        return co_fail(err, CO_USAGE, "the path of the run folder is too long");
    }
    if (trains && path[0] != '\0' && access(path, R_OK) != 0) {
        path[0] = '\0'; /* what is missing is told by the one who looks for the checkpoint */
    }
    return CO_OK;
}

static co_status load_settings(co_cli *cli, co_command command, int count, char *const arguments[],
                               co_error *err)
{
    char path[4096];
    CO_TRY(co_conf_load(&cli->conf, command, count, arguments, environ, err));
    CO_TRY(recorded_settings(&cli->conf.values, command, path, sizeof(path), err));
    cli->no_record = cli->conf.values.resume != NULL && path[0] == '\0';
    return path[0] != '\0' ? load_again_with(cli, command, count, arguments, path, err) : CO_OK;
}

/* Training, tuning, fetching and watching finish what they are at, or put it in order; other
 * commands end where they are. */
static co_status call(co_cli *cli, co_command command, co_error *err)
{
    if (command == CO_COMMAND_TRAIN || command == CO_COMMAND_SIM || command == CO_COMMAND_TUNE ||
        command == CO_COMMAND_DATA_FETCH || command == CO_COMMAND_RUNS_TAIL ||
        command == CO_COMMAND_RUNS_PLOT) {
        cli->stop = co_cli_catch_signals();
    }
    return command_of(command)(cli, err);
}

static co_status run_command(co_cli *cli, int count, char *const arguments[], co_error *err)
{
    co_command command = CO_COMMAND_TRAIN;
    int used = 0;
    CO_TRY(co_conf_find_command(count, arguments, &command, &used, err));
    CO_TRY(load_settings(cli, command, count - used, arguments + used, err));
    co_status status = CO_OK;
    if (cli->conf.values.help) {
        co_conf_print_help(command, stdout);
    } else if (cli->conf.values.print_config) {
        status = co_conf_print_sources(&cli->conf, stdout, err);
    } else {
        status = call(cli, command, err);
    }
    co_conf_free(&cli->conf);
    return status;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

/* libgomp lets a thread that waits for the others spin for milliseconds. On a machine that has
 * anything else to do this is ruinous: the spinning takes the processor from the thread that it
 * waits for (a LeNet-5 run on two threads beside compilers: 2k to 7k images/s by default, 23k with
 * a spin of 1000; on an idle machine 2000 costs nothing that could be measured). The variable is
 * read before main, hence the program starts itself once more; the user's own settings are left
 * alone. */
static void shorten_openmp_spin(char *argv[])
{
    char path[4096]; /* not /proc/self/exe itself: the process would be called "exe" */
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (length > 0 && getenv("GOMP_SPINCOUNT") == NULL && getenv("OMP_WAIT_POLICY") == NULL &&
        setenv("GOMP_SPINCOUNT", "2000", 1) == 0) {
        path[length] = '\0';
        (void)execv(path, argv);
    }
}

int co_cli_main(int argc, char *argv[], const co_engine *engine)
{
    (void)setlocale(LC_CTYPE, ""); /* for the console's characters; numbers stay as in C */
    if (argc < 2) {
        print_usage(stderr);
        return CO_USAGE;
    }
    if (is_one_of(argv[1], "help", "--help", "-h")) {
        print_usage(stdout);
        return CO_OK;
    }
    if (is_one_of(argv[1], "version", "--version", "-V")) {
        printf("cohort %s (%s)\n", CO_BUILD_VERSION, CO_BUILD_COMMIT);
        return CO_OK;
    }
    if (strcmp(argv[1], "reference") == 0) {
        co_conf_print_reference(stdout);
        return CO_OK;
    }
    if (!engine->simulated) {
        shorten_openmp_spin(argv);
    }
    co_cli cli = {
        .clock = &co_clock_system,
        .start_ns = co_clock_ns(&co_clock_system),
        .engine = engine,
        .argc = argc,
        .argv = argv,
    };
    co_error err = {0};
    co_status status = run_command(&cli, argc - 1, argv + 1, &err);
    if (status == CO_OK && (fflush(stdout) != 0 || ferror(stdout))) {
        status = co_fail_errno(&err, CO_FILE, errno, "cannot write to the standard output");
    }
    if (status != CO_OK && err.text[0] != '\0') { /* without a text: another process told it */
        (void)fprintf(stderr, "cohort: %s\n", err.text);
    }
    return (int)status;
}
