/* Cross-entropy against long-double sums and finite differences; hits against a sort. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "train/loss.h"

enum { MAX_ROWS = 9, MAX_CLASSES = 13 };

static double reference(const co_loss_term *term, int classes, const double *logits)
{
    long double loss = 0.0L;
    long double weights = 0.0L;
    for (int row = term->row_begin; row < term->row_end; row++) {
        int i = row - term->row_begin;
        long double w = term->row_weights != NULL ? (long double)term->row_weights[i] : 1.0L;
        long double sum = 0.0L;
        for (int c = 0; c < classes; c++) {
            sum += expl((long double)logits[row * classes + c]);
        }
        long double share = (long double)term->smoothing / classes;
        for (int c = 0; c < classes; c++) {
            long double target = c == term->labels[i] ? 1.0L - (long double)term->smoothing : 0.0L;
            loss += w * (target + share) * (logl(sum) - (long double)logits[row * classes + c]);
        }
        weights += w;
    }
    return (double)((long double)term->weight * loss / weights);
}

static double reference_all(const co_loss_term *terms, int count, int classes, const double *logits)
{
    double sum = 0.0;
    for (int i = 0; i < count; i++) {
        sum += reference(&terms[i], classes, logits);
    }
    return sum;
}

static void check_terms(const co_loss_term *terms, int count, int rows, int classes,
                        const float *logits)
{
    float gradient[MAX_ROWS * MAX_CLASSES];
    double wide[MAX_ROWS * MAX_CLASSES] = {0};
    co_score score = {0};
    for (int i = 0; i < rows * classes; i++) {
        wide[i] = (double)logits[i];
    }
    double loss = co_loss_compute(terms, count, rows, classes, logits, gradient, &score);
    double expected = reference_all(terms, count, classes, wide);
    assert_true(fabs(loss - expected) <= 1e-6 * (1.0 + fabs(expected)));
    for (int i = 0; i < rows * classes; i++) {
        const double h = 1e-5;
        double keep = wide[i];
        wide[i] = keep + h;
        double up = reference_all(terms, count, classes, wide);
        wide[i] = keep - h;
        double down = reference_all(terms, count, classes, wide);
        wide[i] = keep;
        assert_true(fabs((double)gradient[i] - (up - down) / (2.0 * h)) < 1e-6);
    }
}

static void test_terms_against_differences(void **state)
{
    (void)state;
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 11, .stream = CO_STREAM_TEST});
    for (int trial = 0; trial < 50; trial++) {
        int rows = 2 + (int)co_rng_below(&rng, MAX_ROWS - 1);
        int classes = 2 + (int)co_rng_below(&rng, MAX_CLASSES - 1);
        float logits[MAX_ROWS * MAX_CLASSES];
        float weights[MAX_ROWS];
        int32_t labels[MAX_ROWS];
        for (int i = 0; i < rows * classes; i++) {
            logits[i] = 4.0f * co_rng_normal(&rng);
        }
        for (int i = 0; i < rows; i++) {
            labels[i] = (int32_t)co_rng_below(&rng, (uint32_t)classes);
            weights[i] = 0.25f + co_rng_uniform(&rng);
        }
        int cut = 1 + (int)co_rng_below(&rng, (uint32_t)rows - 1);
        /* The second term overlaps the first: gradients must add up. */
        co_loss_term terms[2] = {
            {CO_LOSS_CROSS_ENTROPY, 0, rows, labels, NULL, 1.0f, 0.0f},
            {CO_LOSS_CROSS_ENTROPY, cut, rows, labels + cut, weights, 0.5f, 0.0f},
        };
        check_terms(terms, 1, rows, classes, logits);
        check_terms(terms, 2, rows, classes, logits);
        check_terms(terms + 1, 1, rows, classes, logits);
        terms[0].smoothing = 0.1f;
        terms[1].smoothing = trial % 5 == 0 ? 1.0f : 0.3f;
        check_terms(terms, 2, rows, classes, logits);
    }
}

static void test_large_logits_stay_finite(void **state)
{
    (void)state;
    const float logits[4] = {1000.0f, 900.0f, -1000.0f, 1000.0f};
    const int32_t labels[2] = {0, 0};
    float gradient[4];
    co_score score = {0};
    co_loss_term term = {CO_LOSS_CROSS_ENTROPY, 0, 2, labels, NULL, 1.0f, 0.0f};
    double loss = co_loss_compute(&term, 1, 2, 2, logits, gradient, &score);
    assert_true(fabs(loss - 1000.0) < 1e-3);
    assert_true(fabsf(gradient[2] + 0.5f) < 1e-6f);
    assert_int_equal(score.correct, 1);
}

/* A case worked out by hand: three equal logits but for a gap of log 2, smoothing 0.3. */
static void test_smoothing_by_hand(void **state)
{
    (void)state;
    const float logits[3] = {logf(2.0f), 0.0f, 0.0f}; /* softmax: 1/2, 1/4, 1/4 */
    const int32_t label = 0;
    float gradient[3];
    co_score score = {0};
    co_loss_term term = {CO_LOSS_CROSS_ENTROPY, 0, 1, &label, NULL, 1.0f, 0.3f};
    double loss = co_loss_compute(&term, 1, 1, 3, logits, gradient, &score);
    assert_true(fabs(loss - (0.8 * log(2.0) + 0.2 * log(4.0))) < 1e-6);
    assert_true(fabs(score.loss_sum - loss) < 1e-12);
    assert_true(fabsf(gradient[0] - (0.5f - 0.8f)) < 1e-6f);
    assert_true(fabsf(gradient[1] - (0.25f - 0.1f)) < 1e-6f);
    assert_true(fabsf(gradient[2] - (0.25f - 0.1f)) < 1e-6f);
}

static void test_nan_is_not_hidden(void **state)
{
    (void)state;
    const float logits[3] = {0.0f, NAN, 1.0f};
    const int32_t label = 2;
    float gradient[3];
    co_score score = {0};
    co_loss_term term = {CO_LOSS_CROSS_ENTROPY, 0, 1, &label, NULL, 1.0f, 0.0f};
    assert_true(isnan(co_loss_compute(&term, 1, 1, 3, logits, gradient, &score)));
    assert_int_equal(score.correct, 0);
}

static void test_hits(void **state)
{
    (void)state;
    const float logits[2 * 7] = {1, 5, 3, 5, 2, 0, 4, /* row 2 */ 0, 0, 0, 0, 0, 0, 0};
    co_score score = {0};
    const int32_t first[2] = {1, 0}; /* of equals the first wins */
    co_score_add(&score, 2, 7, logits, first);
    assert_int_equal(score.correct, 2);
    assert_int_equal(score.correct5, 2);
    const int32_t second[2] = {3, 4};
    co_score_add(&score, 2, 7, logits, second);
    assert_int_equal(score.correct, 2);
    assert_int_equal(score.correct5, 4);
    const int32_t low[2] = {0, 5};
    co_score_add(&score, 2, 7, logits, low);
    assert_int_equal(score.correct5, 4);
    assert_int_equal(score.rows, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terms_against_differences),
        cmocka_unit_test(test_large_logits_stay_finite),
        cmocka_unit_test(test_smoothing_by_hand),
        cmocka_unit_test(test_nan_is_not_hidden),
        cmocka_unit_test(test_hits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
