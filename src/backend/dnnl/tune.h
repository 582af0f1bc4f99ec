/* `cohort tune`: measuring which kernels are fastest here, and tests' way to force a family.
 *
 * The only place of the backend that looks at a clock. Used by one thread.
 */
#ifndef CO_BACKEND_DNNL_TUNE_H
#define CO_BACKEND_DNNL_TUNE_H

#include "backend/backend.h"
#include "backend/dnnl/kernel_table.h"

/* Makes every convolution that follows of one family, whatever the table says (lane kernels:
 * and the other layers with them). For tests and measurements. */
void co_dnnl_force_family(co_backend *backend, co_family_choice family);

#endif
