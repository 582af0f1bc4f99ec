/* A regime: phases that begin at an epoch or step and change some hyper-parameters
 * (docs/METHODS.md 6).
 *
 * Phases are cumulative: what one sets holds until a later one sets it again. A phase is a map
 * with `epoch` or `step` (its start) and any of: optimizer, lr, momentum, nesterov, weight_decay;
 * lr_rampup and warmup_epochs (5): S1's ramp from lr / workers, from the beginning of the run;
 * lr_decay and lr_decay_steps (100): multiplies lr by lr_decay after every so many steps of the
 * phase that set it. Where S1 differs: its ramp counted epochs twice within a task, its declared
 * weight decay was never applied, and an update advanced by one phase at most. The first two were
 * mistakes; the third shows only where phases begin in the same step.
 *
 * Owned by whoever read it; constant afterwards; any thread may ask.
 */
#ifndef CO_OPTIM_REGIME_H
#define CO_OPTIM_REGIME_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/yaml.h"
#include "optim/optimizer.h"

/* What one phase sets, bit by bit in `set`; the values of the others mean nothing. */
typedef struct co_regime_phase {
    uint64_t start; /* step of the run */
    unsigned set;
    co_optimizer_kind optimizer;
    double lr;
    double momentum;
    bool nesterov;
    double weight_decay;
    bool lr_rampup;
    double warmup_epochs;
    double lr_decay;
    double lr_decay_steps;
} co_regime_phase;

typedef struct co_regime {
    co_regime_phase *phases; /* in the order of their start */
    int count;
    double steps_per_epoch;
} co_regime;

/* Reads a list of phases. CO_USAGE with name:line:column where it is wrong: unknown keys, values
 * out of range, no start, starts that do not grow. */
CO_MUST_CHECK co_status co_regime_read(const co_yaml_node *list, uint64_t steps_per_epoch,
                                       co_regime *out, co_error *err);
void co_regime_destroy(co_regime *regime); /* a zeroed one is allowed */

/* `base` with everything that the phases up to `step` changed; `workers` is the ramp's N. */
co_hyper co_regime_at(const co_regime *regime, const co_hyper *base, double workers, uint64_t step);
/* The optimizer in force in that step, `base` where no phase names one. */
co_optimizer_kind co_regime_optimizer(const co_regime *regime, co_optimizer_kind base,
                                      uint64_t step);

#endif
