/* The relay: a process of node 0 between mpirun's agents and the nodes. It outlives the front
 * process for as long as it takes to tell the nodes.
 *
 * An agent connects to the relay's socket and sends CO_WIRE_RUN (host, folder, words); the node
 * gets it with the number of the start in place of the host; CO_WIRE_ENDED (code) or
 * CO_WIRE_REFUSED (why) goes back. What the front process has to say, CO_WIRE_OVER, goes to all
 * nodes, and is answered with CO_WIRE_OVER and what the relay knows. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/launch.h"
#include "cli/nodes.h"

#define RELAY_FOLDER "/dev/shm/cohort-job-%ld.nodes" /* swept as other folders of dead jobs are */
#define SOCKET_NAME  "relay"
#define AGENT_NAME   "cohort"

typedef struct relay {
    pid_t front;
    co_wire *control;
    int held; /* the folder: no other job sweeps it */
    int listener;
    co_node *nodes;
    co_wire **agents; /* that of each node, while mpirun has one for it */
    int *starts;      /* how often a daemon was started on each node: a job may be restarted */
    co_wire *guest;   /* an agent that has not said yet for which host it is */
    struct pollfd *polled;
    int count;
    bool over;
    char said[CO_ERROR_SIZE]; /* the first trouble */
    bool told;                /* an agent said so to mpirun's standard error */
} relay;

void co_relay_socket(const char *folder, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/" SOCKET_NAME, folder);
}

/* ---- in the relay ---- */

static void send_words(const co_wire *wire, co_wire_kind kind, const char *const words[], int count)
{
    co_error ignored = {0};
    if (wire != NULL) { /* one that has gone is found out by the next read */
        (void)!co_wire_send(wire, kind, words, count, &ignored);
    }
}

static void close_wire(co_wire **wire)
{
    co_wire_close(*wire);
    *wire = NULL;
}

/* The node's daemon will not run (any more): mpirun's agent ends, and so does mpirun. */
static void tell_trouble(relay *r, int rank, const char *text)
{
    char whole[CO_ERROR_SIZE];
    const char *words[] = {whole};
    (void)snprintf(whole, sizeof(whole), "node %d (%s, %s) %.600s", rank, r->nodes[rank].host,
                   r->nodes[rank].address, text);
    if (r->said[0] == '\0') {
        (void)snprintf(r->said, sizeof(r->said), "%s", whole);
    }
    r->told = r->told || r->agents[rank] != NULL;
    send_words(r->agents[rank], CO_WIRE_REFUSED, words, 1);
    close_wire(&r->agents[rank]);
}

static void lose_node(relay *r, int rank, const char *why)
{
    char text[CO_ERROR_SIZE];
    (void)snprintf(text, sizeof(text), "was lost: %.500s", why);
    close_wire(&r->nodes[rank].wire);
    if (!r->over) {
        tell_trouble(r, rank, text);
    }
}

static void hear_node_message(relay *r, int rank, const co_message *message)
{
    int start = 0;
    bool of_daemon = message->count == 2 && co_wire_number(message->words[0], 0, INT_MAX, &start) &&
                     start == r->starts[rank]; /* not of one that was given up */
    if (message->kind == CO_WIRE_ENDED && of_daemon) {
        send_words(r->agents[rank], CO_WIRE_ENDED, message->words + 1, 1);
        close_wire(&r->agents[rank]);
    } else if (message->kind == CO_WIRE_REFUSED && of_daemon) {
        tell_trouble(r, rank, message->words[1]);
    } else if (message->kind == CO_WIRE_STOP && getppid() == r->front) {
        (void)kill(r->front, SIGTERM);
    }
}

static void hear_node(relay *r, int rank)
{
    co_error err = {0};
    co_message message;
    bool there = true;
    co_status status = co_wire_read(r->nodes[rank].wire, &err);
    while (status == CO_OK && there) {
        status = co_wire_next(r->nodes[rank].wire, &message, &there, &err);
        if (status == CO_OK && there) {
            hear_node_message(r, rank, &message);
        }
    }
    if (status != CO_OK) {
        lose_node(r, rank, err.text);
    }
}

/* The host as mpirun has it: the address that it was given. */
static int node_of(const relay *r, const char *host)
{
    for (int rank = 1; rank < r->count; rank++) {
        if (strcmp(r->nodes[rank].address, host) == 0) {
            return rank;
        }
    }
    return -1;
}

static void hear_agent_message(relay *r, const co_message *message)
{
    char number[16];
    const char *words[CO_WIRE_WORDS] = {number};
    const char *text = "mpirun's agent asks for a host that is no node of this job";
    int rank = message->kind == CO_WIRE_RUN && message->count > 2 ? node_of(r, message->words[0])
                                                                  : -1;
    if (rank < 0) {
        send_words(r->guest, CO_WIRE_REFUSED, &text, 1);
        close_wire(&r->guest);
        return;
    }
    close_wire(&r->agents[rank]);
    r->agents[rank] = r->guest;
    r->starts[rank]++;
    (void)snprintf(number, sizeof(number), "%d", r->starts[rank]);
    memcpy(words + 1, message->words + 1, sizeof(words[0]) * (size_t)(message->count - 1));
    if (r->nodes[rank].wire == NULL) {
        tell_trouble(r, rank, "is not there any more");
    } else {
        send_words(r->nodes[rank].wire, CO_WIRE_RUN, words, message->count);
    }
    r->guest = NULL; /* the words were in it */
}

