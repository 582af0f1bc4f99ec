/* Every operation of the dnnl backend against the reference backend: seeded shapes, both families
 * (lane kernels, oneDNN), all instruction sets; outputs, gradients of parameters, and gradients of
 * the input seen through a 1x1 convolution before the operation: its weight gradients are random
 * projections of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "co_build.h"
#include "helper_dnnl.h"

/* Sanitizers look at memory, not at numbers: fewer shapes do for the narrower instruction sets. */
enum { SHAPES = 200, FEWER_SHAPES = CO_BUILD_SANITIZED ? 40 : SHAPES, DRAWS = 3 };

/* Of this process: oneDNN's instruction set is chosen once per process. */
static const char *isa = "auto";
static int shapes = SHAPES;

static int draw(co_rng *rng, int low, int high)
{
    return low + (int)co_rng_below(rng, (uint32_t)(high - low + 1));
}

/* ------------------------------------------------------------------ random graphs */

static int add_conv(co_graph *g, int x, co_rng *rng)
{
    int in = g->layers[x].out.channels;
    co_conv2d c = {.bias = draw(rng, 0, 1) == 1, .groups = 1};
    if (draw(rng, 0, 2) == 0) { /* as Winograd wants it */
        c.kernel_h = c.kernel_w = 3;
        c.stride_h = c.stride_w = 1;
        c.pad_h = c.pad_w = draw(rng, 0, 1);
    } else {
        c.kernel_h = draw(rng, 1, 5);
        c.kernel_w = draw(rng, 1, 5);
        c.stride_h = draw(rng, 1, 2);
        c.stride_w = draw(rng, 1, 2);
        c.pad_h = draw(rng, 0, c.kernel_h / 2);
        c.pad_w = draw(rng, 0, c.kernel_w / 2);
        if (draw(rng, 0, 3) == 0 && in % 2 == 0) {
            c.groups = draw(rng, 0, 1) == 0 ? 2 : in;
        }
    }
    c.out_channels = draw(rng, 0, 2) == 0 ? draw(rng, 16, 40) : draw(rng, 1, 20);
    c.out_channels = (c.out_channels + c.groups - 1) / c.groups * c.groups;
    x = co_graph_conv2d(g, "conv", x, c);
    if (x < 0 || draw(rng, 0, 2) == 0) { /* below 0: it does not fit, finishing will say so */
        return x;
    }
    /* what may be fused behind it, in any order */
    bool relu = draw(rng, 0, 1) == 1;
    bool pool = draw(rng, 0, 1) == 1;
    bool relu_first = draw(rng, 0, 1) == 1;
    bool drops = draw(rng, 0, 3) == 0;
    int k = draw(rng, 2, 3);
    co_shape s = g->layers[x].out;
    pool = pool && s.height >= k && s.width >= k;
    if (relu && relu_first) {
        x = co_graph_relu(g, "relu", x);
    }
    if (drops) {
        x = co_graph_dropout(g, "drop", x, 0.25f, true);
    }
    if (pool) {
        co_pool2d p = {.kernel_h = k, .kernel_w = k, .stride_h = k, .stride_w = k};
        x = co_graph_max_pool(g, "pool", x, p);
    }
    if (relu && !relu_first) {
        x = co_graph_relu(g, "relu", x);
    }
    return x;
}

static int add_linear(co_graph *g, int x, co_rng *rng)
{
    x = co_graph_flatten(g, "flatten", x);
    x = co_graph_linear(g, "fc", x, draw(rng, 1, 70), draw(rng, 0, 1) == 1);
    return draw(rng, 0, 1) == 1 ? co_graph_relu(g, "relu", x) : x;
}

static int add_norm(co_graph *g, int x, co_rng *rng)
{
    x = co_graph_batch_norm(g, "norm", x, 0.1f, 1e-5f);
    return draw(rng, 0, 1) == 1 ? co_graph_relu(g, "relu", x) : x;
}

static int add_frozen_norm(co_graph *g, int x, co_rng *rng)
{
    x = add_norm(g, x, rng);
    co_graph_choose_norms(g, &(co_norm_choice){.momentum = 0.2, .epsilon = 1e-3, .frozen = true});
    return x;
}

static co_pool2d random_pool(co_rng *rng, co_shape s)
{
    co_pool2d p = {.stride_h = draw(rng, 1, 3), .stride_w = draw(rng, 1, 3)};
    p.kernel_h = draw(rng, 1, s.height < 4 ? s.height : 4);
    p.kernel_w = draw(rng, 1, s.width < 4 ? s.width : 4);
    p.pad_h = draw(rng, 0, p.kernel_h / 2);
    p.pad_w = draw(rng, 0, p.kernel_w / 2);
    return p;
}

