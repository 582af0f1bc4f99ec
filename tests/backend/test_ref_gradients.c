/* Gradients of the reference backend against central finite differences.
 *
 * The loss is sum(a * l + b * l^2 / 2) over the outputs with random a and b, so that its gradient
 * depends on the outputs. Outputs are read in double from the plan. Every layer under test stands
 * on a convolution, whose gradients check the tested layer's data gradient. Where two step sizes
 * disagree (a kink of ReLU or a changed maximum between them), the element is left out; at most
 * one in twenty may be.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/ref/plan.h"
#include "graph/models/models.h"
#include "helper_ref.h"

enum { SEEDS = 12, SAMPLED = 24 };

static double coefficient(uint64_t seed, int which, size_t k, int order)
{
    co_rng rng = co_rng_at(&(co_rng_key){.seed = seed,
                                         .stream = CO_STREAM_TEST,
                                         .epoch = (uint32_t)(2 * which + order),
                                         .sample = (uint32_t)k});
    return (double)co_rng_uniform(&rng) - 0.5;
}

static int layer_of(const ref_rig *rig, int which)
{
    return which == CO_OUTPUT_LOGITS ? rig->graph->logits : rig->graph->features;
}

static size_t output_count(const ref_rig *rig, int which)
{
    return co_ref_out_count(&rig->plan->ops[layer_of(rig, which)]);
}

/* Runs forward and returns the loss; writes the output gradients. */
static double run_loss(const ref_rig *rig, uint64_t seed)
{
    co_error err = {0};
    assert_int_equal(rig->backend->ops->forward(rig->plan, &rig->batch, &err), CO_OK);
    double sum = 0.0;
    int terms = rig->plan->spec.feature_gradient ? 2 : 1;
    for (int which = 0; which < terms; which++) {
        const double *values = rig->plan->values[layer_of(rig, which)];
        float *gradient = rig->backend->ops->output_gradient(rig->plan, (co_output)which);
        for (size_t k = 0; k < output_count(rig, which); k++) {
            double a = coefficient(seed, which, k, 0);
            double b = coefficient(seed, which, k, 1);
            sum += a * values[k] + 0.5 * b * values[k] * values[k];
            gradient[k] = (float)(a + b * values[k]);
        }
    }
    return sum;
}

static double difference(const ref_rig *rig, uint64_t seed, float *param, float step)
{
    float old = *param;
    *param = old + step;
    double up = (double)*param;
    double high = run_loss(rig, seed);
    *param = old - step;
    double down = (double)*param;
    double low = run_loss(rig, seed);
    *param = old;
    return (high - low) / (up - down);
}

typedef struct tally {
    int checked;
    int skipped;
} tally;

/* ||difference - gradient|| <= 1e-5 ||difference|| over some elements of one tensor. */
static void check_tensor(const ref_rig *rig, uint64_t seed, const co_tensor *tensor,
                         const float *gradient, tally *t)
{
    co_rng rng = co_rng_at(&(co_rng_key){
        .seed = seed, .stream = CO_STREAM_TEST, .sample = (uint32_t)tensor->offset, .epoch = 99});
    double error = 0.0;
    double norm = 0.0;
    double scale = 0.0; /* of the whole tensor: where all sampled elements are 0 or nearly */
    for (size_t i = 0; i < tensor->count; i++) {
        double g = (double)gradient[tensor->offset + i];
        scale += g * g;
    }
    size_t tries = tensor->count < SAMPLED ? tensor->count : SAMPLED;
    for (size_t k = 0; k < tries; k++) {
        size_t i = tensor->count < SAMPLED ? k : co_rng_below(&rng, (uint32_t)tensor->count);
        float *param = rig->model->params + tensor->offset + i;
        double coarse = difference(rig, seed, param, 0x1p-13f);
        double fine = difference(rig, seed, param, 0x1p-14f);
        t->checked++;
        if (fabs(coarse - fine) > 1e-5 * (fabs(fine) + 1e-2)) {
            t->skipped++;
            continue;
        }
        double d = fine - (double)gradient[tensor->offset + i];
        error += d * d;
        norm += fine * fine;
    }
    if (!(sqrt(error) <= 1e-5 * (sqrt(norm) + 0.01 * sqrt(scale)) + 1e-8)) {
        fail_msg("%s: gradient off by %g of %g (seed %d)", tensor->name, sqrt(error), sqrt(norm),
                 (int)seed);
    }
}

