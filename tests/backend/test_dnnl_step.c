/* A step on the dnnl backend: the order of its phases, that it allocates nothing, that plans of
 * one set share memory, optimizers and refreshed weights, faults. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "co_build.h"
#include "graph/models/models.h"
#include "helper_dnnl.h"

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

static co_graph *build(const char *model)
{
    co_error err = {0};
    co_graph *graph = NULL;
    co_shape input = {strcmp(model, "cnn2") == 0 ? 3 : 1, 28, 28};
    if (input.channels == 3) {
        input.height = input.width = 32;
    }
    check(co_model_build(model, NULL, input, 10, &graph, &err), &err);
    return graph;
}

/* ------------------------------------------------------------------ counting allocations */

#if !CO_BUILD_SANITIZED && defined(__GLIBC__)
#define CAN_COUNT 1

/* The C library's own allocator, behind the names that this program takes over. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
/* Bounds of this program's code, from the linker: cohort's libraries are static, others are not. */
extern char __executable_start;
extern char etext;

static int counting;
static int counted;

static void count(const void *caller)
{
    const char *from = caller;
    if (counting != 0 && from >= &__executable_start && from < &etext) {
        counted++;
    }
}

void *malloc(size_t size)
{
    count(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    *block = __libc_memalign(alignment, size);
    return *block == NULL;
}
#else
#define CAN_COUNT 0
#endif

static void a_step_allocates_nothing(void **state)
{
    (void)state;
#if CAN_COUNT
    static const co_family_choice families[] = {CO_FAMILY_TABLE, CO_FAMILY_DNNL};
    co_error err = {0};
    co_graph *graph = build("mnistnet");
    void *momentum = NULL;
    check(co_alloc(graph->param_floats, sizeof(float), "momentum", &momentum, &err), &err);
    for (int i = 0; i < 2; i++) {
        side_options options = {.backend = "dnnl", .threads = 2, .family = families[i]};
        co_plan_spec spec = {.batch = 20, .mode = CO_TRAIN, .feature_gradient = true};
        side s = side_open(&options, graph, &spec, 1, 1);
        random_batch b = random_batch_make(graph, &spec, 1);
        co_sgd sgd = {.lr = 0.1f, .momentum = 0.9f};
        counted = 0;
        counting = 1;
        for (int step = 0; step < 3; step++) {
            side_run(&s, 0, &spec, &b.batch, 1);
            s.ops->sgd(s.model, 0, graph->param_floats, &sgd, momentum);
            check(s.ops->refresh(s.model, 0, graph->param_floats, &err), &err);
            s.ops->sum_squares(s.backend, graph->param_floats, s.model->grads);
        }
        counting = 0;
        assert_int_equal(counted, 0);
        counting = 1;
        void *block = NULL;
        check(co_alloc(1, 1, "test", &block, &err), &err);
        counting = 0;
        assert_int_equal(counted, 1); /* the counter counts */
        co_free(block);
        random_batch_free(&b);
        side_close(&s);
    }
    co_free(momentum);
    co_graph_destroy(graph);
#else
    skip();
#endif
}

/* ------------------------------------------------------------------ phases */

enum { MAX_EVENTS = 256 };

typedef struct event {
    int layer; /* of the operation; or of the phase that ended */
    co_pass pass;
    bool phase_end;
} event;

typedef struct events {
    event items[MAX_EVENTS];
    int count;
} events;

static void record(void *arg, const co_span *span)
{
    events *e = arg;
    assert_true(e->count < MAX_EVENTS);
    e->items[e->count++] = (event){span->layer, span->pass, false};
}

static int find(const events *e, int layer, co_pass pass, bool phase_end)
{
    for (int i = 0; i < e->count; i++) {
        const event *x = &e->items[i];
        if (x->layer == layer && x->phase_end == phase_end && (phase_end || x->pass == pass)) {
            return i;
        }
    }
    return -1;
}

static void run_traced(side *s, const co_batch *batch, events *e)
{
    co_error err = {0};
    co_plan *plan = s->ops->plan(s->plans, 0);
    check(s->ops->forward(plan, batch, &err), &err);
    memset(s->ops->output_gradient(plan, CO_OUTPUT_LOGITS), 0,
           (size_t)batch->rows * co_output_width(s->graph, CO_OUTPUT_LOGITS) * sizeof(float));
    const co_observer observer = {record, e, &co_clock_system};
    check(s->ops->observe(plan, &observer, &err), &err);
    int count = 0;
    const co_phase *phases = s->ops->phases(plan, &count);
    for (int i = 0; i < count; i++) {
        check(s->ops->backward(plan, i, &err), &err);
        e->items[e->count++] = (event){phases[i].layer, CO_FORWARD, true};
    }
    check(s->ops->observe(plan, NULL, &err), &err);
}

/* The range of layer L is ready before the data gradient of any layer below starts, and before
 * its own. */
static void phases_are_real(void **state)
{
    (void)state;
    static const co_family_choice families[] = {CO_FAMILY_TABLE, CO_FAMILY_DNNL};
    co_graph *graph = build("cnn1");
    for (int f = 0; f < 2; f++) {
        events e = {.count = 0};
        side_options options = {.backend = "dnnl", .family = families[f]};
        co_plan_spec spec = {.batch = 2, .mode = CO_TRAIN};
        side s = side_open(&options, graph, &spec, 1, 1);
        random_batch b = random_batch_make(graph, &spec, 1);
        run_traced(&s, &b.batch, &e);
        int seen = 0;
        for (int layer = graph->layer_count - 1; layer >= 0; layer--) {
            if (graph->layers[layer].weight < 0) {
                continue;
            }
            int weights = find(&e, layer, CO_BACKWARD_WEIGHTS, false);
            int end = find(&e, layer, CO_FORWARD, true);
            assert_true(weights >= 0 && weights < end);
            int data = find(&e, layer, CO_BACKWARD_DATA, false);
            for (int i = 0; i < end; i++) {
                bool below = e.items[i].layer < layer && e.items[i].layer >= 0;
                assert_false(below && !e.items[i].phase_end);
            }
            /* pooled convolutions spread the gradient (a data operation of theirs) before their
             * weights; the data gradient itself comes in the next phase */
            bool first = layer == 1;
            int after = -1;
            for (int i = end + 1; i < e.count; i++) {
                if (e.items[i].layer == layer && e.items[i].pass == CO_BACKWARD_DATA) {
                    after = i;
                }
            }
            assert_true(first ? after < 0 : after > end);
            assert_true(data < 0 || data >= seen);
            seen = end;
        }
        random_batch_free(&b);
        side_close(&s);
    }
    co_graph_destroy(graph);
}

static void phases_cover_the_parameters(void **state)
{
    (void)state;
    co_graph *graph = build("mnistnet");
    co_plan_spec spec = {.batch = 4, .mode = CO_TRAIN};
    side s = side_open(&(side_options){.backend = "dnnl"}, graph, &spec, 1, 1);
    int count = 0;
    const co_phase *phases = s.ops->phases(s.ops->plan(s.plans, 0), &count);
    size_t end = graph->param_floats;
    double share = 0.0;
    for (int i = 0; i < count; i++) { /* from the last layer to the first, without gaps */
        assert_int_equal(phases[i].offset + phases[i].count, end);
        end = phases[i].offset;
        share += phases[i].share;
    }
    assert_int_equal(end, 0);
    assert_true(fabs(share - 1.0) < 1e-9);
    side_close(&s);
    co_graph_destroy(graph);
}

static void steps_out_of_order_are_refused(void **state)
{
    (void)state;
    co_error err = {0};
    co_graph *graph = build("lenet5");
    co_plan_spec spec = {.batch = 4, .mode = CO_TRAIN};
    side s = side_open(&(side_options){.backend = "dnnl"}, graph, &spec, 1, 1);
    random_batch b = random_batch_make(graph, &spec, 1);
    co_plan *plan = s.ops->plan(s.plans, 0);
    assert_int_equal(s.ops->backward(plan, 0, &err), CO_INTERNAL);
    check(s.ops->forward(plan, &b.batch, &err), &err);
    assert_int_equal(s.ops->backward(plan, 1, &err), CO_INTERNAL);
    b.batch.rows = 3;
    assert_int_equal(s.ops->forward(plan, &b.batch, &err), CO_INTERNAL);
    random_batch_free(&b);
    side_close(&s);
    co_graph_destroy(graph);
}

/* ------------------------------------------------------------------ sets of plans */

/* Plans of several batch sizes and modes over one slab, run in turns, each against its own
 * reference. */
static void plans_share_a_slab(void **state)
{
    (void)state;
    static const co_plan_spec specs[] = {
        {.batch = 33, .mode = CO_TRAIN},
        {.batch = 7, .mode = CO_TRAIN, .feature_gradient = true},
        {.batch = 40, .mode = CO_EVAL},
    };
    co_graph *graph = build("mnistnet");
    side own = side_open(&(side_options){.backend = "dnnl"}, graph, specs, 3, 1);
    side ref = side_open(&(side_options){.backend = "ref"}, graph, specs, 3, 1);
    for (int turn = 0; turn < 6; turn++) {
        int i = (turn * 2 + turn / 3) % 3;
        random_batch b = random_batch_make(graph, &specs[i], (uint64_t)turn);
        side_run(&own, i, &specs[i], &b.batch, 9);
        side_run(&ref, i, &specs[i], &b.batch, 9);
        char what[CO_NAME_SIZE];
        double d = side_distance(&own, &ref, i, &specs[i], what);
        if (d > 1e-4) {
            fail_msg("plan %d in turn %d: %s is off by %.2e", i, turn, what, d);
        }
        random_batch_free(&b);
    }
    side_close(&own);
    side_close(&ref);
    co_graph_destroy(graph);
}

/* The bytes of the pixel map and the mapping of bytes to floats. */
static void bytes_are_normalised(void **state)
{
    (void)state;
    co_error err = {0};
    static const co_family_choice families[] = {CO_FAMILY_TABLE, CO_FAMILY_DNNL};
    co_graph *graph = build("cnn2");
    co_plan_spec spec = {.batch = 5, .mode = CO_EVAL};
    co_pixel_map map = {
        .channels = 3, .scale = {0.01f, 0.02f, 0.005f}, .shift = {-1.0f, -2.0f, 0.25f}};
    random_batch b = random_batch_make(graph, &spec, 1);
    size_t count = 5 * co_shape_count(graph->layers[0].out);
    uint8_t *bytes = malloc(count);
    for (size_t i = 0; i < count; i++) {
        size_t channel = i / (32 * 32) % 3;
        bytes[i] = (uint8_t)(i * 37 % 251);
        b.pixels[i] = (float)((double)bytes[i] * (double)map.scale[channel] +
                              (double)map.shift[channel]);
    }
    for (int f = 0; f < 2; f++) {
        side s = side_open(&(side_options){.backend = "dnnl", .family = families[f]}, graph, &spec,
                           1, 1);
        side_run(&s, 0, &spec, &b.batch, 1);
        co_plans *mapped = NULL;
        check(s.ops->plans_create(s.model, &spec, 1, &map, &mapped, &err), &err);
        co_batch batch = b.batch;
        batch.pixel = CO_PIXEL_U8;
        batch.pixels = bytes;
        check(s.ops->forward(s.ops->plan(mapped, 0), &batch, &err), &err);
        assert_true(distance(s.ops->output(s.ops->plan(mapped, 0), CO_OUTPUT_LOGITS),
                             s.ops->output(s.ops->plan(s.plans, 0), CO_OUTPUT_LOGITS), 50) < 1e-5);
        map.channels = 2;
        co_plans *none = NULL;
        assert_int_equal(s.ops->plans_create(s.model, &spec, 1, &map, &none, &err), CO_USAGE);
        map.channels = 3;
        s.ops->plans_destroy(mapped);
        side_close(&s);
    }
    free(bytes);
    random_batch_free(&b);
    co_graph_destroy(graph);
}

/* ------------------------------------------------------------------ parameters */

/* Steps of both optimizers against the reference backend: parameters, and what the next forward
 * makes of them (private copies must be fresh). */
static void optimizers_refresh_weights(void **state)
{
    (void)state;
    static const co_family_choice families[] = {CO_FAMILY_TABLE, CO_FAMILY_DNNL};
    co_error err = {0};
    co_graph *graph = build("mnistnet");
    co_plan_spec spec = {.batch = 6, .mode = CO_TRAIN};
    for (int f = 0; f < 2; f++) {
        side own = side_open(&(side_options){.backend = "dnnl", .family = families[f]}, graph,
                             &spec, 1, 1);
        side ref = side_open(&(side_options){.backend = "ref"}, graph, &spec, 1, 1);
        side *sides[2] = {&own, &ref};
        random_batch b = random_batch_make(graph, &spec, 1);
        for (int i = 0; i < 2; i++) {
            side *s = sides[i];
            size_t n = graph->param_floats;
            void *memory = NULL;
            check(co_alloc(3 * n, sizeof(float), "state", &memory, &err), &err);
            float *buffers = memory;
            co_sgd sgd = {.lr = 0.01f, .momentum = 0.9f, .weight_decay = 0.01f};
            co_adam adam = {0.01f, 0.9f, 0.999f, 1e-3f, 0.01f, false, 1};
            co_adam adamw = {0.01f, 0.9f, 0.999f, 1e-3f, 0.1f, true, 2};
            side_run(s, 0, &spec, &b.batch, 1);
            int count = 0;
            const co_phase *phases = s->ops->phases(s->ops->plan(s->plans, 0), &count);
            for (int k = 0; k < count; k++) { /* range by range, as they become ready */
                const co_phase *p = &phases[k];
                s->ops->sgd(s->model, p->offset, p->count, &sgd, buffers);
                check(s->ops->refresh(s->model, p->offset, p->count, &err), &err);
            }
            side_run(s, 0, &spec, &b.batch, 2);
            s->ops->adam(s->model, 0, n, &adam, buffers + n, buffers + 2 * n);
            check(s->ops->refresh(s->model, 0, n, &err), &err);
            side_run(s, 0, &spec, &b.batch, 3);
            s->ops->adam(s->model, 0, n, &adamw, buffers + n, buffers + 2 * n);
            check(s->ops->refresh(s->model, 0, n, &err), &err);
            side_run(s, 0, &spec, &b.batch, 4);
            co_free(memory);
        }
        assert_true(distance(own.model->params, ref.model->params, graph->param_floats) < 1e-5);
        char what[CO_NAME_SIZE];
        double d = side_distance(&own, &ref, 0, &spec, what);
        if (d > 1e-3) {
            fail_msg("after steps %s is off by %.2e", what, d);
        }
        random_batch_free(&b);
        side_close(&own);
        side_close(&ref);
    }
    co_graph_destroy(graph);
}

static void vectors_are_right(void **state)
{
    (void)state;
    const size_t count = 70001;
    co_error err = {0};
    void *memory = NULL;
    check(co_alloc(3 * count, sizeof(float), "test", &memory, &err), &err);
    float *x = memory;
    float *y = x + count;
    float *z = y + count;
    co_team *team = NULL;
    co_backend *b = NULL;
    check(co_team_create(2, &team, &err), &err);
    check(co_backend_create("dnnl", NULL, team, &b, &err), &err);
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)(i % 1009) - 500.0f;
        y[i] = (float)(i % 13);
        z[i] = y[i];
    }
    b->ops->axpy(b, count, 0.5f, x, y);
    b->ops->lerp(b, count, 0.25f, x, z);
    for (size_t i = 0; i < count; i++) {
        assert_true(y[i] == (float)(i % 13) + 0.5f * x[i]);
        assert_true(z[i] == (float)(i % 13) + 0.25f * (x[i] - (float)(i % 13)));
    }
    b->ops->scale(b, count, -0.75f, z);
    for (size_t i = 0; i < count; i++) {
        assert_true(z[i] == -0.75f * ((float)(i % 13) + 0.25f * (x[i] - (float)(i % 13))));
    }
    x[count - 1] = INFINITY;
    assert_true(isfinite(b->ops->sum_squares(b, count, x)) == 0);
    x[count - 1] = NAN;
    assert_true(isfinite(b->ops->sum_squares(b, count, x)) == 0);
    assert_true(isfinite(b->ops->sum_squares(b, count - 1, x)) != 0);
    assert_true(b->ops->sum_squares(b, 0, x) == 0.0);
    b->ops->destroy(b);
    co_team_destroy(team);
    co_free(memory);
}

