/* Our gradients and losses against PyTorch's in float64, on the same weights and batches.
 *
 * The values in tests/golden/ come from make_golden.py. Every backend and instruction set that
 * this machine has must agree: each gradient tensor of step 1 within 1e-4 as ||a-b|| / ||b||, the
 * losses of steps 1-20 within 1e-5 relative, to step 40 within 1e-4. (Training is chaotic: longer
 * comparisons part ways between PyTorch's own float32 and float64 too.)
 *
 * test_golden --export FOLDER writes the inputs for make_golden.py instead.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "golden/helper_case.h"
#include "golden/helper_machine.h"
#include "state/safetensors.h"

enum { CLASSES = 10, CLOSE_STEPS = 20 };
#define GRADIENT_TOLERANCE 1e-4
#define LOGITS_TOLERANCE   1e-5
#define CLOSE_TOLERANCE    1e-5 /* losses of steps 1-20 */
#define LATE_TOLERANCE     1e-4 /* of the rest */

/* One way to compute a model. */
typedef struct subject {
    const char *model;
    const variant *variant;
} subject;

static void update(machine *m, const golden_case *c, float *momentum)
{
    co_error err;
    const co_sgd hyper = {.lr = GOLDEN_LR, .momentum = GOLDEN_MOMENTUM};
    const size_t floats = c->graph->param_floats;
    m->backend->ops->sgd(m->model, 0, floats, &hyper, momentum);
    check(m->backend->ops->refresh(m->model, 0, floats, &err), &err);
}

/* ||a - b|| / ||b||; infinite when a value is not finite, so that maxima keep it. */
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

/* Distance of our values from a golden tensor of that many elements. */
static double from_golden(co_safetensors *golden, const char *name, const float *ours, size_t count)
{
    co_error err;
    void *values = NULL;
    const co_tensor_entry *entry = co_safetensors_find(golden, name);
    if (entry == NULL || entry->elements != count || entry->dtype != CO_DTYPE_F32) {
        fail_msg("%s is missing in the golden values, or has another shape", name);
        return INFINITY;
    }
    check(co_alloc(count, sizeof(float), "golden tensor", &values, &err), &err);
    check(co_safetensors_read(golden, entry, values, count * sizeof(float), &err), &err);
    double result = distance(ours, values, count);
    co_free(values);
    return result;
}

static void check_inputs(const char *path, const char *golden, const char *ours)
{
    if (golden == NULL || strcmp(golden, ours) != 0) {
        fail_msg("%s was made from other inputs (%s, now %s): the weights, glyphs, their order or "
                 "normalisation changed. If that was meant, run: python3 "
                 "tests/golden/make_golden.py <build>/tests/test_golden",
                 path, golden == NULL ? "?" : golden, ours);
    }
}

static co_safetensors *open_golden(const golden_case *c)
{
    char path[256];
    co_error err;
    co_safetensors *golden = NULL;
    (void)snprintf(path, sizeof(path), "tests/golden/%s.safetensors", c->model);
    check(co_safetensors_open(path, &golden, &err), &err);
    check_inputs(path, co_safetensors_metadata(golden, "inputs"), c->inputs);
    return golden;
}

static void read_losses(const golden_case *c, double losses[GOLDEN_STEPS])
{
    char path[256];
    char line[256];
    char inputs[CO_HASH_TEXT_SIZE] = "";
    int count = 0;
    (void)snprintf(path, sizeof(path), "tests/golden/%s.losses.tsv", c->model);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        int step = 0;
        double loss = 0.0;
        if (sscanf(line, "# inputs %32s", inputs) == 1 || line[0] == '#') {
            continue;
        }
        assert_int_equal(sscanf(line, "%d %lf", &step, &loss), 2);
        assert_int_equal(step, count + 1);
        assert_in_range(step, 1, GOLDEN_STEPS);
        losses[count++] = loss;
    }
    fclose(file);
    check_inputs(path, inputs, c->inputs);
    assert_int_equal(count, GOLDEN_STEPS);
}

