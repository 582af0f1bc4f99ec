#include "comm/meet.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- addresses ---- */

static bool is_loopback(const struct sockaddr_in *at)
{
    return ntohl(at->sin_addr.s_addr) >> 24 == 127;
}

/* The first address that others can use; a loopback one only where there is no other. */
static int resolve(const char *host, struct sockaddr_in *out)
{
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int code = getaddrinfo(host, NULL, &hints, &list);
    if (code != 0) {
        return code;
    }
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        struct sockaddr_in at;
        memcpy(&at, a->ai_addr, sizeof(at));
        if (a == list || is_loopback(out)) {
            *out = at;
        }
    }
    freeaddrinfo(list);
    return 0;
}

static co_status read_port(const char *name, const char *text, int *out, co_error *err)
{
    char *end = NULL;
    long port = strtol(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || port < 1 || port > 65535) {
        return co_fail(err, CO_USAGE,
                       "--master-addr %.100s: the port is a number from 1 to 65535 (IPv6 addresses "
                       "are not supported)",
                       name);
    }
    *out = (int)port;
    return CO_OK;
}

co_status co_meet_find(const char *name, int port, co_address *out, co_error *err)
{
    char host[256];
    const char *colon = strchr(name, ':');
    size_t length = colon != NULL ? (size_t)(colon - name) : strlen(name);
    if (colon != NULL) {
        CO_TRY(read_port(name, colon + 1, &port, err));
    }
    if (length == 0 || length >= sizeof(host)) {
        return co_fail(err, CO_USAGE, "--master-addr %.100s: no name of a host", name);
    }
    memcpy(host, name, length);
    host[length] = '\0';
    struct sockaddr_in at = {0};
    int code = resolve(host, &at);
    if (code != 0) {
        return co_fail(err, CO_USAGE,
                       "--master-addr: '%.100s' has no address (%s); give node 0's IPv4 address",
                       host, gai_strerror(code));
    }
    if (is_loopback(&at) && strcmp(host, "localhost") != 0 && !isdigit((unsigned char)host[0])) {
        return co_fail(err, CO_USAGE,
                       "--master-addr: on this machine '%.100s' means %s, which no other machine "
                       "can reach (see /etc/hosts); give node 0's IPv4 address",
                       host, inet_ntoa(at.sin_addr));
    }
    at.sin_port = htons((uint16_t)port);
    out->at = at;
    (void)snprintf(out->text, sizeof(out->text), "%s:%d", host, port);
    return CO_OK;
}

void co_meet_own_address(char out[CO_MEET_TEXT], bool *loopback)
{
    char host[256] = "";
    struct sockaddr_in at = {0};
    out[0] = '\0';
    *loopback = false;
    if (gethostname(host, sizeof(host) - 1) == 0 && resolve(host, &at) == 0) {
        (void)snprintf(out, CO_MEET_TEXT, "%s", inet_ntoa(at.sin_addr));
        *loopback = is_loopback(&at);
    }
}

void co_meet_peer(int fd, char out[INET_ADDRSTRLEN])
{
    struct sockaddr_in at = {0};
    socklen_t size = sizeof(at);
    out[0] = '\0';
    if (getpeername(fd, (struct sockaddr *)&at, &size) == 0 && at.sin_family == AF_INET) {
        (void)inet_ntop(AF_INET, &at.sin_addr, out, INET_ADDRSTRLEN);
    }
}

bool co_meet_network(const struct in_addr addresses[], int count, char *out, size_t size)
{
    struct ifaddrs *list = NULL;
    bool found = false;
    if (getifaddrs(&list) != 0) {
        return false;
    }
    for (const struct ifaddrs *i = list; i != NULL && !found; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_netmask == NULL || i->ifa_addr->sa_family != AF_INET) {
            continue;
        }
        struct sockaddr_in own;
        struct sockaddr_in mask;
        memcpy(&own, i->ifa_addr, sizeof(own));
        memcpy(&mask, i->ifa_netmask, sizeof(mask));
        struct in_addr network = {own.sin_addr.s_addr & mask.sin_addr.s_addr};
        found = true;
        for (int k = 0; k < count; k++) {
            found = found && (addresses[k].s_addr & mask.sin_addr.s_addr) == network.s_addr;
        }
        (void)snprintf(out, size, "%s/%d", inet_ntoa(network),
                       __builtin_popcount(mask.sin_addr.s_addr));
    }
    freeifaddrs(list);
    return found;
}

/* ---- who has the port ---- */

