#include "bench/layer_times.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/machine.h"

/* ------------------------------------------------------------------ observing */

/* Steps are alike: the same operations in the same order. */
static void take_span(void *arg, const co_span *span)
{
    co_layer_times *t = arg;
    if (t->next == t->capacity) {
        t->full = true;
        return;
    }
    co_layer_time *row = &t->rows[t->next];
    if (t->next == t->count) {
        *row = (co_layer_time){.layer = span->layer,
                               .pass = span->pass,
                               .name = span->name,
                               .work = span->work,
                               .kernel = span->kernel,
                               .bytes = span->bytes};
        t->count++;
    }
    row->seconds += 1e-9 * (double)(span->end_ns - span->start_ns);
    t->next++;
}

static co_status run_steps(co_layer_times *times, co_step_job *job, int steps, co_error *err)
{
    CO_TRY(co_step_job_step(job, err)); /* warm caches, and room for the clock's own pages */
    memset(times->rows, 0, (size_t)times->capacity * sizeof(times->rows[0]));
    times->count = 0;
    double begin = co_clock_seconds(&co_clock_system);
    for (int i = 0; i < steps; i++) {
        times->next = 0;
        CO_TRY(co_step_job_step(job, err));
    }
    times->seconds = co_clock_seconds(&co_clock_system) - begin;
    times->steps = steps;
    return CO_OK;
}

co_status co_layer_times_take(co_layer_times *times, co_step_job *job, int steps, co_error *err)
{
    enum { PER_LAYER = 16, MORE = 64 };
    void *block = NULL;
    times->capacity = job->graph->layer_count * PER_LAYER + MORE;
    times->batch = job->batch;
    CO_TRY(co_alloc((size_t)times->capacity, sizeof(co_layer_time), "layer times", &block, err));
    times->rows = block;
    const co_observer observer = {take_span, times, &co_clock_system};
    CO_TRY(co_step_job_observe(job, &observer, err));
    co_status status = run_steps(times, job, steps, err);
    co_error ignored;
    (void)!co_step_job_observe(job, NULL, &ignored); /* removing cannot fail */
    if (status == CO_OK && times->full) {
        return co_fail(err, CO_INTERNAL, "a step of '%s' has more than %d operations",
                       times->graph->name, times->capacity);
    }
    return status;
}

void co_layer_times_free(co_layer_times *times)
{
    co_free(times->rows);
    *times = (co_layer_times){0};
}

/* ------------------------------------------------------------------ by operation */

static const char *const passes[] = {"forward", "weights", "data"};

void co_layer_times_print(const co_layer_times *times)
{
    printf("%-28s %-16s %-8s %-28s %10s %10s\n", "layer", "work", "pass", "kernel", "us/step",
           "Mmac/img");
    for (int i = 0; i < times->count; i++) {
        const co_layer_time *row = &times->rows[i];
        printf("%-28s %-16s %-8s %-28s %10.1f", row->name, row->work,
               row->layer < 0 ? "" : passes[row->pass], row->kernel,
               1e6 * row->seconds / times->steps);
        const co_layer *l = row->layer < 0 ? NULL : &times->graph->layers[row->layer];
        bool arithmetic = l != NULL && strcmp(row->work, co_layer_kind_name(l->kind)) == 0;
        if (arithmetic && co_layer_macs(l) > 0.0) {
            printf(" %10.3f", 1e-6 * co_layer_macs(l));
        }
        printf("\n");
    }
}

/* ------------------------------------------------------------------ lower bounds */

enum { SIZES = 7 };

/* What the machine can do: multiply-adds, and bytes over working sets of 64 KiB, then 4 times
 * each. */
typedef struct limits {
    double flops;
    double bandwidth[SIZES];
} limits;

static const double smallest = 64.0 * 1024.0;

static co_status measure_limits(co_team *team, limits *out, co_error *err)
{
    const co_peak_kernels *kernels = co_peak_find("auto");
    out->flops = 1e9 * co_peak_gflops(kernels, team);
    double bytes = smallest;
    for (int i = 0; i < SIZES; i++, bytes *= 4.0) {
        double rate = 0.0;
        CO_TRY(co_peak_bandwidth_of(kernels, team, (size_t)bytes, &rate, err));
        out->bandwidth[i] = 1e9 * rate;
    }
    return CO_OK;
}

/* Of the largest set that was measured and is no larger: never too slow, so a bound. */
static double bandwidth_for(const limits *m, double bytes)
{
    double best = 0.0;
    double size = smallest;
    int found = 0;
    for (int i = 0; i < SIZES; i++, size *= 4.0) {
        found = bytes >= size ? i : found;
    }
    for (int i = found; i < SIZES; i++) { /* noise must not make a larger set faster */
        best = m->bandwidth[i] > best ? m->bandwidth[i] : best;
    }
    return best;
}

/* Bytes that the operation must read and write at least once. */
static double bytes_of(const co_layer_times *t, const co_layer_time *row)
{
    if (strcmp(row->work, "update") == 0) { /* w, g, v in; w, v out */
        return 5.0 * sizeof(float) * (double)t->graph->param_floats;
    }
    return (double)row->bytes;
}

/* Are its tensors gone through bundle by bundle? */
static bool by_bundle(const co_layer_time *row)
{
    return strncmp(row->kernel, "lane", 4) == 0 && strcmp(row->work, "batch_norm") != 0 &&
           row->pass != CO_BACKWARD_WEIGHTS;
}

