/* The job's folder in shared memory, what the workers leave there, and the run folder. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/launch.h"
#include "cli/launch_parts.h"
#include "event/event.h"

#define SHM_FOLDER "/dev/shm"
#define JOB_PREFIX "cohort-job-"

/* ---- holding ---- */

int co_launch_hold(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)flock(fd, LOCK_SH);
    }
    return fd;
}

void co_launch_hold_folder(void)
{
    char folder[CO_LAUNCH_PATH];
    const char *place = getenv("OMPI_MCA_orte_tmpdir_base"); /* on another host only mpirun tells */
    bool ours = place != NULL && strncmp(place, SHM_FOLDER "/" JOB_PREFIX,
                                         sizeof(SHM_FOLDER "/" JOB_PREFIX) - 1) == 0;
    (void)snprintf(folder, sizeof(folder), "%s", ours ? place : co_launch_folder());
    if (ours) {
        *strrchr(folder, '/') = '\0';
    }
    (void)co_launch_hold(folder);
}

/* ---- sweeping ---- */

/* The system's folder is everybody's: what is not ours is left alone, and no link is followed. */
static bool is_ours(int folder)
{
    struct stat about;
    return fstat(folder, &about) == 0 && S_ISDIR(about.st_mode) && about.st_uid == geteuid();
}

