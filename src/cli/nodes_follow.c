/* The nodes other than node 0: join it, run the daemon of Open MPI that it asks for, and end with
 * the job. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/launch.h"
#include "cli/nodes.h"
#include "comm/daemon.h"
#include "comm/meet.h"

typedef struct follower {
    co_cli *cli;
    const co_hello *mine;
    co_address address; /* of node 0 */
    co_wire *wire;
    int signals;      /* a signalfd */
    char start[16];   /* its number, as node 0 counts */
    pid_t daemon;     /* 0: none runs */
    char folder[160]; /* for shared memory; "": not made by us */
    int held;         /* that folder, so that no other job sweeps it here */
    pid_t watcher;
    int watched;        /* the watcher sees it close when we end */
    bool asked_to_stop; /* once, by a signal */
    bool hung_up;       /* the last one was that of a lost terminal */
} follower;

static bool stopped(const follower *f)
{
    return f->cli->stop != NULL && atomic_load(f->cli->stop) != 0;
}

/* ---- joining ---- */

static co_status dial(follower *f, co_error *err)
{
    const co_settings *settings = &f->cli->conf.values;
    uint64_t begin_ns = co_clock_ns(f->cli->clock);
    bool told = settings->quiet;
    for (;;) {
        int fd = -1;
        co_error failure = {0};
        if (co_meet_dial(&f->address, &fd, &failure) == CO_OK) {
            return co_wire_open(fd, &f->wire, err);
        }
        if (stopped(f)) {
            return co_fail(err, CO_STOPPED, "stopped while waiting for node 0");
        }
        double seconds = (double)(co_clock_ns(f->cli->clock) - begin_ns) * 1e-9;
        if (seconds > settings->node_wait) {
            return co_fail(err, CO_PEER,
                           "node 0 did not come: tried for %g s, and %s; is it started there, with "
                           "--node-rank 0 and the same --master-addr, and is the port open?",
                           settings->node_wait, failure.text);
        }
        if (!told && seconds > 1.0) {
            (void)fprintf(stderr, "cohort: node %d waits for node 0 on %s\n", f->mine->rank,
                          f->address.text);
            told = true;
        }
        co_clock_sleep(f->cli->clock, 0.3);
    }
}

/* Waits for a message until a signal or the deadline comes; *there: it came. */
static co_status receive(follower *f, double seconds, co_message *message, bool *there,
                         co_error *err)
{
    uint64_t begin_ns = co_clock_ns(f->cli->clock);
    *there = false;
    while (!*there && !stopped(f)) {
        struct pollfd one = {.fd = f->wire->fd, .events = POLLIN};
        if (poll(&one, 1, 200) > 0) {
            CO_TRY(co_wire_read(f->wire, err));
            CO_TRY(co_wire_next(f->wire, message, there, err));
        }
        if ((double)(co_clock_ns(f->cli->clock) - begin_ns) > seconds * 1e9) {
            return CO_OK;
        }
    }
    return CO_OK;
}

static co_status join(follower *f, co_error *err)
{
    enum { ANSWER_SECONDS = 10 };
    co_message message;
    bool there = false;
    CO_TRY(dial(f, err));
    co_status status = co_hello_send(f->wire, f->mine, err);
    if (status == CO_OK) {
        status = receive(f, ANSWER_SECONDS, &message, &there, err);
    }
    if (status != CO_OK || !there) {
        char why[200];
        (void)snprintf(why, sizeof(why), "%.150s", status != CO_OK ? err->text : "it was silent");
        return co_fail(err, stopped(f) ? CO_STOPPED : CO_PEER,
                       "%s gave no answer (%s): is that node 0?", f->address.text, why);
    }
    if (message.kind == CO_WIRE_REFUSED && message.count == 1) {
        return co_fail(err, CO_USAGE, "node 0 (%s) refused this node: %.700s", f->address.text,
                       message.words[0]);
    }
    if (message.kind != CO_WIRE_WELCOME) {
        return co_fail(err, CO_PEER, "%s is no node 0 of cohort", f->address.text);
    }
    co_meet_watch(f->wire->fd, f->cli->conf.values.deadline);
    if (!f->cli->conf.values.quiet) {
        (void)fprintf(stderr, "cohort: node %d of %d has joined node 0 (%s)\n", f->mine->rank,
                      f->mine->nodes, f->address.text);
    }
    return CO_OK;
}

/* ---- the daemon ---- */