static int add_max_pool(co_graph *g, int x, co_rng *rng)
{
    return co_graph_max_pool(g, "pool", x, random_pool(rng, g->layers[x].out));
}

static int add_avg_pool(co_graph *g, int x, co_rng *rng)
{
    return co_graph_avg_pool(g, "pool", x, random_pool(rng, g->layers[x].out));
}

static int add_global_pool(co_graph *g, int x, co_rng *rng)
{
    return draw(rng, 0, 1) == 0 ? co_graph_global_avg_pool(g, "pool", x)
                                : co_graph_global_max_pool(g, "pool", x);
}

static int add_relu(co_graph *g, int x, co_rng *rng)
{
    x = co_graph_scale(g, "scale", x, draw(rng, 0, 1) == 0 ? -1.5f : 0.125f);
    return co_graph_relu(g, "relu", x);
}

static int add_dropout(co_graph *g, int x, co_rng *rng)
{
    static const float probabilities[] = {0.1f, 0.25f, 0.5f};
    return co_graph_dropout(g, "drop", x, probabilities[draw(rng, 0, 2)], draw(rng, 0, 1) == 1);
}

/* A value with two readers, one of them through a ReLU. */
static int add_add(co_graph *g, int x, co_rng *rng)
{
    int y = co_graph_relu(g, "relu", x);
    int sum = draw(rng, 0, 1) == 0 ? co_graph_add(g, "add", x, y) : co_graph_add(g, "add", y, x);
    return draw(rng, 0, 1) == 0 ? co_graph_relu(g, "relu2", sum) : sum;
}

/* A block of a residual network: reads its input twice. */
static int add_residual(co_graph *g, int x, co_rng *rng)
{
    int channels = g->layers[x].out.channels;
    co_conv2d c = {.out_channels = channels,
                   .kernel_h = 3,
                   .kernel_w = 3,
                   .stride_h = 1,
                   .stride_w = 1,
                   .pad_h = 1,
                   .pad_w = 1,
                   .groups = 1};
    int y = co_graph_relu(g, "relu0", x);
    int z = co_graph_conv2d(g, "conv1", y, c);
    z = co_graph_relu(g, "relu1", co_graph_batch_norm(g, "norm1", z, 0.1f, 1e-5f));
    z = co_graph_conv2d(g, "conv2", z, c);
    if (draw(rng, 0, 1) == 0) {
        z = co_graph_batch_norm(g, "norm2", z, 0.1f, 1e-5f);
    }
    return co_graph_relu(g, "relu2", co_graph_add(g, "add", z, y));
}

typedef int (*add_func)(co_graph *g, int x, co_rng *rng);

typedef struct kind {
    const char *name;
    add_func add;
    bool inexact; /* may use Winograd, or cancels: tolerance 1e-4 instead of 1e-5 */
} kind;

static double all_macs(const co_graph *g)
{
    double sum = 0.0;
    for (int i = 0; i < g->layer_count; i++) {
        sum += co_layer_macs(&g->layers[i]) + (double)co_shape_count(g->layers[i].out);
    }
    return sum;
}

/* NULL where the shape is too large for a test. */
static co_graph *make_graph(const kind *k, co_rng *rng, co_plan_spec *spec)
{
    static const int batches[] = {1, 15, 16, 17, 63, 2, 32};
    enum { BATCHES = 7, LARGEST = 3000000 };
    co_error err = {0};
    co_graph *g = NULL;
    /* two channels at least: a batch norm leaves no gradient to a mere factor before it */
    co_shape input = {draw(rng, 2, 4), draw(rng, 1, 14), draw(rng, 1, 14)};
    *spec = (co_plan_spec){.batch = batches[draw(rng, 0, BATCHES - 1)],
                           .mode = draw(rng, 0, 5) == 0 ? CO_EVAL : CO_TRAIN};
    assert_int_equal(co_graph_create("test", input, &g, &err), CO_OK);
    co_conv2d first = {.out_channels = draw(rng, 0, 2) == 0 ? draw(rng, 16, 40) : draw(rng, 1, 20),
                       .kernel_h = 1,
                       .kernel_w = 1,
                       .stride_h = 1,
                       .stride_w = 1,
                       .groups = 1};
    int x = co_graph_conv2d(g, "first", 0, first);
    x = k->add(g, x, rng);
    x = co_graph_flatten(g, "out", x);
    bool one_value = spec->batch * input.height * input.width == 1; /* no variance to norm by */
    if (co_graph_finish(g, x, x, &err) != CO_OK || one_value ||
        all_macs(g) * spec->batch > LARGEST) {
        co_graph_destroy(g);
        return NULL;
    }
    return g;
}