/* Checks every tensor of the graph, then closes the rig. */
static tally check_graph(co_graph *graph, int logits, int features, co_plan_spec spec,
                         uint64_t seed)
{
    ref_rig rig = ref_rig_open(graph, logits, features, spec, seed);
    (void)run_loss(&rig, seed);
    for (size_t i = 0; i < graph->param_floats; i++) {
        rig.model->grads[i] = 1e30f; /* backward overwrites */
    }
    int phases = 0;
    (void)rig.backend->ops->phases(rig.plan, &phases);
    co_error err = {0};
    for (int i = 0; i < phases; i++) {
        assert_int_equal(rig.backend->ops->backward(rig.plan, i, &err), CO_OK);
    }
    float *gradient = calloc(graph->param_floats + 1, sizeof(float));
    for (size_t i = 0; i < graph->param_floats; i++) {
        gradient[i] = rig.model->grads[i];
    }
    tally t = {0};
    for (int i = 0; i < graph->param_count; i++) {
        check_tensor(&rig, seed, &graph->params[i], gradient, &t);
    }
    free(gradient);
    ref_rig_close(&rig);
    return t;
}

static void check_tally(tally t)
{
    assert_true(t.checked > 0);
    if (20 * t.skipped > t.checked) {
        fail_msg("%d of %d elements lie at a kink", t.skipped, t.checked);
    }
}

static co_conv2d random_conv(co_rng *rng, int in_channels, co_shape in)
{
    int groups = in_channels % 2 == 0 ? ref_random(rng, 1, 2) : 1;
    co_conv2d c = {.groups = groups, .bias = ref_random(rng, 0, 1) == 1};
    c.out_channels = groups * ref_random(rng, 1, 3);
    c.kernel_h = ref_random(rng, 1, 3);
    c.kernel_w = ref_random(rng, 1, 4);
    c.stride_h = ref_random(rng, 1, 3);
    c.stride_w = ref_random(rng, 1, 2);
    c.pad_h = ref_random(rng, 0, 3); /* also more than the kernel */
    c.pad_w = ref_random(rng, 0, 2);
    c.kernel_h = c.kernel_h > in.height + 2 * c.pad_h ? 1 : c.kernel_h;
    c.kernel_w = c.kernel_w > in.width + 2 * c.pad_w ? 1 : c.kernel_w;
    return c;
}

static co_pool2d random_pool(co_rng *rng)
{
    co_pool2d p = {.kernel_h = ref_random(rng, 1, 3), .kernel_w = ref_random(rng, 2, 4)};
    p.stride_h = ref_random(rng, 1, 3); /* overlapping windows and gaps */
    p.stride_w = ref_random(rng, 1, 3);
    p.pad_h = ref_random(rng, 0, p.kernel_h / 2);
    p.pad_w = ref_random(rng, 0, p.kernel_w / 2);
    return p;
}

