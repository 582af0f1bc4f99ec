/* Batch norm over several workers: plans of parts of a batch, each in a thread of its own, that
 * exchange sums in memory, against one plan of the whole batch on the reference backend. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "helper_dnnl.h"

enum { MOST_WORKERS = 3, MOST_DOUBLES = 128, CLASSES = 10, FEATURES = 24, DRAWS = 3 };

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

/* ------------------------------------------------------------------ the exchange */

typedef struct meeting {
    pthread_barrier_t barrier;
    double given[MOST_WORKERS][MOST_DOUBLES];
} meeting;

typedef struct worker_sync {
    co_norm_sync base;
    meeting *meeting;
    int rank;
    int fail_at; /* the exchange that fails; 0: none */
    int exchanges;
    size_t most;
    double seen[MOST_WORKERS][MOST_DOUBLES];
    const double *parts[MOST_WORKERS];
} worker_sync;

static co_status exchange(co_norm_sync *sync, const double *mine, size_t count, co_error *err)
{
    worker_sync *own = (worker_sync *)(void *)sync;
    if (count > MOST_DOUBLES) {
        return co_fail(err, CO_INTERNAL, "%zu doubles", count);
    }
    if (++own->exchanges == own->fail_at) {
        return co_fail(err, CO_PEER, "rank 1 is lost");
    }
    own->most = count > own->most ? count : own->most;
    memcpy(own->meeting->given[own->rank], mine, count * sizeof(double));
    (void)pthread_barrier_wait(&own->meeting->barrier);
    memcpy(own->seen, own->meeting->given, sizeof(own->seen));
    (void)pthread_barrier_wait(&own->meeting->barrier);
    return CO_OK;
}

static worker_sync sync_make(meeting *m, int rank, int workers)
{
    return (worker_sync){
        .base = {.workers = workers, .exchange = exchange}, .meeting = m, .rank = rank};
}

static void sync_bind(worker_sync *sync)
{
    for (int w = 0; w < MOST_WORKERS; w++) {
        sync->parts[w] = sync->seen[w];
    }
    sync->base.parts = sync->parts;
}

/* ------------------------------------------------------------------ the network */

static co_graph *make_graph(void)
{
    co_error err = {0};
    co_graph *g = NULL;
    check(co_graph_create("synced", (co_shape){3, 9, 9}, &g, &err), &err);
    co_conv2d c = {.out_channels = 20,
                   .kernel_h = 3,
                   .kernel_w = 3,
                   .stride_h = 1,
                   .stride_w = 1,
                   .pad_h = 1,
                   .pad_w = 1,
                   .groups = 1};
    int x = co_graph_conv2d(g, "conv1", 0, c);
    x = co_graph_relu(g, "relu1", co_graph_batch_norm(g, "norm1", x, 0.1f, 1e-5f));
    int y = co_graph_batch_norm(g, "norm2", co_graph_conv2d(g, "conv2", x, c), 0.3f, 1e-3f);
    x = co_graph_relu(g, "relu2", co_graph_add(g, "add", x, y));
    c.stride_h = c.stride_w = 2;
    c.out_channels = 32;
    x = co_graph_conv2d(g, "conv3", x, c);
    x = co_graph_relu(g, "relu3", co_graph_batch_norm(g, "norm3", x, 0.1f, 1e-5f));
    x = co_graph_linear(g, "fc1", co_graph_flatten(g, "flatten", x), FEATURES, false);
    int features = co_graph_relu(g, "relu4", co_graph_batch_norm(g, "norm4", x, 0.1f, 1e-5f));
    x = co_graph_linear(g, "fc2", features, CLASSES, true);
    check(co_graph_finish(g, x, features, &err), &err);
    return g;
}

enum { EXCHANGES = 8 }; /* of a step: two for each batch norm */

/* ------------------------------------------------------------------ steps */

typedef struct part {
    side own;
    co_batch batch;
    const float *gradient; /* of the logits, this part's rows */
    co_status status;
    co_error err;
} part;

static co_status step(part *p)
{
    const co_backend_ops *ops = p->own.ops;
    co_plan *plan = ops->plan(p->own.plans, 0);
    CO_TRY(ops->forward(plan, &p->batch, &p->err));
    memcpy(ops->output_gradient(plan, CO_OUTPUT_LOGITS), p->gradient,
           (size_t)p->batch.rows * CLASSES * sizeof(float));
    int count = 0;
    (void)ops->phases(plan, &count);
    for (int i = 0; i < count; i++) {
        CO_TRY(ops->backward(plan, i, &p->err));
    }
    return CO_OK;
}