/* ------------------------------------------------------------------ comparing */

static void describe(const co_graph *g, char *text, size_t size)
{
    size_t used = 0;
    for (int i = 0; i < g->layer_count && used < size; i++) {
        const co_layer *l = &g->layers[i];
        used += (size_t)snprintf(text + used, size - used, "%s%s %dx%dx%d", i > 0 ? ", " : "",
                                 co_layer_kind_name(l->kind), l->out.channels, l->out.height,
                                 l->out.width);
        if (l->kind == CO_LAYER_CONV2D && used < size) {
            const co_conv2d *c = &l->u.conv;
            used += (size_t)snprintf(text + used, size - used, " (k%dx%d s%dx%d p%dx%d g%d)",
                                     c->kernel_h, c->kernel_w, c->stride_h, c->stride_w, c->pad_h,
                                     c->pad_w, c->groups);
        }
    }
}

/* Rounding may decide a maximum, or the sign of a ReLU's input, otherwise than exact arithmetic
 * does; such a flip is rare and shows in one draw of the numbers, an error in all. */
static void compare(const kind *k, const co_graph *g, const co_plan_spec *spec,
                    co_family_choice family, int number)
{
    const side_options options = {.backend = "dnnl", .isa = isa, .family = family};
    double tolerance = k->inexact ? 1e-4 : 1e-5;
    side ref = side_open(&(side_options){.backend = "ref"}, g, spec, 1, 1);
    side own = side_open(&options, g, spec, 1, 1);
    char what[CO_NAME_SIZE];
    double worst = 0.0;
    for (int i = 0; i < DRAWS; i++) {
        uint64_t seed = (uint64_t)(number * DRAWS + i + 1);
        random_batch b = random_batch_make(g, spec, seed);
        side_draw(&ref, seed);
        side_draw(&own, seed);
        side_run(&ref, 0, spec, &b.batch, seed);
        side_run(&own, 0, spec, &b.batch, seed);
        random_batch_free(&b);
        worst = side_distance(&own, &ref, 0, spec, what);
        if (worst <= tolerance) {
            break;
        }
    }
    side_close(&ref);
    side_close(&own);
    if (worst > tolerance) {
        char text[1024];
        describe(g, text, sizeof(text));
        fail_msg("%s number %d, %s family, %s, batch %d, %s: %s is off by %.2e", k->name, number,
                 family == CO_FAMILY_LANE ? "lane" : "dnnl", isa, spec->batch, text, what, worst);
    }
}

static void compare_family(const kind *k, co_family_choice family)
{
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 7, .stream = CO_STREAM_TEST, .sample = 9});
    for (int done = 0; done < shapes;) {
        co_plan_spec spec;
        co_graph *g = make_graph(k, &rng, &spec);
        if (g != NULL) {
            compare(k, g, &spec, family, done);
            co_graph_destroy(g);
            done++;
        }
    }
}

static void check_kind(void **state)
{
    compare_family(*state, CO_FAMILY_LANE);
    compare_family(*state, CO_FAMILY_DNNL);
}

static kind kinds[] = {
    {"conv", add_conv, true},
    {"linear", add_linear, false},
    {"batch norm", add_norm, true},
    {"frozen batch norm", add_frozen_norm, false},
    {"max pool", add_max_pool, false},
    {"average pool", add_avg_pool, false},
    {"global pool", add_global_pool, false},
    {"scale and relu", add_relu, false},
    {"dropout", add_dropout, false},
    {"add", add_add, false},
    {"residual block", add_residual, true},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static int run_isa(const char *name, int count)
{
    isa = name;
    shapes = count;
    struct CMUnitTest tests[KINDS];
    for (size_t i = 0; i < KINDS; i++) {
        tests[i] = (struct CMUnitTest){
            .name = kinds[i].name, .test_func = check_kind, .initial_state = &kinds[i]};
    }
    return _cmocka_run_group_tests(name, tests, KINDS, NULL, NULL);
}

/* Each in a process of its own. */
int main(int argc, char **argv)
{
    static const char *const isas[] = {"auto", "avx2", "plain"};
    int failed = 0;
    for (int i = 0; i < 3; i++) {
        co_error err;
        co_lane_isa ignored;
        if ((argc > 1 && strcmp(argv[1], isas[i]) != 0) ||
            co_lane_isa_parse(isas[i], &ignored, &err) != CO_OK) {
            continue;
        }
        pid_t child = fork();
        if (child == 0) {
            return run_isa(isas[i], i == 0 ? SHAPES : FEWER_SHAPES);
        }
        int status = 1;
        failed |= child < 0 || waitpid(child, &status, 0) != child || status != 0;
    }
    return failed;
}