static void hear_guest(relay *r)
{
    co_error ignored = {0};
    co_message message;
    bool there = false;
    co_status status = co_wire_read(r->guest, &ignored);
    if (status == CO_OK) {
        status = co_wire_next(r->guest, &message, &there, &ignored);
    }
    if (status != CO_OK) {
        close_wire(&r->guest);
    } else if (there) {
        hear_agent_message(r, &message);
    }
}

/* Agents say nothing more: one that can be read from was ended, with its mpirun. */
static void hear_agent(relay *r, int rank)
{
    co_error ignored = {0};
    if (co_wire_read(r->agents[rank], &ignored) != CO_OK) {
        close_wire(&r->agents[rank]);
    }
}

/* The words of the last message: an exit code and a text. */
static void dismiss_nodes(relay *r, const char *const words[])
{
    r->over = true;
    for (int rank = 1; rank < r->count; rank++) {
        if (r->nodes[rank].wire != NULL) {
            send_words(r->nodes[rank].wire, CO_WIRE_OVER, words, 2);
            (void)shutdown(r->nodes[rank].wire->fd, SHUT_WR);
        }
    }
}

static void hear_front(relay *r)
{
    static const char *const killed[] = {"4", "node 0 was ended before the job was"};
    const char *answer[] = {r->said, r->told ? "told" : ""};
    co_error ignored = {0};
    co_message message;
    bool there = false;
    co_status status = co_wire_read(r->control, &ignored);
    if (status == CO_OK) {
        status = co_wire_next(r->control, &message, &there, &ignored);
    }
    if (status != CO_OK) {
        dismiss_nodes(r, killed);
    } else if (there && message.kind == CO_WIRE_OVER && message.count == 2) {
        /* mpirun has a code of its own for a host that it lost. */
        bool lost = r->said[0] != '\0' && strcmp(message.words[0], "0") != 0 &&
                    strcmp(message.words[0], "75") != 0;
        const char *words[] = {lost ? "4" : message.words[0], lost ? r->said : message.words[1]};
        dismiss_nodes(r, words);
        send_words(r->control, CO_WIRE_OVER, answer, 2);
    }
}

static void hear_caller(relay *r)
{
    co_error ignored = {0};
    int fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0 && co_wire_open(fd, &r->guest, &ignored) != CO_OK) {
        r->guest = NULL;
    }
}

static int fd_of(const co_wire *wire)
{
    return wire != NULL ? wire->fd : -1;
}

static void relay_once(relay *r)
{
    struct pollfd *list = r->polled;
    list[0] = (struct pollfd){.fd = fd_of(r->control), .events = POLLIN};
    list[1] = (struct pollfd){.fd = r->guest == NULL ? r->listener : -1, .events = POLLIN};
    list[2] = (struct pollfd){.fd = fd_of(r->guest), .events = POLLIN};
    for (int rank = 1; rank < r->count; rank++) {
        list[1 + 2 * rank] = (struct pollfd){.fd = fd_of(r->nodes[rank].wire), .events = POLLIN};
        list[2 + 2 * rank] = (struct pollfd){.fd = fd_of(r->agents[rank]), .events = POLLIN};
    }
    if (poll(list, (nfds_t)(1 + 2 * r->count), 500) < 0) {
        return;
    }
    for (int rank = 1; rank < r->count; rank++) {
        if (list[1 + 2 * rank].fd >= 0 && list[1 + 2 * rank].revents != 0) {
            hear_node(r, rank);
        }
        if (fd_of(r->agents[rank]) >= 0 && list[2 + 2 * rank].revents != 0) {
            hear_agent(r, rank);
        }
    }
    if (list[2].fd >= 0 && list[2].revents != 0) {
        hear_guest(r);
    }
    if (list[1].fd >= 0 && list[1].revents != 0) {
        hear_caller(r);
    }
    if (list[0].revents != 0) {
        hear_front(r);
    }
}

static bool anybody_left(const relay *r)
{
    for (int rank = 1; rank < r->count; rank++) {
        if (r->nodes[rank].wire != NULL) {
            return true;
        }
    }
    return false;
}

