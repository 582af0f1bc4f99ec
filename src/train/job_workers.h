/* What a job does because there are several workers; with one, next to nothing. Not for others.
 */
#ifndef CO_TRAIN_JOB_WORKERS_H
#define CO_TRAIN_JOB_WORKERS_H

#include "train/job.h"

/* A contiguous share of samples that are dealt out for evaluation. */
typedef struct co_job_piece {
    uint32_t begin;
    uint32_t count; /* 0 where there are fewer samples than workers */
} co_job_piece;

co_job_piece co_job_share(const co_job *job, uint32_t samples);
uint32_t co_job_test_samples(const co_job *job);

/* The settings with the learning rate that --lr-scaling makes of it. */
co_settings co_job_scaled_settings(const co_job *job);
/* The samples that this worker trains on, where they are dealt out once. */
CO_MUST_CHECK co_status co_job_deal_samples(co_job *job, co_error *err);
/* A worker that has one processor gathers its batches itself: a helper thread would take the
 * processor from it in the middle of a step (ResNet-18, two workers: 171 and 176 images/s). */
int co_job_loader_threads(const co_job *job);
/* All workers together: they must have the same samples, none left out by some of them only. */
CO_MUST_CHECK co_status co_job_compare_data(const co_job *job, co_error *err);
void co_job_read_costs(co_job *job);
CO_MUST_CHECK co_status co_job_open_strategy(co_job *job, co_error *err);
/* What a worker gives to the record of a step. */
typedef struct co_step_record {
    co_score step;
    co_score epoch;       /* so far */
    double communication; /* seconds */
    double longest;       /* of the worker that took longest: filled in by the sum */
} co_step_record;

/* The sums over all workers, in their order; of `communication` the mean. */
CO_MUST_CHECK co_status co_job_sum_record(const co_job *job, co_step_record *record, co_error *err);
CO_MUST_CHECK co_status co_job_sum_score(const co_job *job, co_score *score, co_error *err);

#endif
