/* The hyper-parameters of every step, as a pure function of the step's number.
 *
 * Kinds: constant; step (every n epochs, or at milestones); exponential (per epoch); cosine (per
 * step, to 0 at the end of the run); piecewise linear (per step); a linear warm-up before any of
 * them; or a regime (phases keyed by epoch or step, each changing some values: regime.h). The
 * curves themselves are in curve.h.
 *
 * Quirks of the reference systems, only with their profile (docs/METHODS.md 5 and 6): s3: the
 * cosine is frozen, its period being counted in batches and its time in epochs; `alr` gives Adam
 * a beta1 of at least 0.99. s4: the warm-up climbs once per epoch.
 *
 * Made from the settings, of which it keeps copies; constant afterwards; any thread may ask.
 */
#ifndef CO_OPTIM_SCHEDULE_H
#define CO_OPTIM_SCHEDULE_H

#include "conf/conf.h"
#include "optim/optimizer.h"

typedef struct co_schedule co_schedule;

/* steps_per_epoch >= 1, epochs: the length of the run. CO_USAGE with the flag's name, line and
 * column where a regime or list of points does not make sense for that run. */
CO_MUST_CHECK co_status co_schedule_create(const co_settings *settings, uint64_t steps_per_epoch,
                                           uint64_t epochs, co_schedule **out, co_error *err);
void co_schedule_destroy(co_schedule *schedule); /* NULL is allowed */
/* Step 0 is the first. */
co_hyper co_schedule_at(const co_schedule *schedule, uint64_t step);
/* The optimizer that the settings, or the regime's first phase, name. */
co_optimizer_kind co_schedule_optimizer(const co_schedule *schedule);

#endif
