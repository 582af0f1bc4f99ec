/* One training job for benchmarks: random data, model, one plan, the trivial strategy, SGD.
 * The same step as the trainer's, without schedule, events and agent. One thread drives it.
 */
#ifndef CO_BENCH_STEP_JOB_H
#define CO_BENCH_STEP_JOB_H

#include "data/loader.h"
#include "strategy/strategy.h"

typedef struct co_step_settings {
    const char *model;
    const char *backend;
    const char *isa;
    int batch;
    int threads;
    int loader_threads;
    uint32_t samples;
} co_step_settings;

typedef struct co_step_job {
    co_team *team;
    co_dataset *dataset;
    co_loader *loader;
    co_graph *graph;
    co_backend *backend;
    co_model *model;
    co_plans *plans;
    co_plan *plan;
    co_optimizer *optimizer;
    co_strategy *strategy;
    const co_phase *phases;
    int phase_count;
    int classes;
    int batch;
    co_observer observer; /* span NULL: none */
} co_step_job;

/* Opens all of it into *job; on failure everything is undone. */
CO_MUST_CHECK co_status co_step_job_open(const co_step_settings *settings, co_step_job *job,
                                         co_error *err);
void co_step_job_close(co_step_job *job);
/* Tells the observer the plan's spans from now on, and three more, of layer -1: "loader", "loss"
 * and "update" are both name and work of what a step does outside the plan. NULL: no longer. */
CO_MUST_CHECK co_status co_step_job_observe(co_step_job *job, const co_observer *observer,
                                            co_error *err);
/* Next batch, forward, loss, backward, update. */
CO_MUST_CHECK co_status co_step_job_step(co_step_job *job, co_error *err);

/* Floating-point operations of a trained image: forward, weight gradients, and data gradients
 * except where nothing below has parameters. Two per multiply-accumulate; the rest not counted. */
double co_step_flops(const co_graph *graph);

#endif
