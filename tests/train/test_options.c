/* Settings that change a step, as the training loop applies them: short runs on glyphs, compared
 * with arithmetic on the weights before and after. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "train/worker.h"

enum { ARGUMENTS_MAX = 40 };

/* The weights before and after a run. */
typedef struct outcome {
    size_t floats;
    float *before;
    float *after;
    float *average; /* of the weights; NULL without --ema-decay */
    size_t stat_floats;
    float *stats; /* of batch norms, after the run */
    co_train_result result;
    size_t bias_offset; /* of the last linear layer */
} outcome;

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

static float *copy_of(const float *values, size_t count)
{
    float *copy = malloc((count + 1) * sizeof(float));
    assert_non_null(copy);
    if (count > 0) { /* a network without batch norm has no statistics */
        memcpy(copy, values, count * sizeof(float));
    }
    return copy;
}

/* `more` ends with NULL. */
static outcome train(const char *const more[])
{
    char *arguments[ARGUMENTS_MAX] = {"--train-split", "0.003", "--no-evaluate", "--threads", "1",
                                      "--momentum",    "0",     "--lr",          "1"};
    int count = 9;
    for (int i = 0; more[i] != NULL; i++) {
        arguments[count++] = (char *)(uintptr_t)more[i];
    }
    co_error err = {0};
    co_conf conf;
    co_job *job = NULL;
    const co_announcer announcer = {.clock = &co_clock_system};
    check(co_conf_load(&conf, CO_COMMAND_TRAIN, count, arguments, NULL, &err), &err);
    check(co_job_open_training(&conf.values, &job, &err), &err);
    const co_graph *graph = job->graph;
    outcome out = {
        .floats = graph->param_floats,
        .before = copy_of(job->model->params, graph->param_floats),
        .bias_offset = graph->params[graph->param_count - 1].offset,
    };
    check(co_train(job, &announcer, NULL, &out.result, &err), &err);
    out.after = copy_of(job->model->params, out.floats);
    out.stat_floats = graph->stat_floats;
    out.stats = copy_of(job->model->stats, graph->stat_floats);
    if (job->ema != NULL) {
        check(co_job_swap_average(job, &err), &err);
        out.average = copy_of(job->model->params, out.floats);
    }
    co_job_close(job);
    co_conf_free(&conf);
    return out;
}

#define TRAIN(...) train((const char *const[]){__VA_ARGS__, NULL})

static void release(outcome *out)
{
    free(out->before);
    free(out->after);
    free(out->average);
    free(out->stats);
}

/* The step (before - after) of float i: with learning rate 1, its gradient. */
static double moved(const outcome *out, size_t i)
{
    return (double)out->before[i] - (double)out->after[i];
}

/* What smoothing adds to the gradient of the last biases tells how often each class was in the
 * batch: s (frequency - 1 / classes). Frequencies of 64 labels are whole numbers of 64ths. */
static void test_label_smoothing(void **state)
{
    (void)state;
    outcome plain = TRAIN("--max-steps", "1");
    outcome smooth = TRAIN("--max-steps", "1", "--label-smoothing", "0.25");
    double sum = 0.0;
    for (size_t c = 0; c < 10; c++) {
        size_t i = plain.bias_offset + c;
        double rows = 64.0 * ((moved(&smooth, i) - moved(&plain, i)) / 0.25 + 0.1);
        assert_true(rows > -0.01 && fabs(rows - round(rows)) < 0.01);
        sum += rows;
    }
    assert_true(fabs(sum - 64.0) < 0.01);
    release(&plain);
    release(&smooth);
}

static double norm_of_move(const outcome *out)
{
    double sum = 0.0;
    for (size_t i = 0; i < out->floats; i++) {
        sum += moved(out, i) * moved(out, i);
    }
    return sqrt(sum);
}

/* A longer gradient is shortened to the given norm and keeps its direction, whatever the backend;
 * a shorter one stays as it is, bit for bit. */
