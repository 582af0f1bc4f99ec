/* Phases are real: the range of layer L is reported after its weight gradient and before the data
 * gradient of L, which the layers below need, begins. Seen by an observer. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/models/models.h"
#include "helper_ref.h"

enum { MAX_EVENTS = 512, REPORT = 100 };

/* What happened: an operation (layer, pass), or the report of phase `layer` (pass REPORT). */
typedef struct happening {
    int layer;
    int pass;
} happening;

typedef struct journal {
    happening events[MAX_EVENTS];
    int count;
} journal;

static void note(journal *j, int layer, int pass)
{
    assert_true(j->count < MAX_EVENTS);
    j->events[j->count++] = (happening){layer, pass};
}

static void record(void *arg, const co_span *span)
{
    note(arg, span->layer, (int)span->pass);
}

static void run_backward(ref_rig *rig, journal *j)
{
    const co_backend_ops *ops = rig->backend->ops;
    co_error err = {0};
    assert_int_equal(ops->forward(rig->plan, &rig->batch, &err), CO_OK);
    size_t width = co_output_width(rig->graph, CO_OUTPUT_LOGITS);
    float *gradient = ops->output_gradient(rig->plan, CO_OUTPUT_LOGITS);
    for (size_t k = 0; k < (size_t)rig->batch.rows * width; k++) {
        gradient[k] = 1.0f;
    }
    const co_observer observer = {record, j, &co_clock_system};
    assert_int_equal(ops->observe(rig->plan, &observer, &err), CO_OK);
    int count = 0;
    const co_phase *phases = ops->phases(rig->plan, &count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(ops->backward(rig->plan, i, &err), CO_OK);
        note(j, phases[i].layer, REPORT);
    }
    assert_int_equal(ops->observe(rig->plan, NULL, &err), CO_OK);
}

static ref_rig open_config(const char *name, const char *config, co_shape input)
{
    co_error err = {0};
    co_graph *g = NULL;
    assert_int_equal(co_model_build(name, config, input, 10, &g, &err), CO_OK);
    return ref_rig_open(g, g->logits, g->features, (co_plan_spec){.batch = 2, .mode = CO_TRAIN}, 1);
}

static ref_rig open_model(const char *name, co_shape input)
{
    return open_config(name, NULL, input);
}

static int find(const journal *j, int layer, int pass)
{
    for (int i = 0; i < j->count; i++) {
        if (j->events[i].layer == layer && j->events[i].pass == pass) {
            return i;
        }
    }
    return -1;
}

static void test_reports_come_before_data_gradients(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *config;
        co_shape input;
    } rows[] = {
        {"lenet5", NULL, {1, 28, 28}},
        {"cnn1", NULL, {1, 12, 12}},
        {"cnn2", NULL, {3, 16, 16}},
        {"mnistnet", NULL, {1, 28, 28}},
        {"resnet", "{width: 4}", {3, 8, 8}},
        {"resnet", "{width: 4, depth: 50}", {3, 8, 8}},
        {"resnet", "{width: 4, stem: imagenet}", {3, 32, 32}},
        {"resnet-s1", "{depth: 18}", {3, 8, 8}},
        {"resnet18-keras", "{width: 4}", {3, 8, 8}},
        {"fastresnet", "{width: 4}", {3, 8, 8}},
        {"candlenet", "{width: 4}", {1, 1, 100}},
    };
    for (size_t m = 0; m < sizeof(rows) / sizeof(rows[0]); m++) {
        ref_rig rig = open_config(rows[m].name, rows[m].config, rows[m].input);
        journal j = {0};
        run_backward(&rig, &j);
        int count = 0;
        const co_phase *phases = rig.backend->ops->phases(rig.plan, &count);
        for (int i = 0; i < count; i++) {
            int layer = phases[i].layer;
            int weights = find(&j, layer, CO_BACKWARD_WEIGHTS);
            int report = find(&j, layer, REPORT);
            int data = find(&j, layer, CO_BACKWARD_DATA);
            assert_true(weights >= 0);
            assert_int_equal(report, weights + 1); /* nothing between */
            if (i + 1 < count) {
                assert_true(data > report);
            } else {
                assert_int_equal(data, -1); /* nothing below the first layer needs it */
            }
        }
        ref_rig_close(&rig);
    }
}

static void test_order_of_lenet5(void **state)
{
    (void)state;
    enum { W = CO_BACKWARD_WEIGHTS, D = CO_BACKWARD_DATA };
    /* 1 conv1, 2 relu1, 3 pool1, 4 conv2, 5 relu2, 6 pool2, 7 flatten, 8 fc1, 9 relu3, 10 fc2,
     * 11 relu4, 12 fc3 */
    static const happening expected[] = {
        {-1, D}, {12, W}, {12, REPORT},                                         /* fc3 */
        {12, D}, {11, D}, {10, W},      {10, REPORT},                           /* fc2 */
        {10, D}, {9, D},  {8, W},       {8, REPORT},                            /* fc1 */
        {8, D},  {7, D},  {6, D},       {5, D},       {4, W},      {4, REPORT}, /* conv2 */
        {4, D},  {3, D},  {2, D},       {1, W},       {1, REPORT},              /* conv1 */
    };
    ref_rig rig = open_model("lenet5", (co_shape){1, 28, 28});
    journal j = {0};
    run_backward(&rig, &j);
    assert_int_equal(j.count, sizeof(expected) / sizeof(expected[0]));
    assert_memory_equal(j.events, expected, sizeof(expected));
    ref_rig_close(&rig);
}

