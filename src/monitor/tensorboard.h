/* The TensorBoard sink: one event file per run (events.out.tfevents.cohort).
 *
 * The name is fixed, unlike that of other writers, so that a resumed run finds its file, cuts it
 * back and goes on. Scalars have the names of S2 or of S1 (docs/METHODS.md, Names of metrics);
 * beside them the hyperparameters are there for TensorBoard's HPARAMS page.
 */
#ifndef CO_MONITOR_TENSORBOARD_H
#define CO_MONITOR_TENSORBOARD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/file.h"
#include "event/blob.h"
#include "monitor/sink.h"

typedef enum co_hparam_type { CO_HPARAM_TEXT, CO_HPARAM_NUMBER, CO_HPARAM_BOOL } co_hparam_type;

typedef struct co_hparam {
    const char *name; /* borrowed until the sink is closed, as is the text */
    co_hparam_type type;
    const char *text;
    double number; /* also a bool's value */
} co_hparam;

typedef struct co_tensorboard_options {
    const co_files *files; /* borrowed */
    const char *path;
    const co_clock *clock; /* borrowed during the call: wall time until a run starts */
    uint64_t keep;         /* as for co_line_file_open */
    uint64_t log_interval; /* steps; 0: no steps */
    bool s1_names;
    const co_blobs *blobs;    /* borrowed; NULL without histograms and pictures */
    const co_hparam *hparams; /* (hparam_count) borrowed until the sink is closed */
    size_t hparam_count;
} co_tensorboard_options;

CO_MUST_CHECK co_status co_tensorboard_sink(const co_tensorboard_options *options, co_sink **out,
                                            co_error *err);

#endif
