/* Messages between the front processes of nodes that are started by hand: who is there, what to
 * start, how it ended.
 *
 * A message is a kind and a list of words; as bytes: "coN1", kind and length of the body (32 bits
 * each, little-endian), and the words, a zero byte after each. Whatever comes from outside is
 * bounded before it is looked at. A co_wire belongs to whoever opened it; one thread.
 */
#ifndef CO_COMM_WIRE_H
#define CO_COMM_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef enum co_wire_kind {
    CO_WIRE_HELLO = 1, /* a node to node 0: see co_hello */
    CO_WIRE_WELCOME,   /* the answer */
    CO_WIRE_REFUSED,   /* the other one: why; of a daemon: number of the start, why */
    CO_WIRE_RUN,       /* number of the start, folder for shared memory, words of a daemon */
    CO_WIRE_ENDED,     /* that daemon: number of the start, exit code */
    CO_WIRE_STOP,      /* a node was asked to stop */
    CO_WIRE_OVER       /* the job has ended: exit code, what to say or "" */
} co_wire_kind;

enum { CO_WIRE_HEADER = 12, CO_WIRE_BODY = 1 << 16, CO_WIRE_WORDS = 512 };

typedef struct co_message {
    co_wire_kind kind;
    int count;
    const char *words[CO_WIRE_WORDS + 1]; /* NULL after the last; they lie in what was parsed */
} co_message;

typedef struct co_wire {
    int fd;        /* -1: closed */
    size_t filled; /* bytes of data that have come */
    size_t used;   /* of these, the message that was given out last */
    char data[CO_WIRE_HEADER + CO_WIRE_BODY];
} co_wire;

/* *wire reads from and writes to the socket, which it owns from now on, also on failure. */
CO_MUST_CHECK co_status co_wire_open(int fd, co_wire **wire, co_error *err);
void co_wire_close(co_wire *wire); /* NULL is allowed */

/* CO_PEER where the other side has gone or takes nothing for 10 s, CO_USAGE for words too long to
 * send. */
CO_MUST_CHECK co_status co_wire_send(const co_wire *wire, co_wire_kind kind,
                                     const char *const words[], int count, co_error *err);

/* Takes what has come, with one read (so after poll): CO_PEER where the other side has gone. */
CO_MUST_CHECK co_status co_wire_read(co_wire *wire, co_error *err);
/* The next message of what has come; false: not all of it is there yet. It is valid until the next
 * call with this wire. CO_PEER: these are no messages of ours. */
CO_MUST_CHECK co_status co_wire_next(co_wire *wire, co_message *out, bool *there, co_error *err);

/* The first message of these bytes; *used is its length, or 0: more have to come. */
CO_MUST_CHECK co_status co_wire_parse(const char *data, size_t bytes, co_message *out, size_t *used,
                                      co_error *err);

/* The word as a number from low to high; false where it is none. */
bool co_wire_number(const char *word, int low, int high, int *out);

/* ---- who is there ---- */

typedef struct co_hello {
    const char *build;    /* program and version */
    int nodes;            /* that there will be */
    int rank;             /* which one this is */
    int workers;          /* on it */
    const char *host;     /* what it calls itself */
    const char *token;    /* "" for none */
    const char *settings; /* as text */
} co_hello;

CO_MUST_CHECK co_status co_hello_send(const co_wire *wire, const co_hello *hello, co_error *err);
CO_MUST_CHECK co_status co_hello_read(const co_message *message, co_hello *out, co_error *err);

/* Whether node 0 takes this node in; the message says to that node why not. */
CO_MUST_CHECK co_status co_hello_judge(const co_hello *first, const co_hello *other, co_error *err);

/* The line of `mine` that is not in `theirs` at that place, cut to a length that can be shown. */
void co_hello_difference(const char *mine, const char *theirs, char out[120]);

#endif
