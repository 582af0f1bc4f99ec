#include <signal.h>
#include <unistd.h>

#include "cli/cli.h"

/* The one global of the program: a signal handler can reach nothing else. */
static atomic_int stop_signal;

static void on_signal(int number)
{
    const int before = atomic_exchange(&stop_signal, number);
    if (before != 0 && before != SIGHUP) {
        _exit(128 + number); /* the second time: now */
    }
}

/* A lost terminal may say so twice, to this process and to its group, and a session that ends adds
 * SIGTERM: that is one wish. */
static void on_hangup(int number)
{
    int none = 0;
    (void)atomic_compare_exchange_strong(&stop_signal, &none, number);
}

static void set_handler(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, NULL);
}

/* false under nohup: a lost terminal is to be nothing. */
static bool minds_hangup(void)
{
    struct sigaction action;
    return sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler != SIG_IGN;
}

void co_cli_front_signals(sigset_t *out)
{
    sigemptyset(out);
    sigaddset(out, SIGINT);
    sigaddset(out, SIGTERM);
    sigaddset(out, SIGUSR1);
    sigaddset(out, SIGCHLD);
    if (minds_hangup()) {
        sigaddset(out, SIGHUP);
    }
}

const atomic_int *co_cli_catch_signals(void)
{
    if (minds_hangup()) {
        set_handler(SIGHUP, on_hangup);
    }
    set_handler(SIGINT, on_signal);
    set_handler(SIGTERM, on_signal);
    set_handler(SIGUSR1, on_signal); /* Slurm's, mpirun's and the front process's: see launch.h */
    set_handler(SIGPIPE, SIG_IGN);
    set_handler(SIGXFSZ, SIG_IGN);
    return &stop_signal;
}

void co_cli_leave_signals(void)
{
    if (minds_hangup()) {
        set_handler(SIGHUP, SIG_DFL);
    }
    set_handler(SIGINT, SIG_DFL);
    set_handler(SIGTERM, SIG_DFL);
    set_handler(SIGUSR1, SIG_DFL);
}

/* Of a worker: where it says that it was ended. */
static co_pulse *pulse;

/* mpirun sends SIGTERM when another worker died: this one says that it did not die first. */
static void on_term(int number)
{
    atomic_store(&pulse->ended, 1);
    _exit(128 + number);
}

const atomic_int *co_cli_catch_worker_signals(const co_comm *comm)
{
    pulse = comm->pulse;
    set_handler(SIGINT, SIG_DFL);
    set_handler(SIGTERM, on_term);
    return &stop_signal;
}

void co_cli_release_worker_signals(void)
{
    set_handler(SIGTERM, SIG_DFL);
}
