#include <fcntl.h>
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

static void set_handler(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, NULL);
}

const atomic_int *co_cli_catch_signals(void)
{
    set_handler(SIGINT, on_signal);
    set_handler(SIGTERM, on_signal);
    set_handler(SIGPIPE, SIG_IGN);
    set_handler(SIGXFSZ, SIG_IGN);
    return &stop_signal;
}

void co_cli_leave_signals(void)
{
    set_handler(SIGINT, SIG_DFL);
    set_handler(SIGTERM, SIG_DFL);
}

/* Of a worker: what its last words are, and where they go. */
static const co_comm *worker;
static char last_words_path[256];

/* mpirun sends SIGTERM when another worker died: this one leaves its step where the front process
 * looks, so that it can tell who did not. Only calls that a handler may make. */
static void on_term(int number)
{
    char digits[24];
    size_t at = sizeof(digits);
    uint64_t step = worker->step;
    do {
        digits[--at] = (char)('0' + step % 10);
        step /= 10;
    } while (step > 0);
    int fd = open(last_words_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)!write(fd, digits + at, sizeof(digits) - at);
    }
    _exit(128 + number);
}

const atomic_int *co_cli_catch_worker_signals(const co_comm *comm, const char *folder)
{
    worker = comm;
    (void)snprintf(last_words_path, sizeof(last_words_path), "%s/ended.%d", folder, comm->rank);
    set_handler(SIGINT, SIG_DFL);
    set_handler(SIGTERM, folder[0] != '\0' ? on_term : SIG_DFL);
    set_handler(SIGUSR1, on_signal);
    return &stop_signal;
}