/* Step 1's logits and gradients; prints the worst. */
static void check_first_step(const machine *m, const golden_case *c, co_safetensors *golden)
{
    double worst = 0.0;
    const char *worst_name = "";
    const float *logits = m->backend->ops->output(m->backend->ops->plan(m->plans, 0),
                                                  CO_OUTPUT_LOGITS);
    double off = from_golden(golden, "logits", logits, (size_t)GOLDEN_BATCH * CLASSES);
    for (int i = 0; i < c->graph->param_count; i++) {
        const co_tensor *tensor = &c->graph->params[i];
        char name[CO_NAME_SIZE + 16];
        (void)snprintf(name, sizeof(name), "gradient.%s", tensor->name);
        double d = from_golden(golden, name, m->model->grads + tensor->offset, tensor->count);
        if (d > worst) {
            worst = d;
            worst_name = tensor->name;
        }
    }
    print_message("  logits off by %.1e, gradients by at most %.1e (%s)\n", off, worst, worst_name);
    assert_true(off < LOGITS_TOLERANCE);
    assert_true(worst < GRADIENT_TOLERANCE);
}

static void test_variant(void **state)
{
    const subject *s = *state;
    const co_plan_spec spec = {.batch = GOLDEN_BATCH, .mode = CO_TRAIN};
    co_error err;
    golden_case c;
    machine m;
    void *momentum = NULL;
    double losses[GOLDEN_STEPS] = {0};
    double close = 0.0;
    double late = 0.0;
    check(golden_case_open(s->model, &c, &err), &err);
    if (!machine_open(&m, s->variant, c.graph, c.params, &c.map, &spec, 1)) {
        golden_case_close(&c);
        skip();
    }
    check(co_alloc(c.graph->param_floats, sizeof(float), "momentum", &momentum, &err), &err);
    co_safetensors *golden = open_golden(&c);
    read_losses(&c, losses);
    for (int step = 0; step < GOLDEN_STEPS; step++) {
        co_batch batch = golden_case_batch(&c, step);
        double loss = machine_gradient(&m, &batch, CLASSES);
        double off = fabs(loss - losses[step]) / fabs(losses[step]);
        off = isfinite(off) ? off : INFINITY;
        if (step == 0) {
            check_first_step(&m, &c, golden);
        }
        if (step < CLOSE_STEPS) {
            close = fmax(close, off);
        }
        late = fmax(late, off);
        update(&m, &c, momentum);
    }
    print_message("  losses off by at most %.1e to step %d, %.1e to step %d\n", close, CLOSE_STEPS,
                  late, GOLDEN_STEPS);
    assert_true(close < CLOSE_TOLERANCE);
    assert_true(late < LATE_TOLERANCE);
    co_safetensors_close(golden);
    co_free(momentum);
    machine_close(&m);
    golden_case_close(&c);
}

/* The comparison itself notices what is wrong. */
static void test_distance_sees_a_difference(void **state)
{
    (void)state;
    const float truth[4] = {3.0f, 0.0f, 4.0f, 0.0f};
    const float off[4] = {3.0f, 0.0f, 4.0f, 5.0f};
    const float broken[4] = {3.0f, 0.0f, NAN, 0.0f};
    assert_true(distance(truth, truth, 4) < 1e-12);
    assert_true(fabs(distance(off, truth, 4) - 1.0) < 1e-12);
    assert_true(isinf(distance(broken, truth, 4)));
}

int main(int argc, char **argv)
{
    static const char *const models[] = {"lenet5", "mnistnet"};
    enum { MODELS = sizeof(models) / sizeof(models[0]), COUNT = MODELS * GOLDEN_VARIANTS };
    if (argc == 3 && strcmp(argv[1], "--export") == 0) {
        co_error err;
        if (golden_export(argv[2], &err) != CO_OK) {
            fprintf(stderr, "test_golden: %s\n", err.text);
            return (int)err.status;
        }
        return 0;
    }
    char names[COUNT][64];
    subject subjects[COUNT];
    struct CMUnitTest tests[COUNT + 1] = {cmocka_unit_test(test_distance_sees_a_difference)};
    for (int i = 0; i < COUNT; i++) {
        const variant *v = &golden_variants[i % GOLDEN_VARIANTS];
        subjects[i] = (subject){models[i / GOLDEN_VARIANTS], v};
        (void)snprintf(names[i], sizeof(names[i]), "%s: %s, %s, threads %d", subjects[i].model,
                       v->backend, v->isa, v->threads);
        tests[i + 1] = (struct CMUnitTest){
            .name = names[i], .test_func = test_variant, .initial_state = &subjects[i]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
