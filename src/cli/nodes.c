/* Node 0: waits for the others, then starts the workers on all of them. */
#include "cli/nodes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/launch.h"
#include "comm/meet.h"

enum { GUESTS = 64, GUEST_SECONDS = 10, TELL_SECONDS = 10 };

/* A connection that has not said yet who it is. */
typedef struct guest {
    co_wire *wire;
    uint64_t since_ns;
} guest;

typedef struct gathering {
    co_cli *cli;
    const co_hello *mine;
    co_node *nodes;
    int there; /* how many nodes have come, this one included */
    int listener;
    guest guests[GUESTS];
    uint64_t told_ns;
} gathering;

/* ---- who comes ---- */

/* "1 and 3", "1, 2, 4 and more": the node ranks that have not come. */
static void list_missing(const gathering *g, char *out, size_t size)
{
    enum { MOST_SHOWN = 8 };
    co_text text = co_text_over(out, size);
    int missing = g->mine->nodes - g->there;
    int shown = 0;
    for (int rank = 1; rank < g->mine->nodes && shown < MOST_SHOWN; rank++) {
        if (g->nodes[rank].wire == NULL) {
            const char *before = shown == 0 ? "" : shown == missing - 1 ? " and " : ", ";
            co_text_printf(&text, "%s%d", before, rank);
            shown++;
        }
    }
    if (missing > shown) {
        co_text_printf(&text, " and %d more", missing - shown);
    }
}

static void warn(const char *who, const char *host, const char *text)
{
    (void)fprintf(stderr, "cohort: warning: refused %s%s%s: %s\n", who, host[0] != '\0' ? ", " : "",
                  host, text);
    (void)fflush(stderr);
}

/* Two nodes at one address, or of one name, would be one host for mpirun. */
static co_status judge(const gathering *g, const co_hello *hello, const char *address,
                       co_error *err)
{
    CO_TRY(co_hello_judge(g->mine, hello, err));
    for (int rank = 0; rank < g->mine->nodes; rank++) {
        const co_node *node = &g->nodes[rank];
        if (node->wire == NULL && rank != 0) {
            continue;
        }
        if (rank == hello->rank) {
            return co_fail(err, CO_USAGE, "--node-rank %d is taken by %s (%s)", rank, node->host,
                           node->address);
        }
        if (strcmp(node->host, hello->host) == 0 || strcmp(node->address, address) == 0) {
            return co_fail(err, CO_USAGE,
                           "node %d is on the same machine (%s, %s): start one node there, with "
                           "more --workers-per-node, and give each machine a name of its own",
                           rank, node->host, node->address);
        }
    }
    return CO_OK;
}

/* The node's connection is ours from now on, or closed. */
static void take_in(gathering *g, co_wire *wire, const co_message *message)
{
    co_hello hello = {0};
    co_error err = {0};
    char address[INET_ADDRSTRLEN];
    co_meet_peer(wire->fd, address);
    co_status status = co_hello_read(message, &hello, &err);
    if (status == CO_OK) {
        status = judge(g, &hello, address, &err);
    }
    if (status == CO_OK) {
        status = co_wire_send(wire, CO_WIRE_WELCOME, NULL, 0, &err);
    }
    if (status != CO_OK) {
        co_error ignored = {0};
        const char *text = err.text;
        warn(address, hello.host != NULL ? hello.host : "", err.text);
        (void)!co_wire_send(wire, CO_WIRE_REFUSED, &text, 1, &ignored);
        (void)shutdown(wire->fd, SHUT_WR);
        co_wire_close(wire);
        return;
    }
    co_node *node = &g->nodes[hello.rank];
    node->wire = wire;
    node->rank = hello.rank;
    node->workers = hello.workers;
    (void)snprintf(node->host, sizeof(node->host), "%s", hello.host);
    (void)snprintf(node->address, sizeof(node->address), "%s", address);
    co_meet_watch(wire->fd, g->cli->conf.values.deadline);
    g->there++;
    if (!g->cli->conf.values.quiet) {
        (void)fprintf(stderr, "cohort: node %d of %d is there: %s (%s), %d worker%s\n", node->rank,
                      g->mine->nodes, node->host, node->address, node->workers,
                      node->workers == 1 ? "" : "s");
    }
}