static void sweep(const char *folder)
{
    char path[160];
    co_relay_socket(folder, path, sizeof(path));
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/" AGENT_NAME, folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void run_relay(relay *r, const char *folder)
{
    enum { LAST_ROUNDS = 10 };
    (void)setsid();
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGUSR1, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++) {
        (void)dup2(nothing, fd);
    }
    while (!r->over) {
        relay_once(r);
        if (getppid() != r->front && !r->over) { /* killed: the watcher has its end open too */
            static const char *const killed[] = {"4", "node 0 was ended before the job was"};
            dismiss_nodes(r, killed);
        }
    }
    sweep(folder);
    close_wire(&r->control);
    /* A connection that is closed with something unread in it would take the last word along. */
    for (int i = 0; i < LAST_ROUNDS && anybody_left(r); i++) {
        relay_once(r);
    }
    _exit(0);
}

/* ---- in the front process ---- */

static co_status make_folder(char *folder, size_t size, relay *r, co_error *err)
{
    char path[160];
    char program[4096];
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(folder, size, RELAY_FOLDER, (long)getpid());
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[length > 0 ? length : 0] = '\0';
    sweep(folder); /* of a process that had this number before */
    (void)snprintf(path, sizeof(path), "%s/" AGENT_NAME, folder);
    if (mkdir(folder, 0700) != 0 || symlink(program, path) != 0) {
        return co_fail_errno(err, CO_UNSUPPORTED, errno, "cannot make %s", folder);
    }
    r->held = co_launch_hold(folder);
    co_relay_socket(folder, at.sun_path, sizeof(at.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(fd, SOMAXCONN) != 0) {
        int code = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        sweep(folder);
        return co_fail_errno(err, CO_UNSUPPORTED, code, "cannot make the socket %s", at.sun_path);
    }
    r->listener = fd;
    return CO_OK;
}

static co_status allocate(relay *r, co_error *err)
{
    void *agents = NULL;
    void *polled = NULL;
    void *starts = NULL;
    size_t count = (size_t)r->count;
    CO_TRY(co_alloc(count, sizeof(co_wire *), "a list of agents", &agents, err));
    r->agents = agents;
    CO_TRY(co_alloc(count, sizeof(int), "a list of starts", &starts, err));
    r->starts = starts;
    CO_TRY(co_alloc(1 + 2 * count, sizeof(struct pollfd), "a list of connections", &polled, err));
    r->polled = polled;
    return CO_OK;
}

/* One end for each of the two processes. */
static co_status open_control(co_wire **front, co_wire **ours, co_error *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot make a pair of sockets");
    }
    co_status status = co_wire_open(ends[0], front, err);
    if (status != CO_OK) {
        (void)close(ends[1]);
        return status;
    }
    status = co_wire_open(ends[1], ours, err);
    if (status != CO_OK) {
        close_wire(front);
    }
    return status;
}

co_status co_relay_start(co_node *nodes, int count, co_relay *out, co_error *err)
{
    relay r = {.front = getpid(), .nodes = nodes, .count = count, .listener = -1, .held = -1};
    co_wire *control = NULL;
    co_status status = allocate(&r, err);
    if (status != CO_OK) {
        goto freeing;
    }
    status = open_control(&control, &r.control, err);
    if (status != CO_OK) {
        goto freeing;
    }
    status = make_folder(out->folder, sizeof(out->folder), &r, err);
    if (status != CO_OK) {
        goto closing;
    }
    (void)fflush(NULL);
    pid_t process = fork();
    if (process < 0) {
        status = co_fail_errno(err, CO_MEMORY, errno, "cannot start a process");
        sweep(out->folder);
        (void)close(r.listener);
        goto closing;
    }
    if (process == 0) {
        close_wire(&control);
        run_relay(&r, out->folder);
    }
    (void)close(r.listener);
    for (int rank = 1; rank < count; rank++) {
        close_wire(&nodes[rank].wire);
    }
    out->process = process;
    out->control = control;
    control = NULL;
closing:
    if (r.held >= 0) { /* the relay has it */
        (void)close(r.held);
    }
    close_wire(&control);
    close_wire(&r.control);
freeing:
    co_free(r.agents);
    co_free(r.starts);
    co_free(r.polled);
    return status;
}

void co_relay_end(co_relay *ended, int code, const char *text, co_relay_word *out)
{
    char number[16];
    const char *words[] = {number, text};
    co_error ignored = {0};
    co_message message = {.count = 0};
    bool there = false;
    *out = (co_relay_word){.told = false};
    (void)snprintf(number, sizeof(number), "%d", code);
    co_status status = co_wire_send(ended->control, CO_WIRE_OVER, words, 2, &ignored);
    while (status == CO_OK && !there) {
        status = co_wire_read(ended->control, &ignored);
        if (status == CO_OK) {
            status = co_wire_next(ended->control, &message, &there, &ignored);
        }
    }
    if (status == CO_OK && message.kind == CO_WIRE_OVER && message.count == 2) {
        (void)snprintf(out->text, sizeof(out->text), "%s", message.words[0]);
        out->told = message.words[1][0] != '\0';
    } else {
        (void)snprintf(out->text, sizeof(out->text),
                       "the process that has the connections to the other nodes was killed");
    }
    (void)waitpid(ended->process, NULL, 0);
    close_wire(&ended->control);
    sweep(ended->folder);
}
