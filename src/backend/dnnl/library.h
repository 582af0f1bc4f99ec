/* oneDNN as a library: its engine and stream, instruction set, status codes.
 *
 * Opened when the first primitive is made, so that plans made of lane kernels alone never pay
 * for it. Used by the backend's thread.
 */
#ifndef CO_BACKEND_DNNL_LIBRARY_H
#define CO_BACKEND_DNNL_LIBRARY_H

#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>

#include "backend/dnnl/lane/lane.h"
#include "base/status.h"

typedef struct co_library {
    co_lane_isa isa; /* what the backend was created for */
    bool forced;     /* not "auto": oneDNN is held to it */
    bool open;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
} co_library;

/* Does nothing when it is open already. */
CO_MUST_CHECK co_status co_library_open(co_library *library, co_error *err);
void co_library_close(co_library *library);
/* CO_OK, or a failure that names what was being done and the library's status. */
CO_MUST_CHECK co_status co_library_check(dnnl_status_t status, const char *what, co_error *err);
/* Release of the loaded library. */
void co_library_version(int version[3]);

#endif
