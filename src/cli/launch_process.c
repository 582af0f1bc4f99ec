/* The processes of a job: what runs the workers, the watcher, and the user's signals. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/launch_parts.h"

enum { FAILED_SECONDS = 3, TELL_SECONDS = 10, TICK_MS = 500 };

/* mpirun and the start of a program take that long on a busy machine, whatever the deadline. */
static const double start_seconds = 30.0;

static double now(void)
{
    return (double)co_clock_ns(&co_clock_system) / 1e9;
}

/* ---- signals ---- */

co_status co_launch_block_signals(co_launch *launch, co_error *err)
{
    sigset_t ours;
    co_cli_front_signals(&ours);
    sigprocmask(SIG_BLOCK, &ours, NULL);                                    /* they are read */
    if (launch->cli->stop != NULL && atomic_load(launch->cli->stop) != 0) { /* it came before */
        return co_fail(err, CO_STOPPED, "stopped by a signal before the workers began");
    }
    launch->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    if (launch->signals < 0) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot wait for signals");
    }
    return CO_OK;
}

static void unblock_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* How often the user asked to stop since the last call: a lost terminal (see signals.c) once. */
static int read_signals(co_launch *launch)
{
    struct signalfd_siginfo info;
    int asked = 0;
    while (read(launch->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo != SIGCHLD) {
            const bool hangup = info.ssi_signo == SIGHUP;
            asked += hangup ? launch->asked + asked == 0 : !launch->hung_up;
            launch->hung_up = hangup;
        }
    }
    return asked;
}

bool co_launch_pause(co_launch *launch, double seconds)
{
    const double end = now() + seconds;
    do {
        struct pollfd signals = {.fd = launch->signals, .events = POLLIN};
        double left = end - now();
        (void)poll(&signals, 1, left > 0.0 ? (int)(left * 1e3) : 0);
        launch->asked += read_signals(launch);
    } while (launch->asked == 0 && now() < end);
    return launch->asked > 0;
}

/* ---- the watcher ---- */

/* Waits until the front process is gone, in whatever way, then ends and sweeps what is left. */
static void watch(const co_launch *launch, int front)
{
    char byte = 0;
    while (read(front, &byte, 1) > 0 || errno == EINTR) {
        errno = 0;
    }
    pid_t program = atomic_load(&launch->watched->program);
    if (program > 0 && kill(-program, SIGTERM) == 0) {
        for (int i = 0; i < 20 && kill(-program, 0) == 0; i++) {
            usleep(100000);
        }
        (void)kill(-program, SIGKILL);
    }
    co_launch_sweep_place(launch);
    /* An mpirun that was just starting may have added to it meanwhile. */
    for (int i = 0; i < 20 && access(launch->folder, F_OK) == 0; i++) {
        co_launch_sweep(launch->folder);
        usleep(100000);
    }
}

static void become_watcher(const co_launch *launch, int front)
{
    (void)setsid();
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    /* It must not keep the front process's outputs open. */
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++) {
        (void)dup2(nothing, fd);
    }
    watch(launch, front);
    _exit(0);
}

static co_status share_memory(co_launch *launch, co_error *err)
{
    void *shared = mmap(NULL, sizeof(co_watched), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot share memory with a process");
    }
    launch->watched = shared;
    return CO_OK;
}

/* Whether there is one; a dead one is buried. */
static bool watcher_lives(co_launch *launch)
{
    if (launch->watcher > 0 && waitpid(launch->watcher, NULL, WNOHANG) == launch->watcher) {
        launch->watcher = 0;
        (void)close(launch->leash);
    }
    return launch->watcher > 0;
}

co_status co_launch_watch(co_launch *launch, co_error *err)
{
    int ends[2];
    if (launch->watched == NULL) {
        CO_TRY(share_memory(launch, err));
    }
    if (watcher_lives(launch)) {
        return CO_OK;
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot make a pipe");
    }
    pid_t watcher = fork();
    if (watcher < 0) {
        (void)close(ends[0]);
        (void)close(ends[1]);
        return co_fail_errno(err, CO_MEMORY, errno, "cannot start a process");
    }
    if (watcher == 0) {
        (void)close(ends[1]);
        if (launch->ear.fd >= 0) {
            (void)close(launch->ear.fd);
        }
        become_watcher(launch, ends[0]);
    }
    (void)close(ends[0]);
    launch->watcher = watcher;
    launch->leash = ends[1];
    return CO_OK;
}