static void *run_part(void *arg)
{
    part *p = arg;
    p->status = step(p);
    return NULL;
}

typedef struct whole {
    co_graph *graph;
    side ref; /* all rows */
    co_plan_spec spec;
    random_batch rows;
    float *gradient;
} whole;

static void whole_draw(whole *w, uint64_t seed)
{
    co_rng rng = co_rng_at(&(co_rng_key){.seed = seed, .stream = CO_STREAM_TEST, .sample = 77});
    for (int i = 0; i < w->spec.batch * CLASSES; i++) {
        w->gradient[i] = co_rng_uniform(&rng) - 0.4f;
    }
    w->rows = random_batch_make(w->graph, &w->spec, seed);
    side_draw(&w->ref, seed);
    part all = {.own = w->ref, .batch = w->rows.batch, .gradient = w->gradient};
    check(step(&all), &all.err);
}

/* The part of the batch that begins at this row. */
static co_batch rows_of(const whole *w, int begin, int count)
{
    co_batch batch = w->rows.batch;
    batch.rows = count;
    batch.samples += begin;
    batch.pixels = w->rows.pixels + (size_t)begin * co_shape_count(w->graph->layers[0].out);
    return batch;
}

/* The workers' logits behind each other, the sum of their gradients, statistics: the largest
 * distance from the whole batch's. */
static double distance_of(const whole *w, const part *parts, int workers, const char **what)
{
    const co_backend_ops *ops = w->ref.ops;
    const float *logits = ops->output(ops->plan(w->ref.plans, 0), CO_OUTPUT_LOGITS);
    double worst = 0.0;
    *what = "logits";
    for (int k = 0; k < workers; k++) {
        const side *s = &parts[k].own;
        const float *own = s->ops->output(s->ops->plan(s->plans, 0), CO_OUTPUT_LOGITS);
        size_t count = (size_t)parts[k].batch.rows * CLASSES;
        worst = fmax(worst, distance(own, logits, count));
        logits += count;
    }
    const float *stats = parts[0].own.model->stats;
    for (int k = 1; k < workers; k++) {
        assert_memory_equal(stats, parts[k].own.model->stats,
                            w->graph->stat_floats * sizeof(float));
    }
    for (int i = 0; i < w->graph->stat_count; i++) {
        const co_tensor *t = &w->graph->stats[i];
        double d = distance(stats + t->offset, w->ref.model->stats + t->offset, t->count);
        *what = d > worst ? t->name : *what;
        worst = fmax(worst, d);
    }
    float *sum = calloc(w->graph->param_floats, sizeof(float));
    for (int k = 0; k < workers; k++) {
        for (size_t i = 0; i < w->graph->param_floats; i++) {
            sum[i] += parts[k].own.model->grads[i];
        }
    }
    for (int i = 0; i < w->graph->param_count; i++) {
        const co_tensor *t = &w->graph->params[i];
        double d = distance(sum + t->offset, w->ref.model->grads + t->offset, t->count);
        *what = d > worst ? t->name : *what;
        worst = fmax(worst, d);
    }
    free(sum);
    return worst;
}

typedef struct scene {
    whole w;
    meeting meeting;
    worker_sync sync[MOST_WORKERS];
    part parts[MOST_WORKERS];
    int workers;
} scene;

static void scene_open(scene *s, const side_options *options, const int *rows, int workers)
{
    memset(s, 0, sizeof(*s));
    s->workers = workers;
    s->w.graph = make_graph();
    s->w.spec = (co_plan_spec){.mode = CO_TRAIN};
    assert_int_equal(pthread_barrier_init(&s->meeting.barrier, NULL, (unsigned)workers), 0);
    for (int k = 0; k < workers; k++) {
        s->w.spec.batch += rows[k];
        s->sync[k] = sync_make(&s->meeting, k, workers);
        sync_bind(&s->sync[k]);
        co_plan_spec spec = {.batch = rows[k], .mode = CO_TRAIN, .sync = &s->sync[k].base};
        s->parts[k].own = side_open(options, s->w.graph, &spec, 1, 1);
        s->parts[k].batch.rows = rows[k];
    }
    s->w.ref = side_open(&(side_options){.backend = "ref"}, s->w.graph, &s->w.spec, 1, 1);
    s->w.gradient = calloc((size_t)s->w.spec.batch * CLASSES, sizeof(float));
}

