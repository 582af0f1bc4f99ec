/* The lane family gives the same bits for any number of threads, and again when run again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "graph/models/models.h"
#include "helper_dnnl.h"

static const int batches[] = {1, 16, 17, 63};
enum { BATCHES = 4, MOST_THREADS = 3 };

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

/* Convolutions with and without Winograd, pooling fused and not, norms, dropout, a skip. */
static co_graph *make_graph(void)
{
    co_error err = {0};
    co_graph *g = NULL;
    check(co_graph_create("threads", (co_shape){3, 14, 14}, &g, &err), &err);
    co_conv2d c = {.out_channels = 18,
                   .kernel_h = 3,
                   .kernel_w = 3,
                   .stride_h = 1,
                   .stride_w = 1,
                   .pad_h = 1,
                   .pad_w = 1,
                   .groups = 1,
                   .bias = true};
    int x = co_graph_conv2d(g, "conv1", 0, c);
    x = co_graph_relu(g, "relu1", co_graph_batch_norm(g, "norm1", x, 0.1f, 1e-5f));
    int y = co_graph_conv2d(g, "conv2", x, c);
    x = co_graph_relu(g, "relu2", co_graph_add(g, "add", x, y));
    c.groups = 2;
    c.stride_h = 2;
    x = co_graph_conv2d(g, "conv3", x, c);
    co_pool2d p = {.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2};
    x = co_graph_max_pool(g, "pool", co_graph_dropout(g, "drop1", x, 0.25f, true), p);
    x = co_graph_flatten(g, "flatten", co_graph_relu(g, "relu3", x));
    int features = co_graph_linear(g, "fc1", x, 33, true);
    x = co_graph_dropout(g, "drop2", co_graph_relu(g, "relu4", features), 0.5f, false);
    x = co_graph_linear(g, "fc2", x, 10, true);
    check(co_graph_finish(g, x, features, &err), &err);
    return g;
}

static void same_bits(void **state)
{
    (void)state;
    co_graph *graph = make_graph();
    for (int i = 0; i < BATCHES; i++) {
        co_plan_spec spec = {.batch = batches[i], .mode = CO_TRAIN, .feature_gradient = true};
        random_batch b = random_batch_make(graph, &spec, 5);
        side_options options = {.backend = "dnnl", .threads = 1, .family = CO_FAMILY_LANE};
        side one = side_open(&options, graph, &spec, 1, 5);
        side_run(&one, 0, &spec, &b.batch, 5);
        for (int threads = 1; threads <= MOST_THREADS; threads++) {
            options.threads = threads;
            side many = side_open(&options, graph, &spec, 1, 5);
            side_run(&many, 0, &spec, &b.batch, 5);
            assert_sides_identical(&one, &many, 0, &spec);
            side_close(&many);
        }
        side_close(&one);
        random_batch_free(&b);
    }
    co_graph_destroy(graph);
}

/* A few steps of training: what the optimizers and vector operations leave. */
static void same_bits_after_steps(void **state)
{
    (void)state;
    co_graph *graph = make_graph();
    co_plan_spec spec = {.batch = 20, .mode = CO_TRAIN};
    random_batch b = random_batch_make(graph, &spec, 6);
    side sides[MOST_THREADS];
    for (int i = 0; i < MOST_THREADS; i++) {
        side_options options = {.backend = "dnnl", .threads = i + 1, .family = CO_FAMILY_LANE};
        sides[i] = side_open(&options, graph, &spec, 1, 6);
        co_error err = {0};
        void *memory = NULL;
        check(co_alloc(3 * graph->param_floats, sizeof(float), "test", &memory, &err), &err);
        float *buffers = memory;
        const co_backend_ops *ops = sides[i].ops;
        for (int step = 1; step <= 4; step++) {
            co_sgd sgd = {.lr = 0.01f, .momentum = 0.9f, .weight_decay = 1e-4f, .nesterov = true};
            co_adam adam = {0.001f, 0.9f, 0.999f, 1e-8f, 0.01f, step == 3, (uint64_t)step};
            side_run(&sides[i], 0, &spec, &b.batch, 6);
            if (step % 2 == 0) {
                ops->sgd(sides[i].model, 0, graph->param_floats, &sgd, buffers);
            } else {
                ops->adam(sides[i].model, 0, graph->param_floats, &adam,
                          buffers + graph->param_floats, buffers + 2 * graph->param_floats);
            }
            check(ops->refresh(sides[i].model, 0, graph->param_floats, &err), &err);
        }
        co_free(memory);
        assert_memory_equal(sides[0].model->params, sides[i].model->params,
                            graph->param_floats * sizeof(float));
    }
    for (int i = 0; i < MOST_THREADS; i++) {
        side_close(&sides[i]);
    }
    random_batch_free(&b);
    co_graph_destroy(graph);
}

/* Long enough that the team takes part. */
static void sums_of_squares_do_not_depend_on_threads(void **state)
{
    (void)state;
    enum { COUNT = 300001 };
    co_error err = {0};
    void *memory = NULL;
    check(co_alloc(COUNT, sizeof(float), "test", &memory, &err), &err);
    float *x = memory;
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 3, .stream = CO_STREAM_TEST});
    double exact = 0.0;
    for (int i = 0; i < COUNT; i++) {
        x[i] = co_rng_normal(&rng);
        exact += (double)x[i] * (double)x[i];
    }
    double first = 0.0;
    for (int threads = 1; threads <= MOST_THREADS; threads++) {
        co_team *team = NULL;
        co_backend *backend = NULL;
        check(co_team_create(threads, &team, &err), &err);
        check(co_backend_create("dnnl", NULL, team, &backend, &err), &err);
        double sum = backend->ops->sum_squares(backend, COUNT, x);
        first = threads == 1 ? sum : first;
        assert_memory_equal(&sum, &first, sizeof(sum));
        assert_true(sum > exact * (1.0 - 1e-12) && sum < exact * (1.0 + 1e-12));
        backend->ops->destroy(backend);
        co_team_destroy(team);
    }
    co_free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits),
        cmocka_unit_test(same_bits_after_steps),
        cmocka_unit_test(sums_of_squares_do_not_depend_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
