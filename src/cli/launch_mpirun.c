/* Speaking with mpirun: the command line that it gets, and what it says. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/launch_parts.h"

/* ---- the command line ---- */

enum { MAX_WORDS = 1200 };

struct co_words {
    char *list[MAX_WORDS];
    int count;
    char program[CO_LAUNCH_PATH];
    char run[CO_LAUNCH_PATH];
    char workers[16];
    char map[24];
};

static void add(co_words *w, const char *word)
{
    if (w->count < MAX_WORDS - 1) {
        w->list[w->count++] = (char *)(uintptr_t)word; /* exec does not write to them */
        w->list[w->count] = NULL;
    }
}

static void add_option(co_words *w, const char *name, const char *value)
{
    add(w, "--mca");
    add(w, name);
    add(w, value);
}

/* mpirun would cut "node1.cluster.org" down to "node1"; an address it leaves. */
static bool has_domain(const char *hosts)
{
    const char *dot = strchr(hosts, '.');
    return dot != NULL && strspn(hosts, "0123456789.:,") < strlen(hosts);
}

/* Where the workers lie: with cores of their own where there are enough, else wherever the system
 * likes. */
static void add_places(co_words *w, const co_launch *launch)
{
    const char *hosts = launch->hosts;
    const int cores = co_launch_cores_each(launch);
    if (hosts != NULL) {
        add(w, "--host");
        add(w, hosts);
        if (has_domain(hosts)) {
            add_option(w, "orte_keep_fqdn_hostnames", "1");
        }
        /* A host that is not there, or asks for a password, must not keep us waiting. */
        if (getenv("OMPI_MCA_plm_rsh_agent") == NULL && getenv("OMPI_MCA_plm_rsh_args") == NULL) {
            add_option(w, "plm_rsh_args", "-o BatchMode=yes -o ConnectTimeout=10");
        }
    } else { /* nothing to look for in the network */
        add_option(w, "pml", "ob1");
        add_option(w, "btl", "self,vader");
    }
    add(w, "--oversubscribe");
    if (cores > 1) {
        (void)snprintf(w->map, sizeof(w->map), "slot:PE=%d", cores);
        add(w, "--map-by");
        add(w, w->map);
    }
    add(w, "--bind-to");
    add(w, cores > 0 ? "core" : "none");
}

static void add_mpirun(co_words *w, const co_launch *launch)
{
    add(w, "mpirun");
    if (geteuid() == 0) {
        add(w, "--allow-run-as-root");
    }
    add(w, "-n");
    add(w, w->workers);
    add_places(w, launch);
    add_option(w, "orte_tmpdir_base", launch->place);
    add_option(w, "btl_vader_backing_directory", launch->place);
    add_option(w, "osc_sm_backing_directory", launch->place);
    /* To the workers of other hosts as well. */
    add(w, "-x");
    add(w, CO_JOB_RESTARTS_VARIABLE);
    add(w, "-x");
    add(w, CO_JOB_REASONS_VARIABLE);
}

/* The user's own words; in a restart those after them say where to go on. */
static void add_program(co_words *w, const co_launch *launch)
{
    unsigned long long step = 0;
    add(w, w->program);
    for (int i = 1; i < launch->cli->argc; i++) {
        add(w, launch->cli->argv[i]);
    }
    if (launch->restarts == 0 || launch->run[0] == '\0') {
        return;
    }
    (void)snprintf(w->run, sizeof(w->run), "%s", launch->run);
    add(w, "--run-dir");
    add(w, w->run);
    if (co_launch_newest_step(launch, &step)) {
        add(w, "--resume");
        add(w, "auto");
    }
}

co_status co_launch_words(const co_launch *launch, co_words **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_words), "words of a command", &block, err));
    co_words *w = block;
    ssize_t length = readlink("/proc/self/exe", w->program, sizeof(w->program) - 1);
    if (length <= 0 || launch->cli->argc > MAX_WORDS - 100) {
        co_free(w);
        return co_fail(err, CO_UNSUPPORTED, "cannot start workers: %s",
                       length <= 0 ? "/proc/self/exe is not readable" : "too many arguments");
    }
    w->program[length] = '\0';
    (void)snprintf(w->workers, sizeof(w->workers), "%d", launch->workers);
    if (launch->workers > 1) {
        add_mpirun(w, launch);
    }
    add_program(w, launch);
    *out = w;
    return CO_OK;
}

char **co_words_list(co_words *words)
{
    return words->list;
}

/* ---- what it says ---- */

void co_ear_open(co_ear *ear, int fd)
{
    *ear = (co_ear){.fd = fd, .lost_rank = -1};
    if (fd >= 0) {
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    }
}

static void hold(co_ear *ear, const char *line, size_t length)
{
    if (ear->held_length + length < sizeof(ear->held)) {
        memcpy(ear->held + ear->held_length, line, length);
        ear->held_length += length;
        ear->held[ear->held_length] = '\0';
    }
}

