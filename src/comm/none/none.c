/* The engine of a build without MPI: one worker is all there is. */
#include "comm/engine.h"

static co_status open_none(int group, co_comm **out, co_error *err)
{
    (void)group;
    (void)out;
    return co_fail(err, CO_UNSUPPORTED,
                   "this build knows one worker only: Open MPI was not found when it was made "
                   "(Debian: libopenmpi-dev openmpi-bin); run tools/setup.sh mpi and build again");
}

const co_engine co_engine_linked = {.name = "none", .missing = true, .open = open_none};
