/* Where the workers of this machine lie. mpirun counts cores, not processors, and binds to any of
 * the machine's, also where this process may not run on all of them. */
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/threads.h"
#include "cli/launch_parts.h"

/* The first processor of the core that this one belongs to. */
static unsigned first_of_core(unsigned processor)
{
    char path[80];
    unsigned first = processor;
    (void)snprintf(path, sizeof(path),
                   "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", processor);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fscanf(file, "%u", &first) != 1) {
            first = processor;
        }
        (void)fclose(file);
    }
    return first;
}

static int count_cores(void)
{
    cpu_set_t mine;
    int cores = 0;
    CPU_ZERO(&mine);
    if (sched_getaffinity(0, sizeof(mine), &mine) != 0) {
        return 0;
    }
    for (unsigned processor = 0; processor < CPU_SETSIZE; processor++) {
        cores += CPU_ISSET(processor, &mine) && first_of_core(processor) == processor;
    }
    return cores;
}

int co_launch_threads_each(const co_launch *launch)
{
    const int threads = launch->cli->conf.values.threads;
    return threads > 0 ? threads : 1;
}

int co_launch_cores_each(const co_launch *launch)
{
    const int threads = co_launch_threads_each(launch);
    const bool everywhere = co_cpu_count() == sysconf(_SC_NPROCESSORS_ONLN);
    const int share = everywhere ? count_cores() / launch->workers : 0;
    return launch->hosts == NULL && share >= threads ? share : 0;
}
