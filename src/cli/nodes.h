/* Several hosts without ssh: the same command is started by hand on each node (--nnodes,
 * --node-rank, --master-addr).
 *
 * Node 0 waits until all others have come, then runs mpirun as ever. Where mpirun would call ssh to
 * start its daemon on another host, it calls this program's agent (`cohort node-agent`): it hands
 * the command to a small relay process of node 0, which has the connections to the nodes; the node
 * checks that it is an orted, and runs it without a shell. When the job is over every node ends
 * with its exit code; a node that is lost ends the job and is named.
 */
#ifndef CO_CLI_NODES_H
#define CO_CLI_NODES_H

#include <netinet/in.h>
#include <sys/types.h>

#include "cli/cli.h"
#include "comm/wire.h"

#define CO_NODE_AGENT "node-agent" /* a command that only mpirun gives */

/* The front process of a node. build and settings: what all nodes must have in common. Returns the
 * status of the job; what went wrong in the workers they have told themselves. */
CO_MUST_CHECK co_status co_nodes_run(co_cli *cli, const char *build, const char *settings,
                                     co_error *err);

/* node-agent FOLDER HOST command...: returns the exit code. */
int co_nodes_agent(int argc, char *argv[]);

/* ---- between the files of this part ---- */

typedef struct co_node {
    co_wire *wire; /* NULL: not there (yet) */
    int rank;
    int workers;
    char host[256];                /* what it calls itself */
    char address[INET_ADDRSTRLEN]; /* where it is: its name for mpirun */
} co_node;

/* The relay, seen from the front process that made it. */
typedef struct co_relay {
    pid_t process;
    co_wire *control;
    char folder[96]; /* its socket, and the program for mpirun's agent */
} co_relay;

/* Starts the relay; the nodes' connections are its own from then on. nodes[0] is this one. */
CO_MUST_CHECK co_status co_relay_start(co_node *nodes, int count, co_relay *out, co_error *err);
/* What the relay has to say of a node that was lost or did not start. */
typedef struct co_relay_word {
    char text[CO_ERROR_SIZE]; /* "" for nothing */
    bool told;                /* mpirun's agent said so already */
} co_relay_word;

/* Tells all nodes how the job ended and waits for the relay. */
void co_relay_end(co_relay *ended, int code, const char *text, co_relay_word *out);

/* The address of the relay's socket. */
void co_relay_socket(const char *folder, char *out, size_t size);

/* The other nodes: joins node 0 and does what it says. */
CO_MUST_CHECK co_status co_nodes_follow(co_cli *cli, const co_hello *mine, co_error *err);

#endif