/* Adds the layer under test on top of layer `below`. */
static int add_kind(co_graph *g, co_layer_kind kind, int below, co_rng *rng)
{
    co_shape in = g->layers[below].out;
    switch (kind) {
    case CO_LAYER_CONV2D:
        return co_graph_conv2d(g, "tested", below, random_conv(rng, in.channels, in));
    case CO_LAYER_LINEAR:
        below = co_graph_flatten(g, "flat", below);
        return co_graph_linear(g, "tested", below, ref_random(rng, 1, 5), ref_random(rng, 0, 1));
    case CO_LAYER_BATCH_NORM:
        return co_graph_batch_norm(g, "tested", below, 0.1f, 1e-3f);
    case CO_LAYER_RELU:
        return co_graph_relu(g, "tested", below);
    case CO_LAYER_MAX_POOL:
        return co_graph_max_pool(g, "tested", below, random_pool(rng));
    case CO_LAYER_AVG_POOL:
        return co_graph_avg_pool(g, "tested", below, random_pool(rng));
    case CO_LAYER_GLOBAL_AVG_POOL:
        return co_graph_global_avg_pool(g, "tested", below);
    case CO_LAYER_GLOBAL_MAX_POOL:
        return co_graph_global_max_pool(g, "tested", below);
    case CO_LAYER_DROPOUT:
    case CO_LAYER_CHANNEL_DROPOUT:
        return co_graph_dropout(g, "tested", below, 0.4f, kind == CO_LAYER_CHANNEL_DROPOUT);
    case CO_LAYER_ADD: /* the same layer twice, or two */
        if (ref_random(rng, 0, 1) == 0) {
            return co_graph_add(g, "tested", below, below);
        }
        return co_graph_add(g, "tested", below, co_graph_relu(g, "side", below));
    case CO_LAYER_FLATTEN:
        return co_graph_flatten(g, "tested", below);
    case CO_LAYER_SCALE:
        return co_graph_scale(g, "tested", below, -0.75f);
    case CO_LAYER_INPUT:
        break;
    }
    return -1;
}

static void check_kind(co_layer_kind kind)
{
    tally total = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        co_rng rng = co_rng_at(&(co_rng_key){
            .seed = seed, .stream = CO_STREAM_TEST, .sample = (uint32_t)kind, .epoch = 7});
        co_shape in = {ref_random(&rng, 1, 3), ref_random(&rng, 3, 7), ref_random(&rng, 3, 7)};
        co_error err = {0};
        co_graph *g = NULL;
        assert_int_equal(co_graph_create("tested", in, &g, &err), CO_OK);
        co_conv2d point = {ref_random(&rng, 1, 4), 1, 1, 1, 1, 0, 0, 1, true};
        int x = co_graph_conv2d(g, "below", 0, point);
        x = add_kind(g, kind, x, &rng);
        x = co_graph_flatten(g, "flatten", x);
        co_plan_spec spec = {.batch = ref_random(&rng, 1, 5), .mode = CO_TRAIN};
        spec.feature_gradient = seed % 2 == 0; /* both outputs are the same layer: they add up */
        tally t = check_graph(g, x, x, spec, seed);
        total.checked += t.checked;
        total.skipped += t.skipped;
    }
    check_tally(total);
}

#define KIND_TEST(name, kind)                                                                      \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        check_kind(kind);                                                                          \
    }

KIND_TEST(conv2d, CO_LAYER_CONV2D)
KIND_TEST(linear, CO_LAYER_LINEAR)
KIND_TEST(batch_norm, CO_LAYER_BATCH_NORM)
KIND_TEST(relu, CO_LAYER_RELU)
KIND_TEST(max_pool, CO_LAYER_MAX_POOL)
KIND_TEST(avg_pool, CO_LAYER_AVG_POOL)
KIND_TEST(global_avg_pool, CO_LAYER_GLOBAL_AVG_POOL)
KIND_TEST(global_max_pool, CO_LAYER_GLOBAL_MAX_POOL)
KIND_TEST(dropout, CO_LAYER_DROPOUT)
KIND_TEST(channel_dropout, CO_LAYER_CHANNEL_DROPOUT)
KIND_TEST(add, CO_LAYER_ADD)
KIND_TEST(flatten, CO_LAYER_FLATTEN)
KIND_TEST(scale, CO_LAYER_SCALE)

/* Convolution, norm and ReLU; a shortcut, projected or not; both poolings; dropout; two outputs
 * with gradients of their own. */
