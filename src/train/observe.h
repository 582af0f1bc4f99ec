/* What a run's plans do, on its timeline: a span for every operation of every layer. */
#ifndef CO_TRAIN_OBSERVE_H
#define CO_TRAIN_OBSERVE_H

#include "event/timeline.h"
#include "train/plan_table.h"

/* Operations of all plans are told to the track; NULL: no more. Allocates. */
CO_MUST_CHECK co_status co_observe_plans(const co_plan_table *table, co_track *track,
                                         co_error *err);

#endif
