/* The machine's limits: multiply-add rate of the registers, bandwidth of the memory.
 *
 * Measured by simple loops on all members of a team at once; the best of several tries counts,
 * since everything that disturbs makes them slower. The team's owner calls.
 */
#ifndef CO_BENCH_MACHINE_H
#define CO_BENCH_MACHINE_H

#include <stddef.h>

#include "base/status.h"
#include "base/threads.h"

/* One build of peak_kernels.c. */
typedef struct co_peak_kernels {
    const char *isa; /* "plain", "avx2", "avx512" */
    /* `rounds` rounds of independent multiply-adds in registers; the result must be used. */
    float (*multiply_add)(long rounds, float a, float b);
    int flops_per_round;
    /* y += a * x */
    void (*axpy)(long count, float a, const float *x, float *y);
} co_peak_kernels;

extern const co_peak_kernels co_peak_kernels_plain;
extern const co_peak_kernels co_peak_kernels_avx2;
extern const co_peak_kernels co_peak_kernels_avx512;

/* The kernels for "auto" (the widest that the processor has) or a named instruction set; NULL
 * when the name is unknown or the processor lacks it. */
const co_peak_kernels *co_peak_find(const char *isa);

/* Gflop/s of the whole team (a multiply-add is two). */
double co_peak_gflops(const co_peak_kernels *kernels, co_team *team);

/* *out: GB/s of the whole team, by axpy over and over on arrays of `bytes` together: out of the
 * caches where they hold that much. */
CO_MUST_CHECK co_status co_peak_bandwidth_of(const co_peak_kernels *kernels, co_team *team,
                                             size_t bytes, double *out, co_error *err);

/* *out: GB/s of the whole team; axpy over arrays far larger than the caches, 12 bytes per element
 * (two loads, one store). Takes 512 MiB for a moment. */
CO_MUST_CHECK co_status co_peak_bandwidth(const co_peak_kernels *kernels, co_team *team,
                                          double *out, co_error *err);

#endif
