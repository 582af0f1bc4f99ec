/* Starting a program as several workers (or as one that is watched), starting it again when one is
 * lost, and knowing that one was started so.
 *
 * The front process runs mpirun in a session of its own, so that Ctrl-C reaches the front process
 * alone: it passes the wish to stop on as SIGUSR1, which the workers take for "finish the step".
 * SIGTERM is what mpirun itself sends when a worker died; a worker that gets it ends at once and
 * writes nothing. The folder in /dev/shm that the job's shared memory lies in is the job's own; a
 * small watcher process sweeps it, and ends the workers, should the front process be killed.
 */
#ifndef CO_CLI_LAUNCH_H
#define CO_CLI_LAUNCH_H

#include "base/status.h"
#include "cli/cli.h"

/* ---- the worker's side ---- */

/* The job's folder in shared memory, as the front process told those it started; "": none. */
const char *co_launch_folder(void);

/* How many workers this process was started with, by mpirun or srun; 1 when it was not. */
int co_launch_ranks(void);
/* mpirun started this process and no other: it runs no second mpirun inside. */
bool co_launch_alone_under_mpirun(void);
/* mpirun gives its workers terminals, wherever its own output goes: whether that is one. True
 * where no mpirun started this process. */
bool co_launch_on_terminal(void);
/* How often the front process has started this job again; -1: there is no front process. */
int co_launch_restarts(void);
/* Why, one reason after the other; "" without. */
const char *co_launch_reasons(void);
/* The first thing that a started worker does: it ends when its mpirun does, even by SIGKILL. */
void co_launch_tie_to_parent(void);
/* As long as this process lives no other job sweeps this one's folder on this host. */
void co_launch_hold_folder(void);
/* From here on the front process, if there is one on this host, sees what this worker is at. */
CO_MUST_CHECK co_status co_launch_show(co_comm *comm, co_error *err);

/* A worker is about to end all others. Where mpirun cannot reach some of them any more (a cut
 * cable) it would wait for ever: the front process, if it is on this host, learns of it here, and
 * this process ends within seconds come what may. */
void co_launch_report_failure(int code);

/* The workers told their user what went wrong: the front process need not. */
void co_launch_report_told(void);

/* The first worker tells the front process where the run folder is: there a job is resumed, and a
 * run that was killed does not stand there as running. */
void co_launch_report_folder(const char *path);

/* ---- the front process ---- */

/* Until the descriptor is closed, here and in all who inherited it, other jobs take the folder for
 * that of a living one; -1: it is not there. */
int co_launch_hold(const char *folder);

/* Runs this same command as settings.workers workers and waits for them; where one is lost, again
 * from the newest checkpoint, settings.max_restarts times. Returns their status; where the workers
 * have told what went wrong, *err has no text. CO_UNSUPPORTED without mpirun. */
CO_MUST_CHECK co_status co_launch_workers(const co_cli *cli, co_error *err);

#endif
