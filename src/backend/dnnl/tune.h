/* `cohort tune`: measuring which kernels are fastest here, and the way to force a family.
 *
 * The only place of the backend that looks at a clock. Used by the thread that drives it.
 */
#ifndef CO_BACKEND_DNNL_TUNE_H
#define CO_BACKEND_DNNL_TUNE_H

#include "backend/backend.h"
#include "backend/dnnl/kernel_table.h"
#include "base/clock.h"

/* Makes every convolution that plans compile from now on of one family, whatever the table says
 * (other layers follow them). For tests and measurements. */
void co_dnnl_force_family(co_backend *backend, co_family_choice family);

/* Told after each choice: the row as a line, and seconds of a whole step with the kernels of the
 * table and with the choice. Returning false stops the tuning after this row. */
typedef bool (*co_tune_progress)(void *arg, const char *row, double before_s, double after_s);

/* Measures whole training steps of the graph (changes of layout and the state of the caches
 * included) with each kernel that each of its convolutions could use, one convolution after the
 * other, and adds the choices to the backend's table. `backend` is a dnnl backend; what its tune
 * file says is where the search starts. spec->mode must be CO_TRAIN. Takes minutes for large
 * models. */
CO_MUST_CHECK co_status co_dnnl_tune(co_backend *backend, const co_graph *graph,
                                     const co_plan_spec *spec, const co_clock *clock,
                                     co_tune_progress progress, void *arg, co_error *err);
/* All rows of the backend's table as a tune file. */
CO_MUST_CHECK co_status co_dnnl_tune_save(const co_backend *backend, const char *path,
                                          co_error *err);

#endif