/* Open MPI 4.1, help-orterun.txt and help-errmgr-base.txt. The first one that it names counts. */
static void understand(co_ear *ear, const char *line)
{
    int rank = 0;
    int signal = 0;
    char host[CO_HOST_NAME_SIZE] = "";
    if (ear->lost_rank >= 0 || ear->lost_node[0] != '\0') {
        return;
    }
    if (sscanf(line,
               "mpirun noticed that process rank %d with PID %*d on node %63s exited on signal %d",
               &rank, host, &signal) == 3) {
        ear->lost_rank = rank;
        ear->lost_signal = signal;
        memcpy(ear->lost_host, host, sizeof(host));
    } else if (sscanf(line, " Process name: [[%*u,%*u],%d]", &rank) == 1) {
        ear->lost_rank = rank;
    } else if (sscanf(line, " Remote daemon: %*s on node %63s", host) == 1) {
        memcpy(ear->lost_node, host, sizeof(host));
    }
}

/* A worker's own message, which it printed for the user. */
static void overhear(co_ear *ear, const char *line)
{
    static const char name[] = "cohort: ";
    static const char warning[] = "cohort: warning";
    if (ear->said[0] == '\0' && strncmp(line, name, sizeof(name) - 1) == 0 &&
        strncmp(line, warning, sizeof(warning) - 1) != 0) {
        (void)snprintf(ear->said, sizeof(ear->said), "%s", line + sizeof(name) - 1);
        ear->said[strcspn(ear->said, "\n")] = '\0';
    }
}

/* "ssh: Could not resolve hostname node1: ...", "ssh: connect to host node1 port 22: ...",
 * "root@node1: Permission denied (publickey)."; mpirun's own words only guess. */
static void hear_ssh(co_ear *ear, const char *line)
{
    if (ear->refused[0] == '\0' &&
        (strncmp(line, "ssh: ", 5) == 0 || strstr(line, ": Permission denied (") != NULL ||
         strncmp(line, "Host key verification failed", 28) == 0)) {
        (void)snprintf(ear->refused, sizeof(ear->refused), "%.250s", line);
        ear->refused[strcspn(ear->refused, "\r\n")] = '\0';
    }
}

static bool is_rule(const char *line, size_t length)
{
    enum { RULE = 60 }; /* it is of 74 */
    return length > RULE && strspn(line, "-") >= RULE;
}

/* "[host:123] 2 more processes have sent help message ...", and how to see them. */
static bool is_about_paragraphs(const char *line)
{
    return line[0] == '[' && (strstr(line, " sent help message help-") != NULL ||
                              strstr(line, "Set MCA parameter \"orte_base_help_") != NULL);
}

/* What it does with signals, of which the user knows who sent them. */
static bool is_about_signals(const char *line)
{
    return strncmp(line, "mpirun: Forwarding signal ", 26) == 0 ||
           strncmp(line, "mpirun: abort is already in progress", 36) == 0 ||
           strstr(line, "mpirun: SIGPIPE detected on fd ") != NULL;
}

static void pass_line(co_ear *ear)
{
    ear->line[ear->length] = '\0';
    bool rule = is_rule(ear->line, ear->length);
    const bool crash = ear->unread && strchr("[\n", ear->line[0]) != NULL; /* of mpirun's own */
    if (!ear->in_paragraph &&
        (crash || is_about_paragraphs(ear->line) || is_about_signals(ear->line))) {
        hold(ear, ear->line, ear->length);
        ear->unread = ear->unread || strstr(ear->line, "SIGPIPE detected") != NULL;
    } else if (rule || ear->in_paragraph) {
        ear->in_paragraph = rule != ear->in_paragraph;
        understand(ear, ear->line);
        hold(ear, ear->line, ear->length);
    } else {
        overhear(ear, ear->line);
        hear_ssh(ear, ear->line);
        (void)!write(2, ear->line, ear->length);
    }
    ear->length = 0;
}

/* What read returned. */
static ssize_t take(co_ear *ear)
{
    char bytes[4096];
    ssize_t got = read(ear->fd, bytes, sizeof(bytes));
    for (ssize_t i = 0; i < got; i++) {
        ear->line[ear->length++] = bytes[i];
        if (bytes[i] == '\n' || ear->length == sizeof(ear->line) - 1) {
            pass_line(ear);
        }
    }
    /* What cannot become a line that we look for need not wait for its end. */
    if (ear->length > 0 && strchr("-cmsH[", ear->line[0]) == NULL && !ear->in_paragraph) {
        pass_line(ear);
    }
    return got;
}

bool co_ear_hear(co_ear *ear)
{
    ssize_t got = take(ear);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void co_ear_close(co_ear *ear)
{
    if (ear->fd < 0) {
        return;
    }
    while (take(ear) > 0) { /* what the dead have said */
    }
    if (ear->length > 0) {
        pass_line(ear);
    }
    (void)close(ear->fd);
    ear->fd = -1;
}
