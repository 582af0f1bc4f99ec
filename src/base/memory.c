/* How much memory there is: part of base/alloc.h. */
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"

/* MemAvailable of /proc/meminfo: what can be taken without swapping. */
static size_t system_available(void)
{
    char line[128];
    unsigned long long kib = 0;
    size_t bytes = SIZE_MAX;
    FILE *file = fopen("/proc/meminfo", "re");
    if (file == NULL) {
        return bytes;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) {
            bytes = (size_t)kib * 1024;
            break;
        }
    }
    (void)fclose(file);
    return bytes;
}

/* What `ulimit -v` leaves. */
static size_t addresses_left(void)
{
    struct rlimit limit;
    unsigned long long pages = 0;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return SIZE_MAX;
    }
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%llu", &pages) != 1) {
            pages = 0;
        }
        (void)fclose(file);
    }
    size_t used = (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
    return used < limit.rlim_cur ? (size_t)limit.rlim_cur - used : 0;
}

size_t co_memory_available(void)
{
    size_t system = system_available();
    size_t addresses = addresses_left();
    return system < addresses ? system : addresses;
}
