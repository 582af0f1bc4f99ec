/* Everything a run is made of, opened from the settings in the order of its dependencies: data,
 * model, plans, and for training the optimizer, schedule, strategy and agent.
 *
 * The job owns all of it; co_job_close undoes it in reverse. The settings and the clock are
 * borrowed. One thread drives a job.
 */
#ifndef CO_TRAIN_JOB_H
#define CO_TRAIN_JOB_H

#include "backend/slab.h"
#include "comm/comm.h"
#include "conf/conf.h"
#include "continual/agent.h"
#include "data/loader.h"
#include "data/split.h"
#include "optim/ema.h"
#include "optim/schedule.h"
#include "strategy/strategy.h"
#include "train/evaluate.h"
#include "train/norm_exchange.h"
#include "train/plan_table.h"

/* The copy of a network file that a run folder or a checkpoint keeps beside its config.yaml. */
#define CO_NETWORK_FILE "network.yaml"

/* Seconds on the reference host: of a step of x samples a x + b. */
typedef struct co_costs {
    double train[2];
    double eval[2];
    double update; /* of an optimizer step */
} co_costs;

typedef struct co_job {
    const co_settings *settings; /* borrowed */
    co_comm *comm;               /* the other workers; borrowed, unless nobody gave one */
    co_comm *own_comm;
    co_team *team;
    co_dataset *dataset;
    bool shares_data; /* the set and its map are the first rank's of this process */
    co_subset train_subset;
    co_subset validation_subset;
    co_pixel_map pixels;
    co_slab_pool *slabs; /* of all ranks of a process, kept by the first; NULL: this one is alone */
    char *network;       /* text of the network file; NULL for a built-in model */
    size_t network_bytes;
    co_graph *graph;
    co_backend *backend;
    co_model *model;
    co_plan_table plans;
    co_agent *agent;
    int32_t *predicted; /* (rows of the largest evaluation batch) */
    co_tta *tta;        /* NULL without --tta */
    co_loader *train_loader;
    co_loader *validation_loader; /* NULL without --val */
    co_mistakes mistakes;         /* of an evaluation on the test samples; zeros: not wanted */
    co_loader *test_loader;       /* NULL until first used: co_job_evaluate_test */
    co_loader *train_eval_loader; /* likewise: co_job_evaluate_train */
    co_predictions *record;       /* borrowed: filled by evaluations; NULL: not wanted */
    /* Only for training: */
    co_schedule *schedule;
    co_optimizer *optimizer;
    co_strategy *strategy;
    /* Of --bn-workers sync; NULL: batch norms are each worker's own. */
    co_norm_exchange *norms;
    co_ema *ema;                    /* NULL without --ema-decay */
    struct co_step_record *records; /* (workers) gathered from them; NULL when there is one */
    float *own_stats; /* (statistics) this worker's, while all use common ones; or NULL */
    float *gathered;  /* (parameters) gradients of a step's batches; NULL without --accumulate */
    co_costs costs;   /* declared computing time; all 0 but in a simulation */
    bool time_only;   /* a simulation that computes nothing and reads no samples */
    uint32_t steps_per_epoch;
    uint64_t steps_total;
} co_job;

/* Opens all that training needs. *out belongs to the caller: co_job_close. */
CO_MUST_CHECK co_status co_job_open_training(const co_settings *settings, co_job **out,
                                             co_error *err);
/* The same without data: samples of zeros in the form of *like. For memory bills. */
CO_MUST_CHECK co_status co_job_open_blank(const co_settings *settings, const co_dataset_info *like,
                                          co_job **out, co_error *err);
/* The same as one of several workers: all of them open their jobs together. */
CO_MUST_CHECK co_status co_job_open_worker(const co_settings *settings, co_comm *comm, co_job **out,
                                           co_error *err);
/* Opens what evaluation on the test samples needs, with these weights (a safetensors file). */
CO_MUST_CHECK co_status co_job_open_evaluation(const co_settings *settings, const char *weights,
                                               co_job **out, co_error *err);
void co_job_close(co_job *job); /* NULL is allowed */

/* Scores the model on the test (validation, training) samples; the training samples as they are,
 * without augmentation. Of several workers each takes its share of them, and all get the score over
 * all samples; they first agree on batch norm's statistics. */
CO_MUST_CHECK co_status co_job_evaluate_train(co_job *job, co_score *out, co_error *err);
CO_MUST_CHECK co_status co_job_evaluate_test(co_job *job, co_score *out, co_error *err);
CO_MUST_CHECK co_status co_job_evaluate_validation(co_job *job, co_score *out, co_error *err);

/* All workers together: their model has common batch norm statistics (--bn-workers) until `end`,
 * which gives each its own back. With one worker, nothing happens. */
CO_MUST_CHECK co_status co_job_common_stats_begin(co_job *job, co_error *err);
void co_job_common_stats_end(co_job *job);
/* All workers together: exchanges the model and the average of its weights, where one is kept; the
 * next time back. */
CO_MUST_CHECK co_status co_job_swap_average(co_job *job, co_error *err);

/* Sets steps_total: what the epochs take when the schedule is so far ahead of the steps counted
 * (co_progress.schedule_shift), or --max-steps. */
void co_job_count_steps(co_job *job, int64_t schedule_shift);

/* How the settings want the data set to be opened. */
co_dataset_options co_job_dataset_options(const co_settings *settings);

/* What evaluations take on top: their batches, and the copies of test-time augmentation. The
 * loader of the test samples is counted before it is opened. */
size_t co_job_evaluation_bytes(const co_job *job);
/* What decodes image files, in all threads of all loaders; reads some of the files. */
CO_MUST_CHECK co_status co_job_reader_bytes(const co_job *job, size_t *bytes, co_error *err);

/* The threads that the settings ask for (0 resolved), and the name of their instruction set. */
int co_job_threads(const co_settings *settings);
const char *co_job_isa_word(const co_settings *settings);
/* The backend of the settings on a team. */
CO_MUST_CHECK co_status co_job_backend(const co_settings *settings, co_team *team, co_backend **out,
                                       co_error *err);

#endif
