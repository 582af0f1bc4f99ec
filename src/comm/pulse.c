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

/* Whether the ring still has it. Its owner may be writing the next entries just now. */
static bool remembers(const co_pulse *pulse, uint64_t number)
{
    uint64_t begun = atomic_load_explicit(&pulse->begun, memory_order_acquire);
    return number > 0 && number <= begun && number + CO_PULSE_CALLS > begun + 2;
}

void co_pulse_call_text(const co_pulse *pulse, uint64_t number, char out[CO_CALL_TEXT])
{
    static const char *const names[] = {
        [CO_CALL_NONE] = "nothing", [CO_CALL_BROADCAST] = "broadcast", [CO_CALL_GATHER] = "gather",
        [CO_CALL_SUM] = "sum",      [CO_CALL_BARRIER] = "barrier",
    };
    const co_pulse_call *call = &pulse->calls[number % CO_PULSE_CALLS];
    uint64_t what = atomic_load(&call->what);
    uint64_t step = atomic_load(&call->step);
    uint64_t kind = what >> 56;
    if (!remembers(pulse, number) || kind >= sizeof(names) / sizeof(names[0])) {
        (void)snprintf(out, CO_CALL_TEXT, "another one");
        return;
    }
    (void)snprintf(out, CO_CALL_TEXT, "%s of %llu bytes in step %llu", names[kind],
                   (unsigned long long)(what & (((uint64_t)1 << 56) - 1)),
                   (unsigned long long)step);
}

bool co_pulse_differs(const co_pulse *a, const co_pulse *b, uint64_t *number)
{
    uint64_t last = atomic_load_explicit(&a->begun, memory_order_acquire);
    for (uint64_t n = last; n > 0 && remembers(a, n); n--) {
        if (!remembers(b, n)) {
            continue;
        }
        const co_pulse_call *mine = &a->calls[n % CO_PULSE_CALLS];
        const co_pulse_call *other = &b->calls[n % CO_PULSE_CALLS];
        bool same = atomic_load_explicit(&mine->what, memory_order_acquire) ==
                        atomic_load_explicit(&other->what, memory_order_acquire) &&
                    atomic_load_explicit(&mine->step, memory_order_acquire) ==
                        atomic_load_explicit(&other->step, memory_order_acquire);
        if (!same && remembers(b, n)) { /* still: it has not been written over meanwhile */
            *number = n;
            return true;
        }
    }
    return false;
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
