/* The worker's side of starting: am I one of several, who started me, what do I tell it? */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/launch.h"
#include "cli/launch_parts.h"

static int number_in(const char *name)
{
    const char *text = getenv(name);
    return text != NULL ? atoi(text) : 0;
}

int co_launch_ranks(void)
{
    int ranks = number_in("OMPI_COMM_WORLD_SIZE");
    if (ranks == 0 && getenv("PMIX_RANK") != NULL) { /* srun --mpi=pmix */
        ranks = number_in("SLURM_STEP_NUM_TASKS");
        ranks = ranks > 0 ? ranks : number_in("SLURM_NTASKS");
    }
    return ranks > 1 ? ranks : 1;
}

bool co_launch_alone_under_mpirun(void)
{
    return number_in("OMPI_COMM_WORLD_SIZE") == 1;
}

bool co_launch_on_terminal(void)
{
    char path[64];
    if (co_launch_ranks() == 1) {
        return true;
    }
    (void)snprintf(path, sizeof(path), "/proc/%ld/fd/1", (long)getppid());
    int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    bool terminal = fd >= 0 && isatty(fd) == 1;
    if (fd >= 0) {
        (void)close(fd);
    }
    return terminal;
}

int co_launch_restarts(void)
{
    return getenv(CO_JOB_RESTARTS_VARIABLE) != NULL ? number_in(CO_JOB_RESTARTS_VARIABLE) : -1;
}

const char *co_launch_reasons(void)
{
    const char *reasons = getenv(CO_JOB_REASONS_VARIABLE);
    return reasons != NULL ? reasons : "";
}

void co_launch_tie_to_parent(void)
{
    pid_t parent = getppid();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) { /* it died in between */
        (void)raise(SIGKILL);
    }
}

const char *co_launch_folder(void)
{
    const char *folder = getenv(CO_JOB_FOLDER_VARIABLE);
    return folder != NULL ? folder : "";
}

co_status co_launch_show(co_comm *comm, co_error *err)
{
    char path[CO_LAUNCH_PATH];
    (void)snprintf(path, sizeof(path), "%s/" CO_JOB_RANKS, co_launch_folder());
    if (co_launch_folder()[0] == '\0' || access(path, F_OK) != 0) {
        return CO_OK; /* another host than the front process's */
    }
    return co_comm_share_pulse(comm, path, err);
}

/* Leaves a word for the front process, if there is one on this host. The first one counts. */
static void report(const char *name, const char *word)
{
    char path[CO_LAUNCH_PATH];
    (void)snprintf(path, sizeof(path), "%s/%s", co_launch_folder(), name);
    FILE *file = co_launch_folder()[0] != '\0' ? fopen(path, "wx") : NULL;
    if (file != NULL) {
        (void)fputs(word, file);
        (void)fclose(file);
    }
}

void co_launch_report_failure(int code)
{
    char word[16];
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(5);
    (void)snprintf(word, sizeof(word), "%d", code);
    report("failed", word);
}

void co_launch_report_told(void)
{
    report("told", "yes");
}

void co_launch_report_folder(const char *path)
{
    report("run", path);
}
