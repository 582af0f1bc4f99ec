/* Forward of the reference backend: against definitions written out here, and PyTorch. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/ref/plan.h"
#include "helper_ref.h"

static co_graph *create(co_shape input)
{
    co_error err = {0};
    co_graph *graph = NULL;
    assert_int_equal(co_graph_create("test", input, &graph, &err), CO_OK);
    return graph;
}

static ref_rig open_rig(co_graph *graph, int layer, int batch, co_mode mode, uint64_t seed)
{
    int x = co_graph_flatten(graph, "flatten", layer);
    return ref_rig_open(graph, x, x, (co_plan_spec){.batch = batch, .mode = mode}, seed);
}

static const float *forward(const ref_rig *rig)
{
    co_error err = {0};
    co_status status = rig->backend->ops->forward(rig->plan, &rig->batch, &err);
    if (status != CO_OK) {
        fail_msg("%s", err.text);
    }
    return rig->backend->ops->output(rig->plan, CO_OUTPUT_LOGITS);
}

static double pixel(const ref_rig *rig, int row, int c, int y, int x)
{
    co_shape s = rig->graph->layers[0].out;
    if (y < 0 || x < 0 || y >= s.height || x >= s.width) {
        return 0.0;
    }
    size_t at = (((size_t)row * (size_t)s.channels + (size_t)c) * (size_t)s.height + (size_t)y) *
                    (size_t)s.width +
                (size_t)x;
    return (double)rig->pixels[at];
}

/* One output of a convolution, gathered from the zero-padded image. */
static double gather(const ref_rig *rig, int row, int o, int oy, int ox)
{
    const co_layer *layer = &rig->graph->layers[1];
    const co_conv2d *c = &layer->u.conv;
    int in_group = layer->in.channels / c->groups;
    int group = o / (c->out_channels / c->groups);
    const float *weight = rig->model->params + rig->graph->params[layer->weight].offset;
    double sum = 0.0;
    if (layer->bias >= 0) {
        sum = (double)rig->model->params[rig->graph->params[layer->bias].offset + (size_t)o];
    }
    for (int i = 0; i < in_group; i++) {
        for (int ky = 0; ky < c->kernel_h; ky++) {
            for (int kx = 0; kx < c->kernel_w; kx++) {
                int at = ((o * in_group + i) * c->kernel_h + ky) * c->kernel_w + kx;
                sum += (double)weight[at] * pixel(rig, row, group * in_group + i,
                                                  oy * c->stride_h - c->pad_h + ky,
                                                  ox * c->stride_w - c->pad_w + kx);
            }
        }
    }
    return sum;
}

static void check_conv(uint64_t seed)
{
    co_rng rng = co_rng_at(&(co_rng_key){.seed = seed, .stream = CO_STREAM_TEST});
    int groups = ref_random(&rng, 1, 3);
    co_shape in = {groups * ref_random(&rng, 1, 2), ref_random(&rng, 1, 8), ref_random(&rng, 1, 8)};
    co_conv2d desc = {.out_channels = groups * ref_random(&rng, 1, 3),
                      .pad_h = ref_random(&rng, 0, 3),
                      .pad_w = ref_random(&rng, 0, 3),
                      .stride_h = ref_random(&rng, 1, 4),
                      .stride_w = ref_random(&rng, 1, 4),
                      .groups = groups,
                      .bias = ref_random(&rng, 0, 1) == 1};
    int tallest = in.height + 2 * desc.pad_h;
    int widest = in.width + 2 * desc.pad_w;
    desc.kernel_h = ref_random(&rng, 1, tallest < 5 ? tallest : 5);
    desc.kernel_w = ref_random(&rng, 1, widest < 5 ? widest : 5);
    co_graph *g = create(in);
    int x = co_graph_conv2d(g, "conv", 0, desc);
    int batch = ref_random(&rng, 1, 3);
    ref_rig rig = open_rig(g, x, batch, CO_EVAL, seed);
    const float *out = forward(&rig);
    co_shape s = rig.graph->layers[1].out;
    for (int row = 0; row < batch; row++) {
        for (int o = 0; o < s.channels; o++) {
            for (int oy = 0; oy < s.height; oy++) {
                for (int ox = 0; ox < s.width; ox++) {
                    assert_float_equal(*out++, (float)gather(&rig, row, o, oy, ox), 1e-6f);
                }
            }
        }
    }
    ref_rig_close(&rig);
}