static void check_clip(const char *backend)
{
    outcome plain = TRAIN("--max-steps", "1", "--backend", backend);
    double norm = norm_of_move(&plain);
    assert_true(norm > 0.2);
    outcome clipped = TRAIN("--max-steps", "1", "--backend", backend, "--clip-norm", "0.05");
    double factor = 0.05 / (norm + 1e-6);
    for (size_t i = 0; i < plain.floats; i++) {
        assert_true(fabs(moved(&clipped, i) - factor * moved(&plain, i)) < 1e-6);
    }
    outcome loose = TRAIN("--max-steps", "1", "--backend", backend, "--clip-norm", "100");
    assert_memory_equal(plain.after, loose.after, plain.floats * sizeof(float));
    release(&plain);
    release(&clipped);
    release(&loose);
}

static void test_clip(void **state)
{
    (void)state;
    check_clip("dnnl");
    check_clip("ref");
}

/* --nan-policy comes first. The decay alone makes the weights 1e4 times larger in every step, until
 * the loss overflows; clipping must not hide that. */
static void test_nan_before_clip(void **state)
{
    (void)state;
    outcome out = TRAIN("--epochs", "20", "--max-steps", "20", "--lr", "1000", "--weight-decay",
                        "10", "--nan-policy", "skip", "--clip-norm", "1");
    assert_true(out.result.skipped > 0);
    release(&out);
}

/* Factors reach the optimizer: biases move 3 times as far, frozen layers not at all. */
static void test_scales(void **state)
{
    (void)state;
    outcome plain = TRAIN("--max-steps", "1", "--weight-decay", "0.5");
    outcome scaled = TRAIN("--max-steps", "1", "--weight-decay", "0.5", "--lr-scales",
                           "{conv1.*: 0, bias: 3}", "--decay-scales", "{bias: 0}");
    assert_true(fabs(moved(&plain, 0)) > 0.0);
    assert_true(fabs(moved(&scaled, 0)) <= 0.0); /* conv1.weight is the first parameter */
    for (size_t i = plain.bias_offset; i < plain.bias_offset + 10; i++) {
        double gradient = moved(&plain, i) - 0.5 * (double)plain.before[i];
        assert_true(fabs(moved(&scaled, i) - 3.0 * gradient) < 1e-6);
    }
    release(&plain);
    release(&scaled);
}

/* A whole epoch in steps of 4 batches of 8 is that in batches of 32: 180 samples are 22 batches and
 * a half, so that the last step has 3 batches, the last of which has 4 samples. */
static void check_accumulation(const char *backend)
{
    outcome large = TRAIN("--backend", backend, "--epochs", "2", "--batch-size", "32", "--lr",
                          "0.05", "--momentum", "0.9");
    outcome small = TRAIN("--backend", backend, "--epochs", "2", "--batch-size", "8", "--lr",
                          "0.05", "--momentum", "0.9", "--accumulate", "4");
    assert_int_equal(large.result.steps, 12);
    assert_int_equal(small.result.steps, 12);
    assert_int_equal(small.result.images, 360);
    assert_int_equal(small.result.epochs, 2);
    double far = 0.0;
    for (size_t i = 0; i < large.floats; i++) {
        far = fmax(far, fabs(moved(&large, i)));
        assert_true(fabs((double)large.after[i] - (double)small.after[i]) < 2e-5);
    }
    assert_true(far > 1e-2);
    assert_int_equal(small.result.train.rows, 180);
    double loss = co_score_loss(&large.result.train);
    assert_true(fabs(co_score_loss(&small.result.train) - loss) < 1e-4);
    release(&large);
    release(&small);
}

static void test_accumulation(void **state)
{
    (void)state;
    check_accumulation("dnnl");
    check_accumulation("ref");
}