static void test_ranges_cover_the_parameters_once(void **state)
{
    (void)state;
    ref_rig rig = open_model("cnn2", (co_shape){3, 16, 16});
    int count = 0;
    const co_phase *phases = rig.backend->ops->phases(rig.plan, &count);
    size_t end = rig.graph->param_floats;
    double shares = 0.0;
    for (int i = 0; i < count; i++) {
        assert_int_equal(phases[i].offset % 16, 0);
        assert_int_equal(phases[i].offset + phases[i].count, end);
        end = phases[i].offset;
        assert_true(phases[i].share > 0.0);
        shares += phases[i].share;
        const co_layer *layer = &rig.graph->layers[phases[i].layer];
        assert_int_equal(rig.graph->params[layer->weight].offset, phases[i].offset);
    }
    assert_int_equal(end, 0);
    assert_true(fabs(shares - 1.0) < 1e-12);
    ref_rig_close(&rig);
}

/* A phase's gradients are final: later phases leave them alone. */
static void test_ranges_are_final(void **state)
{
    (void)state;
    ref_rig rig = open_model("mnistnet", (co_shape){1, 12, 12});
    const co_backend_ops *ops = rig.backend->ops;
    journal j = {0};
    run_backward(&rig, &j);
    int count = 0;
    const co_phase *phases = ops->phases(rig.plan, &count);
    float *final = malloc(rig.graph->param_floats * sizeof(float));
    memcpy(final, rig.model->grads, rig.graph->param_floats * sizeof(float));
    co_error err = {0};
    for (int i = 0; i < count; i++) {
        const co_phase *p = &phases[i];
        assert_int_equal(ops->backward(rig.plan, i, &err), CO_OK);
        assert_memory_equal(rig.model->grads + p->offset, final + p->offset,
                            p->count * sizeof(float));
        memset(rig.model->grads + p->offset, 0x7f, p->count * sizeof(float));
    }
    for (size_t i = 0; i < rig.graph->param_floats; i++) {
        const unsigned char bytes[4] = {0x7f, 0x7f, 0x7f, 0x7f};
        assert_memory_equal(&rig.model->grads[i], bytes, 4);
    }
    free(final);
    ref_rig_close(&rig);
}

static void test_wrong_order_is_refused(void **state)
{
    (void)state;
    ref_rig rig = open_model("lenet5", (co_shape){1, 12, 12});
    const co_backend_ops *ops = rig.backend->ops;
    co_error err = {0};
    assert_int_equal(ops->backward(rig.plan, 0, &err), CO_INTERNAL); /* no forward yet */
    assert_int_equal(ops->forward(rig.plan, &rig.batch, &err), CO_OK);
    assert_int_equal(ops->backward(rig.plan, 1, &err), CO_INTERNAL);
    assert_int_equal(ops->backward(rig.plan, 0, &err), CO_OK);
    assert_int_equal(ops->backward(rig.plan, 2, &err), CO_INTERNAL);
    assert_int_equal(ops->backward(rig.plan, 1, &err), CO_OK);
    ref_rig_close(&rig);
}

/* The bill's parts that follow from the model alone. */
static void test_memory_bill(void **state)
{
    (void)state;
    ref_rig rig = open_model("lenet5", (co_shape){1, 28, 28});
    co_memory_item items[CO_MAX_MEMORY_ITEMS];
    int count = rig.backend->ops->memory(rig.plans, items);
    size_t activations = 0;
    for (int i = 0; i < rig.graph->layer_count; i++) {
        size_t values = 2 * co_shape_count(rig.graph->layers[i].out);
        activations += (values + 7) / 8 * 8 * sizeof(double); /* pieces of 64 bytes */
    }
    int found = 0;
    for (int i = 0; i < count; i++) {
        if (strcmp(items[i].name, "parameters") == 0 || strcmp(items[i].name, "gradients") == 0) {
            assert_int_equal(items[i].bytes, 61760 * 4);
            found++;
        }
        if (strcmp(items[i].name, "activations") == 0) {
            assert_int_equal(items[i].bytes, activations);
            found++;
        }
    }
    assert_int_equal(found, 3);
    ref_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reports_come_before_data_gradients),
        cmocka_unit_test(test_order_of_lenet5),
        cmocka_unit_test(test_ranges_cover_the_parameters_once),
        cmocka_unit_test(test_ranges_are_final),
        cmocka_unit_test(test_wrong_order_is_refused),
        cmocka_unit_test(test_memory_bill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
