/* Any bytes as an archive to unpack (tar, tar.gz, tar.xz, zip): no crash, no leak; what is on the
 * disk afterwards lies in the folder, is files and folders only, and keeps to the limits. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "data/unpack.h"
#include "fuzz/fuzz.h"

enum { MOST_BYTES = 1 << 16, MOST_MEMBERS = 20, DEPTH = 8 };

static int check_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)walk;
    if ((kind == FTW_F && (!S_ISREG(info->st_mode) || info->st_size > MOST_BYTES)) ||
        (kind != FTW_F && kind != FTW_DP)) {
        abort();
    }
    return remove(path);
}

static void unpack(const char *archive)
{
    const co_unpack_limits limits = {.bytes = MOST_BYTES, .members = MOST_MEMBERS};
    co_error err;
    char parent[64];
    char folder[80];
    /* In memory where that is possible: a disk makes this slow. */
    (void)snprintf(parent, sizeof(parent), "%s/cohort-fuzz-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(parent) == NULL) {
        return;
    }
    (void)snprintf(folder, sizeof(folder), "%s/in", parent);
    if (co_unpack(archive, folder, &limits, NULL, &err) != CO_OK && err.status != CO_DATA &&
        err.status != CO_FILE) {
        abort();
    }
    (void)nftw(folder, check_one, DEPTH, FTW_DEPTH | FTW_PHYS);
    if (rmdir(parent) != 0) { /* something else lies beside the folder */
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return with_file(data, size, unpack);
}
