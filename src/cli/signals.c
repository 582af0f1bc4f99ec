#include <signal.h>
#include <unistd.h>

#include "cli/cli.h"

/* The one global of the program: a signal handler can reach nothing else. */
static atomic_int stop_signal;

static void on_signal(int number)
{
    if (atomic_exchange(&stop_signal, number) != 0) {
        _exit(128 + number); /* the second time: now */
    }
}

const atomic_int *co_cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL);
    return &stop_signal;
}
