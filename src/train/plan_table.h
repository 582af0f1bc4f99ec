/* The plans of a run by what they are for: (mode, rows). Collected first, then compiled at once.
 * The model is borrowed; one thread.
 */
#ifndef CO_TRAIN_PLAN_TABLE_H
#define CO_TRAIN_PLAN_TABLE_H

#include "backend/backend.h"

enum { CO_MAX_PLANS = 16 };

typedef struct co_plan_table {
    co_model *model;    /* borrowed; NULL before compile */
    co_norm_sync *sync; /* borrowed: of the training plans that are asked for from now on */
    co_plans *plans;
    co_plan_spec specs[CO_MAX_PLANS];
    int count;
} co_plan_table;

/* Asks for a plan of that many rows; 0 rows and what is there already are ignored. */
void co_plan_table_want(co_plan_table *table, co_mode mode, int rows);
/* For a loader: its full batch and, where the samples do not divide, its last one. */
void co_plan_table_want_all(co_plan_table *table, co_mode mode, uint32_t samples, int batch,
                            bool drop_last);
CO_MUST_CHECK co_status co_plan_table_compile(co_plan_table *table, co_model *model,
                                              const co_pixel_map *pixels, co_error *err);
/* NULL when it was not asked for. */
co_plan *co_plan_table_find(const co_plan_table *table, co_mode mode, int rows);
void co_plan_table_free(co_plan_table *table);

#endif
