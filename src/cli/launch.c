#include "cli/launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/threads.h"

#define SHM_FOLDER "/dev/shm"
#define JOB_PREFIX "cohort-job-"

enum { MAX_WORDS = 1200, PATH_BYTES = 4200, GRACE_SECONDS = 20, FAILED_SECONDS = 3 };

/* ---- am I one of several? ---- */

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

void co_launch_tie_to_parent(void)
{
    pid_t parent = getppid();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) { /* it died in between */
        (void)raise(SIGKILL);
    }
}

#define FOLDER_VARIABLE "CO_JOB_FOLDER" /* in the workers' environment */

const char *co_launch_folder(void)
{
    const char *folder = getenv(FOLDER_VARIABLE);
    return folder != NULL ? folder : "";
}

/* Leaves a word for the front process, if there is one on this host. */
static void report(const char *name, const char *word)
{
    const char *folder = co_launch_folder();
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = folder[0] != '\0' ? fopen(path, "w") : NULL;
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

/* ---- the job's folder ---- */

typedef struct job {
    char folder[64];
    pid_t mpirun;
    pid_t watcher;
    bool stopped_twice; /* the user did not wait for the step to end */
    int watched;        /* the watcher sees it close when we end */
} job;

static void sweep(const char *folder)
{
    DIR *listing = opendir(folder);
    if (listing == NULL) {
        return;
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(listing)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        struct stat about;
        if (lstat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
            sweep(path);
        } else {
            (void)unlink(path);
        }
    }
    (void)closedir(listing);
    (void)rmdir(folder);
}

/* What a job left behind whose front process and watcher were both killed. */
static void sweep_dead_jobs(void)
{
    DIR *listing = opendir(SHM_FOLDER);
    if (listing == NULL) {
        return;
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(listing)) != NULL) {
        const size_t prefix = sizeof(JOB_PREFIX) - 1;
        if (strncmp(entry->d_name, JOB_PREFIX, prefix) != 0) {
            continue;
        }
        long pid = strtol(entry->d_name + prefix, NULL, 10);
        if (pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH) {
            char path[PATH_BYTES];
            (void)snprintf(path, sizeof(path), SHM_FOLDER "/%s", entry->d_name);
            sweep(path);
        }
    }
    (void)closedir(listing);
}

static co_status make_folder(job *j, co_error *err)
{
    (void)snprintf(j->folder, sizeof(j->folder), SHM_FOLDER "/" JOB_PREFIX "%ld", (long)getpid());
    if (mkdir(j->folder, 0700) != 0 && errno != EEXIST) {
        return co_fail_errno(err, CO_UNSUPPORTED, errno,
                             "several workers need shared memory: cannot make %s", j->folder);
    }
    if (setenv(FOLDER_VARIABLE, j->folder, 1) != 0) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot set %s", FOLDER_VARIABLE);
    }
    return CO_OK;
}

/* ---- the processes ---- */

static void unblock_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Waits until the front process is gone, in whatever way, then ends and sweeps what is left. */
static void watch(const job *j, int front)
{
    char byte = 0;
    while (read(front, &byte, 1) > 0 || errno == EINTR) {
        errno = 0;
    }
    if (kill(-j->mpirun, SIGTERM) == 0) {
        for (int i = 0; i < 20 && kill(-j->mpirun, 0) == 0; i++) {
            usleep(100000);
        }
        (void)kill(-j->mpirun, SIGKILL);
    }
    sweep(j->folder);
}

static co_status start_watcher(job *j, co_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot make a pipe");
    }
    j->watcher = fork();
    if (j->watcher < 0) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot start a process");
    }
    if (j->watcher == 0) {
        (void)close(ends[1]);
        (void)setsid();
        (void)signal(SIGINT, SIG_IGN);
        (void)signal(SIGTERM, SIG_IGN);
        /* It must not keep the front process's outputs open. */
        int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int fd = 0; fd <= 2; fd++) {
            (void)dup2(nothing, fd);
        }
        watch(j, ends[0]);
        _exit(0);
    }
    (void)close(ends[0]);
    j->watched = ends[1];
    return CO_OK;
}

static void run_mpirun(char *words[])
{
    (void)setsid();
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    unblock_signals();
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)dup2(nothing, 0);
    (void)execvp(words[0], words);
    _exit(127);
}

