/* Where a training step's time goes: by operation, and by kind of layer beside a lower bound.
 *
 * The lower bound of an operation is the larger of two times: its multiply-adds at the measured
 * peak of the registers, and the bytes that it must read and write once at the bandwidth measured
 * over a working set of that size. No kernel can be faster, but one that needs fewer
 * multiplications: for Winograd's F(4x4, 3x3) a second bound counts 36 of 144. Operations that
 * the members of the team take bundle by bundle have one bundle for a working set.
 *
 * The team's owner calls; co_layer_times_free frees.
 */
#ifndef CO_BENCH_LAYER_TIMES_H
#define CO_BENCH_LAYER_TIMES_H

#include "bench/step_job.h"

/* One operation of a step; its texts are the span's. */
typedef struct co_layer_time {
    int layer;
    co_pass pass;
    const char *name;
    const char *work;
    const char *kernel;
    size_t bytes;
    double seconds; /* of all steps */
} co_layer_time;

typedef struct co_layer_times {
    const co_graph *graph; /* borrowed */
    int batch;
    co_layer_time *rows; /* in the order of a step */
    int count;
    int capacity;
    int next;       /* the row that the next span belongs to */
    int steps;      /* observed */
    double seconds; /* of all steps, start to end */
    bool full;      /* more operations than `capacity` */
} co_layer_times;

/* Runs steps of the job under observation. times: zeroed but for `graph`. */
CO_MUST_CHECK co_status co_layer_times_take(co_layer_times *times, co_step_job *job, int steps,
                                            co_error *err);
void co_layer_times_free(co_layer_times *times);
/* A line per operation. */
void co_layer_times_print(const co_layer_times *times);
/* A line per kind of layer and pass; measures the machine first (about three seconds). */
CO_MUST_CHECK co_status co_layer_times_print_kinds(const co_layer_times *times, co_team *team,
                                                   co_error *err);

#endif
