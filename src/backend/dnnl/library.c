#include "backend/dnnl/library.h"

#include <oneapi/dnnl/dnnl_debug.h>
#include <string.h>

co_status co_library_check(dnnl_status_t status, const char *what, co_error *err)
{
    if (status == dnnl_success) {
        return CO_OK;
    }
    if (status == dnnl_out_of_memory) {
        return co_fail(err, CO_MEMORY, "oneDNN is out of memory: %s", what);
    }
    return co_fail(err, CO_INTERNAL, "oneDNN refused (%s): %s", dnnl_status2str(status), what);
}

void co_library_version(int version[3])
{
    const dnnl_version_t *v = dnnl_version();
    version[0] = v->major;
    version[1] = v->minor;
    version[2] = v->patch;
}

static dnnl_cpu_isa_t most_for(co_lane_isa isa)
{
    switch (isa) {
    case CO_LANE_AVX512:
        return dnnl_cpu_isa_all;
    case CO_LANE_AVX2:
        return dnnl_cpu_isa_avx2;
    case CO_LANE_PLAIN:
        break;
    }
    return dnnl_cpu_isa_sse41;
}

/* oneDNN's limit is one for the process and final once its first kernel is made. A second
 * backend of another instruction set in the same process keeps the first one's limit; that
 * is an error only where it lets oneDNN use more than was asked for. */
static co_status limit_isa(const co_library *library, co_error *err)
{
    if (!library->forced) {
        return CO_OK;
    }
    dnnl_cpu_isa_t most = most_for(library->isa);
    dnnl_status_t done = dnnl_set_max_cpu_isa(most);
    dnnl_cpu_isa_t now = dnnl_get_effective_cpu_isa();
    if (done == dnnl_success || most == dnnl_cpu_isa_all || ((int)now & ~(int)most) == 0) {
        return CO_OK;
    }
    return co_fail(err, CO_UNSUPPORTED,
                   "oneDNN already uses %s in this process and cannot be held to %s any more; "
                   "use one instruction set per process",
                   dnnl_cpu_isa2str(now), dnnl_cpu_isa2str(most));
}

co_status co_library_open(co_library *library, co_error *err)
{
    if (library->open) {
        return CO_OK;
    }
    CO_TRY(limit_isa(library, err));
    CO_TRY(co_library_check(dnnl_engine_create(&library->engine, dnnl_cpu, 0), "engine", err));
    dnnl_status_t done = dnnl_stream_create(&library->stream, library->engine,
                                            dnnl_stream_default_flags);
    if (done != dnnl_success) {
        dnnl_engine_destroy(library->engine);
        return co_library_check(done, "stream", err);
    }
    library->open = true;
    return CO_OK;
}

void co_library_close(co_library *library)
{
    if (library->open) {
        dnnl_stream_destroy(library->stream);
        dnnl_engine_destroy(library->engine);
        memset(library, 0, sizeof(*library));
    }
}
