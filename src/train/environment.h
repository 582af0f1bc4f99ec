/* What the bits of a run depend on besides its settings: program, libraries, instruction set,
 * threads, tune file. A checkpoint keeps it as lines of "key: value".
 */
#ifndef CO_TRAIN_ENVIRONMENT_H
#define CO_TRAIN_ENVIRONMENT_H

#include "base/hash.h"
#include "train/job.h"

/* The hash of the tune file ("" without one): it decides kernels. */
CO_MUST_CHECK co_status co_environment_tune_hash(const co_settings *settings,
                                                 char out[CO_HASH_TEXT_SIZE], co_error *err);

/* This run's environment; freed by co_free. */
CO_MUST_CHECK co_status co_environment_text(const co_job *job, char **out, co_error *err);

/* How several workers share the run, in the same form: their number and hosts, the partition, the
 * rules of sums and of batch norm; freed by co_free. NULL with one worker. */
CO_MUST_CHECK co_status co_environment_workers(const co_job *job, char **out, co_error *err);

/* Writes "threads: 2 then, 1 now; isa: ..." for what differs ("" when nothing does). `then` may be
 * any text. */
void co_environment_compare(const char *then, const char *now, char *out, size_t size);

#endif
