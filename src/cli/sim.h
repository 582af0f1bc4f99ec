/* What the two forms of cohort sim share: one simulation, or one after the other (--curve). */
#ifndef CO_CLI_SIM_H
#define CO_CLI_SIM_H

#include "cli/cli.h"

/* Simulates this command line with so many workers; more: words to be added to it
 * (NULL-terminated). silent: what the simulation prints is left out, but for faults. A fault that
 * it has told comes back without a text. */
CO_MUST_CHECK co_status co_cli_sim_run(const co_cli *cli, int workers, const char *const *more,
                                       bool silent, co_error *err);
/* Of a platform of the user's own: whether each worker has a line of the host file, with a host
 * that is there. */
CO_MUST_CHECK co_status co_cli_sim_check_hosts(const char *platform, const char *hostfile,
                                               int workers, co_error *err);
CO_MUST_CHECK co_status co_cli_sim_curve(co_cli *cli, co_error *err);

/* How the process of a simulation ended. */
typedef struct co_sim_ended {
    int code;      /* its exit code, or 128 and the signal: the user's second one */
    int killed_by; /* a signal; 0: it ended by itself */
    int asked;     /* how often the user asked to stop */
} co_sim_ended;

/* Runs words[0] (NULL-terminated) in a session of its own until it ends. The first TERM, INT or
 * USR1 is passed on: the ranks then finish their step; the second one kills it. It dies with this
 * process. silent: without its standard output. CO_STOPPED where a signal came before. */
CO_MUST_CHECK co_status co_cli_sim_process(const co_cli *cli, char *words[], bool silent,
                                           co_sim_ended *out, co_error *err);

#endif
