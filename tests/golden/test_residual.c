/* The residual networks' logits, loss, gradients and statistics of one step against PyTorch's in
 * float64, on the same weights and batch.
 *
 * The values in tests/golden/ come from make_residual.py. Every backend and instruction set that
 * this machine has must agree: logits and loss within 1e-5, each gradient and each statistic
 * within 1e-4 as ||a-b|| / ||b||.
 *
 * test_residual --export FOLDER BATCHES writes the inputs for make_residual.py instead.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "golden/helper_machine.h"
#include "golden/helper_residual.h"
#include "state/safetensors.h"

#define LOGITS_TOLERANCE   1e-5
#define GRADIENT_TOLERANCE 1e-4

typedef struct subject {
    const residual_row *row;
    const variant *variant;
} subject;

static co_safetensors *open_golden(const residual_case *c)
{
    char path[256];
    co_error err;
    co_safetensors *golden = NULL;
    (void)snprintf(path, sizeof(path), "tests/golden/%s.safetensors", c->row->name);
    check(co_safetensors_open(path, &golden, &err), &err);
    const char *inputs = co_safetensors_metadata(golden, "inputs");
    if (inputs == NULL || strcmp(inputs, c->inputs) != 0) {
        fail_msg("%s was made from other inputs (%s, now %s). If that was meant, run: python3 "
                 "tests/golden/make_residual.py <build>/tests/test_residual",
                 path, inputs == NULL ? "?" : inputs, c->inputs);
    }
    return golden;
}

static void read_golden(co_safetensors *golden, const char *prefix, const char *name,
                        uint64_t count, float *values)
{
    char full[CO_NAME_SIZE + 16];
    co_error err;
    (void)snprintf(full, sizeof(full), "%s%s", prefix, name);
    const co_tensor_entry *entry = co_safetensors_find(golden, full);
    if (entry == NULL || entry->elements != count || entry->dtype != CO_DTYPE_F32) {
        fail_msg("%s is missing in the golden values, or has another shape", full);
        return;
    }
    check(co_safetensors_read(golden, entry, values, count * sizeof(float), &err), &err);
}

/* ||a - b|| / ||b||; infinite where a is not finite. */
static double distance(const float *a, const float *b, size_t count)
{
    double difference = 0.0;
    double norm = 0.0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i];
        difference += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    double result = sqrt(difference / norm);
    return isfinite(result) ? result : INFINITY;
}

/* The batch norm takes away what the bias adds: its gradient is 0 but for rounding. */
static bool is_dead_bias(const co_graph *graph, int param)
{
    int layer = graph->params[param].layer;
    return graph->layers[layer].kind == CO_LAYER_CONV2D && graph->layers[layer].bias == param &&
           graph->layers[layer + 1].kind == CO_LAYER_BATCH_NORM;
}

static double from_golden(co_safetensors *golden, const char *prefix, const co_tensor *tensor,
                          const float *values)
{
    float truth[RESIDUAL_SUMMARY] = {0.0f};
    float ours[RESIDUAL_SUMMARY];
    read_golden(golden, prefix, tensor->name, RESIDUAL_SUMMARY, truth);
    residual_summarise(values + tensor->offset, tensor->count, ours);
    return residual_distance(ours, truth);
}

static void run_step(machine *m, const co_batch *batch, co_safetensors *golden)
{
    float truth[1] = {0.0f};
    double loss = machine_gradient(m, batch, RESIDUAL_CLASSES);
    read_golden(golden, "", "loss", 1, truth);
    double off = fabs(loss - (double)truth[0]) / (double)truth[0];
    print_message("  loss off by %.1e\n", off);
    assert_true(off < LOGITS_TOLERANCE);
}

static void check_logits(const machine *m, int plan, co_safetensors *golden, const char *name,
                         int rows)
{
    enum { MAX_ROWS = 8 };
    float truth[MAX_ROWS * RESIDUAL_CLASSES] = {0.0f};
    const co_backend_ops *ops = m->backend->ops;
    const size_t count = (size_t)rows * RESIDUAL_CLASSES;
    assert_in_range(rows, 1, MAX_ROWS);
    read_golden(golden, "", name, count, truth);
    double off = distance(ops->output(ops->plan(m->plans, plan), CO_OUTPUT_LOGITS), truth, count);
    print_message("  %s off by %.1e\n", name, off);
    assert_true(off < LOGITS_TOLERANCE);
}

static void check_gradients(const machine *m, const co_graph *graph, co_safetensors *golden)
{
    const char *name = "";
    double worst = 0.0;
    float whole[RESIDUAL_SUMMARY];
    residual_summarise(m->model->grads, graph->param_floats, whole);
    for (int i = 0; i < graph->param_count; i++) {
        const co_tensor *t = &graph->params[i];
        if (is_dead_bias(graph, i)) {
            float ours[RESIDUAL_SUMMARY];
            residual_summarise(m->model->grads + t->offset, t->count, ours);
            assert_true(ours[RESIDUAL_SIGNS] < 1e-6f * whole[RESIDUAL_SIGNS]);
            continue;
        }
        double d = from_golden(golden, "gradient.", t, m->model->grads);
        name = d > worst ? t->name : name;
        worst = fmax(worst, d);
    }
    print_message("  gradients off by at most %.1e (%s)\n", worst, name);
    assert_true(worst < GRADIENT_TOLERANCE);
}