/* Removes the folder should this process be killed; the daemon and its workers die with it. */
static void watch_folder(const follower *f, int front)
{
    enum { ROUNDS = 20 };
    char byte = 0;
    co_error ignored = {0};
    (void)setsid();
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++) {
        (void)dup2(nothing, fd);
    }
    (void)close(f->wire->fd);
    while (read(front, &byte, 1) > 0 || errno == EINTR) {
        errno = 0;
    }
    for (int i = 0; i < ROUNDS && access(f->folder, F_OK) == 0; i++) {
        (void)!co_file_remove_folder(&co_files_system, f->folder, &ignored);
        co_clock_sleep(f->cli->clock, 0.1);
    }
    _exit(0);
}

static co_status start_watcher(follower *f, co_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot make a pipe");
    }
    f->watcher = fork();
    if (f->watcher < 0) {
        (void)close(ends[0]);
        (void)close(ends[1]);
        return co_fail_errno(err, CO_MEMORY, errno, "cannot start a process");
    }
    if (f->watcher == 0) {
        (void)close(ends[1]);
        watch_folder(f, ends[0]);
    }
    (void)close(ends[0]);
    f->watched = ends[1];
    return CO_OK;
}

/* Open MPI makes its folder by itself where it is not there, but nobody would remove it. */
static co_status make_folder(follower *f, const char *folder, co_error *err)
{
    static const char prefix[] = "/dev/shm/cohort-job-";
    const char *number = folder + sizeof(prefix) - 1;
    if (strncmp(folder, prefix, sizeof(prefix) - 1) != 0 ||
        strspn(number, "0123456789") != strlen(number) || strlen(number) > 20) {
        return co_fail(err, CO_USAGE, "node 0 names '%.60s' as the folder for shared memory",
                       folder);
    }
    bool made = mkdir(folder, 0700) == 0;
    if (!made && errno != EEXIST) {
        return co_fail_errno(err, CO_UNSUPPORTED, errno, "cannot make %s", folder);
    }
    if (f->held < 0) {
        f->held = co_launch_hold(folder);
    }
    if (made) {
        (void)snprintf(f->folder, sizeof(f->folder), "%s", folder);
        return f->watched < 0 ? start_watcher(f, err) : CO_OK;
    }
    return CO_OK;
}

static void run_daemon(const co_message *message, int first)
{
    sigset_t none;
    co_error ignored = {0};
    (void)setsid();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* its workers end with it */
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)dup2(nothing, 0);
    for (int i = 2; i < 2 + first; i++) {
        if (co_daemon_assign(message->words[i], &ignored) != CO_OK) {
            _exit(127);
        }
    }
    /* exec does not write to them */
    (void)execvp(message->words[2 + first], (char *const *)(uintptr_t)(message->words + 2 + first));
    _exit(127);
}

/* Its workers are in groups of their own, and end when it is gone. */
static void stop_daemon(follower *f)
{
    enum { ROUNDS = 30 };
    if (f->daemon == 0) {
        return;
    }
    for (int i = 0; i < ROUNDS && waitpid(f->daemon, NULL, WNOHANG) == 0; i++) {
        if (i == ROUNDS / 3) {
            (void)kill(-f->daemon, SIGTERM);
        }
        co_clock_sleep(f->cli->clock, 0.1);
    }
    (void)kill(-f->daemon, SIGKILL);
    (void)waitpid(f->daemon, NULL, 0);
    f->daemon = 0;
}

/* The words: the number of the start, the folder, assignments, the daemon and its arguments. A
 * daemon that still runs belongs to an mpirun that is gone. */
static co_status start_daemon(follower *f, const co_message *message, co_error *err)
{
    int first = 0;
    if (message->count < 3) {
        return co_fail(err, CO_USAGE, "is asked to run nothing");
    }
    CO_TRY(co_daemon_check(message->count - 2, message->words + 2, &first, err));
    stop_daemon(f);
    CO_TRY(make_folder(f, message->words[1], err));
    pid_t process = fork();
    if (process < 0) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot start a process");
    }
    if (process == 0) {
        run_daemon(message, first);
    }
    f->daemon = process;
    return CO_OK;
}

static co_status tell_end(follower *f, int status, co_error *err)
{
    char number[16];
    const char *words[] = {f->start, number};
    const char *missing[] = {f->start,
                             "cannot start orted: is Open MPI there (Debian: openmpi-bin)?"};
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    f->daemon = 0;
    if (code == 127) {
        return co_wire_send(f->wire, CO_WIRE_REFUSED, missing, 2, err);
    }
    (void)snprintf(number, sizeof(number), "%d", code & 255);
    return co_wire_send(f->wire, CO_WIRE_ENDED, words, 2, err);
}

/* ---- the job ---- */

