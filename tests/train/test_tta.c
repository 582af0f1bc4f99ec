/* Test-time augmentation against a computation by hand: mirror, run twice, average the logits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "graph/models/models.h"
#include "train/job.h"

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

/* Every row of every channel turned around, element by element. */
static void mirror_by_hand(const unsigned char *in, unsigned char *out, size_t size, int rows,
                           co_shape s)
{
    for (int n = 0; n < rows * s.channels; n++) {
        for (int y = 0; y < s.height; y++) {
            for (int x = 0; x < s.width; x++) {
                size_t line = ((size_t)n * (size_t)s.height + (size_t)y) * (size_t)s.width;
                memcpy(out + (line + (size_t)(s.width - 1 - x)) * size,
                       in + (line + (size_t)x) * size, size);
            }
        }
    }
}

enum { ROWS = 5, CLASSES = 7 };

typedef struct rig {
    co_graph *graph;
    co_team *team;
    co_backend *backend;
    co_model *model;
    co_plans *plans;
    co_plan *plan;
    size_t pixels;
    unsigned char *bytes; /* also used as floats */
    unsigned char *mirrored;
    co_batch batch;
} rig;

static rig open_rig(const char *backend, co_pixel pixel)
{
    rig r = {0};
    co_error err = {0};
    const co_backend_options options = {.isa = "auto"};
    const co_shape shape = {3, 8, 9};
    const co_plan_spec spec = {.batch = ROWS, .mode = CO_EVAL};
    check(co_model_build("resnet", "{width: 4}", shape, CLASSES, &r.graph, &err), &err);
    check(co_team_create(1, &r.team, &err), &err);
    check(co_backend_create(backend, &options, r.team, &r.backend, &err), &err);
    const co_backend_ops *ops = r.backend->ops;
    check(ops->model_create(r.backend, r.graph, &r.model, &err), &err);
    co_graph_init_params(r.graph, 3, r.model->params);
    co_graph_init_stats(r.graph, r.model->stats);
    check(ops->refresh(r.model, 0, r.graph->param_floats, &err), &err);
    check(ops->plans_create(r.model, &spec, 1, NULL, &r.plans, &err), &err);
    r.plan = ops->plan(r.plans, 0);
    r.pixels = ROWS * co_shape_count(shape);
    r.bytes = malloc(r.pixels * sizeof(float));
    r.mirrored = malloc(r.pixels * sizeof(float));
    const co_rng_key key = {.seed = 4};
    co_rng rng = co_rng_at(&key);
    for (size_t i = 0; i < r.pixels; i++) {
        float value = (float)(co_rng_u32(&rng) & 255) / 64.0f;
        if (pixel == CO_PIXEL_U8) {
            r.bytes[i] = (unsigned char)(co_rng_u32(&rng) & 3);
        } else {
            memcpy(r.bytes + i * sizeof(float), &value, sizeof(float));
        }
    }
    r.batch = (co_batch){.rows = ROWS, .pixel = pixel, .pixels = r.bytes};
    return r;
}

static void close_rig(rig *r)
{
    r->backend->ops->plans_destroy(r->plans);
    r->backend->ops->model_destroy(r->model);
    r->backend->ops->destroy(r->backend);
    co_team_destroy(r->team);
    co_graph_destroy(r->graph);
    free(r->bytes);
    free(r->mirrored);
}

static float *copy_output(const rig *r, co_output which)
{
    size_t bytes = ROWS * co_output_width(r->graph, which) * sizeof(float);
    float *copy = malloc(bytes);
    memcpy(copy, r->backend->ops->output(r->plan, which), bytes);
    return copy;
}

static void averages_both_outputs(void **state)
{
    (void)state;
    static const char *const backends[] = {"ref", "dnnl"};
    static const co_pixel pixels[] = {CO_PIXEL_U8, CO_PIXEL_F32};
    for (int k = 0; k < 4; k++) {
        co_error err = {0};
        rig r = open_rig(backends[k / 2], pixels[k % 2]);
        const co_backend_ops *ops = r.backend->ops;
        size_t size = pixels[k % 2] == CO_PIXEL_U8 ? 1 : sizeof(float);
        co_tta *tta = NULL;
        check(co_tta_create(r.graph, ROWS + 3, pixels[k % 2], &tta, &err), &err);
        check(co_tta_forward(tta, ops, r.plan, &r.batch, &err), &err);
        mirror_by_hand(r.bytes, r.mirrored, size, ROWS, r.graph->layers[0].out);
        co_batch mirrored = r.batch;
        mirrored.pixels = r.mirrored;
        for (int which = 0; which < CO_OUTPUT_COUNT; which++) {
            check(ops->forward(r.plan, &r.batch, &err), &err);
            float *plain = copy_output(&r, (co_output)which);
            check(ops->forward(r.plan, &mirrored, &err), &err);
            float *turned = copy_output(&r, (co_output)which);
            bool differ = false;
            for (size_t i = 0; i < ROWS * co_output_width(r.graph, (co_output)which); i++) {
                float mean = (plain[i] + turned[i]) / 2.0f; /* halving is exact */
                assert_true(co_tta_output(tta, (co_output)which)[i] == mean);
                differ = differ || plain[i] != turned[i];
            }
            assert_true(differ); /* else the test would prove nothing */
            free(plain);
            free(turned);
        }
        co_tta_destroy(tta);
        close_rig(&r);
    }
}

