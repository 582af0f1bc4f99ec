/* How a command becomes one of several workers: found out from how the program was started.
 */
#ifndef CO_CLI_WORKERS_H
#define CO_CLI_WORKERS_H

#include "cli/cli.h"

/* Joins the other workers where this process is one of several, makes --workers their number, and
 * compares what they run: program and settings must be the same on all. Otherwise *comm is that of
 * a single worker. *front: there is nothing to run here, several workers have yet to be started.
 * The caller closes *comm. */
CO_MUST_CHECK co_status co_workers_join(co_cli *cli, co_comm **comm, bool *front, co_error *err);
/* Starts them and waits: see cli/launch.h. */
CO_MUST_CHECK co_status co_workers_start(co_cli *cli, co_error *err);

/* A fault that all workers know: the first one prints it, before anybody leaves (mpirun would not
 * let it finish), and *err loses its text. A single worker's is left alone. */
void co_workers_tell(const co_comm *comm, co_error *err);
/* A fault that this worker has alone: it is printed, and all others are ended. Does not return
 * where there are others. */
void co_workers_fail_alone(co_comm *comm, const co_error *err);

#endif
