/* The one parallel-for of the program: a team of threads that runs a function on every member.
 *
 * OpenMP where the compiler has it (so that our loops and oneDNN's share one pool of threads),
 * otherwise a pool of POSIX threads. A team of one runs the function in the caller. Only the
 * thread that created a team may use it, one run at a time; a run allocates nothing.
 */
#ifndef CO_BASE_THREADS_H
#define CO_BASE_THREADS_H

#include "base/status.h"

typedef struct co_team co_team;

/* Called once per member: `thread` in 0..threads-1. */
typedef void (*co_team_func)(void *arg, int thread, int threads);

/* threads >= 1. Also tells the OpenMP library, and with it oneDNN, to use that many. */
CO_MUST_CHECK co_status co_team_create(int threads, co_team **out, co_error *err);
void co_team_destroy(co_team *team); /* NULL is allowed */
int co_team_threads(const co_team *team);
/* Runs func on every member and returns when all are done. */
void co_team_run(co_team *team, co_team_func func, void *arg);

/* The share of `thread` in 0..count-1, as [*begin, *end): contiguous, sizes differ by at most 1. */
static inline void co_team_share(int count, int thread, int threads, int *begin, int *end)
{
    int small = count / threads;
    int extra = count % threads;
    *begin = thread * small + (thread < extra ? thread : extra);
    *end = *begin + small + (thread < extra ? 1 : 0);
}

/* "OpenMP" or "POSIX threads". */
const char *co_team_kind(void);
/* Processors that this process may run on. */
int co_cpu_count(void);

#endif