static int open_inside(int parent, const char *name)
{
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Removes what is in the folder; the descriptor is closed. */
static void sweep_inside(int folder)
{
    DIR *listing = is_ours(folder) ? fdopendir(folder) : NULL;
    if (listing == NULL) {
        (void)close(folder);
        return;
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(listing)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        int inner = open_inside(folder, entry->d_name);
        if (inner >= 0) {
            sweep_inside(inner);
        }
        (void)unlinkat(folder, entry->d_name, inner >= 0 ? AT_REMOVEDIR : 0);
    }
    (void)closedir(listing);
}

void co_launch_sweep(const char *folder)
{
    int fd = open_inside(AT_FDCWD, folder);
    if (fd >= 0) {
        sweep_inside(fd);
        (void)rmdir(folder);
    }
}

/* A number says nothing about a process of another host or container; a lock does. */
static void sweep_unheld(const char *folder)
{
    int fd = open_inside(AT_FDCWD, folder);
    if (fd >= 0 && is_ours(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        co_launch_sweep(folder);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* What a job left behind whose front process and watcher were both killed. */
void co_launch_sweep_dead_jobs(void)
{
    DIR *listing = opendir(SHM_FOLDER);
    if (listing == NULL) {
        return;
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(listing)) != NULL) {
        const size_t prefix = sizeof(JOB_PREFIX) - 1;
        if (strncmp(entry->d_name, JOB_PREFIX, prefix) != 0) {
            continue;
        }
        long pid = strtol(entry->d_name + prefix, NULL, 10);
        if (pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH) {
            char path[CO_LAUNCH_PATH];
            (void)snprintf(path, sizeof(path), SHM_FOLDER "/%s", entry->d_name);
            sweep_unheld(path);
        }
    }
    (void)closedir(listing);
}

/* mpirun's death kills its ranks, but takes a moment; a rank that is stopped dies all the same. */
static void end_ranks(const co_launch *launch)
{
    enum { TRIES = 500 };
    for (int i = 0; i < TRIES; i++) {
        int alive = 0;
        for (int rank = 0; rank < launch->pulses.count; rank++) {
            pid_t pid = co_pulses_alive(&launch->pulses, rank);
            if (pid > 0) {
                (void)kill(pid, SIGKILL);
                alive++;
            }
        }
        if (alive == 0) {
            return;
        }
        (void)usleep(10000);
    }
}

bool co_launch_all_ended(const co_launch *launch)
{
    int alive = 0;
    for (int rank = 0; rank < launch->pulses.count; rank++) {
        alive += co_pulses_alive(&launch->pulses, rank) > 0;
    }
    return launch->hosts == NULL && alive == 0;
}

void co_launch_sweep_place(const co_launch *launch)
{
    end_ranks(launch);
    co_launch_sweep(launch->place);
}

/* ---- the folder ---- */

/* Open MPI's own stores: with less, mpirun's daemon or the first worker fails in a way that the
 * others wait for. What the gradients need, their window counts itself. */
static co_status check_room(const co_launch *launch, co_error *err)
{
    const double mib = 1048576.0;
    const double needed = launch->workers == 1    ? 0.1 * mib
                          : launch->hosts != NULL ? 4.0 * mib
                                                  : 4.0 * mib * (launch->workers + 1);
    struct statvfs room;
    if (statvfs(SHM_FOLDER, &room) != 0) {
        return co_fail_errno(err, CO_UNSUPPORTED, errno, "several workers need " SHM_FOLDER);
    }
    double free_bytes = (double)room.f_bavail * (double)room.f_frsize;
    if (free_bytes < needed) {
        return co_fail(err, CO_MEMORY,
                       "%d workers need %.0f MiB of shared memory to begin with, " SHM_FOLDER
                       " has %.1f MiB free: enlarge it (mount -o remount,size=...; docker run "
                       "--shm-size), or take fewer workers",
                       launch->workers, needed / mib, free_bytes / mib);
    }
    return CO_OK;
}

co_status co_launch_open_folder(co_launch *launch, co_error *err)
{
    char path[128];
    CO_TRY(check_room(launch, err));
    (void)snprintf(launch->folder, sizeof(launch->folder), SHM_FOLDER "/" JOB_PREFIX "%ld",
                   (long)getpid());
    sweep_unheld(launch->folder); /* of a process that had this number before */
    const int error = mkdir(launch->folder, 0700) != 0 ? errno : 0;
    if (error == EEXIST) {
        return co_fail(
            err, CO_UNSUPPORTED,
            "%s is another job's: another user's, or one in a container that shares " SHM_FOLDER
            "; try again, or remove it if that job is gone",
            launch->folder);
    }
    if (error != 0) {
        return co_fail_errno(err, CO_UNSUPPORTED, error,
                             "several workers need shared memory: cannot make %s", launch->folder);
    }
    launch->held = co_launch_hold(launch->folder);
    if (setenv(CO_JOB_FOLDER_VARIABLE, launch->folder, 1) != 0) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot set %s", CO_JOB_FOLDER_VARIABLE);
    }
    (void)gethostname(launch->host, sizeof(launch->host) - 1);
    (void)snprintf(path, sizeof(path), "%s/" CO_JOB_RANKS, launch->folder);
    return co_pulses_create(path, launch->workers, &launch->pulses, err);
}

void co_launch_close_folder(co_launch *launch)
{
    co_pulses_close(&launch->pulses);
    co_launch_sweep(launch->folder);
    if (launch->held >= 0) {
        (void)close(launch->held);
    }
}

/* What the start before left there is not about this one. */
static void forget(const co_launch *launch, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", launch->folder, name);
    (void)unlink(path);
}

co_status co_launch_open_place(co_launch *launch, co_error *err)
{
    char number[16];
    (void)snprintf(launch->place, sizeof(launch->place), "%s/%d", launch->folder, launch->restarts);
    (void)snprintf(number, sizeof(number), "%d", launch->restarts);
    forget(launch, "failed");
    forget(launch, "told");
    co_pulses_clear(&launch->pulses);
    if (mkdir(launch->place, 0700) != 0 && errno != EEXIST) {
        return co_fail_errno(err, CO_UNSUPPORTED, errno, "cannot make %s", launch->place);
    }
    if (setenv(CO_JOB_RESTARTS_VARIABLE, number, 1) != 0 ||
        setenv(CO_JOB_REASONS_VARIABLE, launch->reasons, 1) != 0) {
        return co_fail_errno(err, CO_MEMORY, errno, "cannot set %s", CO_JOB_RESTARTS_VARIABLE);
    }
    return CO_OK;
}

/* ---- words ---- */

void co_launch_read_word(const char *folder, const char *name, char *out, int size)
{
    char path[2 * CO_LAUNCH_PATH];
    out[0] = '\0';
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fgets(out, size, file) == NULL) {
            out[0] = '\0';
        }
        (void)fclose(file);
    }
    out[strcspn(out, "\n")] = '\0';
}