/* The inode of the socket that listens on this port; 0: none that this process can see. */
static unsigned long listener_of(int port)
{
    char line[512];
    unsigned long found = 0;
    FILE *file = fopen("/proc/net/tcp", "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        unsigned local = 0;
        unsigned state = 0;
        unsigned long inode = 0;
        if (sscanf(line, "%*d: %*x:%x %*x:%*x %x %*x:%*x %*x:%*x %*x %*d %*d %lu", &local, &state,
                   &inode) == 3 &&
            (int)local == port && state == 10) {
            found = inode;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

static bool has_socket(const char *process, unsigned long inode)
{
    char path[512];
    char wanted[64];
    char target[64];
    bool found = false;
    (void)snprintf(path, sizeof(path), "/proc/%.200s/fd", process);
    (void)snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    DIR *listing = opendir(path);
    const struct dirent *entry = NULL;
    while (listing != NULL && !found && (entry = readdir(listing)) != NULL) {
        ssize_t length = readlinkat(dirfd(listing), entry->d_name, target, sizeof(target) - 1);
        target[length > 0 ? length : 0] = '\0';
        found = strcmp(target, wanted) == 0;
    }
    if (listing != NULL) {
        (void)closedir(listing);
    }
    return found;
}

/* "process 123 (name)"; without the right to see it, how to find out. */
static void find_owner(int port, char *out, size_t size)
{
    unsigned long inode = listener_of(port);
    DIR *listing = opendir("/proc");
    const struct dirent *entry = NULL;
    (void)snprintf(out, size, "another process ('ss -ltnp' as root shows which)");
    while (listing != NULL && inode != 0 && (entry = readdir(listing)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) && has_socket(entry->d_name, inode)) {
            char path[300];
            char name[64] = "?";
            (void)snprintf(path, sizeof(path), "/proc/%.200s/comm", entry->d_name);
            FILE *file = fopen(path, "r");
            if (file != NULL) {
                (void)!fgets(name, sizeof(name), file);
                (void)fclose(file);
            }
            name[strcspn(name, "\n")] = '\0';
            (void)snprintf(out, size, "process %.20s (%s)", entry->d_name, name);
            break;
        }
    }
    if (listing != NULL) {
        (void)closedir(listing);
    }
}

/* ---- connections ---- */

static co_status cannot_listen(const co_address *address, int code, co_error *err)
{
    char owner[128];
    if (code == EADDRINUSE) {
        find_owner(ntohs(address->at.sin_port), owner, sizeof(owner));
        return co_fail(err, CO_USAGE,
                       "%s is in use by %s; take another --master-port, the same on all nodes",
                       address->text, owner);
    }
    if (code == EADDRNOTAVAIL) {
        return co_fail(
            err, CO_USAGE,
            "%s (%s) is no address of this machine: --master-addr is that of node 0, and "
            "--node-rank 0 is started there",
            address->text, inet_ntoa(address->at.sin_addr));
    }
    return co_fail_errno(err, CO_USAGE, code, "cannot wait for other nodes on %s", address->text);
}

co_status co_meet_listen(const co_address *address, int *out, co_error *err)
{
    const int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return co_fail_errno(err, CO_UNSUPPORTED, errno, "cannot make a socket");
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, (const struct sockaddr *)&address->at, sizeof(address->at)) != 0 ||
        listen(fd, SOMAXCONN) != 0) {
        int code = errno;
        (void)close(fd);
        return cannot_listen(address, code, err);
    }
    *out = fd;
    return CO_OK;
}

/* 0, or the number of the error. */
static int finish_dial(int fd)
{
    enum { DIAL_MS = 2000 };
    struct pollfd one = {.fd = fd, .events = POLLOUT};
    int code = 0;
    socklen_t size = sizeof(code);
    int ready = poll(&one, 1, DIAL_MS);
    if (ready < 0) {
        return errno;
    }
    if (ready == 0) {
        return ETIMEDOUT;
    }
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) == 0 ? code : errno;
}

co_status co_meet_dial(const co_address *address, int *out, co_error *err)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return co_fail_errno(err, CO_UNSUPPORTED, errno, "cannot make a socket");
    }
    int code = 0;
    if (connect(fd, (const struct sockaddr *)&address->at, sizeof(address->at)) != 0) {
        code = errno == EINPROGRESS ? finish_dial(fd) : errno;
    }
    if (code != 0) {
        (void)close(fd);
        return co_fail_errno(err, CO_PEER, code, "%s does not answer", address->text);
    }
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    *out = fd;
    return CO_OK;
}

void co_meet_watch(int fd, double seconds)
{
    enum { PROBES = 3 };
    if (!(seconds > 0.0)) {
        return;
    }
    const int yes = 1;
    const int idle = seconds > 6.0 ? (int)(seconds / 3.0) : 1; /* then three probes of a sixth */
    const int between = seconds > 6.0 ? (int)(seconds / 6.0) : 1;
    const int probes = PROBES;
    const unsigned ms = seconds < 1e6 ? (unsigned)(seconds * 1e3) : 1000000000U;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof(between));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}
