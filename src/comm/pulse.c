#include "comm/pulse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void co_pulse_phase(const co_pulse *pulse, char out[CO_PULSE_PHASE])
{
    uint64_t words[CO_PULSE_PHASE / 8];
    for (int i = 0; i < CO_PULSE_PHASE / 8; i++) {
        words[i] = atomic_load_explicit(&pulse->phase[i], memory_order_relaxed);
    }
    memcpy(out, words, CO_PULSE_PHASE);
    out[CO_PULSE_PHASE - 1] = '\0';
}

/* Takes the descriptor, also when it fails. */
static co_status map(int fd, int count, const char *path, co_pulses *out, co_error *err)
{
    void *ranks = mmap(NULL, (size_t)count * sizeof(co_pulse), PROT_READ | PROT_WRITE, MAP_SHARED,
                       fd, 0);
    if (ranks == MAP_FAILED) {
        int number = errno;
        (void)close(fd);
        return co_fail_errno(err, CO_MEMORY, number, "cannot map %s", path);
    }
    *out = (co_pulses){ranks, count, fd};
    return CO_OK;
}

co_status co_pulses_create(const char *path, int count, co_pulses *out, co_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return co_fail_errno(err, CO_UNSUPPORTED, errno, "cannot make %s", path);
    }
    /* Room is taken now: a full tmpfs would answer the first store with SIGBUS. */
    int number = posix_fallocate(fd, 0, (off_t)((size_t)count * sizeof(co_pulse)));
    if (number != 0) {
        (void)close(fd);
        return co_fail_errno(err, CO_MEMORY, number, "no room for %s", path);
    }
    return map(fd, count, path, out, err);
}

co_status co_pulses_open(const char *path, co_pulses *out, co_error *err)
{
    struct stat info = {0};
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0 || info.st_size < (off_t)sizeof(co_pulse)) {
        int number = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return co_fail_errno(err, CO_FILE, number, "cannot open %s", path);
    }
    return map(fd, (int)((size_t)info.st_size / sizeof(co_pulse)), path, out, err);
}

void co_pulses_close(co_pulses *pulses)
{
    if (pulses->ranks != NULL) {
        (void)munmap(pulses->ranks, (size_t)pulses->count * sizeof(co_pulse));
        (void)close(pulses->fd);
    }
    *pulses = (co_pulses){0};
}

static struct flock byte_of(int rank)
{
    return (struct flock){
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)rank, .l_len = 1};
}

co_status co_pulses_live(const co_pulses *pulses, int rank, const char *host, co_error *err)
{
    struct flock lock = byte_of(rank);
    if (rank >= pulses->count || fcntl(pulses->fd, F_SETLK, &lock) != 0) {
        return co_fail_errno(err, CO_INTERNAL, errno, "another process is rank %d of this job",
                             rank);
    }
    co_pulse *mine = &pulses->ranks[rank];
    (void)snprintf(mine->host, sizeof(mine->host), "%s", host);
    atomic_store(&mine->pid, (int)getpid());
    return CO_OK;
}

pid_t co_pulses_alive(const co_pulses *pulses, int rank)
{
    struct flock lock = byte_of(rank);
    bool held = fcntl(pulses->fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    return held ? lock.l_pid : 0;
}

void co_pulses_clear(const co_pulses *pulses)
{
    memset(pulses->ranks, 0, (size_t)pulses->count * sizeof(co_pulse));
}

bool co_process_is_stopped(pid_t pid)
{
    char path[32];
    char text[512] = "";
    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[length] = '\0';
    const char *name_end = strrchr(text, ')'); /* "pid (name) state ..." */
    return name_end != NULL && (name_end[1] == ' ') && (name_end[2] == 'T' || name_end[2] == 't');
}
