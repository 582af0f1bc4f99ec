#include "comm/wire.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/alloc.h"

static const char magic[4] = {'c', 'o', 'N', '1'};

co_status co_wire_open(int fd, co_wire **wire, co_error *err)
{
    enum { SEND_SECONDS = 10 };
    void *block = NULL;
    const struct timeval limit = {.tv_sec = SEND_SECONDS};
    co_status status = co_alloc(1, sizeof(co_wire), "messages between nodes", &block, err);
    if (status != CO_OK) {
        (void)close(fd);
        return status;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    *wire = block;
    (*wire)->fd = fd;
    return CO_OK;
}

void co_wire_close(co_wire *wire)
{
    if (wire != NULL && wire->fd >= 0) {
        (void)close(wire->fd);
    }
    co_free(wire);
}

/* ---- sending ---- */

static void put_u32(char *out, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        out[i] = (char)(value >> (8 * i) & 0xff);
    }
}

static uint32_t get_u32(const char *data)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        value |= (uint32_t)(unsigned char)data[i] << (8 * i);
    }
    return value;
}

static co_status send_all(int fd, const char *data, size_t bytes, co_error *err)
{
    while (bytes > 0) {
        ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return co_fail_errno(err, CO_PEER, errno, "cannot send to the other side");
        }
        data += sent;
        bytes -= (size_t)sent;
    }
    return CO_OK;
}

co_status co_wire_send(const co_wire *wire, co_wire_kind kind, const char *const words[], int count,
                       co_error *err)
{
    size_t length = 0;
    for (int i = 0; i < count; i++) {
        length += strlen(words[i]) + 1;
    }
    if (length > CO_WIRE_BODY || count > CO_WIRE_WORDS) {
        return co_fail(err, CO_USAGE, "a message of %zu bytes to another node is too long", length);
    }
    void *block = NULL;
    CO_TRY(co_alloc(CO_WIRE_HEADER + length, 1, "a message", &block, err));
    char *data = block;
    memcpy(data, magic, sizeof(magic));
    put_u32(data + 4, (uint32_t)kind);
    put_u32(data + 8, (uint32_t)length);
    char *at = data + CO_WIRE_HEADER;
    for (int i = 0; i < count; i++) {
        size_t size = strlen(words[i]) + 1;
        memcpy(at, words[i], size);
        at += size;
    }
    co_status status = send_all(wire->fd, data, CO_WIRE_HEADER + length, err);
    co_free(block);
    return status;
}

/* ---- receiving ---- */

static co_status not_ours(co_error *err)
{
    return co_fail(err, CO_PEER, "what came is no message of this version of cohort");
}

co_status co_wire_parse(const char *data, size_t bytes, co_message *out, size_t *used,
                        co_error *err)
{
    *used = 0;
    if (memcmp(data, magic, bytes < sizeof(magic) ? bytes : sizeof(magic)) != 0) {
        return not_ours(err);
    }
    if (bytes < CO_WIRE_HEADER) {
        return CO_OK;
    }
    uint32_t kind = get_u32(data + 4);
    uint32_t length = get_u32(data + 8);
    if (kind < CO_WIRE_HELLO || kind > CO_WIRE_OVER || length > CO_WIRE_BODY) {
        return not_ours(err);
    }
    if (bytes - CO_WIRE_HEADER < length) {
        return CO_OK;
    }
    const char *at = data + CO_WIRE_HEADER;
    const char *end = at + length;
    int count = 0;
    if (length > 0 && end[-1] != '\0') {
        return not_ours(err);
    }
    while (at < end) {
        if (count == CO_WIRE_WORDS) {
            return not_ours(err);
        }
        out->words[count++] = at;
        at += strlen(at) + 1;
    }
    out->words[count] = NULL;
    out->count = count;
    out->kind = (co_wire_kind)kind;
    *used = CO_WIRE_HEADER + length;
    return CO_OK;
}

co_status co_wire_read(co_wire *wire, co_error *err)
{
    if (wire->used > 0) { /* what was given out has been looked at */
        memmove(wire->data, wire->data + wire->used, wire->filled - wire->used);
        wire->filled -= wire->used;
        wire->used = 0;
    }
    ssize_t count = recv(wire->fd, wire->data + wire->filled, sizeof(wire->data) - wire->filled, 0);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) {
        return CO_OK;
    }
    if (count < 0) {
        return co_fail_errno(err, CO_PEER, errno, "the connection broke");
    }
    if (count == 0) {
        return co_fail(err, CO_PEER, "the connection was closed");
    }
    wire->filled += (size_t)count;
    return CO_OK;
}

