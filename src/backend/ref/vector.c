/* Optimizer steps and vector operations: computed in double, kept in float. */
#include <math.h>

#include "backend/ref/ref.h"

/* torch.optim.SGD with dampening 0. A zeroed buffer makes the first step what PyTorch's is. */
void co_ref_sgd(co_model *model, size_t offset, size_t count, const co_sgd *hyper, float *momentum)
{
    for (size_t i = offset; i < offset + count; i++) {
        double param = (double)model->params[i];
        double step = (double)model->grads[i] + (double)hyper->weight_decay * param;
        if (hyper->momentum != 0.0f) {
            double velocity = (double)hyper->momentum * (double)momentum[i] + step;
            momentum[i] = (float)velocity;
            step = hyper->nesterov ? step + (double)hyper->momentum * velocity : velocity;
        }
        model->params[i] = (float)(param - (double)hyper->lr * step);
    }
}

/* torch.optim.Adam (Kingma and Ba 2015, algorithm 1, with L2 added to the gradient) and AdamW
 * (Loshchilov and Hutter 2019: the decay is a step of its own). */
void co_ref_adam(co_model *model, size_t offset, size_t count, const co_adam *hyper, float *m,
                 float *v)
{
    double beta1 = (double)hyper->beta1;
    double beta2 = (double)hyper->beta2;
    double rate = (double)hyper->lr / (1.0 - pow(beta1, (double)hyper->step));
    double correction = sqrt(1.0 - pow(beta2, (double)hyper->step));
    double decay = (double)hyper->weight_decay;
    double penalty = hyper->decoupled ? 0.0 : decay;
    double keep = hyper->decoupled ? 1.0 - (double)hyper->lr * decay : 1.0;
    for (size_t i = offset; i < offset + count; i++) {
        double param = (double)model->params[i];
        double grad = (double)model->grads[i] + penalty * param;
        double first = beta1 * (double)m[i] + (1.0 - beta1) * grad;
        double second = beta2 * (double)v[i] + (1.0 - beta2) * grad * grad;
        m[i] = (float)first;
        v[i] = (float)second;
        double deviation = sqrt(second) / correction + (double)hyper->epsilon;
        model->params[i] = (float)(keep * param - rate * first / deviation);
    }
}

void co_ref_axpy(co_backend *backend, size_t count, float a, const float *x, float *y)
{
    (void)backend;
    for (size_t i = 0; i < count; i++) {
        y[i] = (float)((double)y[i] + (double)a * (double)x[i]);
    }
}

void co_ref_lerp(co_backend *backend, size_t count, float t, const float *x, float *y)
{
    (void)backend;
    for (size_t i = 0; i < count; i++) {
        double from = (double)y[i];
        y[i] = (float)(from + (double)t * ((double)x[i] - from));
    }
}

void co_ref_multiply(co_backend *backend, size_t count, float a, float *x)
{
    (void)backend;
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)((double)a * (double)x[i]);
    }
}

/* Halves until a block is small: a tree that depends on the count alone. */
static double sum_tree(size_t count, const float *x)
{
    enum { BLOCK = 256 };
    if (count > BLOCK) {
        size_t half = count / 2;
        return sum_tree(half, x) + sum_tree(count - half, x + half);
    }
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return sum;
}

double co_ref_sum_squares(co_backend *backend, size_t count, const float *x)
{
    (void)backend;
    return sum_tree(count, x);
}
