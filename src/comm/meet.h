/* How nodes that are started by hand find each other: addresses, the port that node 0 waits on, and
 * connections that notice when the other end is gone. IPv4 only.
 */
#ifndef CO_COMM_MEET_H
#define CO_COMM_MEET_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/status.h"

enum { CO_MEET_TEXT = 320 };

typedef struct co_address {
    struct sockaddr_in at;
    char text[CO_MEET_TEXT]; /* as the user gave it, with the port */
} co_address;

/* "name", "name:port" or the same with an IPv4 address. A name that means this machine only to
 * itself (Debian's 127.0.1.1) is refused: other nodes would look for node 0 in themselves.
 * "localhost" and 127.x are taken at their word. CO_USAGE. */
CO_MUST_CHECK co_status co_meet_find(const char *name, int port, co_address *out, co_error *err);

/* *out: the address that this host's own name leads to; "" where it leads to none. */
void co_meet_own_address(char out[CO_MEET_TEXT], bool *loopback);

/* A socket that listens on this address alone. CO_USAGE where it is not this machine's, or the port
 * is taken: by whom, as far as that can be seen. */
CO_MUST_CHECK co_status co_meet_listen(const co_address *address, int *out, co_error *err);

/* One attempt, of two seconds at most. CO_PEER: nobody there, yet. */
CO_MUST_CHECK co_status co_meet_dial(const co_address *address, int *out, co_error *err);

/* From now on a read from the connection fails when the other end has not answered for about so
 * many seconds; 0: never. */
void co_meet_watch(int fd, double seconds);

/* The other end as numbers: "10.0.0.2". */
void co_meet_peer(int fd, char out[INET_ADDRSTRLEN]);

/* "10.0.0.0/24": the network of this machine that all these addresses lie in; false: none has them
 * all. */
bool co_meet_network(const struct in_addr addresses[], int count, char *out, size_t size);

#endif