/* The average by its recurrence, in double, over the weights that shorter runs end with. */
static void test_average_of_weights(void **state)
{
    (void)state;
    static const char *const steps[] = {"1", "2", "3", "4"};
    double *expected = NULL;
    for (int k = 0; k < 4; k++) {
        outcome plain = TRAIN("--max-steps", steps[k], "--epochs", "4", "--lr", "0.1");
        outcome averaged = TRAIN("--max-steps", steps[k], "--epochs", "4", "--lr", "0.1",
                                 "--ema-decay", "0.75");
        assert_memory_equal(plain.after, averaged.after, plain.floats * sizeof(float));
        if (k == 0) {
            expected = malloc(plain.floats * sizeof(double));
            assert_non_null(expected);
        }
        double apart = 0.0;
        for (size_t i = 0; i < plain.floats; i++) {
            double w = (double)plain.after[i];
            expected[i] = k == 0 ? w : 0.75 * expected[i] + 0.25 * w;
            assert_true(fabs((double)averaged.average[i] - expected[i]) < 1e-6);
            apart = fmax(apart, fabs(expected[i] - w));
        }
        assert_true(k == 0 || apart > 1e-3);
        release(&plain);
        release(&averaged);
    }
    free(expected);
}

/* With momentum 1 the running statistics are those of the one batch, with 1/4 a quarter of the way
 * there from 0 and 1; frozen ones stay where they are while gamma and beta learn. */
static void check_norms(const char *backend)
{
#define NORMS                                                                                      \
    "--max-steps", "1", "--lr", "0.01", "--backend", backend, "--model", "resnet",                 \
        "--model-config", "{width: 4}", "--bn-eps", "0.001"
    outcome batch = TRAIN(NORMS, "--bn-momentum", "1");
    outcome part = TRAIN(NORMS, "--bn-momentum", "0.25");
    outcome none = TRAIN(NORMS, "--bn-momentum", "0");
    outcome frozen = TRAIN(NORMS, "--freeze-bn");
    double moved_most = 0.0;
    for (size_t i = 0; i < batch.stat_floats; i++) {
        double first = (double)none.stats[i]; /* 0 of a mean, 1 of a variance, 0 of padding */
        double expected = first + 0.25 * ((double)batch.stats[i] - first);
        assert_true(fabs((double)part.stats[i] - expected) < 1e-5 * (1.0 + fabs(expected)));
        moved_most = fmax(moved_most, fabs((double)batch.stats[i] - first));
        assert_true(fabs(first) <= 0.0 || fabs(first - 1.0) <= 0.0);
    }
    assert_true(moved_most > 0.1);
    assert_memory_equal(part.after, batch.after, batch.floats * sizeof(float));
    assert_memory_equal(frozen.stats, none.stats, none.stat_floats * sizeof(float));
    assert_memory_not_equal(frozen.after, none.after, none.floats * sizeof(float));
    const size_t gamma = 48; /* of bn1: after conv1.weight, 4 x 1 x 3 x 3 floats in slots of 16 */
    assert_true(fabs((double)frozen.before[gamma] - 1.0) <= 0.0 &&
                fabs(moved(&frozen, gamma)) > 0.0);
    release(&batch);
    release(&part);
    release(&none);
    release(&frozen);
}

static void test_norms(void **state)
{
    (void)state;
    check_norms("dnnl");
    check_norms("ref");
}

/* All of it together gives the same bits for any number of threads. */
static void test_same_bits(void **state)
{
    (void)state;
#define ALL_OPTIONS                                                                                \
    "--epochs", "3", "--batch-size", "20", "--accumulate", "4", "--ema-decay", "0.9",              \
        "--clip-norm", "0.5", "--label-smoothing", "0.1", "--optimizer", "adamw", "--lr", "0.002", \
        "--weight-decay", "0.1", "--lr-scales", "{bias: 4}", "--decay-scales", "{bias: 0}",
    outcome one = TRAIN(ALL_OPTIONS "--loader-threads", "0");
    outcome four = TRAIN(ALL_OPTIONS "--loader-threads", "4", "--threads", "2");
    assert_memory_equal(one.after, four.after, one.floats * sizeof(float));
    assert_memory_equal(one.average, four.average, one.floats * sizeof(float));
    assert_int_equal(one.result.steps, 9);
    release(&one);
    release(&four);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_label_smoothing), cmocka_unit_test(test_clip),
        cmocka_unit_test(test_nan_before_clip), cmocka_unit_test(test_scales),
        cmocka_unit_test(test_accumulation),    cmocka_unit_test(test_average_of_weights),
        cmocka_unit_test(test_norms),           cmocka_unit_test(test_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