int co_launch_failure(const co_launch *launch)
{
    char word[16];
    co_launch_read_word(launch->folder, "failed", word, sizeof(word));
    return atoi(word);
}

/* ---- the run folder ---- */

void co_launch_find_run(co_launch *launch)
{
    co_launch_read_word(launch->folder, "run", launch->run, sizeof(launch->run));
}

static bool run_status_is(const co_launch *launch, const char *wanted)
{
    char status[32] = "";
    if (launch->run[0] != '\0') {
        co_launch_read_word(launch->run, "status", status, sizeof(status));
    }
    return strcmp(status, wanted) == 0;
}

bool co_launch_run_finished(const co_launch *launch)
{
    return run_status_is(launch, "finished");
}

bool co_launch_run_preempted(const co_launch *launch)
{
    return run_status_is(launch, "preempted");
}

/* By the names: whether it is whole, the worker finds out that reads it. */
bool co_launch_newest_step(const co_launch *launch, unsigned long long *step)
{
    char path[CO_LAUNCH_PATH + 16];
    bool found = false;
    (void)snprintf(path, sizeof(path), "%s/checkpoints", launch->run);
    DIR *listing = launch->run[0] != '\0' ? opendir(path) : NULL;
    if (listing == NULL) {
        return false;
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(listing)) != NULL) {
        const char *digits = entry->d_name + 5;
        if (strncmp(entry->d_name, "step-", 5) != 0 || digits[0] == '\0' ||
            digits[strspn(digits, "0123456789")] != '\0') {
            continue;
        }
        unsigned long long number = strtoull(digits, NULL, 10);
        *step = !found || number > *step ? number : *step;
        found = true;
    }
    (void)closedir(listing);
    return found;
}

/* As monitor/textlog.c writes them: no worker is there to do it. */
void co_launch_log(const co_launch *launch, const char *text)
{
    char path[CO_LAUNCH_PATH + 16];
    char stamp[32];
    char line[CO_ERROR_SIZE + 64];
    co_error ignored = {0};
    co_line_file *file = NULL;
    if (launch->run[0] == '\0') {
        return;
    }
    int64_t now_ns = co_clock_wall_ns(&co_clock_system);
    co_clock_format(now_ns, "%Y-%m-%d %H:%M:%S", stamp, sizeof(stamp));
    int length = snprintf(line, sizeof(line), "%s,%03d - %s - %s\n", stamp,
                          (int)(now_ns / 1000000 % 1000), co_level_name(CO_LEVEL_WARNING), text);
    (void)snprintf(path, sizeof(path), "%s/log.txt", launch->run);
    if (length < (int)sizeof(line) &&
        co_line_file_open(&co_files_system, path, CO_LINE_FILE_KEEP_ALL, &file, &ignored) ==
            CO_OK) {
        (void)!co_line_file_append(file, line, (size_t)length, &ignored);
        co_line_file_close(file);
    }
}

/* A first worker that was killed could not say so in its run folder. */
void co_launch_close_run(const co_launch *launch)
{
    char path[CO_LAUNCH_PATH + 16];
    co_error ignored = {0};
    static const char failed[] = "failed\n";
    if (run_status_is(launch, "running")) {
        (void)snprintf(path, sizeof(path), "%s/status", launch->run);
        (void)!co_file_save(&co_files_system, path, failed, sizeof(failed) - 1, &ignored);
    }
}
