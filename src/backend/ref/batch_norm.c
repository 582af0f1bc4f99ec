/* Batch normalisation as PyTorch's BatchNorm2d: the biased variance normalises, the unbiased one
 * goes into the running statistics. */
#include <math.h>

#include "backend/ref/ref.h"

/* Where the values of one channel lie. */
typedef struct channel {
    size_t plane;
    size_t stride; /* from one row's plane to the next row's */
    size_t first;
} channel;

static channel channel_of(const co_ref_op *op, int c)
{
    size_t plane = (size_t)op->in.height * (size_t)op->in.width;
    return (channel){plane, plane * (size_t)op->in.channels, plane * (size_t)c};
}

static double channel_sum(const co_ref_op *op, channel ch, const double *values)
{
    double sum = 0.0;
    for (size_t row = 0; row < (size_t)op->rows; row++) {
        const double *v = values + ch.first + row * ch.stride;
        for (size_t k = 0; k < ch.plane; k++) {
            sum += v[k];
        }
    }
    return sum;
}

static double channel_squares(const co_ref_op *op, channel ch, double mean)
{
    double sum = 0.0;
    for (size_t row = 0; row < (size_t)op->rows; row++) {
        const double *x = op->x[0] + ch.first + row * ch.stride;
        for (size_t k = 0; k < ch.plane; k++) {
            sum += (x[k] - mean) * (x[k] - mean);
        }
    }
    return sum;
}

static void update_running(const co_ref_op *op, int c, double mean, double unbiased)
{
    double t = (double)op->layer->u.norm.momentum;
    op->running_mean[c] = (float)((1.0 - t) * (double)op->running_mean[c] + t * mean);
    op->running_variance[c] = (float)((1.0 - t) * (double)op->running_variance[c] + t * unbiased);
}

/* Number of values, means, sums of squares about them: at the end of op->saved. */
static double *moments_of(const co_ref_op *op)
{
    return op->saved + 4 * (size_t)op->in.channels;
}

/* Of this plan's batch. */
static void find_moments(const co_ref_op *op, int c)
{
    channel ch = channel_of(op, c);
    double *moments = moments_of(op);
    double n = (double)op->rows * (double)ch.plane;
    double mean = channel_sum(op, ch, op->x[0]) / n;
    moments[0] = n;
    moments[1 + c] = mean;
    moments[1 + op->in.channels + c] = channel_squares(op, ch, mean);
}

co_status co_ref_exchange_moments(const co_ref_op *op, co_error *err)
{
    for (int c = 0; c < op->in.channels; c++) {
        find_moments(op, c);
    }
    return co_norm_sync_moments(op->sync, op->in.channels, moments_of(op), err);
}

/* Writes mean and 1/deviation of channel c into op->saved. */
static void find_statistics(const co_ref_op *op, int c)
{
    double mean = (double)op->running_mean[c];
    double variance = (double)op->running_variance[c];
    if (op->train && !op->layer->u.norm.frozen) {
        if (op->sync == NULL) {
            find_moments(op, c);
        }
        const double *moments = moments_of(op);
        double n = moments[0]; /* at least 2: checked by the plan */
        double squares = moments[1 + op->in.channels + c];
        mean = moments[1 + c];
        variance = squares / n;
        update_running(op, c, mean, squares / (n - 1.0));
    }
    op->saved[c] = mean;
    op->saved[op->in.channels + c] = 1.0 / sqrt(variance + (double)op->layer->u.norm.epsilon);
}

static void forward(const co_ref_op *op)
{
    for (int c = 0; c < op->in.channels; c++) {
        find_statistics(op, c);
        channel ch = channel_of(op, c);
        double mean = op->saved[c];
        double slope = op->saved[op->in.channels + c] * (double)op->weight[c];
        double bias = (double)op->bias[c];
        for (size_t row = 0; row < (size_t)op->rows; row++) {
            size_t at = ch.first + row * ch.stride;
            for (size_t k = at; k < at + ch.plane; k++) {
                op->y[k] = (op->x[0][k] - mean) * slope + bias;
            }
        }
    }
}

static void weights(const co_ref_op *op)
{
    int channels = op->in.channels;
    for (int c = 0; c < channels; c++) {
        channel ch = channel_of(op, c);
        double mean = op->saved[c];
        double sum = 0.0;
        for (size_t row = 0; row < (size_t)op->rows; row++) {
            size_t at = ch.first + row * ch.stride;
            for (size_t k = at; k < at + ch.plane; k++) {
                sum += op->dy[k] * (op->x[0][k] - mean);
            }
        }
        op->saved[2 * channels + c] = channel_sum(op, ch, op->dy);
        op->saved[3 * channels + c] = sum * op->saved[channels + c];
        op->dbias[c] = (float)op->saved[2 * channels + c];
        op->dweight[c] = (float)op->saved[3 * channels + c];
    }
}

/* Gradients of weight and bias stay those of this worker's samples. */
co_status co_ref_exchange_sums(const co_ref_op *op, co_error *err)
{
    size_t channels = (size_t)op->in.channels;
    return co_norm_sync_sums(op->sync, 2 * channels, op->saved + 2 * channels, err);
}

/* dx = weight / deviation * (dy - mean(dy) - normalised x * mean(dy * normalised x)); with frozen
 * statistics, which do not depend on x, the means drop out. */
static void data(const co_ref_op *op)
{
    int channels = op->in.channels;
    bool frozen = op->layer->u.norm.frozen;
    double through = frozen ? 0.0 : 1.0;
    double n = frozen ? 1.0 : moments_of(op)[0];
    for (int c = 0; c < channels; c++) {
        channel ch = channel_of(op, c);
        double mean = op->saved[c];
        double inverse = op->saved[channels + c];
        double mean_dy = through * op->saved[2 * channels + c] / n;
        double mean_product = through * op->saved[3 * channels + c] / n;
        double slope = inverse * (double)op->weight[c];
        for (size_t row = 0; row < (size_t)op->rows; row++) {
            size_t at = ch.first + row * ch.stride;
            for (size_t k = at; k < at + ch.plane; k++) {
                double normal = (op->x[0][k] - mean) * inverse;
                op->dx[0][k] += slope * (op->dy[k] - mean_dy - normal * mean_product);
            }
        }
    }
}

const co_ref_kernels co_ref_batch_norm = {forward, weights, data};