void co_launch_end_watch(co_launch *launch)
{
    if (watcher_lives(launch)) {
        (void)close(launch->leash);
        (void)waitpid(launch->watcher, NULL, 0);
    }
    if (launch->watched != NULL) {
        (void)munmap(launch->watched, sizeof(co_watched));
    }
    if (launch->signals >= 0) {
        (void)close(launch->signals);
    }
}

/* ---- what runs the workers ---- */

static void become(char *words[], pid_t front, int err_fd)
{
    (void)setsid();
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != front) { /* it died before that */
        _exit(128 + SIGTERM);
    }
    co_cli_leave_signals(); /* a handler of ours would swallow what comes before exec */
    unblock_signals();
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)dup2(nothing, 0);
    if (err_fd >= 0) {
        (void)dup2(err_fd, 2);
    }
    (void)execvp(words[0], words);
    _exit(127);
}

static co_status start(co_launch *launch, char *words[], bool listen, pid_t *out, co_error *err)
{
    int ends[2] = {-1, -1};
    if (listen && pipe2(ends, O_CLOEXEC) != 0) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot make a pipe");
    }
    const pid_t front = getpid();
    pid_t program = fork();
    if (program == 0) {
        become(words, front, ends[1]);
    }
    int number = errno;
    if (ends[1] >= 0) {
        (void)close(ends[1]);
    }
    co_ear_open(&launch->ear, ends[0]);
    if (program < 0) {
        co_ear_close(&launch->ear);
        return co_fail_errno(err, CO_MEMORY, number, "cannot start a process");
    }
    atomic_store(&launch->watched->program, (int)program);
    *out = program;
    return CO_OK;
}

static int signal_for(int asked)
{
    return asked == 0 ? SIGUSR1 : asked == 1 ? SIGTERM : SIGKILL;
}

/* Ctrl-C and TERM: the first asks the workers to finish their step, the second ends them. */
static void pass_on(co_launch *launch, pid_t program, bool *early)
{
    if (launch->asked == 0 && co_launch_joined(launch) < launch->workers) {
        *early = true; /* who has not begun finishes no step */
        launch->asked = 1;
    }
    if (launch->asked != 1 || *early ||
        !co_launch_all_ended(launch)) { /* mpirun may crash as it ends */
        (void)kill(launch->asked > 1 ? -program : program, signal_for(launch->asked));
    }
    launch->asked++;
}

static void sleep_until_something(co_launch *launch)
{
    struct pollfd fds[2] = {
        {.fd = launch->signals, .events = POLLIN},
        {.fd = launch->ear.fd, .events = POLLIN}, /* -1 is left out */
    };
    (void)poll(fds, 2, TICK_MS);
    if (fds[1].revents != 0 && !co_ear_hear(&launch->ear)) {
        co_ear_close(&launch->ear);
    }
}

double co_launch_start_deadline(const co_launch *launch)
{
    const double deadline = launch->cli->conf.values.deadline;
    return deadline > 0.0 && deadline < start_seconds ? start_seconds : deadline;
}

/* What the front process knows of the workers under way. */
typedef struct watch_over {
    pid_t program;
    double begin;
    bool began;
    bool early;
    double stopping;               /* seconds that we saw since they were asked to stop */
    double waited;                 /* since they got on with it */
    unsigned long long heard_step; /* that they were in when they must have heard of it */
    bool told;                     /* that they take their time */
    double failed_at;              /* when a worker told of its failure */
    co_look look;
} watch_over;

/* "rank 0 (host) in step 17 (checkpoint)", of the first one that can be seen */
static void put_worker(co_text *text, const co_launch *launch)
{
    for (int rank = 0; rank < launch->workers; rank++) {
        const co_pulse *pulse = co_launch_pulse_of(launch, rank);
        if (pulse != NULL) {
            co_text_printf(text, "rank %d (%s)", rank, pulse->host);
            co_launch_put_place(text, pulse);
            return;
        }
    }
    co_text_put(text, "all of them on other hosts");
}

