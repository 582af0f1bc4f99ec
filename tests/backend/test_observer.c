/* An observer is told every operation of a step, in order, and changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/models/models.h"
#include "helper_dnnl.h"

enum { MAX_SPANS = 512 };

typedef struct spans {
    co_span items[MAX_SPANS];
    int count;
} spans;

static void keep(void *arg, const co_span *span)
{
    spans *s = arg;
    assert_true(s->count < MAX_SPANS);
    s->items[s->count++] = *span;
}

static co_graph *build(const char *name, const char *config, co_shape input)
{
    co_error err = {0};
    co_graph *graph = NULL;
    assert_int_equal(co_model_build(name, config, input, 10, &graph, &err), CO_OK);
    return graph;
}

static bool was_told(const spans *s, int layer, co_pass pass, const char *work)
{
    for (int i = 0; i < s->count; i++) {
        const co_span *x = &s->items[i];
        if (x->layer == layer && x->pass == pass && strcmp(x->work, work) == 0) {
            return true;
        }
    }
    return false;
}

static void assert_complete(const co_graph *graph, const spans *s, bool knows_bytes)
{
    for (int i = 0; i < s->count; i++) {
        const co_span *x = &s->items[i];
        assert_true(x->start_ns <= x->end_ns);
        assert_true(i == 0 || x->start_ns >= s->items[i - 1].end_ns);
        assert_true(x->name[0] != '\0' && x->work[0] != '\0' && x->kernel[0] != '\0');
        assert_true(x->layer >= -1 && x->layer < graph->layer_count);
        if (x->layer >= 0) {
            assert_string_equal(x->name, graph->layers[x->layer].name);
        }
        if (knows_bytes && x->layer >= 0) {
            assert_true(x->bytes > 0);
        }
    }
    for (int i = 0; i < graph->layer_count; i++) {
        const co_layer *l = &graph->layers[i];
        if (l->weight >= 0) {
            assert_true(was_told(s, i, CO_FORWARD, co_layer_kind_name(l->kind)));
            assert_true(was_told(s, i, CO_BACKWARD_WEIGHTS, co_layer_kind_name(l->kind)));
        }
    }
}

typedef struct setup {
    const char *backend;
    const char *model;
    const char *config;
    co_shape input;
    int batch;
    int threads;
    co_family_choice family;
} setup;

static const setup setups[] = {
    {"ref", "lenet5", NULL, {1, 28, 28}, 3, 1, CO_FAMILY_TABLE},
    {"dnnl", "lenet5", NULL, {1, 28, 28}, 3, 1, CO_FAMILY_TABLE},
    {"dnnl", "mnistnet", NULL, {1, 28, 28}, 40, 2, CO_FAMILY_TABLE}, /* bundles shared by two */
    {"dnnl", "mnistnet", NULL, {1, 28, 28}, 40, 2, CO_FAMILY_DNNL},
    {"dnnl", "resnet", "{width: 8}", {3, 16, 16}, 20, 2, CO_FAMILY_TABLE},
    {"dnnl", "resnet", "{width: 8}", {3, 16, 16}, 20, 1, CO_FAMILY_DNNL},
};

static void told_and_unchanged(void **state)
{
    (void)state;
    co_error err = {0};
    spans *told = calloc(1, sizeof(*told));
    for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++) {
        const setup *u = &setups[i];
        co_graph *graph = build(u->model, u->config, u->input);
        side_options options = {.backend = u->backend, .threads = u->threads, .family = u->family};
        co_plan_spec spec = {.batch = u->batch, .mode = CO_TRAIN};
        random_batch b = random_batch_make(graph, &spec, 1);
        side alone = side_open(&options, graph, &spec, 1, 1);
        side watched = side_open(&options, graph, &spec, 1, 1);
        co_plan *plan = watched.ops->plan(watched.plans, 0);
        const co_observer observer = {keep, told, &co_clock_system};
        assert_int_equal(watched.ops->observe(plan, &observer, &err), CO_OK);
        assert_int_equal(watched.ops->observe(plan, &observer, &err), CO_OK); /* again */
        told->count = 0;
        uint64_t before = co_clock_ns(&co_clock_system);
        side_run(&watched, 0, &spec, &b.batch, 1);
        uint64_t after = co_clock_ns(&co_clock_system);
        assert_true(told->count > 0 && told->items[0].start_ns >= before);
        assert_true(told->items[told->count - 1].end_ns <= after);
        assert_complete(graph, told, strcmp(u->backend, "dnnl") == 0);
        side_run(&alone, 0, &spec, &b.batch, 1);
        assert_sides_identical(&watched, &alone, 0, &spec);
        int count = told->count;
        assert_int_equal(watched.ops->observe(plan, NULL, &err), CO_OK);
        side_run(&watched, 0, &spec, &b.batch, 1);
        assert_int_equal(told->count, count); /* nobody is told any more */
        side_close(&watched);
        side_close(&alone);
        random_batch_free(&b);
        co_graph_destroy(graph);
    }
    free(told);
}

/* A clock of which every reading is a microsecond later. */
static uint64_t tick(void *context)
{
    uint64_t *now = context;
    *now += 1000;
    return *now;
}

/* Each operation of a stage reads the clock twice per bundle: with this clock all of them took the
 * same time, and the stage's is shared out evenly. */
static void stages_are_shared_out(void **state)
{
    (void)state;
    co_error err = {0};
    co_graph *graph = build("lenet5", NULL, (co_shape){1, 28, 28});
    side_options options = {.backend = "dnnl", .threads = 1, .family = CO_FAMILY_LANE};
    co_plan_spec spec = {.batch = 64, .mode = CO_EVAL};
    random_batch b = random_batch_make(graph, &spec, 1);
    side s = side_open(&options, graph, &spec, 1, 1);
    spans *told = calloc(1, sizeof(*told));
    uint64_t now = 0;
    const co_clock clock = {.monotonic_ns = tick, .context = &now};
    const co_observer observer = {keep, told, &clock};
    assert_int_equal(s.ops->observe(s.ops->plan(s.plans, 0), &observer, &err), CO_OK);
    side_run(&s, 0, &spec, &b.batch, 1);
    int longest = 0; /* of operations without a gap: a stage */
    for (int first = 0; first < told->count;) {
        int end = first + 1;
        while (end < told->count && told->items[end].start_ns == told->items[end - 1].end_ns) {
            end++;
        }
        uint64_t whole = told->items[end - 1].end_ns - told->items[first].start_ns;
        for (int i = first; i < end; i++) {
            uint64_t took = told->items[i].end_ns - told->items[i].start_ns;
            uint64_t share = whole / (uint64_t)(end - first);
            assert_true(took + 1 >= share && took <= share + 1);
        }
        longest = end - first > longest ? end - first : longest;
        first = end;
    }
    assert_true(longest > 1);
    free(told);
    side_close(&s);
    random_batch_free(&b);
    co_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_and_unchanged),
        cmocka_unit_test(stages_are_shared_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