static void accept_guest(gathering *g)
{
    co_error ignored = {0};
    int fd = accept4(g->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    for (int i = 0; i < GUESTS; i++) {
        if (g->guests[i].wire == NULL) {
            if (co_wire_open(fd, &g->guests[i].wire, &ignored) == CO_OK) {
                g->guests[i].since_ns = co_clock_ns(g->cli->clock);
            }
            return;
        }
    }
    (void)close(fd); /* it will try again */
}

static void hear_guest(gathering *g, guest *one)
{
    co_message message;
    co_error err = {0};
    bool there = false;
    char address[INET_ADDRSTRLEN];
    co_status status = co_wire_read(one->wire, &err);
    if (status == CO_OK) {
        status = co_wire_next(one->wire, &message, &there, &err);
    }
    if (status != CO_OK) {
        co_meet_peer(one->wire->fd, address);
        warn(address, "", err.text);
        co_wire_close(one->wire);
        one->wire = NULL;
    } else if (there) {
        co_wire *wire = one->wire;
        one->wire = NULL;
        take_in(g, wire, &message);
    }
}

/* A node that went away before all were there may come again. */
static void hear_node(gathering *g, co_node *node)
{
    co_error err = {0};
    if (co_wire_read(node->wire, &err) != CO_OK || node->wire->filled > 0) {
        (void)fprintf(stderr, "cohort: warning: node %d (%s) has gone again\n", node->rank,
                      node->host);
        co_wire_close(node->wire);
        node->wire = NULL;
        g->there--;
    }
}

/* ---- waiting ---- */

static void drop_silent(gathering *g, uint64_t now_ns)
{
    for (int i = 0; i < GUESTS; i++) {
        guest *one = &g->guests[i];
        if (one->wire != NULL && now_ns - one->since_ns > GUEST_SECONDS * 1000000000ULL) {
            co_wire_close(one->wire);
            one->wire = NULL;
        }
    }
}

static co_status poll_once(gathering *g, struct pollfd *list, co_error *err)
{
    int nodes = g->mine->nodes;
    list[0] = (struct pollfd){.fd = g->listener, .events = POLLIN};
    for (int i = 0; i < GUESTS; i++) {
        const co_wire *wire = g->guests[i].wire;
        list[1 + i] = (struct pollfd){.fd = wire != NULL ? wire->fd : -1, .events = POLLIN};
    }
    for (int rank = 1; rank < nodes; rank++) {
        const co_wire *wire = g->nodes[rank].wire;
        list[GUESTS + rank] = (struct pollfd){.fd = wire != NULL ? wire->fd : -1, .events = POLLIN};
    }
    if (poll(list, (nfds_t)(GUESTS + nodes), 500) < 0 && errno != EINTR) {
        return co_fail_errno(err, CO_INTERNAL, errno, "cannot wait for other nodes");
    }
    for (int rank = 1; rank < nodes; rank++) {
        if (list[GUESTS + rank].fd >= 0 && list[GUESTS + rank].revents != 0) {
            hear_node(g, &g->nodes[rank]);
        }
    }
    for (int i = 0; i < GUESTS; i++) {
        if (list[1 + i].fd >= 0 && list[1 + i].revents != 0) {
            hear_guest(g, &g->guests[i]);
        }
    }
    if (list[0].revents != 0) {
        accept_guest(g);
    }
    return CO_OK;
}

static co_status check_time(gathering *g, uint64_t begin_ns, co_error *err)
{
    const co_settings *settings = &g->cli->conf.values;
    char missing[160];
    uint64_t now_ns = co_clock_ns(g->cli->clock);
    drop_silent(g, now_ns);
    if (g->cli->stop != NULL && atomic_load(g->cli->stop) != 0) {
        return co_fail(err, CO_STOPPED, "stopped while waiting for other nodes");
    }
    list_missing(g, missing, sizeof(missing));
    if ((double)(now_ns - begin_ns) > settings->node_wait * 1e9) {
        return co_fail(err, CO_PEER,
                       "waited %g s for %d nodes: node rank%s %s did not come; start the same "
                       "command there, with --node-rank (or allow more --node-wait)",
                       settings->node_wait, g->mine->nodes,
                       g->mine->nodes - g->there == 1 ? "" : "s", missing);
    }
    if (!settings->quiet && now_ns - g->told_ns > TELL_SECONDS * 1000000000ULL) {
        (void)fprintf(stderr, "cohort: waiting for node rank%s %s\n",
                      g->mine->nodes - g->there == 1 ? "" : "s", missing);
        g->told_ns = now_ns;
    }
    return CO_OK;
}

static co_status gather(gathering *g, co_error *err)
{
    uint64_t begin_ns = co_clock_ns(g->cli->clock);
    void *block = NULL;
    CO_TRY(co_alloc((size_t)(GUESTS + g->mine->nodes), sizeof(struct pollfd), "a list of nodes",
                    &block, err));
    co_status status = CO_OK;
    g->told_ns = begin_ns;
    while (status == CO_OK && g->there < g->mine->nodes) {
        status = poll_once(g, block, err);
        if (status == CO_OK && g->there < g->mine->nodes) {
            status = check_time(g, begin_ns, err);
        }
    }
    co_free(block);
    for (int i = 0; i < GUESTS; i++) {
        co_wire_close(g->guests[i].wire);
    }
    return status;
}

/* ---- all are there ---- */

/* "10.0.0.1:2,10.0.0.2:4", and how many workers that makes. Freed by co_free. */
static co_status list_hosts(const co_node *nodes, int count, char **out, int *workers,
                            co_error *err)
{
    enum { MOST_EACH = INET_ADDRSTRLEN + 16 };
    void *block = NULL;
    CO_TRY(co_alloc((size_t)count, MOST_EACH, "a list of hosts", &block, err));
    co_text text = co_text_over(block, (size_t)count * MOST_EACH);
    *workers = 0;
    for (int rank = 0; rank < count; rank++) {
        co_text_printf(&text, "%s%s:%d", rank > 0 ? "," : "", nodes[rank].address,
                       nodes[rank].workers);
        *workers += nodes[rank].workers;
    }
    *out = block;
    return CO_OK;
}

static void set_mca(const char *name, const char *value)
{
    char variable[80];
    (void)snprintf(variable, sizeof(variable), "OMPI_MCA_%s", name);
    (void)setenv(variable, value, 0); /* the user's own counts */
}

/* Where all nodes lie in one network of this machine, Open MPI need not try the others. */
static void choose_network(const co_node *nodes, int count)
{
    struct in_addr list[4096];
    char network[64];
    for (int i = 0; i < count; i++) {
        if (inet_pton(AF_INET, nodes[i].address, &list[i]) != 1) {
            return;
        }
    }
    if (co_meet_network(list, count, network, sizeof(network))) {
        set_mca("btl_tcp_if_include", network);
        set_mca("oob_tcp_if_include", network);
    }
}

static void prepare_mpirun(const co_node *nodes, int count, const co_relay *relay)
{
    char agent[256];
    (void)snprintf(agent, sizeof(agent), "%s/cohort " CO_NODE_AGENT " %s", relay->folder,
                   relay->folder);
    (void)setenv("OMPI_MCA_plm_rsh_agent", agent, 1);
    (void)setenv("OMPI_MCA_plm", "rsh", 1);
    (void)setenv("OMPI_MCA_plm_rsh_no_tree_spawn", "1", 1);       /* each from here */
    (void)setenv("OMPI_MCA_orte_leave_session_attached", "1", 1); /* no daemon in the background */
    choose_network(nodes, count);
}

static co_status check_total(const co_cli *cli, int workers, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    if (settings->workers > 1 && settings->workers != workers) {
        return co_fail(err, CO_USAGE, "--workers %d, but the %d nodes have %d", settings->workers,
                       settings->nnodes, workers);
    }
    return CO_OK;
}

/* With the relay at work: mpirun. */
static co_status launch(co_cli *cli, const co_node *nodes, co_relay *relay, co_error *err)
{
    co_settings *settings = &cli->conf.values;
    int count = settings->nnodes;
    int workers = 0;
    co_relay_word word = {.told = false};
    char *hosts = NULL;
    co_status status = list_hosts(nodes, count, &hosts, &workers, err);
    if (status == CO_OK) {
        status = check_total(cli, workers, err);
    }
    if (status == CO_OK) {
        prepare_mpirun(nodes, count, relay);
        settings->workers = workers;
        settings->hosts = hosts;
        status = co_launch_workers(cli, err);
        settings->hosts = NULL;
    }
    co_free(hosts);
    co_relay_end(relay, (int)status, status != CO_OK ? err->text : "", &word);
    if (status == CO_OK || status == CO_STOPPED || word.text[0] == '\0') {
        return status;
    }
    return err->text[0] != '\0' || word.told ? CO_PEER : co_fail(err, CO_PEER, "%s", word.text);
}

static void dismiss(co_node *nodes, int count, int code, const char *text)
{
    char number[16];
    const char *words[] = {number, text};
    co_error ignored = {0};
    (void)snprintf(number, sizeof(number), "%d", code);
    for (int rank = 1; rank < count; rank++) {
        if (nodes[rank].wire != NULL) {
            (void)!co_wire_send(nodes[rank].wire, CO_WIRE_OVER, words, 2, &ignored);
        }
        co_wire_close(nodes[rank].wire);
        nodes[rank].wire = NULL;
    }
}

static co_status lead(co_cli *cli, const co_hello *mine, co_node *nodes, co_error *err)
{
    co_address address;
    gathering g = {.cli = cli, .mine = mine, .nodes = nodes, .there = 1, .listener = -1};
    CO_TRY(co_meet_find(cli->conf.values.master_addr, cli->conf.values.master_port, &address, err));
    (void)inet_ntop(AF_INET, &address.at.sin_addr, nodes[0].address, sizeof(nodes[0].address));
    (void)snprintf(nodes[0].host, sizeof(nodes[0].host), "%s", mine->host);
    nodes[0].workers = mine->workers;
    CO_TRY(co_meet_listen(&address, &g.listener, err));
    if (!cli->conf.values.quiet) {
        (void)fprintf(stderr, "cohort: node 0 of %d waits for the others on %s\n", mine->nodes,
                      address.text);
    }
    co_status status = gather(&g, err);
    (void)close(g.listener);
    co_relay relay = {0};
    if (status == CO_OK) {
        status = co_relay_start(nodes, mine->nodes, &relay, err);
    }
    if (status != CO_OK) {
        dismiss(nodes, mine->nodes, (int)status, err->text);
        return status;
    }
    return launch(cli, nodes, &relay, err);
}

co_status co_nodes_run(co_cli *cli, const char *build, const char *settings, co_error *err)
{
    const co_settings *values = &cli->conf.values;
    char host[256] = "";
    int each = values->workers_per_node;
    if (each == 0) {
        each = values->workers > 1 ? values->workers / values->nnodes : 1;
    }
    (void)gethostname(host, sizeof(host) - 1);
    const co_hello mine = {
        .build = build,
        .nodes = values->nnodes,
        .rank = values->node_rank,
        .workers = each,
        .host = host,
        .token = values->job_token != NULL ? values->job_token : "",
        .settings = settings,
    };
    if (values->node_rank > 0) {
        return co_nodes_follow(cli, &mine, err);
    }
    void *block = NULL;
    CO_TRY(co_alloc((size_t)values->nnodes, sizeof(co_node), "a list of nodes", &block, err));
    co_status status = lead(cli, &mine, block, err);
    co_free(block);
    return status;
}