static void test_convolution(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        check_conv(seed);
    }
}

static void check_pool(bool maximum, const float *pixels, co_pool2d desc, size_t count,
                       const float *expected)
{
    co_graph *g = create((co_shape){1, 3, 4});
    int x = maximum ? co_graph_max_pool(g, "pool", 0, desc) : co_graph_avg_pool(g, "pool", 0, desc);
    ref_rig rig = open_rig(g, x, 1, CO_EVAL, 1);
    memcpy(rig.pixels, pixels, 12 * sizeof(float));
    const float *out = forward(&rig);
    assert_int_equal(co_shape_count(g->layers[1].out), count);
    for (size_t k = 0; k < count; k++) {
        assert_float_equal(out[k], expected[k], 1e-6f);
    }
    ref_rig_close(&rig);
}

static void test_pools(void **state)
{
    (void)state;
    static const float pixels[12] = {1, 2, 3, 4, 5, 6, 7, 8, -9, -10, -11, -12};
    check_pool(true, pixels, (co_pool2d){2, 2, 1, 2, 0, 0}, 4, (const float[]){6, 8, 6, 8});
    /* windows of rows {-1, 0}, {1, 2} and columns {-1, 0}, {1, 2}, {3, 4} */
    check_pool(true, pixels, (co_pool2d){2, 2, 2, 2, 1, 1}, 6, (const float[]){1, 3, 4, 5, 7, 8});
    check_pool(false, pixels, (co_pool2d){2, 2, 2, 2, 1, 1}, 6,
               (const float[]){0.25f, 1.25f, 1.0f, -1.0f, -2.0f, -1.0f});
    check_pool(false, pixels, (co_pool2d){3, 4, 1, 1, 0, 0}, 1, (const float[]){-0.5f});
}

static void test_maximum_is_the_first_and_nan_wins(void **state)
{
    (void)state;
    co_graph *g = create((co_shape){2, 2, 3});
    int x = co_graph_global_max_pool(g, "pool", 0);
    ref_rig rig = open_rig(g, x, 1, CO_TRAIN, 1);
    const float pixels[12] = {1, 7, 7, 7, 2, 3, -INFINITY, 5, NAN, 9, 1, 2};
    memcpy(rig.pixels, pixels, sizeof(pixels));
    const float *out = forward(&rig);
    assert_float_equal(out[0], 7.0f, 0.0f);
    assert_true(isnan(out[1]));
    assert_int_equal(rig.plan->ops[1].best[0], 1);
    assert_int_equal(rig.plan->ops[1].best[1], 2);
    for (int k = 6; k < 12; k++) {
        rig.pixels[k] = -INFINITY;
    }
    out = forward(&rig);
    assert_true(isinf(out[1]));
    ref_rig_close(&rig);
}

static void test_relu_passes_nan(void **state)
{
    (void)state;
    co_graph *g = create((co_shape){3, 1, 1});
    int x = co_graph_relu(g, "relu", 0);
    ref_rig rig = open_rig(g, x, 1, CO_EVAL, 1);
    memcpy(rig.pixels, (const float[]){-1.0f, NAN, 2.5f}, 3 * sizeof(float));
    const float *out = forward(&rig);
    assert_float_equal(out[0], 0.0f, 0.0f);
    assert_true(isnan(out[1]));
    assert_float_equal(out[2], 2.5f, 0.0f);
    ref_rig_close(&rig);
}

