#include "data/transfer.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

void co_transfer_forget(const char *path)
{
    char tag[PATH_MAX];
    (void)unlink(path);
    if (snprintf(tag, sizeof(tag), "%s.tag", path) < (int)sizeof(tag)) {
        (void)unlink(tag);
    }
}

#ifndef CO_HAVE_FETCH

const char *co_transfer_library(void)
{
    return NULL;
}

co_status co_transfer_run(const co_transfer *transfer, co_transferred *out, co_error *err)
{
    (void)out;
    return co_fail(err, CO_UNSUPPORTED,
                   "%s: this build cannot download: it was made without libcurl or libmd. Run "
                   "'tools/setup.sh build' (Debian: libcurl4-openssl-dev libmd-dev) and build "
                   "again, or get the file by hand",
                   transfer->url);
}

#endif
