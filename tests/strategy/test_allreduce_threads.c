/* allreduce among ranks on hosts of many layouts: against the tree written out here, bit by bit,
 * and how much it sends between hosts. Gradients become final at random times. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "strategy/helper_ranks.h"
#include "strategy/strategy.h"

enum { STEPS = 3, SKIPPED = 1, PARAMS_MOST = 1024 };

typedef struct layout {
    int size;
    int host_of[RANKS_MOST];
} layout;

/* One run, and what its ranks have in the end. */
typedef struct trial {
    co_allreduce_options options;
    layout hosts;
    size_t floats;
    float start[PARAMS_MOST];
    float grads[STEPS][RANKS_MOST][PARAMS_MOST];
    float params[RANKS_MOST][PARAMS_MOST];
    co_reduction told[STEPS][RANKS_MOST];
    float own[RANKS_MOST][PARAMS_MOST];      /* momentum before `complete` ... */
    float momentum[RANKS_MOST][PARAMS_MOST]; /* ... and after */
    uint64_t between;
} trial;

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        (void)fprintf(stderr, "%s\n", err->text);
        abort(); /* not in the test's own thread */
    }
}

static co_graph *small_graph(void)
{
    co_error err = {0};
    co_graph *graph = NULL;
    check(co_graph_create("test", (co_shape){5, 1, 1}, &graph, &err), &err);
    int last = 0;
    for (int i = 0; i < 4; i++) { /* tensors of 35, 7, 49, 7, ... floats */
        char name[8] = {'f', 'c', (char)('1' + i), '\0'};
        last = co_graph_linear(graph, name, last, i < 3 ? 7 : 11, true);
    }
    check(co_graph_finish(graph, last, last, &err), &err);
    return graph;
}

static void backward(co_strategy *strategy, const co_graph *graph, const float *grads, co_rng *rng)
{
    co_error err = {0};
    size_t end = graph->param_floats;
    for (int i = graph->param_count - 1; i >= 0; i--) {
        size_t begin = graph->params[i].offset;
        memcpy(strategy->model->grads + begin, grads + begin, (end - begin) * sizeof(float));
        if (co_rng_u32(rng) % 4 == 0) {
            co_clock_sleep(&co_clock_system, 1e-6 * (co_rng_u32(rng) % 300));
        }
        check(strategy->ops->ready(strategy, begin, end - begin, &err), &err);
        end = begin;
    }
}

typedef struct parts {
    co_graph *graph;
    co_team *team;
    co_backend *backend;
    co_model *model;
    co_optimizer *optimizer;
    co_strategy *strategy;
} parts;

static parts open_parts(co_comm *comm, const trial *t)
{
    co_error err = {0};
    parts p = {.graph = small_graph()};
    check(co_team_create(1, &p.team, &err), &err);
    check(co_ref_backend_create(NULL, p.team, &p.backend, &err), &err);
    check(p.backend->ops->model_create(p.backend, p.graph, &p.model, &err), &err);
    memcpy(p.model->params, t->start, t->floats * sizeof(float));
    check(co_optimizer_create(CO_OPTIMIZER_SGD, p.graph, &p.optimizer, &err), &err);
    check(co_strategy_allreduce(comm, p.model, p.optimizer, &t->options, &p.strategy, &err), &err);
    return p;
}

static void close_parts(parts *p)
{
    p->strategy->ops->destroy(p->strategy);
    co_optimizer_destroy(p->optimizer);
    p->backend->ops->model_destroy(p->model);
    p->backend->ops->destroy(p->backend);
    co_team_destroy(p->team);
    co_graph_destroy(p->graph);
}

static void negate(void *model, size_t offset, size_t count)
{
    float *params = ((const co_model *)model)->params + offset;
    for (size_t i = 0; i < count; i++) {
        params[i] = -params[i];
    }
}

/* Every worker sees each parameter changed once, whoever changed it. */
static void expect_rewritten(const parts *p, size_t floats)
{
    static const int times = 3;
    co_error err = {0};
    float before[PARAMS_MOST];
    memcpy(before, p->model->params, floats * sizeof(float));
    for (int k = 1; k <= times; k++) {
        check(p->strategy->ops->rewrite(p->strategy, negate, p->model, &err), &err);
        for (size_t i = 0; i < floats; i++) {
            const float expected = k % 2 == 1 ? -before[i] : before[i];
            assert_true(fabsf(p->model->params[i] - expected) <= 0.0F);
        }
    }
    check(p->strategy->ops->rewrite(p->strategy, negate, p->model, &err), &err);
}