/* The definition again, element by element, from Philox alone. */
static bool kept(const ref_rig *rig, int row, uint32_t ordinal, uint32_t e, uint32_t threshold)
{
    uint32_t counter[4] = {e / 8, rig->samples[row], rig->batch.epoch,
                           (uint32_t)(64 + ordinal) << 24 | rig->batch.replica};
    uint32_t key[2] = {(uint32_t)rig->batch.seed, (uint32_t)(rig->batch.seed >> 32)};
    uint32_t words[4];
    co_philox(counter, key, words);
    uint32_t word = words[e % 8 / 2];
    return (e % 2 == 0 ? word & 0xffffu : word >> 16) >= threshold;
}

static void check_dropout(bool whole_channels)
{
    co_graph *g = create((co_shape){13, 3, 3});
    int x = co_graph_dropout(g, "first", 0, 0.0f, !whole_channels); /* keeps all; takes ordinal 0 */
    x = co_graph_dropout(g, "second", x, 0.3f, whole_channels);
    ref_rig rig = open_rig(g, x, 5, CO_TRAIN, 0x123456789abcdefu);
    rig.batch.replica = 3;
    const float *out = forward(&rig);
    int dropped = 0;
    for (int row = 0; row < 5; row++) {
        for (uint32_t k = 0; k < 117; k++) {
            float in = rig.pixels[(uint32_t)row * 117 + k];
            bool keep = kept(&rig, row, 1, whole_channels ? k / 9 : k, 19661); /* .3 * 65536 */
            float expected = keep ? in * (1.0f / 0.7f) : 0.0f;
            assert_float_equal(*out++, expected, 1e-6f);
            dropped += !keep;
        }
    }
    assert_in_range(dropped, 585 / 6, 585 / 2);
    ref_rig_close(&rig);
}

static void test_dropout_masks(void **state)
{
    (void)state;
    check_dropout(false);
    check_dropout(true);
}

static void test_dropout_depends_on_the_sample_alone(void **state)
{
    (void)state;
    co_graph *g = create((co_shape){40, 1, 1});
    int x = co_graph_dropout(g, "drop", 0, 0.5f, false);
    ref_rig rig = open_rig(g, x, 3, CO_TRAIN, 9);
    float first[120];
    for (int k = 0; k < 120; k++) {
        rig.pixels[k] = 1.0f;
    }
    memcpy(first, forward(&rig), sizeof(first));
    assert_memory_not_equal(first, first + 40, 40 * sizeof(float));
    uint32_t swap = rig.samples[0];
    rig.samples[0] = rig.samples[2];
    rig.samples[2] = swap;
    const float *out = forward(&rig);
    assert_memory_equal(out, first + 80, 40 * sizeof(float));
    assert_memory_equal(out + 80, first, 40 * sizeof(float));
    rig.batch.epoch++;
    assert_memory_not_equal(forward(&rig), first + 80, 40 * sizeof(float));
    ref_rig_close(&rig);
}

static void test_evaluation_does_not_drop(void **state)
{
    (void)state;
    co_graph *g = create((co_shape){40, 1, 1});
    int x = co_graph_dropout(g, "drop", 0, 0.5f, false);
    ref_rig rig = open_rig(g, x, 2, CO_EVAL, 9);
    rig.batch.samples = NULL; /* not needed */
    assert_memory_equal(forward(&rig), rig.pixels, 80 * sizeof(float));
    ref_rig_close(&rig);
}

