/* What the fuzz targets share. */
#ifndef CO_TESTS_FUZZ_H
#define CO_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Calls `use` with the path of a file in memory that has these bytes. */
static inline int with_file(const uint8_t *data, size_t size, void (*use)(const char *path))
{
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size) {
        use(path);
    }
    close(fd);
    return 0;
}

#endif