/* How many times fewer multiplications Winograd's kernels need (docs/METHODS.md 8). */
static double winograd_saves(const co_layer *l)
{
    enum { TILE = 5, POINTS = 9 }; /* in one dimension, for pieces of five taps */
    int taps = l->u.conv.kernel_w;
    int pieces = (taps + TILE - 1) / TILE;
    return l->u.conv.kernel_h > 1 ? 4.0 : (double)(TILE * taps) / (POINTS * pieces);
}

/* The two bounds of an operation, in seconds: as written, and as the kernel runs. */
static void bounds_of(const co_layer_times *t, const co_layer_time *row, const limits *m,
                      double *direct, double *as_run)
{
    double bytes = bytes_of(t, row);
    double bundles = by_bundle(row) && t->batch > 16 ? t->batch / 16.0 : 1.0;
    double moved = bytes > 0.0 ? bytes / bandwidth_for(m, bytes / bundles) : 0.0;
    double flops = 0.0;
    double saves = 1.0;
    if (row->layer >= 0) {
        const co_layer *l = &t->graph->layers[row->layer];
        bool own = strcmp(row->work, co_layer_kind_name(l->kind)) == 0;
        flops = own ? 2.0 * t->batch * co_layer_macs(l) : 0.0;
        saves = own && strstr(row->kernel, "wino") != NULL ? winograd_saves(l) : 1.0;
    }
    double counted = flops / m->flops;
    *direct = counted > moved ? counted : moved;
    *as_run = counted / saves > moved ? counted / saves : moved;
}

/* ------------------------------------------------------------------ by kind */

typedef struct kind_row {
    const char *title;
    const char *work; /* begins with */
    int pass;         /* -1: any */
} kind_row;

/* The first that fits; the last takes the rest. */
static const kind_row kinds[] = {
    {"conv forward", "conv", CO_FORWARD},
    {"conv data", "conv", CO_BACKWARD_DATA},
    {"conv weights", "conv", CO_BACKWARD_WEIGHTS},
    {"batch norm forward", "batch_norm", CO_FORWARD},
    {"batch norm backward", "batch_norm", -1},
    {"linear forward", "linear", CO_FORWARD},
    {"linear data", "linear", CO_BACKWARD_DATA},
    {"linear weights", "linear", CO_BACKWARD_WEIGHTS},
    {"pooling", "max_pool", -1},
    {"pooling", "avg_pool", -1},
    {"pooling", "global_", -1},
    {"relu and sums", "relu", -1},
    {"relu and sums", "add", -1},
    {"dropout", "dropout", -1},
    {"dropout", "channel_dropout", -1},
    {"change of layout", "reorder", -1},
    {"input", "input", -1},
    {"loader", "loader", -1},
    {"loss", "loss", -1},
    {"update of weights", "update", -1},
    {"other", "", -1},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static int kind_of(const co_layer_time *row)
{
    int k = 0;
    while (strncmp(row->work, kinds[k].work, strlen(kinds[k].work)) != 0 ||
           (kinds[k].pass >= 0 && kinds[k].pass != (int)row->pass)) {
        k++;
    }
    while (k > 0 && strcmp(kinds[k].title, kinds[k - 1].title) == 0) {
        k--; /* one line for those of one title */
    }
    return k;
}

static void print_kind(const char *title, double ms, double step_ms, double direct, double as_run)
{
    printf("%-22s %10.3f %6.1f%%", title, ms, 100.0 * ms / step_ms);
    if (direct > 0.0) {
        printf(" %12.3f %12.3f %8.2f", direct, as_run, ms / as_run);
    }
    printf("\n");
}

co_status co_layer_times_print_kinds(const co_layer_times *times, co_team *team, co_error *err)
{
    limits m;
    CO_TRY(measure_limits(team, &m, err));
    double ms[KINDS + 1] = {0};
    double direct[KINDS + 1] = {0};
    double as_run[KINDS + 1] = {0};
    for (int i = 0; i < times->count; i++) {
        double bound = 0.0;
        double fewer = 0.0;
        bounds_of(times, &times->rows[i], &m, &bound, &fewer);
        int k = kind_of(&times->rows[i]);
        const int into[2] = {k, KINDS};
        for (int j = 0; j < 2; j++) {
            ms[into[j]] += 1e3 * times->rows[i].seconds / times->steps;
            direct[into[j]] += 1e3 * bound;
            as_run[into[j]] += 1e3 * fewer;
        }
    }
    double step = 1e3 * times->seconds / times->steps;
    printf("%s, batch %d, %d threads: %.1f Gflop/s at most; %.0f GB/s over 64 KiB, %.0f over "
           "4 MiB, %.0f over 256 MiB\n",
           times->graph->name, times->batch, co_team_threads(team), 1e-9 * m.flops,
           1e-9 * m.bandwidth[0], 1e-9 * m.bandwidth[3], 1e-9 * m.bandwidth[SIZES - 1]);
    printf("%-22s %10s %7s %12s %12s %8s\n", "kind", "ms/step", "share", "bound ms", "winograd's",
           "x bound");
    for (int k = 0; k < KINDS; k++) {
        if (ms[k] > 0.0) {
            print_kind(kinds[k].title, ms[k], step, direct[k], as_run[k]);
        }
    }
    print_kind("between operations", step - ms[KINDS], step, 0.0, 0.0);
    print_kind("step", step, step, direct[KINDS], as_run[KINDS]);
    return CO_OK;
}