/* ------------------------------------------------------------------ memory, faults */

static void memory_adds_up(void **state)
{
    (void)state;
    co_graph *graph = build("lenet5");
    co_plan_spec spec = {.batch = 64, .mode = CO_TRAIN};
    side s = side_open(&(side_options){.backend = "dnnl"}, graph, &spec, 1, 1);
    co_memory_item items[CO_MAX_MEMORY_ITEMS];
    int count = s.ops->memory(s.plans, items);
    size_t parameters = 0;
    size_t activations = 0;
    for (int i = 0; i < count; i++) {
        assert_true(items[i].bytes > 0);
        parameters += strcmp(items[i].name, "parameters") == 0 ? items[i].bytes : 0;
        activations += strcmp(items[i].name, "activations") == 0 ? items[i].bytes : 0;
    }
    assert_int_equal(parameters, graph->param_floats * sizeof(float));
    /* at least what backward needs: image, both pooled maps, three linear outputs */
    size_t least = 64 * (28 * 28 + 6 * 14 * 14 + 16 * 5 * 5 + 120 + 84 + 10) * sizeof(float);
    assert_in_range(activations, least, 2 * least);
    side_close(&s);
    co_graph_destroy(graph);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    co_error err = {0};
    co_team *team = NULL;
    co_backend *backend = NULL;
    check(co_team_create(1, &team, &err), &err);
    co_backend_options options = {.isa = "mmx"};
    assert_int_equal(co_backend_create("dnnl", &options, team, &backend, &err), CO_USAGE);
    options = (co_backend_options){.isa = "auto", .tune_file = "/nowhere/tune.txt"};
    assert_int_equal(co_backend_create("dnnl", &options, team, &backend, &err), CO_FILE);
    assert_null(backend);
    co_team_destroy(team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_allocates_nothing),
        cmocka_unit_test(phases_are_real),
        cmocka_unit_test(phases_cover_the_parameters),
        cmocka_unit_test(steps_out_of_order_are_refused),
        cmocka_unit_test(plans_share_a_slab),
        cmocka_unit_test(bytes_are_normalised),
        cmocka_unit_test(optimizers_refresh_weights),
        cmocka_unit_test(vectors_are_right),
        cmocka_unit_test(memory_adds_up),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