static void test_bytes_are_mapped_by_channel(void **state)
{
    (void)state;
    co_graph *g = create((co_shape){2, 1, 2});
    int x = co_graph_flatten(g, "out", 0);
    ref_rig rig = open_rig(g, x, 1, CO_EVAL, 1);
    const co_backend_ops *ops = rig.backend->ops;
    co_pixel_map map = {.channels = 2, .scale = {0.5f, 2.0f}, .shift = {1.0f, -3.0f}};
    co_plan_spec spec = {.batch = 1, .mode = CO_EVAL};
    co_plans *plans = NULL;
    co_error err = {0};
    assert_int_equal(ops->plans_create(rig.model, &spec, 1, &map, &plans, &err), CO_OK);
    const uint8_t bytes[4] = {0, 255, 1, 200};
    co_batch batch = {.rows = 1, .pixel = CO_PIXEL_U8, .pixels = bytes};
    co_plan *plan = ops->plan(plans, 0);
    assert_int_equal(ops->forward(plan, &batch, &err), CO_OK);
    const float *out = ops->output(plan, CO_OUTPUT_LOGITS);
    const float expected[4] = {1.0f, 128.5f, -1.0f, 397.0f};
    assert_memory_equal(out, expected, sizeof(expected));
    ops->plans_destroy(plans);
    map.channels = 3;
    assert_int_equal(ops->plans_create(rig.model, &spec, 1, &map, &plans, &err), CO_INTERNAL);
    ref_rig_close(&rig);
}

static void expect(const float *values, const double *expected, int count)
{
    for (int i = 0; i < count; i++) {
        if (!(fabs((double)values[i] - expected[i]) <= 1e-6)) {
            fail_msg("value %d: %.9g, PyTorch %.9g", i, (double)values[i], expected[i]);
        }
    }
}

static ref_rig open_torch_case(co_mode mode, bool frozen)
{
    co_graph *g = create((co_shape){2, 9, 11});
    int x = co_graph_conv2d(g, "stem", 0, (co_conv2d){4, 3, 3, 2, 2, 1, 1, 1, true});
    x = co_graph_batch_norm(g, "bn", x, 0.1f, 1e-5f);
    int relu = co_graph_relu(g, "relu", x);
    x = co_graph_conv2d(g, "conv", relu, (co_conv2d){4, 3, 3, 1, 1, 1, 1, 2, false});
    x = co_graph_add(g, "add", x, relu);
    x = co_graph_max_pool(g, "max", x, (co_pool2d){3, 2, 2, 1, 1, 0});
    x = co_graph_avg_pool(g, "avg", x, (co_pool2d){2, 3, 1, 2, 1, 1});
    x = co_graph_global_avg_pool(g, "pool", x);
    int fc = co_graph_linear(g, "fc", x, 3, true);
    fc = co_graph_scale(g, "scale", fc, 0.125f);
    co_graph_choose_norms(g, &(co_norm_choice){.momentum = -1.0, .frozen = frozen});
    ref_rig rig = ref_rig_open(g, fc, x, (co_plan_spec){.batch = 3, .mode = mode}, 1);
    for (int t = 0; t < g->param_count; t++) {
        for (size_t i = 0; i < g->params[t].count; i++) {
            double angle = 0.7 * (double)i + (double)t;
            rig.model->params[g->params[t].offset + i] = (float)(0.5 * sin(angle));
        }
    }
    for (int k = 0; k < 3 * 2 * 9 * 11; k++) {
        rig.pixels[k] = (float)cos(0.3 * k);
    }
    return rig;
}

/* Constants: PyTorch 1.13 in float64, the same graph, weights and images. */
static void test_pytorch_training(void **state)
{
    (void)state;
    static const double logits[9] = {-0.0465371077206, 0.0594373339086, 0.0209188562569,
                                     -0.0261506302978, 0.0390559261341, 0.0389400152699,
                                     -0.0527814921661, 0.0664194898908, 0.0140057535979};
    static const double mean[4] = {0.0501645730344, 0.0568446687004, 0.0401967771063,
                                   0.00765757643152};
    static const double variance[4] = {0.976477838308, 0.970608670396, 0.965286958588,
                                       0.960536763179};
    /* Of every gradient: sum of g[i] cos(1.3 i), and its norm. */
    static const double probes[7] = {
        -0.0216002733604, 0.0,           0.0111261201731, -0.00144492222401, -0.0102172551234,
        0.163744593914,   0.172466126449};
    static const double norms[7] = {
        0.0138732199221, 0.0,           0.0149411358141, 0.00956817531152, 0.0111079251977,
        0.118158416091,  0.149417550687};
    ref_rig rig = open_torch_case(CO_TRAIN, false);
    expect(forward(&rig), logits, 9);
    expect(rig.model->stats, mean, 4);
    expect(rig.model->stats + 16, variance, 4);
    const co_backend_ops *ops = rig.backend->ops;
    float *gradient = ops->output_gradient(rig.plan, CO_OUTPUT_LOGITS);
    for (int k = 0; k < 9; k++) {
        gradient[k] = (float)cos(k);
    }
    int phases = 0;
    co_error err = {0};
    (void)ops->phases(rig.plan, &phases);
    for (int i = 0; i < phases; i++) {
        assert_int_equal(ops->backward(rig.plan, i, &err), CO_OK);
    }
    for (int t = 0; t < 7; t++) {
        double probe = 0.0;
        double squares = 0.0;
        for (size_t i = 0; i < rig.graph->params[t].count; i++) {
            double g = (double)rig.model->grads[rig.graph->params[t].offset + i];
            probe += g * cos(1.3 * (double)i);
            squares += g * g;
        }
        assert_true(fabs(probe - probes[t]) <= 1e-7);
        assert_true(fabs(sqrt(squares) - norms[t]) <= 1e-7);
    }
    ref_rig_close(&rig);
}

