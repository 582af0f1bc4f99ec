#include "bench/machine.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { TRIES = 7, MEBI = 1 << 20 };

const co_peak_kernels *co_peak_find(const char *isa)
{
    bool any = strcmp(isa, "auto") == 0;
    if ((any || strcmp(isa, "avx512") == 0) && __builtin_cpu_supports("avx512f")) {
        return &co_peak_kernels_avx512;
    }
    if ((any || strcmp(isa, "avx2") == 0) && __builtin_cpu_supports("avx2") &&
        __builtin_cpu_supports("fma")) {
        return &co_peak_kernels_avx2;
    }
    return any || strcmp(isa, "plain") == 0 ? &co_peak_kernels_plain : NULL;
}

typedef struct peak_task {
    const co_peak_kernels *kernels;
    long rounds;
    float *x;
    float *y;
    int count;
    volatile float sink; /* keeps the results from being dropped; its value is of no interest */
} peak_task;

static void run_multiply_add(void *arg, int thread, int threads)
{
    (void)threads;
    peak_task *task = arg;
    /* b < 0 never happens: the sum is used as far as the compiler can tell. */
    float total = task->kernels->multiply_add(task->rounds, 0.999f, 0.001f * (float)(thread + 1));
    if (total < 0.0f) {
        task->sink = total;
    }
}

static void run_axpy(void *arg, int thread, int threads)
{
    peak_task *task = arg;
    int begin;
    int end;
    co_team_share(task->count, thread, threads, &begin, &end);
    for (long round = 0; round < task->rounds; round++) {
        task->kernels->axpy(end - begin, 0.5f, task->x + begin, task->y + begin);
    }
}

/* Seconds of the fastest of several runs. */
static double fastest(co_team *team, co_team_func func, peak_task *task)
{
    double best = 0.0;
    for (int i = 0; i < TRIES; i++) {
        double begin = co_clock_seconds(&co_clock_system);
        co_team_run(team, func, task);
        double took = co_clock_seconds(&co_clock_system) - begin;
        best = i == 0 || took < best ? took : best;
    }
    return best;
}

double co_peak_gflops(const co_peak_kernels *kernels, co_team *team)
{
    peak_task task = {.kernels = kernels, .rounds = 1000};
    double seconds = fastest(team, run_multiply_add, &task);
    while (seconds < 0.02) { /* long enough that starting the team does not count */
        task.rounds *= 2;
        seconds = fastest(team, run_multiply_add, &task);
    }
    double flops = (double)task.rounds * kernels->flops_per_round * co_team_threads(team);
    return flops / seconds * 1e-9;
}

co_status co_peak_bandwidth_of(const co_peak_kernels *kernels, co_team *team, size_t bytes,
                               double *out, co_error *err)
{
    size_t count = bytes / (2 * sizeof(float));
    if (count == 0 || count > INT_MAX) {
        return co_fail(err, CO_USAGE, "bandwidth test: %zu bytes", bytes);
    }
    peak_task task = {.kernels = kernels, .rounds = 1, .count = (int)count};
    void *x = NULL;
    void *y = NULL;
    co_status status = co_alloc(count, sizeof(float), "bandwidth test", &x, err);
    if (status != CO_OK) {
        return status;
    }
    CO_TRY_GOTO(status, co_alloc(count, sizeof(float), "bandwidth test", &y, err), free_x);
    task.x = x;
    task.y = y;
    double seconds = fastest(team, run_axpy, &task);
    while (seconds < 0.01) { /* long enough that starting the team does not count */
        task.rounds *= 2;
        seconds = fastest(team, run_axpy, &task);
    }
    *out = 12.0 * (double)count * (double)task.rounds / seconds * 1e-9;
    co_free(y);
free_x:
    co_free(x);
    return status;
}

co_status co_peak_bandwidth(const co_peak_kernels *kernels, co_team *team, double *out,
                            co_error *err)
{
    return co_peak_bandwidth_of(kernels, team, (size_t)512 * MEBI, out, err);
}
