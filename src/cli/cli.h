/* The commands: each parses nothing (conf did), calls the library, and prints.
 *
 * A command returns a status whose number is the program's exit code; the message of a failure is
 * in *err and is printed by main. Main thread only.
 */
#ifndef CO_CLI_CLI_H
#define CO_CLI_CLI_H

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/status.h"
#include "comm/comm.h"
#include "conf/conf.h"
#include "monitor/tensorboard.h"

typedef struct co_cli {
    int argc; /* the command line, as it was given */
    char **argv;
    co_conf conf;
    bool no_record; /* the settings of the run to be resumed are not on this host */
    const co_clock *clock;
    uint64_t start_ns;       /* monotonic, of the program */
    const co_engine *engine; /* how other workers are reached */
    const atomic_int *stop;  /* becomes the number of a signal that asks to stop; or NULL */
} co_cli;

/* The program; returns its exit code. */
int co_cli_main(int argc, char *argv[], const co_engine *engine);

CO_MUST_CHECK co_status co_cli_train(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_eval(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_models(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_data_check(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_data_info(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_data_fetch(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_data_generate(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_data_partition(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_calibrate(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_sim(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_doctor(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_tune(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_runs_list(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_runs_compare(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_runs_plot(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_runs_tail(co_cli *cli, co_error *err);

/* The settings that decide what a run learns, for TensorBoard. *out belongs to the caller:
 * co_cli_free_hparams. */
CO_MUST_CHECK co_status co_cli_hparams(const co_settings *settings, co_hparam **out, size_t *count,
                                       co_error *err);
void co_cli_free_hparams(co_hparam *hparams, size_t count); /* NULL is allowed */

CO_MUST_CHECK co_status co_cli_checkpoint_show(co_cli *cli, co_error *err);
CO_MUST_CHECK co_status co_cli_checkpoint_verify(co_cli *cli, co_error *err);

/* The run folder that the settings name ("": by date and time), as snprintf does it. */
int co_cli_run_folder(const co_settings *settings, char *out, size_t size);
/* The folder that run folders are made in: results-dir, or its subfolder, which is put into the
 * buffer. */
const char *co_cli_results_folder(const co_settings *settings, char *buffer, size_t size);

/* Catches SIGINT, SIGTERM and SIGHUP: the first is only noted in the returned flag, so that the
 * step under way can be finished; a second one ends the program at once, unless it is a hangup.
 * Ignores SIGPIPE, and SIGXFSZ so that a file that may not grow is a failed write. */
const atomic_int *co_cli_catch_signals(void);
/* What a process that waits for others reads instead: these signals, and SIGCHLD. */
void co_cli_front_signals(sigset_t *out);
/* They end the process again: for what cannot stop in good order. */
void co_cli_leave_signals(void);

/* For a worker that was started: SIGUSR1 asks to stop; SIGTERM ends it at once, for it says that
 * another one died. The pulse then tells that it was ended. */
const atomic_int *co_cli_catch_worker_signals(const co_comm *comm);
/* Before that comm is closed. */
void co_cli_release_worker_signals(void);

/* The processor's name as /proc/cpuinfo has it; "unknown" where it has none. */
void co_cli_cpu_name(char *out, size_t size);
/* Resident memory of this process in bytes, now and at its largest; 0 where unknown. */
size_t co_cli_resident_bytes(void);
size_t co_cli_peak_resident_bytes(void);

/* Prints "  name ........ value" lines of one width. */
void co_cli_print_row(FILE *file, const char *name, const char *format, ...) CO_PRINTF(3, 4);
/* Prints a size for people: "1.5 MiB". */
void co_cli_print_size(FILE *file, const char *name, size_t bytes);

#endif
