/* Addresses, ports that are taken, and networks. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "comm/meet.h"

static void addresses_are_read(void **state)
{
    (void)state;
    co_address a;
    co_error err = {0};
    assert_int_equal(co_meet_find("127.0.0.1", 29500, &a, &err), CO_OK);
    assert_int_equal(ntohs(a.at.sin_port), 29500);
    assert_string_equal(a.text, "127.0.0.1:29500");
    assert_int_equal(co_meet_find("10.1.2.3:77", 29500, &a, &err), CO_OK);
    assert_int_equal(ntohs(a.at.sin_port), 77);
    assert_int_equal(ntohl(a.at.sin_addr.s_addr), 0x0a010203);
    static const char *const bad[] = {"", ":1", "a:", "a:0", "a:65536", "a:1x", "::1", "a:-1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(co_meet_find(bad[i], 29500, &a, &err), CO_USAGE);
    }
}

static int free_port(int *fd)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&at, &size), 0);
    return ntohs(at.sin_port);
}

static void a_taken_port_names_its_owner(void **state)
{
    (void)state;
    int taken = -1;
    int fd = -1;
    co_address a;
    co_error err = {0};
    char wanted[64];
    int port = free_port(&taken);
    assert_int_equal(listen(taken, 1), 0);
    assert_int_equal(co_meet_find("127.0.0.1", port, &a, &err), CO_OK);
    assert_int_equal(co_meet_listen(&a, &fd, &err), CO_USAGE);
    (void)snprintf(wanted, sizeof(wanted), "127.0.0.1:%d is in use by process %ld", port,
                   (long)getpid());
    assert_non_null(strstr(err.text, wanted));
    assert_int_equal(fd, -1);
    (void)close(taken);
}

static void two_ends_meet(void **state)
{
    (void)state;
    int spare = -1;
    int listener = -1;
    int dialled = -1;
    co_address a;
    co_error err = {0};
    char peer[INET_ADDRSTRLEN];
    int port = free_port(&spare);
    (void)close(spare);
    assert_int_equal(co_meet_find("127.0.0.1", port, &a, &err), CO_OK);
    assert_int_equal(co_meet_dial(&a, &dialled, &err), CO_PEER);
    assert_non_null(strstr(err.text, "Connection refused"));
    assert_int_equal(co_meet_listen(&a, &listener, &err), CO_OK);
    assert_int_equal(co_meet_dial(&a, &dialled, &err), CO_OK);
    int accepted = accept(listener, NULL, NULL);
    assert_true(accepted >= 0);
    co_meet_watch(accepted, 3.0);
    co_meet_peer(accepted, peer);
    assert_string_equal(peer, "127.0.0.1");
    (void)close(accepted);
    (void)close(dialled);
    (void)close(listener);
}

static void a_common_network_is_found(void **state)
{
    (void)state;
    char network[64] = "";
    struct in_addr two[2];
    assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &two[0]), 1);
    assert_int_equal(inet_pton(AF_INET, "127.1.2.3", &two[1]), 1);
    assert_true(co_meet_network(two, 2, network, sizeof(network)));
    assert_string_equal(network, "127.0.0.0/8");
    assert_int_equal(inet_pton(AF_INET, "192.0.2.77", &two[1]), 1); /* nobody's (RFC 5737) */
    assert_false(co_meet_network(two, 2, network, sizeof(network)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(a_taken_port_names_its_owner),
        cmocka_unit_test(two_ends_meet),
        cmocka_unit_test(a_common_network_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
