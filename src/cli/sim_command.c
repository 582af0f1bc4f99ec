/* cohort sim: the same training on a simulated cluster. The front process writes what SimGrid reads
 * and runs cohort-sim, which lies beside this program; there every rank comes here again and
 * trains. It is run as smpirun runs programs, but not by smpirun, which takes arguments apart at
 * their blanks. Platform and host file lie in memory, so that nothing is left of them whoever is
 * killed. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/sim.h"
#include "co_build.h"
#include "comm/platform.h"

enum { PATH_BYTES = 4200, MAX_WORDS = 1200 };

typedef struct sim {
    int fds[2]; /* of platform and host file; -1: the user's own */
    char platform[PATH_BYTES];
    char hostfile[PATH_BYTES];
    char program[PATH_BYTES];
    char workers[64];
    char hosts_flag[PATH_BYTES + 64];
    char *words[MAX_WORDS];
    int count;
} sim;

static co_status find_program(sim *s, co_error *err)
{
    ssize_t length = readlink("/proc/self/exe", s->program, sizeof(s->program) - 8);
    if (length <= 0) {
        return co_fail_errno(err, CO_UNSUPPORTED, errno, "/proc/self/exe is not readable");
    }
    (void)snprintf(s->program + length, sizeof(s->program) - (size_t)length, "-sim");
    if (access(s->program, R_OK) != 0) {
        return co_fail(err, CO_UNSUPPORTED,
                       "%s is not there: this build has no simulated cluster (SimGrid; Debian: "
                       "libsimgrid-dev); run tools/setup.sh mpi and build again",
                       s->program);
    }
    return CO_OK;
}

/* SimGrid would begin the list again, and put several workers on a host unasked. */
static co_status check_hosts(const sim *s, int workers, co_error *err)
{
    return co_cli_sim_check_hosts(s->platform, s->hostfile, workers, err);
}

/* A file in memory, which the simulation gets with its number. */
static co_status open_text(const char *name, const char *text, int *fd, char *path, co_error *err)
{
    const size_t bytes = strlen(text);
    size_t written = 0;
    *fd = memfd_create(name, 0);
    while (*fd >= 0 && written < bytes) {
        ssize_t count = write(*fd, text + written, bytes - written);
        if (count < 0 && errno != EINTR) {
            break;
        }
        written += count > 0 ? (size_t)count : 0;
    }
    if (*fd < 0 || written < bytes) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot keep the %s in memory", name);
    }
    (void)snprintf(path, PATH_BYTES, "/proc/self/fd/%d", *fd);
    return CO_OK;
}

static co_status open_cluster(sim *s, const co_cluster *cluster, int workers, co_error *err)
{
    char *platform = NULL;
    char *hostfile = NULL;
    CO_TRY(co_cluster_describe(cluster, (uint32_t)workers, &platform, &hostfile, err));
    co_status status = open_text("platform", platform, &s->fds[0], s->platform, err);
    if (status == CO_OK) {
        status = open_text("host file", hostfile, &s->fds[1], s->hostfile, err);
    }
    co_free(platform);
    co_free(hostfile);
    return status;
}

static co_status open_own_cluster(sim *s, const co_cluster *cluster, int workers, co_error *err)
{
    (void)snprintf(s->platform, sizeof(s->platform), "%s", cluster->platform);
    (void)snprintf(s->hostfile, sizeof(s->hostfile), "%s", cluster->hostfile);
    const char *missing = access(s->platform, R_OK) != 0   ? s->platform
                          : access(s->hostfile, R_OK) != 0 ? s->hostfile
                                                           : NULL;
    return missing == NULL ? check_hosts(s, workers, err)
                           : co_fail_errno(err, CO_USAGE, errno, "--cluster: %s", missing);
}

static void add(sim *s, const char *word)
{
    if (s->count < MAX_WORDS - 1) {
        s->words[s->count++] = (char *)(uintptr_t)word; /* exec does not write to them */
        s->words[s->count] = NULL;
    }
}

/* Bandwidth and latency are those of the platform, without the factors that SimGrid measured on a
 * cluster of its own. The collectives are chosen by Open MPI's rules. */
