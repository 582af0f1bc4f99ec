#include "cli/workers.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "cli/launch.h"
#include "cli/nodes.h"
#include "co_build.h"

/* What all workers must have in common. */
typedef struct identity {
    char build[64];
    char settings[CO_HASH_TEXT_SIZE];
    bool no_record; /* see co_cli */
} identity;

/* Rank 0's settings as text, to show where this worker's are different, or (adopter not NULL) to
 * take them. */
static co_status compare_settings(co_comm *comm, const char *mine, bool same, co_cli *adopter,
                                  co_error *err)
{
    uint64_t length = strlen(mine);
    CO_TRY(co_comm_broadcast(comm, &length, sizeof(length), 0, err));
    void *block = NULL;
    CO_TRY(co_alloc(length + 1, 1, "settings of rank 0", &block, err));
    char *first = block;
    if (comm->rank == 0) {
        memcpy(first, mine, length + 1);
    }
    char difference[120] = "";
    co_status status = co_comm_broadcast(comm, first, length, 0, err);
    co_hello_difference(mine, first, difference);
    if (status == CO_OK && !same && adopter != NULL) {
        status = co_conf_adopt(&adopter->conf, "rank 0's settings", first, length, err);
        same = true;
    }
    co_free(first);
    CO_TRY(status);
    return same ? CO_OK
                : co_fail(err, CO_USAGE, "has other settings than rank 0: '%s'", difference);
}

/* Where the run that is resumed is not on this host, its settings are not either. */
static co_status compare(co_cli *cli, co_comm *comm, const identity *mine, const char *settings,
                         co_error *err)
{
    identity first = *mine;
    CO_TRY(co_comm_broadcast(comm, &first, sizeof(first), 0, err));
    co_status status = CO_OK;
    if (strcmp(first.build, mine->build) != 0) {
        status = co_fail(err, CO_USAGE, "runs another program than rank 0: %s, not %s", mine->build,
                         first.build);
    }
    CO_TRY(co_comm_agree(comm, status, err));
    bool same = strcmp(first.settings, mine->settings) == 0;
    bool adopts = mine->no_record && !first.no_record;
    status = compare_settings(comm, settings, same, adopts ? cli : NULL, err);
    return co_comm_agree(comm, status, err);
}

/* Of a program whose commit does not say what it is made of its file does; "" otherwise. */
static void name_file(char out[CO_HASH_TEXT_SIZE])
{
    enum { MOST = 256 << 20 };
    char *bytes = NULL;
    size_t count = 0;
    co_error ignored = {0};
    const bool known = strstr(CO_BUILD_COMMIT, "dirty") == NULL &&
                       strcmp(CO_BUILD_COMMIT, "unknown") != 0;
    out[0] = '\0';
    if (!known &&
        co_file_read("/proc/self/exe", MOST, CO_UNSUPPORTED, &bytes, &count, &ignored) == CO_OK) {
        co_hash_text(co_hash_bytes(bytes, count), out);
    }
    co_free(bytes);
}

static void name_build(char *out, size_t size)
{
    char file[CO_HASH_TEXT_SIZE];
    name_file(file);
    (void)snprintf(out, size, "cohort %s %s %s%s%.8s", CO_BUILD_VERSION, CO_BUILD_COMMIT,
                   CO_BUILD_TYPE, file[0] != '\0' ? " " : "", file);
}

static co_status shake_hands(co_cli *cli, co_comm *comm, co_error *err)
{
    identity mine = {.no_record = cli->no_record};
    char *settings = NULL;
    if (!comm->simulated) { /* there all are one process */
        name_build(mine.build, sizeof(mine.build));
    }
    CO_TRY(co_conf_dump(&cli->conf, &settings, err));
    co_hash_text(co_hash_bytes(settings, strlen(settings)), mine.settings);
    co_status status = compare(cli, comm, &mine, settings, err);
    co_free(settings);
    return status;
}