/* The first line of a file, "" without one. */
static void read_word(const char *folder, const char *name, char *out, int size)
{
    char path[2 * PATH_BYTES];
    out[0] = '\0';
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fgets(out, size, file) == NULL) {
            out[0] = '\0';
        }
        (void)fclose(file);
    }
    out[strcspn(out, "\n")] = '\0';
}

/* What a worker told by co_launch_report_failure; 0: nothing. */
static int failure_code(const job *j)
{
    char word[16];
    read_word(j->folder, "failed", word, sizeof(word));
    return atoi(word);
}

/* A first worker that was killed could not say so in its run folder. */
static void close_run_folder(const job *j)
{
    char folder[PATH_BYTES];
    char status[32];
    char path[PATH_BYTES + 16];
    co_error ignored = {0};
    static const char failed[] = "failed\n";
    read_word(j->folder, "run", folder, sizeof(folder));
    read_word(folder, "status", status, sizeof(status));
    if (folder[0] != '\0' && strcmp(status, "running") == 0) {
        (void)snprintf(path, sizeof(path), "%s/status", folder);
        (void)!co_file_save(&co_files_system, path, failed, sizeof(failed) - 1, &ignored);
    }
}

static int signal_for(int asked)
{
    return asked == 0 ? SIGUSR1 : asked == 1 ? SIGTERM : SIGKILL;
}

/* Ctrl-C and TERM: the first asks the workers to finish their step, the second ends them. */
static int wait_for(job *j)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    int asked = 0;
    int asked_for = 0;  /* seconds since then */
    int failed_for = 0; /* seconds since a worker told of its failure */
    for (;;) {
        int status = 0;
        if (waitpid(j->mpirun, &status, WNOHANG) == j->mpirun) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        const struct timespec second = {.tv_sec = 1};
        int number = sigtimedwait(&set, NULL, &second);
        bool idle = number == -1 && errno == EAGAIN;
        bool signalled = number > 0 && number != SIGCHLD;
        asked_for += idle && asked > 0;
        failed_for += idle && failure_code(j) != 0;
        if (failed_for > FAILED_SECONDS) {
            (void)kill(-j->mpirun, SIGKILL);
            (void)waitpid(j->mpirun, NULL, 0);
            return failure_code(j);
        }
        if (signalled || (idle && asked_for % GRACE_SECONDS == 0 && asked > 0)) {
            (void)kill(asked > 1 ? -j->mpirun : j->mpirun, signal_for(asked));
            asked++;
            j->stopped_twice = asked > 1;
        }
    }
}

/* ---- the command ---- */

typedef struct words {
    char *list[MAX_WORDS];
    int count;
    char program[PATH_BYTES];
    char workers[16];
} words;

static void add(words *w, const char *word)
{
    if (w->count < MAX_WORDS - 1) {
        w->list[w->count++] = (char *)(uintptr_t)word; /* exec does not write to them */
        w->list[w->count] = NULL;
    }
}

static void add_option(words *w, const char *name, const char *value)
{
    add(w, "--mca");
    add(w, name);
    add(w, value);
}

/* Where the workers lie: one core each where there are enough, else wherever the system likes. */
static void add_places(words *w, int workers, const char *hosts)
{
    if (hosts != NULL) {
        add(w, "--host");
        add(w, hosts);
        /* A host that is not there, or asks for a password, must not keep us waiting. */
        if (getenv("OMPI_MCA_plm_rsh_agent") == NULL && getenv("OMPI_MCA_plm_rsh_args") == NULL) {
            add_option(w, "plm_rsh_args", "-o BatchMode=yes -o ConnectTimeout=10");
        }
    } else { /* nothing to look for in the network */
        add_option(w, "pml", "ob1");
        add_option(w, "btl", "self,vader");
    }
    add(w, "--oversubscribe");
    add(w, "--bind-to");
    add(w, hosts == NULL && workers <= co_cpu_count() ? "core" : "none");
}

static co_status list_words(words *w, const co_cli *cli, const job *j, int workers,
                            const char *hosts, co_error *err)
{
    ssize_t length = readlink("/proc/self/exe", w->program, sizeof(w->program) - 1);
    if (length <= 0 || cli->argc > MAX_WORDS - 100) {
        return co_fail(err, CO_UNSUPPORTED, "cannot start workers: %s",
                       length <= 0 ? "/proc/self/exe is not readable" : "too many arguments");
    }
    w->program[length] = '\0';
    (void)snprintf(w->workers, sizeof(w->workers), "%d", workers);
    add(w, "mpirun");
    add(w, "-q");
    if (geteuid() == 0) {
        add(w, "--allow-run-as-root");
    }
    add(w, "-n");
    add(w, w->workers);
    add_places(w, workers, hosts);
    add_option(w, "orte_tmpdir_base", j->folder);
    add_option(w, "btl_vader_backing_directory", j->folder);
    add_option(w, "osc_sm_backing_directory", j->folder);
    add(w, w->program);
    for (int i = 1; i < cli->argc; i++) {
        add(w, cli->argv[i]);
    }
    return CO_OK;
}