/* Plain SGD of rate 1 with momentum: weights and momentum are easily written out. */
static void train(co_comm *comm, void *context)
{
    trial *t = context;
    const uint32_t rank = (uint32_t)comm->rank;
    const co_hyper hyper = {.lr = 1.0, .momentum = 0.5};
    co_error err = {0};
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 9, .stream = CO_STREAM_TEST, .replica = rank});
    parts p = open_parts(comm, t);
    co_strategy *strategy = p.strategy;
    for (int step = 0; step < STEPS; step++) {
        strategy->loss = 1.0 + comm->rank * step;
        strategy->save = step == SKIPPED && comm->rank == 0;
        strategy->stop = step == STEPS - 1 && comm->rank == comm->size - 1;
        backward(strategy, p.graph, t->grads[step][rank], &rng);
        check(strategy->ops->reduce(strategy, &t->told[step][rank], &err), &err);
        if (step != SKIPPED) { /* as --nan-policy skip does */
            check(strategy->ops->apply(strategy, &hyper, &err), &err);
        }
    }
    memcpy(t->own[rank], co_optimizer_buffer(p.optimizer, 0), t->floats * sizeof(float));
    check(strategy->ops->complete(strategy, &err), &err);
    expect_rewritten(&p, t->floats);
    memcpy(t->params[rank], p.model->params, t->floats * sizeof(float));
    memcpy(t->momentum[rank], co_optimizer_buffer(p.optimizer, 0), t->floats * sizeof(float));
    close_parts(&p);
}

/* ---- what must come out ---- */

static float tree_of(const trial *t, int step, int lo, int hi, size_t i)
{
    if (hi - lo == 1) {
        return t->grads[step][lo][i];
    }
    int half = 1;
    while (half * 2 < hi - lo) {
        half *= 2;
    }
    return tree_of(t, step, lo, lo + half, i) + tree_of(t, step, lo + half, hi, i);
}

/* The reference backend computes in double. */
static void expect_weights(const trial *t, float *params, float *momentum)
{
    const float part = (float)(1.0 / t->hosts.size);
    for (size_t i = 0; i < t->floats; i++) {
        params[i] = t->start[i];
        momentum[i] = 0.0F;
        for (int step = 0; step < STEPS; step++) {
            const float mean = tree_of(t, step, 0, t->hosts.size, i) * part;
            double velocity = 0.5 * (double)momentum[i] + (double)mean;
            if (step != SKIPPED) {
                momentum[i] = (float)velocity;
                params[i] = (float)((double)params[i] - velocity);
            }
        }
    }
}

static trial *new_trial(layout hosts, co_allreduce_options options)
{
    trial *t = calloc(1, sizeof(*t));
    co_graph *graph = small_graph();
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 5, .stream = CO_STREAM_TEST});
    options.predivide = options.predivide > 0.0 ? options.predivide : 1.0;
    t->options = options;
    t->hosts = hosts;
    t->floats = graph->param_floats;
    assert_true(t->floats <= PARAMS_MOST);
    for (int p = 0; p < graph->param_count; p++) { /* the padding stays zero */
        for (size_t i = 0; i < graph->params[p].count; i++) {
            const size_t place = graph->params[p].offset + i;
            t->start[place] = co_rng_normal(&rng);
            for (int k = 0; k < STEPS * RANKS_MOST; k++) {
                t->grads[k / RANKS_MOST][k % RANKS_MOST][place] = co_rng_normal(&rng);
            }
        }
    }
    co_graph_destroy(graph);
    return t;
}

static trial *run(layout hosts, co_allreduce_options options)
{
    trial *t = new_trial(hosts, options);
    t->between = ranks_run(hosts.size, hosts.host_of, train, t);
    return t;
}

/* All ranks know the same, and it is true. */
static void check_told(const trial *t, double tolerance)
{
    const int size = t->hosts.size;
    double squares = 0.0;
    for (size_t i = 0; i < t->floats; i++) {
        double value = (double)tree_of(t, 0, 0, size, i) / size;
        squares += value * value;
    }
    for (int step = 0; step < STEPS; step++) {
        for (int rank = 0; rank < size; rank++) {
            const co_reduction *told = &t->told[step][rank];
            assert_true(told->finite);
            assert_int_equal(told->stop, step == STEPS - 1);
            assert_int_equal(told->save, step == SKIPPED);
            assert_true(fabs(told->loss - (1.0 + step * (size - 1) / 2.0)) < 1e-6);
            assert_memory_equal(&told->sum_squares, &t->told[step][0].sum_squares, sizeof(double));
        }
    }
    assert_true(fabs(t->told[0][0].sum_squares - squares) <= tolerance * squares);
}

static const layout layouts[] = {
    {2, {0, 0}},
    {2, {0, 1}},
    {3, {0, 0, 0}},
    {4, {0, 0, 1, 1}},
    {4, {0, 0, 0, 0}},
    {4, {0, 1, 0, 1}},       /* not one after the other */
    {4, {0, 0, 0, 1}},       /* not as many on each */
    {6, {0, 0, 0, 1, 1, 1}}, /* no sub-trees */
    {6, {0, 0, 1, 1, 2, 2}},
    {8, {0, 0, 0, 0, 1, 1, 1, 1}},
    {12, {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2}},
};
enum { LAYOUTS = sizeof(layouts) / sizeof(layouts[0]) };

static const size_t buckets[] = {0, 300, 1 << 20};

