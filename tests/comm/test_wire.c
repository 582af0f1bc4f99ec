/* Messages between nodes: what is sent arrives, in whatever pieces; what is no message is refused;
 * and whom node 0 takes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "comm/wire.h"

typedef struct pair {
    co_wire *a;
    co_wire *b;
} pair;

static pair connected(void)
{
    pair p = {0};
    int ends[2];
    co_error err = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(co_wire_open(ends[0], &p.a, &err), CO_OK);
    assert_int_equal(co_wire_open(ends[1], &p.b, &err), CO_OK);
    return p;
}

static void close_pair(pair p)
{
    co_wire_close(p.a);
    co_wire_close(p.b);
}

/* What a message is in bytes, as an independent reader would write it. */
static const char run_message[] = "coN1\x04\0\0\0\x0d\0\0\0folder\0orted";

static void bytes_are_as_described(void **state)
{
    (void)state;
    pair p = connected();
    co_error err = {0};
    char got[sizeof(run_message)];
    const char *words[] = {"folder", "orted"};
    assert_int_equal(co_wire_send(p.a, CO_WIRE_RUN, words, 2, &err), CO_OK);
    assert_int_equal(read(p.b->fd, got, sizeof(got)), sizeof(run_message));
    assert_memory_equal(got, run_message, sizeof(run_message));
    close_pair(p);
}

static void a_message_comes_in_pieces(void **state)
{
    (void)state;
    pair p = connected();
    co_error err = {0};
    co_message m;
    bool there = true;
    for (size_t i = 0; i < sizeof(run_message); i++) {
        assert_int_equal(co_wire_next(p.b, &m, &there, &err), CO_OK);
        assert_false(there);
        assert_int_equal(write(p.a->fd, run_message + i, 1), 1);
        assert_int_equal(co_wire_read(p.b, &err), CO_OK);
    }
    assert_int_equal(co_wire_next(p.b, &m, &there, &err), CO_OK);
    assert_true(there);
    assert_int_equal(m.kind, CO_WIRE_RUN);
    assert_int_equal(m.count, 2);
    assert_string_equal(m.words[1], "orted");
    assert_null(m.words[2]);
    close_pair(p);
}

static void several_come_at_once(void **state)
{
    (void)state;
    pair p = connected();
    co_error err = {0};
    co_message m;
    bool there = false;
    const char *code = "7";
    assert_int_equal(co_wire_send(p.a, CO_WIRE_WELCOME, NULL, 0, &err), CO_OK);
    assert_int_equal(co_wire_send(p.a, CO_WIRE_ENDED, &code, 1, &err), CO_OK);
    assert_int_equal(co_wire_read(p.b, &err), CO_OK);
    assert_int_equal(co_wire_next(p.b, &m, &there, &err), CO_OK);
    assert_true(there && m.kind == CO_WIRE_WELCOME && m.count == 0);
    assert_int_equal(co_wire_next(p.b, &m, &there, &err), CO_OK);
    assert_true(there && m.kind == CO_WIRE_ENDED);
    assert_string_equal(m.words[0], "7");
    assert_int_equal(co_wire_next(p.b, &m, &there, &err), CO_OK);
    assert_false(there);
    (void)shutdown(p.a->fd, SHUT_RDWR);
    assert_int_equal(co_wire_read(p.b, &err), CO_PEER);
    close_pair(p);
}

static co_status parsed(const char *data, size_t bytes)
{
    co_message m;
    size_t used = 0;
    co_error err = {0};
    return co_wire_parse(data, bytes, &m, &used, &err);
}

static void what_is_no_message_is_refused(void **state)
{
    (void)state;
    char bad[sizeof(run_message)];
    assert_int_equal(parsed("GET / HTTP/1.0\r\n", 16), CO_PEER);
    assert_int_equal(parsed("G", 1), CO_PEER); /* at the first byte */
    assert_int_equal(parsed("co", 2), CO_OK);
    memcpy(bad, run_message, sizeof(bad));
    bad[4] = 99; /* no such kind */
    assert_int_equal(parsed(bad, sizeof(bad)), CO_PEER);
    memcpy(bad, run_message, sizeof(bad));
    bad[11] = 1; /* 16 MB are announced */
    assert_int_equal(parsed(bad, sizeof(bad)), CO_PEER);
    memcpy(bad, run_message, sizeof(bad));
    bad[sizeof(bad) - 1] = 'x'; /* the last word has no end */
    assert_int_equal(parsed(bad, sizeof(bad)), CO_PEER);
    char many[CO_WIRE_HEADER + CO_WIRE_WORDS + 1] = "coN1\x04\0\0\0\x01\x02";
    assert_int_equal(parsed(many, sizeof(many)), CO_PEER); /* 513 empty words */
}