static bool word_is_there(const job *j, const char *name)
{
    char word[PATH_BYTES];
    read_word(j->folder, name, word, sizeof(word));
    return word[0] != '\0';
}

/* The workers that had time to say where they were when mpirun ended them did not die first. */
static co_status tell_lost(const job *j, int code, int workers, co_error *err)
{
    unsigned long long step = 0;
    int lost = -1;
    int spoke = 0;
    for (int rank = 0; rank < workers; rank++) {
        char name[32];
        char word[32];
        (void)snprintf(name, sizeof(name), "ended.%d", rank);
        read_word(j->folder, name, word, sizeof(word));
        spoke += word[0] != '\0';
        lost = word[0] == '\0' && lost < 0 ? rank : lost;
        unsigned long long its_step = strtoull(word, NULL, 10);
        step = its_step > step ? its_step : step;
    }
    char host[64] = "";
    (void)gethostname(host, sizeof(host) - 1);
    if (spoke > 0 && lost >= 0) {
        return co_fail(err, CO_PEER,
                       "rank %d (%s) was lost in step %llu: killed by signal %d (%s); the other "
                       "workers were ended",
                       lost, host, step, code - 128, strsignal(code - 128));
    }
    return co_fail(err, CO_PEER, "the workers were lost: killed by signal %d (%s)", code - 128,
                   strsignal(code - 128));
}

static co_status status_of(const job *j, int code, int workers, co_error *err)
{
    if (j->stopped_twice) {
        err->text[0] = '\0';
        return (co_status)code;
    }
    if (code > 128 && code <= 128 + SIGRTMAX && failure_code(j) == 0) {
        return tell_lost(j, code, workers, err);
    }
    if (code != 0 && code != 127 && failure_code(j) == 0 && !word_is_there(j, "told") &&
        !word_is_there(j, "run")) {
        return co_fail(err, CO_PEER,
                       "mpirun ended with code %d before the workers began: is every host there, "
                       "with ssh that asks nothing, and the program under the same path?",
                       code);
    }
    if (code == 127) {
        return co_fail(err, CO_UNSUPPORTED,
                       "mpirun is not there: several workers need Open MPI (Debian: "
                       "openmpi-bin); run tools/setup.sh mpi");
    }
    err->text[0] = '\0';
    return (co_status)code;
}

static co_status run(job *j, const co_cli *cli, int workers, const char *hosts, co_error *err)
{
    words w = {0};
    CO_TRY(list_words(&w, cli, j, workers, hosts, err));
    j->mpirun = fork();
    if (j->mpirun < 0) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot start a process");
    }
    if (j->mpirun == 0) {
        run_mpirun(w.list);
    }
    co_error trouble = {0};
    if (start_watcher(j, &trouble) != CO_OK) {
        (void)kill(j->mpirun, SIGTERM);
        (void)waitpid(j->mpirun, NULL, 0);
        *err = trouble;
        return trouble.status;
    }
    int code = wait_for(j);
    return status_of(j, code, workers, err);
}

co_status co_launch_workers(const co_cli *cli, int workers, const char *hosts, co_error *err)
{
    job j = {.watched = -1};
    sigset_t ours;
    if (hosts == NULL && workers > co_cpu_count()) {
        (void)fprintf(stderr,
                      "cohort: warning: %d workers share %d processor%s: they slow each other "
                      "down\n",
                      workers, co_cpu_count(), co_cpu_count() == 1 ? "" : "s");
    }
    (void)fflush(NULL);
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGUSR1);
    sigaddset(&ours, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ours, NULL); /* they are waited for */
    sweep_dead_jobs();
    CO_TRY(make_folder(&j, err));
    co_status status = run(&j, cli, workers, hosts, err);
    close_run_folder(&j);
    sweep(j.folder);
    if (j.watched >= 0) {
        (void)close(j.watched);
        (void)waitpid(j.watcher, NULL, 0);
    }
    return status;
}
