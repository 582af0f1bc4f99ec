#include "optim/curve.h"

#include <math.h>

double co_curve_step(double lr, double gamma, uint64_t every, uint64_t epoch)
{
    uint64_t drops = epoch / every;
    return lr * pow(gamma, (double)drops);
}

double co_curve_milestones(double lr, double gamma, const double *milestones, int count,
                           double epoch)
{
    int passed = 0;
    for (int i = 0; i < count; i++) {
        passed += epoch >= milestones[i];
    }
    return lr * pow(gamma, (double)passed);
}

double co_curve_exponential(double lr, double gamma, uint64_t epoch)
{
    return lr * pow(gamma, (double)epoch);
}

double co_curve_cosine(double lr, double time, double length)
{
    if (time >= length) {
        return 0.0;
    }
    return 0.5 * lr * (1.0 + cos(3.14159265358979323846 * time / length));
}

double co_curve_linear(const co_curve_point *points, int count, double epoch)
{
    if (epoch <= points[0].epoch) {
        return points[0].lr;
    }
    for (int i = 1; i < count; i++) {
        if (epoch < points[i].epoch) {
            const co_curve_point *a = &points[i - 1];
            const co_curve_point *b = &points[i];
            return a->lr + (b->lr - a->lr) * (epoch - a->epoch) / (b->epoch - a->epoch);
        }
    }
    return points[count - 1].lr;
}

double co_curve_warmup(double time, double length)
{
    double factor = (time + 1.0) / length; /* infinite without a warm-up: length 0 */
    return factor < 1.0 ? factor : 1.0;
}

double co_curve_ramp(double lr, double workers, double warmup, double epoch)
{
    if (!(epoch < warmup)) {
        return lr;
    }
    return lr / workers * (1.0 + epoch * (workers - 1.0) / warmup);
}
