/* Starting a program as several workers, and knowing that one was started so.
 *
 * The front process runs mpirun in a session of its own, so that Ctrl-C reaches the front process
 * alone: it passes the wish to stop on as SIGUSR1, which the workers take for "finish the step".
 * SIGTERM is what mpirun itself sends when a worker died; a worker that gets it ends at once and
 * writes nothing. The folder in /dev/shm that the job's shared memory lies in is the job's own; a
 * small watcher process sweeps it, and ends mpirun, should the front process be killed.
 */
#ifndef CO_CLI_LAUNCH_H
#define CO_CLI_LAUNCH_H

#include "base/status.h"
#include "cli/cli.h"

/* How many workers this process was started with, by mpirun or srun; 1 when it was not. */
int co_launch_ranks(void);
/* The first thing that a started worker does: it ends when its mpirun does, even by SIGKILL. */
void co_launch_tie_to_parent(void);

/* A worker is about to end all others. Where mpirun cannot reach some of them any more (a cut
 * cable) it would wait for ever: the front process, if it is on this host, learns of it here, and
 * this process ends within seconds come what may. */
void co_launch_report_failure(int code);

/* The folder of the job that the front process made on this host; "" without one. */
const char *co_launch_folder(void);

/* The workers told their user what went wrong: the front process need not. */
void co_launch_report_told(void);

/* The first worker tells the front process where the run folder is, so that a run that was killed
 * does not stand there as running. */
void co_launch_report_folder(const char *path);

/* Runs this same command as that many workers and waits for them. Returns their status; the
 * workers have told what went wrong, so *err has no text then. CO_UNSUPPORTED without mpirun. */
CO_MUST_CHECK co_status co_launch_workers(const co_cli *cli, int workers, const char *hosts,
                                          co_error *err);

#endif