static void test_pytorch_evaluation(void **state)
{
    (void)state;
    static const double logits[9] = {-0.0564331584185, 0.0694092229653, 0.0120234332016,
                                     -0.0362145505953, 0.0485840728711, 0.0310486697632,
                                     -0.0621671336669, 0.0756043362172, 0.00608305984812};
    static const float mean[4] = {0.0501645730344f, 0.0568446687004f, 0.0401967771063f,
                                  0.00765757643152f};
    static const float variance[4] = {0.976477838308f, 0.970608670396f, 0.965286958588f,
                                      0.960536763179f};
    for (int frozen = 0; frozen < 2; frozen++) { /* then training computes what evaluation does */
        ref_rig rig = open_torch_case(frozen ? CO_TRAIN : CO_EVAL, frozen);
        memcpy(rig.model->stats, mean, sizeof(mean));
        memcpy(rig.model->stats + 16, variance, sizeof(variance));
        expect(forward(&rig), logits, 9);
        assert_memory_equal(rig.model->stats, mean, sizeof(mean)); /* they stay as they are */
        assert_memory_equal(rig.model->stats + 16, variance, sizeof(variance));
        ref_rig_close(&rig);
    }
}

static void test_faults(void **state)
{
    (void)state;
    co_graph *g = create((co_shape){2, 1, 1});
    int x = co_graph_batch_norm(g, "bn", 0, 0.1f, 1e-5f);
    ref_rig rig = open_rig(g, x, 2, CO_EVAL, 1);
    const co_backend_ops *ops = rig.backend->ops;
    co_error err = {0};
    co_plans *plans = NULL;
    co_plan_spec spec = {.batch = 1, .mode = CO_TRAIN};
    assert_int_equal(ops->plans_create(rig.model, &spec, 1, NULL, &plans, &err), CO_USAGE);
    assert_non_null(strstr(err.text, "layer 'bn' (batch_norm)"));
    assert_null(plans);
    rig.batch.rows = 3;
    assert_int_equal(ops->forward(rig.plan, &rig.batch, &err), CO_INTERNAL);
    rig.batch.rows = 2;
    assert_int_equal(ops->forward(rig.plan, &rig.batch, &err), CO_OK);
    assert_int_equal(ops->backward(rig.plan, 0, &err), CO_INTERNAL); /* a plan for evaluation */
    ref_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolution),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_maximum_is_the_first_and_nan_wins),
        cmocka_unit_test(test_relu_passes_nan),
        cmocka_unit_test(test_dropout_masks),
        cmocka_unit_test(test_dropout_depends_on_the_sample_alone),
        cmocka_unit_test(test_evaluation_does_not_drop),
        cmocka_unit_test(test_bytes_are_mapped_by_channel),
        cmocka_unit_test(test_pytorch_training),
        cmocka_unit_test(test_pytorch_evaluation),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
