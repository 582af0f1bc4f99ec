/* The index of a results folder (private to monitor/; see runs.h). Every failure is told in *err
 * and means only that the folders have to be read. */
#ifndef CO_MONITOR_RUNS_INDEX_H
#define CO_MONITOR_RUNS_INDEX_H

#include <stdbool.h>

#include "monitor/runs.h"

typedef struct co_runs_index co_runs_index;

/* Opens results_dir/index.sqlite; a damaged one, or one of another version, begins anew. */
CO_MUST_CHECK co_status co_runs_index_open(const char *results_dir, co_runs_index **out,
                                           co_error *err);
/* Fills in all but the name when the index has the run with record->stamp. */
bool co_runs_index_find(co_runs_index *index, co_run_record *record);
/* Puts all records in place of what the index has, and closes it. */
CO_MUST_CHECK co_status co_runs_index_save(co_runs_index *index, const co_run_list *list,
                                           co_error *err);

#endif
