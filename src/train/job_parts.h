/* The steps in which job.c opens a job; each fills in its members of the co_job. Not for others.
 */
#ifndef CO_TRAIN_JOB_PARTS_H
#define CO_TRAIN_JOB_PARTS_H

#include "train/job.h"

CO_MUST_CHECK co_status co_job_open_data(co_job *job, co_error *err);
CO_MUST_CHECK co_status co_job_open_no_data(co_job *job, const co_dataset_info *like,
                                            co_error *err); /* zeros */
CO_MUST_CHECK co_status co_job_split_data(co_job *job, co_error *err);
CO_MUST_CHECK co_status co_job_open_train_loader(co_job *job, co_error *err);
CO_MUST_CHECK co_status co_job_open_validation_loader(co_job *job, co_error *err);
CO_MUST_CHECK co_status co_job_open_train_eval_loader(co_job *job, co_error *err);
CO_MUST_CHECK co_status co_job_open_test_loader(co_job *job, co_error *err);

CO_MUST_CHECK co_status co_job_open_model(co_job *job, co_error *err);
/* Wants the plans of the loaders that will be used, and compiles them. */
CO_MUST_CHECK co_status co_job_compile(co_job *job, bool training, co_error *err);

#endif