/* ------------------------------------------------------------------ evaluation of a job */

static void open_job(char *const arguments[], int count, co_conf *conf, co_job **job)
{
    co_error err = {0};
    check(co_conf_load(conf, CO_COMMAND_TRAIN, count, arguments, NULL, &err), &err);
    check(co_job_open_training(&conf->values, job, &err), &err);
    co_model *model = (*job)->model;
    for (size_t i = 0; i < model->graph->param_floats; i++) {
        model->params[i] *= 3.0f; /* first weights have nearly the same logits for all images */
    }
    check((*job)->backend->ops->refresh(model, 0, model->graph->param_floats, &err), &err);
}

/* Cross-entropy and hits of averaged logits, in double. */
static void score_by_hand(const float *plain, const float *turned, const co_batch *batch,
                          int classes, double *loss, int *hits)
{
    for (int row = 0; row < batch->rows; row++) {
        double sum = 0.0;
        double of_label = 0.0;
        int best = 0;
        double top = -INFINITY;
        for (int c = 0; c < classes; c++) {
            size_t i = (size_t)row * (size_t)classes + (size_t)c;
            double z = ((double)plain[i] + (double)turned[i]) / 2.0;
            sum += exp(z);
            of_label = c == batch->labels[row] ? z : of_label;
            best = z > top ? c : best;
            top = z > top ? z : top;
        }
        *loss += log(sum) - of_label;
        *hits += best == batch->labels[row];
    }
}

static void evaluation_uses_the_averages(void **state)
{
    (void)state;
    static char *const arguments[] = {"--tta", "flip", "--threads", "1", "--eval-batch-size", "48"};
    co_error err = {0};
    co_conf conf;
    co_conf plain_conf;
    co_job *job = NULL;
    co_job *plain_job = NULL;
    co_score score = {0};
    co_score without = {0};
    open_job(arguments, 6, &conf, &job);
    open_job(arguments + 2, 4, &plain_conf, &plain_job);
    check(co_job_evaluate_test(job, &score, &err), &err);
    check(co_job_evaluate_test(plain_job, &without, &err), &err);
    const co_backend_ops *ops = job->backend->ops;
    int classes = (int)co_output_width(job->graph, CO_OUTPUT_LOGITS);
    size_t pixels = 48 * co_shape_count(job->graph->layers[0].out);
    unsigned char *mirrored = malloc(pixels);
    float *plain = malloc(48 * (size_t)classes * sizeof(float));
    double loss = 0.0;
    int hits = 0;
    check(co_loader_seek(job->test_loader, 0, 0, &err), &err);
    for (uint32_t i = 0; i < co_loader_batches(job->test_loader); i++) {
        const co_batch *batch = NULL;
        check(co_loader_next(job->test_loader, &batch, &err), &err);
        assert_int_equal(batch->pixel, CO_PIXEL_U8);
        co_plan *plan = co_plan_table_find(&job->plans, CO_EVAL, batch->rows);
        check(ops->forward(plan, batch, &err), &err);
        memcpy(plain, ops->output(plan, CO_OUTPUT_LOGITS),
               (size_t)batch->rows * (size_t)classes * sizeof(float));
        mirror_by_hand(batch->pixels, mirrored, 1, batch->rows, job->graph->layers[0].out);
        co_batch turned = *batch;
        turned.pixels = mirrored;
        check(ops->forward(plan, &turned, &err), &err);
        score_by_hand(plain, ops->output(plan, CO_OUTPUT_LOGITS), batch, classes, &loss, &hits);
    }
    assert_int_equal(score.rows, co_dataset_describe(job->dataset)->samples[CO_SPLIT_TEST]);
    assert_int_equal(score.correct, hits);
    assert_true(fabs(score.loss_sum - loss) < 1e-5 * loss);
    assert_true(fabs(score.loss_sum - without.loss_sum) > 1e-4 * loss); /* it does something */
    free(plain);
    free(mirrored);
    co_job_close(plain_job);
    co_job_close(job);
    co_conf_free(&plain_conf);
    co_conf_free(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(averages_both_outputs),
        cmocka_unit_test(evaluation_uses_the_averages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