static void too_much_is_not_sent(void **state)
{
    (void)state;
    pair p = connected();
    co_error err = {0};
    char *large = malloc(CO_WIRE_BODY + 1);
    assert_non_null(large);
    memset(large, 'x', CO_WIRE_BODY);
    large[CO_WIRE_BODY] = '\0';
    const char *words[] = {large};
    assert_int_equal(co_wire_send(p.a, CO_WIRE_REFUSED, words, 1, &err), CO_USAGE);
    free(large);
    close_pair(p);
}

static void numbers_are_read_whole(void **state)
{
    (void)state;
    int n = -1;
    assert_true(co_wire_number("12", 0, 12, &n));
    assert_int_equal(n, 12);
    assert_false(co_wire_number("13", 0, 12, &n));
    assert_false(co_wire_number("", 0, 12, &n));
    assert_false(co_wire_number("1x", 0, 12, &n));
    assert_false(co_wire_number("99999999999999999999", 0, 12, &n));
}

/* ---- who is taken in ---- */

static const co_hello first = {
    .build = "cohort 1 abc",
    .nodes = 3,
    .rank = 0,
    .workers = 2,
    .host = "node1",
    .token = "secret",
    .settings = "batch_size: 64\nlr: 0.01\nseed: 1\n",
};

static co_hello other_node(void)
{
    co_hello hello = first;
    hello.rank = 2;
    hello.workers = 4; /* may differ */
    hello.host = "node3";
    return hello;
}

static void refused(const co_hello *hello, const char *words)
{
    co_error err = {0};
    assert_int_equal(co_hello_judge(&first, hello, &err), CO_USAGE);
    if (strstr(err.text, words) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, words);
    }
}

static void node_0_takes_in_its_like(void **state)
{
    (void)state;
    co_error err = {0};
    co_hello hello = other_node();
    assert_int_equal(co_hello_judge(&first, &hello, &err), CO_OK);
    hello.build = "cohort 2 def";
    refused(&hello, "cohort 2 def, not cohort 1 abc");
    hello = other_node();
    hello.token = "secreT";
    refused(&hello, "--job-token");
    hello.token = "";
    refused(&hello, "--job-token");
    hello = other_node();
    hello.nodes = 2;
    refused(&hello, "--nnodes 2, but node 0 waits for 3");
    hello = other_node();
    hello.rank = 0;
    refused(&hello, "node 0 itself");
    hello.rank = 3;
    refused(&hello, "too large");
    hello = other_node();
    hello.settings = "batch_size: 64\nlr: 0.02\nseed: 1\n";
    refused(&hello, "'lr: 0.02'");
    hello = other_node();
    hello.host = "node1";
    refused(&hello, "calls itself node1");
}

static void a_hello_arrives(void **state)
{
    (void)state;
    pair p = connected();
    co_error err = {0};
    co_message m;
    bool there = false;
    co_hello sent = other_node();
    co_hello got = {0};
    assert_int_equal(co_hello_send(p.a, &sent, &err), CO_OK);
    assert_int_equal(co_wire_read(p.b, &err), CO_OK);
    assert_int_equal(co_wire_next(p.b, &m, &there, &err), CO_OK);
    assert_true(there);
    assert_int_equal(co_hello_read(&m, &got, &err), CO_OK);
    assert_int_equal(got.nodes, 3);
    assert_int_equal(got.rank, 2);
    assert_int_equal(got.workers, 4);
    assert_string_equal(got.settings, first.settings);
    m.words[4] = "node3,evil:9"; /* it would stand in mpirun's list of hosts */
    assert_int_equal(co_hello_read(&m, &got, &err), CO_PEER);
    m.words[4] = "node3";
    m.words[3] = "0";
    assert_int_equal(co_hello_read(&m, &got, &err), CO_PEER);
    close_pair(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_as_described),   cmocka_unit_test(a_message_comes_in_pieces),
        cmocka_unit_test(several_come_at_once),     cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(too_much_is_not_sent),     cmocka_unit_test(numbers_are_read_whole),
        cmocka_unit_test(node_0_takes_in_its_like), cmocka_unit_test(a_hello_arrives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