static co_status hear_signal(follower *f, co_error *err)
{
    struct signalfd_siginfo one;
    int status = 0;
    if (read(f->signals, &one, sizeof(one)) != (ssize_t)sizeof(one)) {
        return CO_OK;
    }
    if (one.ssi_signo == SIGCHLD) {
        return f->daemon != 0 && waitpid(f->daemon, &status, WNOHANG) == f->daemon
                   ? tell_end(f, status, err)
                   : CO_OK;
    }
    const bool again = f->asked_to_stop && (one.ssi_signo == SIGHUP || f->hung_up);
    f->hung_up = one.ssi_signo == SIGHUP;
    if (again) { /* of a lost terminal: see signals.c */
        return CO_OK;
    }
    if (f->asked_to_stop) {
        err->text[0] = '\0';
        return (co_status)(128 + one.ssi_signo);
    }
    f->asked_to_stop = true;
    return co_wire_send(f->wire, CO_WIRE_STOP, NULL, 0, err);
}

/* *over: with the returned status, and what there is to say of it. */
static co_status hear_message(follower *f, const co_message *message, bool *over, co_error *err)
{
    int code = 0;
    if (message->kind == CO_WIRE_RUN) {
        co_error failure = {0};
        const char *words[] = {f->start, failure.text};
        (void)snprintf(f->start, sizeof(f->start), "%.15s",
                       message->count > 0 ? message->words[0] : "");
        return start_daemon(f, message, &failure) == CO_OK
                   ? CO_OK
                   : co_wire_send(f->wire, CO_WIRE_REFUSED, words, 2, err);
    }
    if (message->kind != CO_WIRE_OVER || message->count != 2 ||
        !co_wire_number(message->words[0], 0, 255, &code)) {
        return co_fail(err, CO_PEER, "%s sends what is no message of node 0", f->address.text);
    }
    *over = true;
    if (code == 0) {
        return CO_OK;
    }
    err->text[0] = '\0';
    return message->words[1][0] != '\0' ? co_fail(err, (co_status)code, "%.900s", message->words[1])
                                        : (co_status)code;
}

static co_status hear_first(follower *f, bool *over, co_error *err)
{
    co_message message;
    bool there = true;
    CO_TRY(co_wire_read(f->wire, err));
    while (there && !*over) {
        CO_TRY(co_wire_next(f->wire, &message, &there, err));
        if (there) {
            CO_TRY(hear_message(f, &message, over, err));
        }
    }
    return CO_OK;
}

static co_status follow(follower *f, co_error *err)
{
    bool over = false;
    while (!over) {
        struct pollfd list[] = {
            {.fd = f->signals, .events = POLLIN},
            {.fd = f->wire->fd, .events = POLLIN},
        };
        if (poll(list, 2, -1) < 0 && errno != EINTR) {
            return co_fail_errno(err, CO_INTERNAL, errno, "cannot wait for node 0");
        }
        if (list[0].revents != 0) {
            CO_TRY(hear_signal(f, err));
        }
        if (list[1].revents != 0) {
            co_status status = hear_first(f, &over, err);
            if (status != CO_OK && !over) {
                char why[200];
                (void)snprintf(why, sizeof(why), "%.190s", err->text);
                return co_fail(err, CO_PEER, "node 0 (%s) was lost: %s", f->address.text, why);
            }
            CO_TRY(status);
        }
    }
    return CO_OK;
}

static co_status open_signals(follower *f, co_error *err)
{
    sigset_t ours;
    co_cli_front_signals(&ours);
    sigprocmask(SIG_BLOCK, &ours, NULL);
    f->signals = signalfd(-1, &ours, SFD_CLOEXEC);
    return f->signals >= 0 ? CO_OK
                           : co_fail_errno(err, CO_UNSUPPORTED, errno, "cannot wait for signals");
}

static void remove_folder(const follower *f)
{
    co_error ignored = {0};
    if (f->folder[0] != '\0') {
        (void)!co_file_remove_folder(&co_files_system, f->folder, &ignored);
    }
    if (f->watched >= 0) {
        (void)close(f->watched);
        (void)waitpid(f->watcher, NULL, 0);
    }
    if (f->held >= 0) {
        (void)close(f->held);
    }
}

co_status co_nodes_follow(co_cli *cli, const co_hello *mine, co_error *err)
{
    follower f = {.cli = cli, .mine = mine, .signals = -1, .watched = -1, .held = -1};
    const co_settings *settings = &cli->conf.values;
    CO_TRY(co_meet_find(settings->master_addr, settings->master_port, &f.address, err));
    co_status status = join(&f, err);
    if (status == CO_OK) {
        status = open_signals(&f, err);
    }
    if (status == CO_OK) {
        status = follow(&f, err);
    }
    stop_daemon(&f);
    remove_folder(&f);
    if (f.signals >= 0) {
        (void)close(f.signals);
    }
    co_wire_close(f.wire);
    return status;
}
