/* cohort doctor: what is built in, what is found, what is usable, and why not. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/cli.h"
#include "co_build.h"
#include "comm/meet.h"
#include "data/dataset.h"
#include "data/transfer.h"
#include "monitor/runs.h"
#include "train/job.h"

/* A component that the build may be without. */
static void print_part(const char *name, const char *library, const char *version,
                       const char *packages)
{
    if (version[0] != '\0') {
        co_cli_print_row(stdout, name, "%s %s", library, version);
    } else {
        co_cli_print_row(stdout, name, "no: %s was not found when this was built (Debian: %s)",
                         library, packages);
    }
}

/* Whether a program can be found where programs are looked for. */
static bool in_path(const char *program)
{
    const char *path = getenv("PATH");
    char file[4096];
    while (path != NULL && *path != '\0') {
        int length = (int)strcspn(path, ":");
        (void)snprintf(file, sizeof(file), "%.*s/%s", length, path, program);
        if (access(file, X_OK) == 0) {
            return true;
        }
        path += length + (path[length] == ':');
    }
    return false;
}

/* Whether other nodes can be told this host's name as --master-addr. */
static void print_address(void)
{
    char host[256] = "";
    char address[CO_MEET_TEXT];
    bool loopback = false;
    (void)gethostname(host, sizeof(host) - 1);
    co_meet_own_address(address, &loopback);
    co_cli_print_row(
        stdout, "name of this host", "%s: %s%s", host, address[0] != '\0' ? address : "no address",
        address[0] == '\0' || loopback ? " (as --master-addr give other nodes an IPv4 address)"
                                       : "");
}

/* What several workers need of the machine. */
static void print_workers(void)
{
    struct statvfs room;
    if (CO_BUILD_MPI[0] == '\0') {
        return;
    }
    co_cli_print_row(stdout, "mpirun", "%s",
                     in_path("mpirun") ? "found" : "no: install openmpi-bin (Debian)");
    print_address();
    if (statvfs("/dev/shm", &room) == 0) {
        char size[32];
        co_text text = co_text_over(size, sizeof(size));
        co_text_size(&text, (size_t)room.f_bavail * (size_t)room.f_frsize);
        co_cli_print_row(stdout, "shared memory free", "%s", size);
    } else {
        co_cli_print_row(stdout, "shared memory", "no /dev/shm: workers cannot share memory");
    }
}

static void print_build(void)
{
    printf("build\n");
    co_cli_print_row(stdout, "cohort", "%s (%s)", CO_BUILD_VERSION, CO_BUILD_COMMIT);
    co_cli_print_row(stdout, "compiler", "%s, %s", CO_BUILD_COMPILER, CO_BUILD_TYPE);
    co_cli_print_row(stdout, "threads", "%s", co_team_kind());
    co_cli_print_row(stdout, "oneDNN", "%s", CO_BUILD_DNNL);
    co_cli_print_row(stdout, "libyaml, jansson", "%s, %s", CO_BUILD_LIBYAML, CO_BUILD_JANSSON);
    co_cli_print_row(stdout, "libarchive, xxhash", "%s, %s", CO_BUILD_LIBARCHIVE, CO_BUILD_XXHASH);
    const char *curl = co_transfer_library();
    co_cli_print_row(stdout, "libcurl (downloads)", "%s",
                     curl != NULL ? curl : "no: not there when this was built");
    const char *index = co_runs_index_kind();
    co_cli_print_row(stdout, "index of the runs", "%s",
                     index[0] != '\0' ? index : "no: built without SQLite (tools/setup.sh extra)");
    print_part("many workers", "Open MPI", CO_BUILD_MPI, "libopenmpi-dev openmpi-bin");
    print_part("simulated cluster", "SimGrid", CO_BUILD_SIMGRID, "libsimgrid-dev");
    co_cli_print_row(stdout, "GPU (CUDA)", "no: arrives with the cuda backend");
}

static void print_machine(void)
{
    char cpu[128];
    co_cli_cpu_name(cpu, sizeof(cpu));
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    printf("\nmachine\n");
    co_cli_print_row(stdout, "processor", "%s", cpu);
    co_cli_print_row(stdout, "processors to use", "%d", co_cpu_count());
    co_cli_print_row(stdout, "memory", "%.1f GiB", (double)pages * (double)page / 0x1p30);
}

/* Tries to open a backend with one instruction set, as a run would. */
static void print_isa(const char *isa)
{
    co_error err = {0};
    co_team *team = NULL;
    co_backend *backend = NULL;
    const co_backend_options options = {.isa = isa};
    char name[32];
    (void)snprintf(name, sizeof(name), "kernels %s", isa);
    co_status status = co_team_create(1, &team, &err);
    if (status == CO_OK) {
        status = co_backend_create("dnnl", &options, team, &backend, &err);
    }
    if (status == CO_OK) {
        co_cli_print_row(stdout, name, "usable%s%s", strcmp(isa, "auto") == 0 ? ": takes " : "",
                         strcmp(isa, "auto") == 0 ? backend->isa : "");
        backend->ops->destroy(backend);
    } else {
        co_cli_print_row(stdout, name, "no: %s", err.text);
    }
    co_team_destroy(team);
}

static void print_datasets(const char *dir)
{
    printf("\ndata sets (--dataset-dir %s)\n", dir != NULL ? dir : "not set");
    for (int i = 0; co_dataset_name(i) != NULL; i++) {
        co_error err = {0};
        co_dataset *set = NULL;
        const char *name = co_dataset_name(i);
        if (co_dataset_open(name, dir, NULL, &set, &err) == CO_OK) {
            const co_dataset_info *info = co_dataset_describe(set);
            co_cli_print_row(stdout, name, "found: %u training, %u test samples",
                             info->samples[CO_SPLIT_TRAIN], info->samples[CO_SPLIT_TEST]);
            co_dataset_close(set);
        } else {
            co_cli_print_row(stdout, name, "no: %s", err.text);
        }
    }
}

co_status co_cli_doctor(co_cli *cli, co_error *err)
{
    static const char *const isas[] = {"avx512", "avx2", "plain"};
    (void)err;
    const co_settings *settings = &cli->conf.values;
    print_build();
    print_machine();
    print_workers();
    print_isa("auto");
    for (size_t i = 0; i < sizeof(isas) / sizeof(isas[0]); i++) {
        print_isa(isas[i]);
    }
    print_datasets(settings->dataset_dir);
    printf("\nrun folders\n");
    const char *results = settings->results_dir;
    co_cli_print_row(stdout, results, "%s",
                     access(results, W_OK) == 0   ? "writable"
                     : access(results, F_OK) == 0 ? "not writable"
                                                  : "will be made by the first run");
    return CO_OK;
}
