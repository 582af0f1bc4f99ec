/* Whole models on the dnnl backend against the reference backend: outputs and every gradient. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "graph/models/models.h"
#include "helper_dnnl.h"

static const char *const isas[] = {"avx512", "avx2", "plain"};
enum { ISAS = 3 };

static bool has_isa(const char *isa)
{
    co_error err;
    co_lane_isa ignored;
    return co_lane_isa_parse(isa, &ignored, &err) == CO_OK;
}

typedef struct subject {
    const char *model;
    const char *config;
    co_shape input;
} subject;

static co_graph *build(const subject *s)
{
    co_error err = {0};
    co_graph *graph = NULL;
    if (co_model_build(s->model, s->config, s->input, 10, &graph, &err) != CO_OK) {
        fail_msg("%s", err.text);
    }
    return graph;
}

static const subject lenet5 = {"lenet5", NULL, {1, 28, 28}};
static const subject mnistnet = {"mnistnet", NULL, {1, 28, 28}};
static const subject cnn1 = {"cnn1", NULL, {1, 28, 28}};
static const subject cnn2 = {"cnn2", NULL, {3, 32, 32}};

static const double tolerance = 1e-4; /* some convolutions are Winograd's */

/* Rounding may decide a maximum or the sign of a ReLU's input otherwise than exact arithmetic
 * does; such a flip is rare and shows in one draw, an error in all. */
enum { DRAWS = 3 };

static void compare(const subject *s, const side_options *options, const co_plan_spec *spec)
{
    co_graph *graph = build(s);
    side ref = side_open(&(side_options){.backend = "ref"}, graph, spec, 1, 1);
    side own = side_open(options, graph, spec, 1, 1);
    char what[CO_NAME_SIZE];
    double worst = 0.0;
    for (uint64_t seed = 1; seed <= DRAWS; seed++) {
        random_batch b = random_batch_make(graph, spec, seed);
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
    if (worst > tolerance) {
        fail_msg("%s, %s, batch %d: %s is off by %.2e", s->model,
                 options->isa != NULL ? options->isa : "auto", spec->batch, what, worst);
    }
    side_close(&ref);
    side_close(&own);
    co_graph_destroy(graph);
}

static void compare_isas(const subject *s)
{
    for (int i = 0; i < ISAS; i++) {
        if (!has_isa(isas[i])) {
            continue;
        }
        side_options options = {.backend = "dnnl", .isa = isas[i]};
        compare(s, &options, &(co_plan_spec){.batch = 17, .mode = CO_TRAIN});
        compare(s, &options,
                &(co_plan_spec){.batch = 16, .mode = CO_TRAIN, .feature_gradient = true});
        compare(s, &options, &(co_plan_spec){.batch = 15, .mode = CO_EVAL});
    }
}

static void lenet5_is_right(void **state)
{
    (void)state;
    compare_isas(&lenet5);
}

static void mnistnet_is_right(void **state)
{
    (void)state;
    compare_isas(&mnistnet);
}

static void cnn1_is_right(void **state)
{
    (void)state;
    compare_isas(&cnn1);
}

static void cnn2_is_right(void **state)
{
    (void)state;
    compare_isas(&cnn2);
}

static void dnnl_family_is_right(void **state)
{
    (void)state;
    static const subject *const models[] = {&lenet5, &mnistnet, &cnn1, &cnn2};
    for (size_t i = 0; i < 4; i++) {
        side_options options = {.backend = "dnnl", .family = CO_FAMILY_DNNL};
        compare(models[i], &options,
                &(co_plan_spec){.batch = 17, .mode = CO_TRAIN, .feature_gradient = true});
        compare(models[i], &options, &(co_plan_spec){.batch = 3, .mode = CO_EVAL});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lenet5_is_right),      cmocka_unit_test(mnistnet_is_right),
        cmocka_unit_test(cnn1_is_right),        cmocka_unit_test(cnn2_is_right),
        cmocka_unit_test(dnnl_family_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
