/* The process of a simulation, and the user's signals. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/sim.h"

/* In a session of its own: Ctrl-C is this process's to pass on. */
static void become(char *words[], bool silent, pid_t front)
{
    sigset_t none;
    sigemptyset(&none);
    (void)setsid();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != front) { /* it died before that */
        _exit(128 + SIGKILL);
    }
    co_cli_leave_signals(); /* a handler of ours would swallow what comes before exec */
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)dup2(nothing, 0);
    if (silent) {
        (void)dup2(nothing, 1);
    }
    (void)execvp(words[0], words);
    _exit(127);
}

/* Ctrl-C and TERM: the first asks to finish the step, the second ends the simulation. */
static co_sim_ended wait_for(pid_t child, const sigset_t *ours)
{
    static const struct timespec tick = {.tv_nsec = 500000000};
    co_sim_ended ended = {0};
    bool hung_up = false;
    int number = 0;
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        int caught = sigtimedwait(ours, NULL, &tick);
        if (caught <= 0 || caught == SIGCHLD) {
            continue;
        }
        const bool again = ended.asked > 0 && (caught == SIGHUP || hung_up);
        hung_up = caught == SIGHUP;
        if (!again) { /* of a lost terminal: see signals.c */
            number = caught;
            (void)kill(child, ended.asked == 0 ? SIGTERM : SIGKILL);
            ended.asked++;
        }
    }
    ended.killed_by = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    ended.code = ended.asked > 1        ? 128 + number
                 : ended.killed_by != 0 ? 128 + ended.killed_by
                                        : WEXITSTATUS(status);
    if (ended.asked > 0) { /* noted for whoever would begin the next one */
        (void)raise(number);
    }
    return ended;
}

static co_status start_and_wait(const co_cli *cli, char *words[], bool silent, const sigset_t *ours,
                                co_sim_ended *out, co_error *err)
{
    if (cli->stop != NULL && atomic_load(cli->stop) != 0) {
        return co_fail(err, CO_STOPPED, "stopped by a signal before the simulation began");
    }
    const pid_t front = getpid();
    (void)fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot start a process");
    }
    if (child == 0) {
        become(words, silent, front);
    }
    *out = wait_for(child, ours);
    return CO_OK;
}

co_status co_cli_sim_process(const co_cli *cli, char *words[], bool silent, co_sim_ended *out,
                             co_error *err)
{
    sigset_t ours;
    sigset_t before;
    co_cli_front_signals(&ours);
    (void)signal(SIGCHLD, SIG_DFL); /* who ignores it never learns how a process ended */
    (void)sigprocmask(SIG_BLOCK, &ours, &before);
    co_status status = start_and_wait(cli, words, silent, &ours, out, err);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}