co_status co_wire_next(co_wire *wire, co_message *out, bool *there, co_error *err)
{
    size_t used = 0;
    size_t left = wire->filled - wire->used;
    *there = false;
    CO_TRY(co_wire_parse(wire->data + wire->used, left, out, &used, err));
    wire->used += used;
    *there = used > 0;
    return CO_OK;
}

bool co_wire_number(const char *word, int low, int high, int *out)
{
    char *end = NULL;
    errno = 0;
    long value = strtol(word, &end, 10);
    if (end == word || *end != '\0' || errno != 0 || value < low || value > high) {
        return false;
    }
    *out = (int)value;
    return true;
}

/* ---- who is there ---- */

enum { HELLO_WORDS = 7, MOST_NODES = 4096, MOST_WORKERS = 65536, HOST_LENGTH = 255 };

co_status co_hello_send(const co_wire *wire, const co_hello *hello, co_error *err)
{
    char nodes[16];
    char rank[16];
    char workers[16];
    (void)snprintf(nodes, sizeof(nodes), "%d", hello->nodes);
    (void)snprintf(rank, sizeof(rank), "%d", hello->rank);
    (void)snprintf(workers, sizeof(workers), "%d", hello->workers);
    const char *words[HELLO_WORDS] = {hello->build, nodes,        rank,           workers,
                                      hello->host,  hello->token, hello->settings};
    return co_wire_send(wire, CO_WIRE_HELLO, words, HELLO_WORDS, err);
}

/* Only what may stand in a message to the user, and in mpirun's list of hosts. */
static bool is_host_name(const char *text)
{
    size_t length = strspn(text,
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return length > 0 && length <= HOST_LENGTH && text[length] == '\0';
}

co_status co_hello_read(const co_message *message, co_hello *out, co_error *err)
{
    const char *const *words = message->words;
    if (message->kind != CO_WIRE_HELLO || message->count != HELLO_WORDS ||
        !co_wire_number(words[1], 1, MOST_NODES, &out->nodes) ||
        !co_wire_number(words[2], 0, MOST_NODES - 1, &out->rank) ||
        !co_wire_number(words[3], 1, MOST_WORKERS, &out->workers) || !is_host_name(words[4])) {
        return not_ours(err);
    }
    out->build = words[0];
    out->host = words[4];
    out->token = words[5];
    out->settings = words[6];
    return CO_OK;
}

/* Takes equally long wherever tokens of one length differ. */
static bool same_token(const char *a, const char *b)
{
    size_t length = strlen(a);
    unsigned different = 0;
    if (length != strlen(b)) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        different |= (unsigned)((unsigned char)a[i] ^ (unsigned char)b[i]);
    }
    return different == 0;
}

void co_hello_difference(const char *mine, const char *theirs, char out[120])
{
    const char *line = mine;
    out[0] = '\0';
    while (*line != '\0') {
        size_t length = strcspn(line, "\n");
        if (strncmp(line, theirs, length) != 0) {
            (void)snprintf(out, 120, "%.*s", (int)(length < 100 ? length : 100), line);
            return;
        }
        line += length + (line[length] == '\n');
        theirs += strcspn(theirs, "\n");
        theirs += *theirs == '\n';
    }
}

co_status co_hello_judge(const co_hello *first, const co_hello *other, co_error *err)
{
    if (!same_token(first->token, other->token)) {
        return co_fail(err, CO_USAGE, "another --job-token than node 0's");
    }
    if (strcmp(first->build, other->build) != 0) {
        return co_fail(err, CO_USAGE, "another program than node 0's: %.100s, not %.100s",
                       other->build, first->build);
    }
    if (other->nodes != first->nodes) {
        return co_fail(err, CO_USAGE, "--nnodes %d, but node 0 waits for %d", other->nodes,
                       first->nodes);
    }
    if (other->rank >= first->nodes || other->rank == first->rank) {
        return co_fail(err, CO_USAGE, "--node-rank %d: that is %s", other->rank,
                       other->rank == first->rank ? "node 0 itself" : "too large");
    }
    if (strcmp(first->settings, other->settings) != 0) {
        char difference[120];
        co_hello_difference(other->settings, first->settings, difference);
        return co_fail(err, CO_USAGE, "other settings than node 0's: '%s'", difference);
    }
    if (strcmp(first->host, other->host) == 0) {
        return co_fail(
            err, CO_USAGE,
            "the host calls itself %.100s, as node 0 does: on one machine start one node "
            "with more --workers-per-node, and give each machine a name of its own",
            other->host);
    }
    return CO_OK;
}