static void say(const co_launch *launch, const char *before, const char *after)
{
    char line[CO_LAUNCH_LINE];
    co_text text = co_text_over(line, sizeof(line));
    put_worker(&text, launch);
    (void)fprintf(stderr, "cohort: %s: %s%s\n", before, line, after);
}

/* A last checkpoint may take long: as long as there is something new to see of the workers, and
 * they are not in steps that they should not have begun, they are left to it. */
static void see_to_stop(co_launch *launch, watch_over *w)
{
    /* The signal comes when thousands of short steps are done, or in the middle of a long one,
     * after whose own wish was told. */
    enum { HEARD_SECONDS = 20, STEPS_TO_END = 2 };
    const unsigned long long step = co_launch_furthest_step(launch);
    char line[128];
    if (launch->asked == 0) {
        return;
    }
    w->heard_step = w->stopping < HEARD_SECONDS ? step : w->heard_step;
    bool ends = launch->asked == 1 && w->look.changed && step <= w->heard_step + STEPS_TO_END;
    w->stopping += w->look.seconds;
    w->waited = ends ? 0.0 : w->waited + w->look.seconds;
    if (w->waited > co_launch_patience(launch, &w->look)) {
        (void)snprintf(line, sizeof(line), "; nothing new of it for %.0f s", w->waited);
        if (launch->asked == 1) {
            say(launch, "warning: the workers do not end as they were asked to, and are ended",
                line);
        }
        pass_on(launch, w->program, &w->early);
        w->waited = 0.0;
    } else if (launch->asked == 1 && !w->told && w->stopping > TELL_SECONDS) {
        w->told = true;
        say(launch, "warning: the workers are still at work", "; another signal ends them at once");
    }
}

/* Passes the user's signals on. */
static void hear_user(co_launch *launch, watch_over *w)
{
    for (int more = read_signals(launch); more > 0; more--) {
        pass_on(launch, w->program, &w->early);
        w->waited = 0.0;
    }
}

/* Whether they must be ended: *out then says why. */
static bool must_end(co_launch *launch, watch_over *w, co_ended *out)
{
    const double deadline = co_launch_start_deadline(launch);
    if (w->failed_at <= 0.0 && co_launch_failure(launch) != 0) {
        w->failed_at = now();
    }
    if (w->failed_at > 0.0 && now() - w->failed_at > FAILED_SECONDS) {
        *out = (co_ended){.code = co_launch_failure(launch), .early = w->early};
        return true;
    }
    w->began = w->began || co_launch_joined(launch) > 0;
    if (!w->began && deadline > 0.0 && now() - w->begin > deadline) {
        *out = (co_ended){.code = CO_PEER, .late = true};
        return true;
    }
    return launch->asked == 0 && co_launch_hangs(launch, &w->look, out);
}

static co_ended wait_for(co_launch *launch, pid_t program)
{
    watch_over w = {.program = program, .begin = now()};
    co_error ignored = {0};
    co_ended ended = {0};
    for (;;) {
        int status = 0;
        if (waitpid(program, &status, WNOHANG) == program) {
            bool killed = WIFSIGNALED(status);
            int code = killed ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
            return (co_ended){.code = code, .killed = killed, .early = w.early && code != 0};
        }
        (void)!co_launch_watch(launch, &ignored); /* somebody may have killed it */
        sleep_until_something(launch);
        hear_user(launch, &w);
        co_launch_look(launch, &w.look);
        see_to_stop(launch, &w);
        if (must_end(launch, &w, &ended)) {
            (void)kill(-program, SIGKILL);
            (void)waitpid(program, NULL, 0);
            return ended;
        }
    }
}

co_status co_launch_run(co_launch *launch, char *words[], bool listen, co_ended *out, co_error *err)
{
    pid_t program = 0;
    CO_TRY(start(launch, words, listen, &program, err));
    *out = wait_for(launch, program);
    atomic_store(&launch->watched->program, 0);
    co_ear_close(&launch->ear);
    return CO_OK;
}