/* The number that was started counts; one that was asked for must agree with it. */
static co_status check_number(co_cli *cli, const co_comm *comm, co_error *err)
{
    co_settings *settings = &cli->conf.values;
    if (settings->workers > 1 && settings->workers != comm->size) {
        return co_fail(err, CO_USAGE, "--workers %d, but %d were started", settings->workers,
                       comm->size);
    }
    if (settings->max_restarts > 0 && !comm->simulated && co_launch_restarts() < 0) {
        return co_fail(err, CO_USAGE,
                       "--max-restarts: mpirun or srun started the workers, and nobody is there to "
                       "start them again: use --workers, or the batch system's requeueing");
    }
    settings->workers = comm->size;
    if (comm->simulated) { /* helper threads know no virtual time */
        settings->loader_threads = 0;
        settings->threads = 1;
    }
    return co_conf_check_many(&cli->conf, err);
}

static co_status join(co_cli *cli, co_comm **comm, co_error *err)
{
    if (!cli->engine->simulated) {
        co_launch_tie_to_parent();
        co_launch_hold_folder();
    }
    co_comm *joined = NULL;
    CO_TRY(cli->engine->open(cli->conf.values.memory_group, &joined, err));
    joined->deadline = cli->conf.values.deadline;
    *comm = joined;
    co_status status = cli->engine->simulated ? CO_OK : co_launch_show(joined, err);
    CO_TRY(co_comm_agree(joined, status, err));
    status = check_number(cli, joined, err);
    CO_TRY(co_comm_agree(joined, status, err));
    return shake_hands(cli, joined, err);
}

co_status co_workers_join(co_cli *cli, co_comm **comm, bool *front, co_error *err)
{
    *front = false;
    if (cli->engine->simulated || co_launch_ranks() > 1) {
        return join(cli, comm, err);
    }
    const co_settings *settings = &cli->conf.values;
    bool started = co_launch_restarts() >= 0;
    if ((settings->workers > 1 || settings->nnodes > 1) && co_launch_alone_under_mpirun()) {
        return co_fail(
            err, CO_USAGE,
            "--workers %d, but mpirun started 1: give mpirun their number (-n), or start "
            "cohort without it",
            settings->workers);
    }
    if (settings->workers > 1 || settings->nnodes > 1 || (settings->max_restarts > 0 && !started)) {
        *front = true;
        return CO_OK;
    }
    if (started) {
        co_launch_tie_to_parent();
        co_launch_hold_folder();
    }
    CO_TRY(co_comm_single(comm, err));
    return started ? co_launch_show(*comm, err) : CO_OK;
}

/* By hand, on each of several nodes. */
static co_status start_nodes(co_cli *cli, co_error *err)
{
    char build[64];
    char *settings = NULL;
    name_build(build, sizeof(build));
    CO_TRY(co_conf_dump(&cli->conf, &settings, err));
    co_status status = co_nodes_run(cli, build, settings, err);
    co_free(settings);
    return status;
}

co_status co_workers_start(co_cli *cli, co_error *err)
{
    const co_settings *settings = &cli->conf.values;
    if (cli->engine->missing && (settings->workers > 1 || settings->nnodes > 1)) {
        co_comm *none = NULL;
        return cli->engine->open(0, &none, err);
    }
    return settings->nnodes > 1 ? start_nodes(cli, err) : co_launch_workers(cli, err);
}

void co_workers_tell(const co_comm *comm, co_error *err)
{
    if (co_comm_alone(comm)) {
        return;
    }
    if (comm->rank == 0) {
        (void)fprintf(stderr, "cohort: %s\n", err->text);
        (void)fflush(NULL);
        co_launch_report_told();
    }
    err->text[0] = '\0';
}

void co_workers_fail_alone(co_comm *comm, const co_error *err)
{
    if (co_comm_alone(comm)) {
        return;
    }
    if (err->status == CO_PEER) { /* it says who says it */
        (void)fprintf(stderr, "cohort: %s\n", err->text);
    } else {
        (void)fprintf(stderr, "cohort: rank %d (%s): %s\n", comm->rank, comm->names[comm->rank],
                      err->text);
    }
    (void)fflush(NULL);
    co_launch_report_failure((int)err->status);
    co_comm_end(comm, (int)err->status);
}
