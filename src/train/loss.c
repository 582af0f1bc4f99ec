#include "train/loss.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static float largest(const float *values, int count)
{
    float best = values[0];
    for (int i = 1; i < count; i++) {
        best = values[i] > best ? values[i] : best;
    }
    return best;
}

/* log sum exp(z), the largest taken out so that nothing overflows. */
static double log_sum_exp(const float *z, int classes)
{
    float top = largest(z, classes);
    double sum = 0.0;
    for (int c = 0; c < classes; c++) {
        sum += (double)expf(z[c] - top);
    }
    return (double)top + log(sum);
}

/* How many classes come before the label in falling order of logits (equals: lower index). */
static int rank_of_label(const float *z, int classes, int32_t label)
{
    int before = 0;
    for (int c = 0; c < classes; c++) {
        before += z[c] > z[label] || (z[c] == z[label] && c < label) || isnan(z[c]);
    }
    return before;
}

static void score_row(co_score *score, const float *z, int classes, int32_t label, double loss)
{
    int rank = rank_of_label(z, classes, label);
    score->loss_sum += loss;
    score->rows++;
    score->correct += rank == 0;
    score->correct5 += rank < 5;
}

/* Loss of one row; adds scale times its gradient. */
static double cross_entropy_row(const float *z, int classes, int32_t label, double scale,
                                float *gradient)
{
    double lse = log_sum_exp(z, classes);
    float shift = (float)lse;
    float factor = (float)scale;
    for (int c = 0; c < classes; c++) {
        gradient[c] += factor * expf(z[c] - shift);
    }
    gradient[label] -= factor;
    return lse - (double)z[label];
}

/* Turns the loss and gradient of a row from the label alone to the smoothed target: the share s of
 * the label is spread over all classes. */
static double smooth_row(const float *z, int classes, int32_t label, double smoothing, double scale,
                         double loss, float *gradient)
{
    double sum = 0.0;
    float share = (float)(scale * smoothing / classes);
    for (int c = 0; c < classes; c++) {
        sum += (double)z[c];
        gradient[c] -= share;
    }
    gradient[label] += (float)(scale * smoothing);
    return loss + smoothing * ((double)z[label] - sum / classes);
}

static double term_weight_sum(const co_loss_term *term)
{
    int rows = term->row_end - term->row_begin;
    if (term->row_weights == NULL) {
        return (double)rows;
    }
    double sum = 0.0;
    for (int i = 0; i < rows; i++) {
        sum += (double)term->row_weights[i];
    }
    return sum;
}

static double cross_entropy(const co_loss_term *term, int classes, const float *logits,
                            float *gradient, co_score *score)
{
    double unit = (double)term->weight / term_weight_sum(term);
    double sum = 0.0;
    for (int row = term->row_begin; row < term->row_end; row++) {
        int i = row - term->row_begin;
        double scale = term->row_weights == NULL ? unit : unit * (double)term->row_weights[i];
        size_t at = (size_t)row * (size_t)classes;
        double loss = cross_entropy_row(logits + at, classes, term->labels[i], scale,
                                        gradient + at);
        if (term->smoothing > 0.0f) {
            loss = smooth_row(logits + at, classes, term->labels[i], (double)term->smoothing, scale,
                              loss, gradient + at);
        }
        score_row(score, logits + at, classes, term->labels[i], loss);
        sum += scale * loss;
    }
    return sum;
}

double co_loss_compute(const co_loss_term *terms, int count, int rows, int classes,
                       const float *logits, float *gradient, co_score *score)
{
    memset(gradient, 0, sizeof(float) * (size_t)rows * (size_t)classes);
    double loss = 0.0;
    for (int i = 0; i < count; i++) {
        switch (terms[i].kind) {
        case CO_LOSS_CROSS_ENTROPY:
            loss += cross_entropy(&terms[i], classes, logits, gradient, score);
            break;
        }
    }
    return loss;
}

void co_score_add(co_score *score, int rows, int classes, const float *logits,
                  const int32_t *labels)
{
    for (int row = 0; row < rows; row++) {
        const float *z = logits + (size_t)row * (size_t)classes;
        double loss = log_sum_exp(z, classes) - (double)z[labels[row]];
        score_row(score, z, classes, labels[row], loss);
    }
}
