/* cohort sim: the same training on a simulated cluster. The front process writes SimGrid's files
 * and runs cohort-sim, which lies beside this program; there every rank comes here again and
 * trains. It is run as smpirun runs programs, but not by smpirun, which takes arguments apart at
 * their blanks. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/sim.h"
#include "co_build.h"
#include "comm/platform.h"

enum { PATH_BYTES = 4200, MAX_WORDS = 1200 };

typedef struct sim {
    char folder[64];
    char platform[PATH_BYTES];
    char hostfile[PATH_BYTES];
    char program[PATH_BYTES];
    char workers[64];
    char hosts_flag[PATH_BYTES + 64];
    char *words[MAX_WORDS];
    int count;
    bool own_platform; /* the user's */
    bool silent;
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

static co_status write_files(sim *s, const co_settings *settings, int workers, co_error *err)
{
    co_cluster cluster;
    CO_TRY(co_cluster_read(settings->cluster, &cluster, err));
    if (cluster.platform[0] != '\0') {
        (void)snprintf(s->platform, sizeof(s->platform), "%s", cluster.platform);
        (void)snprintf(s->hostfile, sizeof(s->hostfile), "%s", cluster.hostfile);
        const char *missing = access(s->platform, R_OK) != 0   ? s->platform
                              : access(s->hostfile, R_OK) != 0 ? s->hostfile
                                                               : NULL;
        s->own_platform = true;
        return missing == NULL ? check_hosts(s, workers, err)
                               : co_fail_errno(err, CO_USAGE, errno, "--cluster: %s", missing);
    }
    (void)snprintf(s->platform, sizeof(s->platform), "%s/platform.xml", s->folder);
    (void)snprintf(s->hostfile, sizeof(s->hostfile), "%s/hosts", s->folder);
    return co_cluster_write(&cluster, (uint32_t)workers, &co_files_system, s->platform, s->hostfile,
                            err);
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

static co_status run_simulation(sim *s, co_error *err)
{
    int status = 0;
    (void)fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot start a process");
    }
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (s->silent && freopen("/dev/null", "w", stdout) == NULL) {
            _exit(127);
        }
        (void)execvp(s->words[0], s->words);
        _exit(127);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        /* a signal is the simulation's too */
    }
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (code == 127) {
        return co_fail(err, CO_UNSUPPORTED,
                       "%s is not there (SimGrid; Debian: "
                       "libsimgrid-dev); run tools/setup.sh mpi",
                       CO_BUILD_SMPIMAIN);
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) { /* SimGrid's way */
        if (s->own_platform) {
            return co_fail(err, CO_USAGE,
                           "the simulation of %s broke off, SimGrid says why above: is it a "
                           "platform, and has it all hosts of %s?",
                           s->platform, s->hostfile);
        }
        return co_fail(err, CO_FAILED, "the simulation broke off, SimGrid says why above");
    }
    err->text[0] = '\0';
    err->status = (co_status)code;
    return (co_status)code;
}

static co_status run(sim *s, const co_cli *cli, int workers, const char *const *more, co_error *err)
{
    CO_TRY(find_program(s, err));
    CO_TRY(write_files(s, &cli->conf.values, workers, err));
    list_words(s, cli, workers, more);
    return run_simulation(s, err);
}

static void remove_files(const sim *s)
{
    char path[PATH_BYTES];
    static const char *const names[] = {"platform.xml", "hosts"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", s->folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(s->folder);
}

co_status co_cli_sim_run(const co_cli *cli, int workers, const char *const *more, bool silent,
                         co_error *err)
{
    sim s = {.folder = "/tmp/cohort-sim-XXXXXX", .silent = silent};
    if (mkdtemp(s.folder) == NULL) {
        return co_fail_errno(err, CO_FILE, errno, "cannot make a folder in /tmp");
    }
    co_status status = run(&s, cli, workers, more, err);
    remove_files(&s);
    return status;
}

co_status co_cli_sim(co_cli *cli, co_error *err)
{
    static const char *const none[] = {NULL};
    if (cli->engine->simulated) {
        if (cli->conf.values.time_only) {
            co_cli_leave_signals();
        }
        return co_cli_train(cli, err);
    }
    if (cli->conf.values.curve.count > 0) {
        return co_cli_sim_curve(cli, err);
    }
    return co_cli_sim_run(cli, cli->conf.values.workers, none, false, err);
}
