/* What mpirun runs instead of ssh: hands the command for a host to the relay, and waits as long as
 * it runs there. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/launch.h"
#include "cli/launch_parts.h"
#include "cli/nodes.h"
#include "comm/daemon.h"

static co_status connect_to(const char *folder, co_wire **out, co_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    co_relay_socket(folder, at.sun_path, sizeof(at.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
        int code = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return co_fail_errno(err, CO_PEER, code, "cannot connect to %s", at.sun_path);
    }
    return co_wire_open(fd, out, err);
}

/* The daemon wants an agent that exists over there, though it never calls it. */
static void name_no_agent(co_daemon *daemon)
{
    for (int i = 0; i + 1 < daemon->count; i++) {
        if (strcmp(daemon->words[i], "plm_rsh_agent") == 0) {
            daemon->words[i + 1] = "false";
        }
    }
}

static co_status ask(const co_wire *wire, const char *host, int count, char *const command[],
                     co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_daemon), "a command", &block, err));
    co_daemon *daemon = block;
    co_status status = co_daemon_read(count, command, daemon, err);
    if (status == CO_OK) {
        name_no_agent(daemon);
        const char *folder = getenv(CO_JOB_FOLDER_VARIABLE);
        const char *words[CO_DAEMON_WORDS + 2] = {host, folder != NULL ? folder : ""};
        memcpy(words + 2, daemon->words, sizeof(words[0]) * (size_t)daemon->count);
        status = co_wire_send(wire, CO_WIRE_RUN, words, daemon->count + 2, err);
    }
    co_free(daemon);
    return status;
}

static co_status wait_for_end(co_wire *wire, int *code, co_error *err)
{
    co_message message;
    bool there = false;
    while (!there) {
        CO_TRY(co_wire_read(wire, err));
        CO_TRY(co_wire_next(wire, &message, &there, err));
    }
    if (message.kind == CO_WIRE_REFUSED && message.count == 1) {
        return co_fail(err, CO_PEER, "%.900s", message.words[0]);
    }
    if (message.kind != CO_WIRE_ENDED || message.count != 1 ||
        !co_wire_number(message.words[0], 0, 255, code)) {
        return co_fail(err, CO_INTERNAL, "the relay sent what is no answer");
    }
    return CO_OK;
}

/* Where the other host is cut off mpirun might wait for ever: the front process must know. */
int co_nodes_agent(int argc, char *argv[])
{
    enum { FIRST = 4 }; /* of the command: cohort node-agent FOLDER HOST ... */
    int code = 0;
    co_error err = {0};
    co_wire *wire = NULL;
    if (argc <= FIRST) {
        (void)fprintf(stderr, "cohort: " CO_NODE_AGENT " is for mpirun only\n");
        return CO_USAGE;
    }
    co_status status = connect_to(argv[2], &wire, &err);
    if (status == CO_OK) {
        status = ask(wire, argv[3], argc - FIRST, argv + FIRST, &err);
    }
    if (status == CO_OK) {
        status = wait_for_end(wire, &code, &err);
    }
    co_wire_close(wire);
    if (status != CO_OK) {
        co_launch_report_failure((int)CO_PEER);
        (void)fprintf(stderr, "cohort: %s\n", err.text);
        return (int)status;
    }
    return code;
}