static void list_words(sim *s, const co_cli *cli, int workers, const char *const *more)
{
    static const char *const flags[] = {
        "--cfg=surf/precision:1e-9",
        "--cfg=network/model:SMPI",
        "--cfg=smpi/simulate-computation:no",
        "--cfg=smpi/privatization:no",
        "--cfg=smpi/coll-selector:ompi",
        "--cfg=smpi/bcast:binomial_tree",
        "--cfg=smpi/allgather:bruck",
        "--cfg=smpi/test:0",
        "--cfg=network/crosstraffic:no",
        "--cfg=smpi/bw-factor:0:1",
        "--cfg=smpi/lat-factor:0:1",
        "--cfg=smpi/wtime:0",
        "--log=root.thres:error",
        "--log=no_loc",
    };
    (void)snprintf(s->workers, sizeof(s->workers), "--cfg=smpi/np:%d", workers);
    (void)snprintf(s->hosts_flag, sizeof(s->hosts_flag), "--cfg=smpi/hostfile:%s", s->hostfile);
    add(s, CO_BUILD_SMPIMAIN);
    add(s, s->program);
    add(s, s->workers);
    add(s, s->hosts_flag);
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        add(s, flags[i]);
    }
    add(s, s->platform);
    for (int i = 1; i < cli->argc; i++) {
        add(s, cli->argv[i]);
    }
    for (; *more != NULL; more++) {
        add(s, *more);
    }
}

/* What became of it, unless it said so itself. */
static co_status judge(const sim *s, const co_sim_ended *ended, co_error *err)
{
    err->text[0] = '\0';
    err->status = (co_status)ended->code;
    if (ended->asked > 1) {
        return err->status;
    }
    if (ended->asked == 1 && ended->killed_by != 0) { /* it had no handler yet */
        return co_fail(err, CO_STOPPED, "stopped by a signal before the simulation began");
    }
    if (ended->code == 127) {
        return co_fail(err, CO_UNSUPPORTED,
                       "%s is not there (SimGrid; Debian: libsimgrid-dev); run tools/setup.sh mpi",
                       CO_BUILD_SMPIMAIN);
    }
    if (ended->killed_by == SIGABRT && s->fds[0] < 0) { /* SimGrid's way */
        return co_fail(err, CO_USAGE,
                       "the simulation of %s broke off, SimGrid says why above: is it a "
                       "platform, and has it all hosts of %s?",
                       s->platform, s->hostfile);
    }
    if (ended->killed_by == SIGABRT) {
        return co_fail(err, CO_FAILED, "the simulation broke off, SimGrid says why above");
    }
    if (ended->killed_by != 0) {
        return co_fail(err, CO_PEER, "the simulation was killed by signal %d (%s)%s",
                       ended->killed_by, strsignal(ended->killed_by),
                       ended->killed_by == SIGKILL ? ": was there too little memory?" : "");
    }
    return err->status;
}

static co_status run(sim *s, const co_cli *cli, int workers, const char *const *more, bool silent,
                     co_error *err)
{
    co_cluster cluster;
    co_sim_ended ended = {0};
    CO_TRY(find_program(s, err));
    CO_TRY(co_cluster_read(cli->conf.values.cluster, &cluster, err));
    CO_TRY(cluster.platform[0] != '\0' ? open_own_cluster(s, &cluster, workers, err)
                                       : open_cluster(s, &cluster, workers, err));
    list_words(s, cli, workers, more);
    CO_TRY(co_cli_sim_process(cli, s->words, silent, &ended, err));
    return judge(s, &ended, err);
}

co_status co_cli_sim_run(const co_cli *cli, int workers, const char *const *more, bool silent,
                         co_error *err)
{
    sim s = {.fds = {-1, -1}};
    co_status status = run(&s, cli, workers, more, silent, err);
    for (int i = 0; i < 2; i++) {
        if (s.fds[i] >= 0) {
            (void)close(s.fds[i]);
        }
    }
    return status;
}

co_status co_cli_sim(co_cli *cli, co_error *err)
{
    static const char *const none[] = {NULL};
    if (cli->engine->simulated) {
        return co_cli_train(cli, err);
    }
    if (cli->conf.values.curve.count > 0) {
        return co_cli_sim_curve(cli, err);
    }
    return co_cli_sim_run(cli, cli->conf.values.workers, none, false, err);
}