static void scene_step(scene *s, uint64_t seed)
{
    pthread_t threads[MOST_WORKERS];
    whole_draw(&s->w, seed);
    for (int k = 0, begin = 0; k < s->workers; k++) {
        part *p = &s->parts[k];
        side_draw(&p->own, seed);
        p->batch = rows_of(&s->w, begin, p->batch.rows);
        p->gradient = s->w.gradient + (size_t)begin * CLASSES;
        begin += p->batch.rows;
    }
    for (int k = 0; k < s->workers; k++) {
        s->sync[k].exchanges = 0;
        assert_int_equal(pthread_create(&threads[k], NULL, run_part, &s->parts[k]), 0);
    }
    for (int k = 0; k < s->workers; k++) {
        assert_int_equal(pthread_join(threads[k], NULL), 0);
        check(s->parts[k].status, &s->parts[k].err);
        assert_int_equal(s->sync[k].exchanges, EXCHANGES);
        assert_int_equal(s->sync[k].most, co_norm_sync_doubles(s->w.graph));
    }
    random_batch_free(&s->w.rows);
}

static void scene_close(scene *s)
{
    side_close(&s->w.ref);
    for (int k = 0; k < s->workers; k++) {
        side_close(&s->parts[k].own);
    }
    free(s->w.gradient);
    (void)pthread_barrier_destroy(&s->meeting.barrier);
    co_graph_destroy(s->w.graph);
}

/* The best of a few draws: rounding may decide the sign of a ReLU's input, see test_dnnl_kinks. */
static void compare(const side_options *options, const int *rows, int workers, double tolerance)
{
    scene *s = calloc(1, sizeof(*s));
    scene_open(s, options, rows, workers);
    const char *what = NULL;
    double worst = INFINITY;
    for (uint64_t seed = 1; seed <= DRAWS && worst > tolerance; seed++) {
        scene_step(s, seed);
        worst = distance_of(&s->w, s->parts, workers, &what);
    }
    if (!(worst <= tolerance)) {
        fail_msg("%s %s, %d workers, %d rows first: %s is off by %.2e", options->backend,
                 options->isa != NULL ? options->isa : "auto", workers, rows[0], what, worst);
    }
    scene_close(s);
    free(s);
}

/* ------------------------------------------------------------------ tests */

static const int halves[] = {9, 9};
static const int uneven[] = {17, 3, 6};
static const int single_rows[] = {1, 1, 1}; /* norm4 has one value of each worker */

static void reference_backend(void **state)
{
    (void)state;
    const side_options ref = {.backend = "ref"};
    compare(&ref, halves, 2, 1e-6);
    compare(&ref, uneven, 3, 1e-6);
    compare(&ref, single_rows, 3, 1e-6);
    compare(&ref, (const int[]){5}, 1, 1e-6);
}

static void lane_kernels(void **state)
{
    (void)state;
    static const char *const isas[] = {"avx512", "avx2", "plain"};
    for (int i = 0; i < 3; i++) {
        co_error err;
        co_lane_isa ignored;
        if (co_lane_isa_parse(isas[i], &ignored, &err) == CO_OK) {
            const side_options lane = {
                .backend = "dnnl", .isa = isas[i], .family = CO_FAMILY_LANE, .threads = 2};
            compare(&lane, halves, 2, 1e-4);
            compare(&lane, uneven, 3, 1e-4);
        }
    }
}

static void onednn_layouts(void **state)
{
    (void)state;
    const side_options dnnl = {.backend = "dnnl", .family = CO_FAMILY_DNNL};
    compare(&dnnl, halves, 2, 1e-4);
    compare(&dnnl, uneven, 3, 1e-4);
    compare(&dnnl, single_rows, 3, 1e-4);
}

/* As the table chooses: with few rows both kinds in one plan. */
static void both_kinds(void **state)
{
    (void)state;
    const side_options own = {.backend = "dnnl"};
    compare(&own, uneven, 3, 1e-4);
}

/* Without the exchange the same parts come to something else. */
static void local_statistics_differ(void **state)
{
    (void)state;
    scene *s = calloc(1, sizeof(*s));
    const char *what = NULL;
    scene_open(s, &(side_options){.backend = "ref"}, halves, 2);
    scene_step(s, 1);
    assert_true(distance_of(&s->w, s->parts, 2, &what) < 1e-6);
    const co_plan_spec spec = {.batch = 9, .mode = CO_TRAIN};
    side local = side_open(&(side_options){.backend = "ref"}, s->w.graph, &spec, 1, 1);
    random_batch b = random_batch_make(s->w.graph, &s->w.spec, 1);
    part p = {.own = local, .batch = b.batch, .gradient = s->w.gradient};
    p.batch.rows = 9;
    side_draw(&p.own, 1);
    check(step(&p), &p.err);
    const co_backend_ops *ops = local.ops;
    assert_true(distance(ops->output(ops->plan(local.plans, 0), CO_OUTPUT_LOGITS),
                         ops->output(ops->plan(s->parts[0].own.plans, 0), CO_OUTPUT_LOGITS),
                         9 * CLASSES) > 1e-3);
    random_batch_free(&b);
    side_close(&local);
    scene_close(s);
    free(s);
}