static tally check_residual(uint64_t seed, bool project, bool frozen)
{
    co_error err = {0};
    co_graph *g = NULL;
    assert_int_equal(co_graph_create("residual", (co_shape){2, 8, 7}, &g, &err), CO_OK);
    int x = co_graph_conv2d(g, "stem", 0, (co_conv2d){4, 3, 3, 1, 1, 1, 1, 1, false});
    x = co_graph_batch_norm(g, "bn0", x, 0.1f, 1e-5f);
    int stem = co_graph_relu(g, "relu0", x);
    int stride = project ? 2 : 1;
    x = co_graph_conv2d(g, "conv1", stem, (co_conv2d){4, 3, 3, stride, stride, 1, 1, 2, false});
    x = co_graph_batch_norm(g, "bn1", x, 0.1f, 1e-5f);
    x = co_graph_relu(g, "relu1", x);
    x = co_graph_conv2d(g, "conv2", x, (co_conv2d){4, 3, 3, 1, 1, 1, 1, 1, true});
    int shortcut = stem;
    if (project) {
        shortcut = co_graph_conv2d(g, "shortcut", stem, (co_conv2d){4, 1, 1, 2, 2, 0, 0, 1, false});
        shortcut = co_graph_batch_norm(g, "shortcut.bn", shortcut, 0.1f, 1e-5f);
    }
    x = co_graph_add(g, "add", x, shortcut);
    x = co_graph_avg_pool(g, "avg", x, (co_pool2d){2, 2, 1, 1, 1, 1});
    x = co_graph_dropout(g, "drop2d", x, 0.3f, true);
    int features = co_graph_global_max_pool(g, "pool", x);
    x = co_graph_dropout(g, "drop", features, 0.5f, false);
    x = co_graph_linear(g, "fc", x, 5, true);
    x = co_graph_scale(g, "scale", x, 0.125f);
    co_graph_choose_norms(g, &(co_norm_choice){.momentum = -1.0, .frozen = frozen});
    co_plan_spec spec = {.batch = 4, .mode = CO_TRAIN, .feature_gradient = seed % 2 == 0};
    return check_graph(g, x, features, spec, seed);
}

static void test_residual(void **state)
{
    (void)state;
    tally total = {0};
    for (uint64_t seed = 1; seed <= 8; seed++) {
        tally t = check_residual(seed, seed > 4, seed % 4 == 3);
        total.checked += t.checked;
        total.skipped += t.skipped;
    }
    check_tally(total);
}

/* The built-in models on the smallest images that they take. */
static void test_models(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        co_shape input;
    } rows[] = {
        {"lenet5", {1, 12, 12}},
        {"cnn1", {1, 6, 7}},
        {"cnn2", {3, 4, 5}},
        {"mnistnet", {1, 10, 10}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        co_error err = {0};
        co_graph *g = NULL;
        assert_int_equal(co_model_build(rows[i].name, NULL, rows[i].input, 4, &g, &err), CO_OK);
        co_plan_spec spec = {.batch = 3, .mode = CO_TRAIN, .feature_gradient = true};
        check_tally(check_graph(g, g->logits, g->features, spec, 40 + i));
    }
}

/* Features on a side branch: without their gradient the branch's parameters get zeros. */
static void test_branch_without_gradient(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        co_error err = {0};
        co_graph *g = NULL;
        assert_int_equal(co_graph_create("branch", (co_shape){3, 1, 1}, &g, &err), CO_OK);
        int trunk = co_graph_linear(g, "trunk", 0, 4, true);
        int side = co_graph_linear(g, "side", trunk, 6, true);
        int x = co_graph_linear(g, "head", trunk, 2, true);
        co_plan_spec spec = {.batch = 2, .mode = CO_TRAIN, .feature_gradient = with == 1};
        check_tally(check_graph(g, x, side, spec, 3));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv2d),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_batch_norm),
        cmocka_unit_test(test_relu),
        cmocka_unit_test(test_max_pool),
        cmocka_unit_test(test_avg_pool),
        cmocka_unit_test(test_global_avg_pool),
        cmocka_unit_test(test_global_max_pool),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_channel_dropout),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_flatten),
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_residual),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_branch_without_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
