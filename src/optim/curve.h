/* The learning rate over time: one pure function per kind of curve.
 *
 * Steps count from 0; `epoch` is how many epochs are complete, a fraction where it is a double.
 * Sources: docs/METHODS.md 6; PyTorch's lr_scheduler for step, exponential and cosine.
 */
#ifndef CO_OPTIM_CURVE_H
#define CO_OPTIM_CURVE_H

#include <stdint.h>

/* lr gamma^(epoch / every), whole division. */
double co_curve_step(double lr, double gamma, uint64_t every, uint64_t epoch);
/* lr times gamma for each milestone (in epochs) that is complete. */
double co_curve_milestones(double lr, double gamma, const double *milestones, int count,
                           double epoch);
/* lr gamma^epoch */
double co_curve_exponential(double lr, double gamma, uint64_t epoch);
/* lr (1 + cos(pi time / length)) / 2; 0 from `length` on. */
double co_curve_cosine(double lr, double time, double length);

typedef struct co_curve_point {
    double epoch;
    double lr;
} co_curve_point;

/* Straight lines between points of growing epochs (count >= 1), level before and after them. */
double co_curve_linear(const co_curve_point *points, int count, double epoch);

/* The factor of the learning rate in the warm-up: rises by equal amounts to 1 in step (or epoch)
 * number `length` - 1; 1 from there on. */
double co_curve_warmup(double time, double length);

/* S1's ramp from lr / workers to lr in `warmup` epochs: the worker count enters slowly.
 *     lr / N (1 + epoch (N - 1) / warmup), lr afterwards */
double co_curve_ramp(double lr, double workers, double warmup, double epoch);

#endif