static void check_statistics(const machine *m, const co_graph *graph, co_safetensors *golden)
{
    double worst = 0.0;
    for (int i = 0; i < graph->stat_count; i++) {
        worst = fmax(worst, from_golden(golden, "statistic.", &graph->stats[i], m->model->stats));
    }
    print_message("  statistics off by at most %.1e\n", worst);
    assert_true(worst < GRADIENT_TOLERANCE);
}

static void test_row(void **state)
{
    const subject *s = *state;
    const residual_row *row = s->row;
    co_error err;
    residual_case c;
    machine m;
    const co_plan_spec specs[] = {
        {.batch = row->batch, .mode = CO_TRAIN},
        {.batch = row->batch, .mode = CO_EVAL},
    };
    check(residual_case_open(row, row->pick, 1, &c, &err), &err);
    if (!machine_open(&m, s->variant, c.graph, c.params, NULL, specs, 2)) {
        residual_case_close(&c);
        skip();
    }
    co_safetensors *golden = open_golden(&c);
    const co_batch batch = {
        .rows = row->batch, .pixel = CO_PIXEL_F32, .pixels = c.pixels, .labels = c.labels};
    run_step(&m, &batch, golden);
    check_logits(&m, 0, golden, "logits", batch.rows);
    check_gradients(&m, c.graph, golden);
    check_statistics(&m, c.graph, golden);
    check(m.backend->ops->forward(m.backend->ops->plan(m.plans, 1), &batch, &err), &err);
    check_logits(&m, 1, golden, "logits.eval", batch.rows);
    co_safetensors_close(golden);
    machine_close(&m);
    residual_case_close(&c);
}

/* The comparison itself notices what is wrong, and tells about how much. */
static void test_summaries_tell_a_difference(void **state)
{
    enum { COUNT = 5000 };
    (void)state;
    static float truth[COUNT];
    static float off[COUNT];
    float a[RESIDUAL_SUMMARY];
    float b[RESIDUAL_SUMMARY];
    for (int i = 0; i < COUNT; i++) {
        truth[i] = sinf((float)i);
    }
    residual_summarise(truth, COUNT, b);
    assert_true(residual_distance(b, b) < 1e-12);
    for (int where = 0; where < COUNT; where += 499) { /* all in one element */
        memcpy(off, truth, sizeof(off));
        off[where] += 0.05f;
        double expected = 0.05 / (double)b[RESIDUAL_SIGNS];
        residual_summarise(off, COUNT, a);
        assert_true(fabs(residual_distance(a, b) / expected - 1.0) < 1e-2);
    }
    for (int i = 0; i < COUNT; i++) { /* spread evenly */
        off[i] = truth[i] * (1.0f + 1e-3f * cosf(7.0f * (float)i));
    }
    residual_summarise(off, COUNT, a);
    double told = residual_distance(a, b) / distance(off, truth, COUNT);
    assert_true(told > 0.5 && told < 2.0);
    off[17] = NAN;
    residual_summarise(off, COUNT, a);
    assert_true(isinf(residual_distance(a, b)));
}

enum { MAX_TESTS = 16 };

/* The number of tests that failed. */
static int run_variant(const variant *v)
{
    static subject subjects[MAX_TESTS];
    struct CMUnitTest tests[MAX_TESTS] = {{0}};
    char name[64];
    size_t count = 0;
    for (const residual_row *row = residual_rows; row->name != NULL && count < MAX_TESTS; row++) {
        subjects[count] = (subject){row, v};
        tests[count] = (struct CMUnitTest){
            .name = row->name, .test_func = test_row, .initial_state = &subjects[count]};
        count++;
    }
    (void)snprintf(name, sizeof(name), "%s, %s, threads %d", v->backend, v->isa, v->threads);
    return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

/* Before this process has any threads. */
static bool passes_in_own_process(const variant *v)
{
    int status = 0;
    pid_t child = fork();
    if (child < 0) {
        perror("test_residual: fork");
        return false;
    }
    if (child == 0) {
        exit(run_variant(v) == 0 ? 0 : 1);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--export") == 0) {
        co_error err;
        if (residual_export(argv[2], atoi(argv[3]), &err) != CO_OK) {
            fprintf(stderr, "test_residual: %s\n", err.text);
            return (int)err.status;
        }
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_summaries_tell_a_difference)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (int i = 0; i < GOLDEN_VARIANTS; i++) {
        failed += !passes_in_own_process(&golden_variants[i]);
    }
    return failed;
}