/* Frozen norms have nothing to exchange. */
static void frozen_norms(void **state)
{
    (void)state;
    co_graph *graph = make_graph();
    co_graph_choose_norms(graph, &(co_norm_choice){.momentum = -1.0, .frozen = true});
    assert_int_equal(co_norm_sync_doubles(graph), 0);
    const char *const backends[] = {"ref", "dnnl"};
    for (int i = 0; i < 2; i++) {
        worker_sync sync = sync_make(NULL, 0, 2);
        sync.fail_at = 1;
        const co_plan_spec spec = {.batch = 4, .mode = CO_TRAIN, .sync = &sync.base};
        side s = side_open(&(side_options){.backend = backends[i]}, graph, &spec, 1, 1);
        random_batch b = random_batch_make(graph, &spec, 1);
        side_run(&s, 0, &spec, &b.batch, 1);
        assert_int_equal(sync.exchanges, 0);
        random_batch_free(&b);
        side_close(&s);
    }
    co_graph_destroy(graph);
}

/* A lost worker ends the pass with the exchange's own message, in forward and in backward. */
static void lost_worker(void **state)
{
    (void)state;
    co_graph *graph = make_graph();
    meeting *m = calloc(1, sizeof(*m));
    assert_int_equal(pthread_barrier_init(&m->barrier, NULL, 1), 0);
    const char *const backends[] = {"ref", "dnnl"};
    const float gradient[4 * CLASSES] = {0.0f};
    for (int i = 0; i < 2; i++) {
        for (int fail_at = 1; fail_at <= EXCHANGES; fail_at++) {
            worker_sync sync = sync_make(m, 0, 1);
            sync_bind(&sync);
            sync.fail_at = fail_at;
            const co_plan_spec spec = {.batch = 4, .mode = CO_TRAIN, .sync = &sync.base};
            side s = side_open(&(side_options){.backend = backends[i]}, graph, &spec, 1, 1);
            random_batch b = random_batch_make(graph, &spec, 1);
            part p = {.own = s, .batch = b.batch, .gradient = gradient};
            assert_int_equal(step(&p), CO_PEER);
            assert_string_equal(p.err.text, "rank 1 is lost");
            assert_int_equal(sync.exchanges, fail_at);
            random_batch_free(&b);
            side_close(&s);
        }
    }
    (void)pthread_barrier_destroy(&m->barrier);
    free(m);
    co_graph_destroy(graph);
}

/* Merging keeps what a sum of squares about 0 would lose. */
static void far_from_zero(void **state)
{
    (void)state;
    meeting *m = calloc(1, sizeof(*m));
    assert_int_equal(pthread_barrier_init(&m->barrier, NULL, 1), 0);
    worker_sync sync = sync_make(m, 0, 2);
    sync_bind(&sync);
    /* worker 1: 1e9 + {0, 1}; worker 0: 1e9 + {2, 4, 6} */
    const double other[] = {2.0, 1e9 + 0.5, 0.5};
    memcpy(m->given[1], other, sizeof(other));
    double moments[] = {3.0, 1e9 + 4.0, 8.0};
    co_error err = {0};
    check(co_norm_sync_moments(&sync.base, 1, moments, &err), &err);
    assert_true(fabs(moments[0] - 5.0) < 1e-12);
    assert_true(fabs(moments[1] - (1e9 + 2.6)) < 1e-6);
    assert_true(fabs(moments[2] - 23.2) < 1e-5);
    double sums[] = {1.0, 2.0};
    const double more[] = {10.0, 20.0};
    memcpy(m->given[1], more, sizeof(more));
    check(co_norm_sync_sums(&sync.base, 2, sums, &err), &err);
    assert_true(fabs(sums[0] - 11.0) < 1e-12 && fabs(sums[1] - 22.0) < 1e-12);
    (void)pthread_barrier_destroy(&m->barrier);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_backend),
        cmocka_unit_test(lane_kernels),
        cmocka_unit_test(onednn_layouts),
        cmocka_unit_test(both_kinds),
        cmocka_unit_test(local_statistics_differ),
        cmocka_unit_test(frozen_norms),
        cmocka_unit_test(lost_worker),
        cmocka_unit_test(far_from_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