static void ordered_has_the_bits_of_the_tree(void **state)
{
    (void)state;
    for (int i = 0; i < LAYOUTS * 3; i++) {
        static float params[PARAMS_MOST];
        static float momentum[PARAMS_MOST];
        double squares = 0.0;
        for (int messages = 0; messages < 2; messages++) {
            const co_allreduce_options options = {
                .ordered = true, .messages = messages != 0, .bucket_bytes = buckets[i % 3]};
            trial *t = run(layouts[i / 3], options);
            expect_weights(t, params, momentum);
            for (int rank = 0; rank < t->hosts.size; rank++) {
                assert_memory_equal(t->params[rank], params, t->floats * sizeof(float));
                /* Rank 0 alone writes: nobody else gets what is not its own. */
                assert_memory_equal(t->momentum[rank], rank == 0 ? momentum : t->own[rank],
                                    t->floats * sizeof(float));
            }
            check_told(t, 1e-5);
            assert_true(messages == 0 || squares == t->told[0][0].sum_squares);
            squares = t->told[0][0].sum_squares;
            free(t);
        }
    }
}

/* Other forms: all ranks have the same weights, next to those of the tree. */
static void check_close(layout hosts, co_allreduce_options options, float tolerance)
{
    static float params[PARAMS_MOST];
    static float momentum[PARAMS_MOST];
    trial *t = run(hosts, options);
    expect_weights(t, params, momentum);
    for (int rank = 0; rank < hosts.size; rank++) {
        assert_memory_equal(t->params[rank], t->params[0], t->floats * sizeof(float));
        for (size_t k = 0; k < t->floats; k++) {
            assert_float_equal(t->params[rank][k], params[k], tolerance);
        }
    }
    check_told(t, 10.0 * (double)tolerance);
    free(t);
}

static void fast_and_short_are_close(void **state)
{
    (void)state;
    for (int i = 0; i < LAYOUTS; i++) {
        const layout hosts = layouts[i];
        check_close(hosts, (co_allreduce_options){.bucket_bytes = buckets[i % 3]}, 2e-6F);
        check_close(hosts, (co_allreduce_options){.bucket_bytes = 300, .predivide = 4.0}, 2e-6F);
        check_close(hosts, (co_allreduce_options){.bf16 = true, .bucket_bytes = 300}, 0.05F);
        check_close(hosts, (co_allreduce_options){.bf16 = true, .ordered = true}, 0.05F);
    }
}

/* With bfloat16 and `ordered`, where the ranks are makes no difference. */
static void short_and_ordered_has_the_same_bits_anywhere(void **state)
{
    (void)state;
    const co_allreduce_options options = {.bf16 = true, .ordered = true, .bucket_bytes = 300};
    trial *one = run((layout){4, {0, 0, 0, 0}}, options);
    trial *two = run((layout){4, {0, 0, 1, 1}}, options);
    assert_memory_equal(one->params[0], two->params[3], one->floats * sizeof(float));
    free(one);
    free(two);
}

/* Shares are multiples of 16 floats; these divide evenly. */
static void groups_send_what_they_must(void **state)
{
    (void)state;
    const co_allreduce_options options = {.ordered = true, .bucket_bytes = 300};
    trial *t = run((layout){4, {0, 0, 1, 1}}, options);
    const uint64_t gradient = t->floats * sizeof(float);
    /* Each way, each host sends half of the gradient in sums and half of the mean. */
    assert_int_equal(t->between, STEPS * 2 * gradient);
    free(t);
    const co_allreduce_options all_messages = {.ordered = true, .messages = true};
    t = run((layout){4, {0, 0, 1, 1}}, all_messages);
    /* Each rank sends a quarter to the two of the other host, twice. */
    assert_int_equal(t->between, STEPS * 4 * gradient);
    free(t);
    const co_allreduce_options halves = {.bf16 = true};
    t = run((layout){4, {0, 0, 1, 1}}, halves);
    assert_int_equal(t->between, STEPS * gradient);
    free(t);
    t = run((layout){4, {0, 0, 0, 0}}, options);
    assert_int_equal(t->between, 0);
    free(t);
}

static void adasum_of_equal_gradients_is_their_mean(void **state)
{
    (void)state;
    static const layout pairs[] = {{2, {0, 1}}, {4, {0, 0, 1, 1}}};
    for (int i = 0; i < 2; i++) {
        static float params[PARAMS_MOST];
        static float momentum[PARAMS_MOST];
        trial *t = new_trial(pairs[i], (co_allreduce_options){.adasum = true});
        for (int k = 0; k < STEPS * 4; k++) {
            memcpy(t->grads[k / 4][k % 4], t->grads[k / 4][0], sizeof(t->grads[0][0]));
        }
        (void)ranks_run(t->hosts.size, t->hosts.host_of, train, t);
        expect_weights(t, params, momentum);
        for (int rank = 0; rank < t->hosts.size; rank++) {
            for (size_t k = 0; k < t->floats; k++) {
                assert_float_equal(t->params[rank][k], params[k], 2e-6F);
            }
        }
        free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordered_has_the_bits_of_the_tree),
        cmocka_unit_test(fast_and_short_are_close),
        cmocka_unit_test(short_and_ordered_has_the_same_bits_anywhere),
        cmocka_unit_test(groups_send_what_they_must),
        cmocka_unit_test(adasum_of_equal_gradients_is_their_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
