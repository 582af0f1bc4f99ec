/* The kernel table and tune files: rules, exact rows, strict reading, tuning itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/dnnl/buffers.h"
#include "graph/models/models.h"
#include "helper_dnnl.h"

static char path[] = "/tmp/cohort-tune-XXXXXX";

static void check(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s", err->text);
    }
}

static co_kernel_query query(int in, int plane, int out, int kernel)
{
    return (co_kernel_query){.batch = 8, /* leaves half of the lanes empty */
                             .in = {in, plane, plane},
                             .out = {out, plane, plane},
                             .conv = {.out_channels = out,
                                      .kernel_h = kernel,
                                      .kernel_w = kernel,
                                      .stride_h = 1,
                                      .stride_w = 1,
                                      .pad_h = kernel / 2,
                                      .pad_w = kernel / 2,
                                      .groups = 1},
                             .isa = CO_LANE_AVX512,
                             .threads = 2,
                             .version = {2, 6, 3}};
}

static void rules_choose(void **state)
{
    (void)state;
    const co_tuning none = {NULL, 0, 0};
    co_kernel_query lenet = query(6, 14, 16, 5);
    co_kernel_query stem = query(3, 224, 64, 3);
    co_kernel_query resnet = query(256, 8, 256, 3);
    co_kernel_query tiny = query(512, 2, 512, 3);
    assert_int_equal(co_kernel_choose(&lenet, &none, CO_FAMILY_TABLE).pass[0],
                     CO_KERNEL_LANE_DIRECT);
    assert_true(co_kernel_is_lane(co_kernel_choose(&stem, &none, CO_FAMILY_TABLE).pass[0]));
    assert_int_equal(co_kernel_choose(&resnet, &none, CO_FAMILY_TABLE).pass[2],
                     CO_KERNEL_DNNL_WINOGRAD);
    assert_int_equal(co_kernel_choose(&tiny, &none, CO_FAMILY_TABLE).pass[1],
                     CO_KERNEL_DNNL_DIRECT);
    assert_false(co_kernel_is_lane(co_kernel_choose(&lenet, &none, CO_FAMILY_DNNL).pass[0]));
    assert_true(co_kernel_is_lane(co_kernel_choose(&resnet, &none, CO_FAMILY_LANE).pass[0]));
    resnet.batch = 32;
    assert_int_equal(co_kernel_choose(&resnet, &none, CO_FAMILY_TABLE).pass[2],
                     CO_KERNEL_LANE_WINOGRAD);
    resnet.batch = 17;
    assert_false(co_kernel_is_lane(co_kernel_choose(&resnet, &none, CO_FAMILY_TABLE).pass[0]));
}

/* Kernels of one row have a Winograd of their own, in lanes only. */
static void rules_choose_for_rows(void **state)
{
    (void)state;
    const co_tuning none = {NULL, 0, 0};
    co_kernel_query row = {.batch = 16,
                           .in = {128, 1, 500},
                           .out = {128, 1, 491},
                           .conv = {.out_channels = 128,
                                    .kernel_h = 1,
                                    .kernel_w = 10,
                                    .stride_h = 1,
                                    .stride_w = 1,
                                    .groups = 1},
                           .isa = CO_LANE_AVX512,
                           .threads = 2,
                           .version = {2, 6, 3}};
    co_kernel_query column = row;
    column.conv.kernel_h = 10;
    column.conv.kernel_w = 1;
    column.in = (co_shape){128, 500, 1};
    column.out = (co_shape){128, 491, 1};
    for (int pass = 0; pass < CO_PASSES; pass++) {
        assert_int_equal(co_kernel_choose(&row, &none, CO_FAMILY_TABLE).pass[pass],
                         CO_KERNEL_LANE_WINOGRAD);
        assert_int_equal(co_kernel_choose(&column, &none, CO_FAMILY_TABLE).pass[pass],
                         CO_KERNEL_LANE_DIRECT);
    }
    assert_true(co_kernel_fits(CO_KERNEL_LANE_WINOGRAD, &row));
    assert_false(co_kernel_fits(CO_KERNEL_LANE_WINOGRAD, &column));
}

static void write_file(const char *content)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, strlen(content), file), strlen(content));
    assert_int_equal(fclose(file), 0);
}

#define SHAPE "conv 256x8x8 -> 256x8x8 k3x3 s1x1 p1x1 g1 n8 "

static void rows_win_over_rules(void **state)
{
    (void)state;
    co_error err = {0};
    write_file("# a comment\n\n" SHAPE "forward avx512 t2 dnnl2.6.3 = dnnl_direct\n" SHAPE
               "data avx512 t2 dnnl2.6.3 = lane_direct\n" SHAPE
               "weights avx512 t1 dnnl2.6.3 = dnnl_gemm\n");
    co_tuning tuning = {NULL, 0, 0};
    check(co_tuning_load(&tuning, path, &err), &err);
    assert_int_equal(tuning.count, 3);
    co_kernel_query q = query(256, 8, 256, 3);
    co_kernel_choice choice = co_kernel_choose(&q, &tuning, CO_FAMILY_TABLE);
    assert_int_equal(choice.pass[CO_LANE_FORWARD], CO_KERNEL_DNNL_DIRECT);
    assert_int_equal(choice.pass[CO_LANE_DATA], CO_KERNEL_DNNL_WINOGRAD);    /* other family */
    assert_int_equal(choice.pass[CO_LANE_WEIGHTS], CO_KERNEL_DNNL_WINOGRAD); /* other threads */
    q.threads = 1;
    choice = co_kernel_choose(&q, &tuning, CO_FAMILY_TABLE);
    assert_int_equal(choice.pass[CO_LANE_FORWARD], CO_KERNEL_DNNL_WINOGRAD);
    assert_int_equal(choice.pass[CO_LANE_WEIGHTS], CO_KERNEL_DNNL_GEMM);

    /* what is written reads the same */
    co_tuning again = {NULL, 0, 0};
    check(co_tuning_save(&tuning, path, &err), &err);
    check(co_tuning_load(&again, path, &err), &err);
    assert_int_equal(again.count, tuning.count);
    for (int i = 0; i < again.count; i++) {
        char a[CO_TUNE_LINE];
        char b[CO_TUNE_LINE];
        co_tune_row_print(&again.rows[i], a);
        co_tune_row_print(&tuning.rows[i], b);
        assert_string_equal(a, b);
    }
    co_tuning_free(&again);
    co_tuning_free(&tuning);
}

static void damaged_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        const char *message;
    } cases[] = {
        {"konv 1x1x1", ":1:1: expected 'conv '"},
        {"conv 0x8x8 -> 1x8x8", ":1:6: expected 'a number from 1"},
        {"conv 123456789x8x8", ":1:6: expected 'a number"},
        {"conv 99999999999999999999x8x8", "expected 'a number"},
        {SHAPE "forward avx512 t2 dnnl2.6.3 = ref\n", "lane_winograd"},
        {SHAPE "forward avx512 t2 dnnl2.6.3 = dnnl_direct and more\n", "the end of the line"},
        {SHAPE "backward avx512 t2 dnnl2.6.3 = dnnl_direct\n", "forward, data or weights"},
        {SHAPE "forward sse t2 dnnl2.6.3 = dnnl_direct\n", "plain, avx2 or avx512"},
        {"# first\nconv 4x8x8 -> 4x4x4 k3x3 s2x2 p1x1 g1 n64 forward avx2 t1 dnnl2.6.3 = "
         "lane_winograd\n",
         ":2: lane_winograd needs"},
        {"conv 4x1x8 -> 4x1x8 k1x5 s1x1 p0x5 g1 n64 forward avx2 t1 dnnl2.6.3 = lane_winograd\n",
         "or k1xN with p0xM, M < N"},
        {"conv 4x8x8 -> 4x8x8 k3x3 s1x1 p1x1 g3 n64 forward avx2 t1 dnnl2.6.3 = lane_direct\n",
         "the groups do not divide"},
        {SHAPE, "forward, data or weights"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        co_error err = {0};
        co_tuning tuning = {NULL, 0, 0};
        write_file(cases[i].content);
        assert_int_equal(co_tuning_load(&tuning, path, &err), CO_DATA);
        if (strstr(err.text, cases[i].message) == NULL || strstr(err.text, path) == NULL) {
            fail_msg("case %zu says: %s", i, err.text);
        }
        co_tuning_free(&tuning);
    }
}

/* ------------------------------------------------------------------ tuning */

typedef struct seen {
    int rows;
    bool worse;
} seen;

static bool progress(void *arg, const char *row, double before_s, double after_s)
{
    seen *s = arg;
    assert_non_null(strstr(row, "conv "));
    s->rows++;
    s->worse = s->worse || after_s > before_s;
    return true;
}

/* A clock that makes the n-th measured step as fast as a table says would be a poor test of
 * measuring; this one only steps, so that all candidates are equal and none is taken. */
static uint64_t stepping_ns(void *context)
{
    uint64_t *now = context;
    return *now += 1000000000;
}

static void tuning_writes_what_it_chose(void **state)
{
    (void)state;
    co_error err = {0};
    co_graph *graph = NULL;
    check(co_model_build("lenet5", NULL, (co_shape){1, 28, 28}, 10, &graph, &err), &err);
    co_team *team = NULL;
    co_backend *backend = NULL;
    check(co_team_create(1, &team, &err), &err);
    check(co_backend_create("dnnl", NULL, team, &backend, &err), &err);
    co_plan_spec spec = {.batch = 16, .mode = CO_TRAIN};
    uint64_t now = 0;
    co_clock clock = {.monotonic_ns = stepping_ns, .context = &now};
    seen s = {0, false};
    check(co_dnnl_tune(backend, graph, &spec, &clock, progress, &s, &err), &err);
    assert_int_equal(s.rows, 6); /* two convolutions, three passes */
    assert_false(s.worse);
    check(co_dnnl_tune_save(backend, path, &err), &err);
    backend->ops->destroy(backend);

    /* a backend that reads the file computes the same as one that does not: equal candidates
     * leave the committed choice */
    co_plan_spec small = {.batch = 16, .mode = CO_TRAIN};
    side tuned = side_open(&(side_options){.backend = "dnnl", .tune_file = path}, graph, &small, 1,
                           1);
    side plain = side_open(&(side_options){.backend = "dnnl"}, graph, &small, 1, 1);
    random_batch b = random_batch_make(graph, &small, 1);
    side_run(&tuned, 0, &small, &b.batch, 1);
    side_run(&plain, 0, &small, &b.batch, 1);
    assert_sides_identical(&tuned, &plain, 0, &small);
    random_batch_free(&b);
    side_close(&tuned);
    side_close(&plain);
    co_team_destroy(team);
    co_graph_destroy(graph);
}

/* A row decides: one convolution in oneDNN's family between two in lanes, changes of layout
 * around it. */
static void families_mix(void **state)
{
    (void)state;
    co_error err = {0};
    co_graph *graph = NULL;
    check(co_model_build("cnn1", NULL, (co_shape){1, 28, 28}, 10, &graph, &err), &err);
    side_options options = {.backend = "dnnl", .isa = "auto", .tune_file = path};
    co_lane_isa isa = co_lane_isa_best();
    char content[512];
    static const char *const names[] = {"plain", "avx2", "avx512"};
    for (int which = 0; which < 2; which++) {
        snprintf(content, sizeof(content),
                 "conv %s k3x3 s1x1 p0x0 g1 n5 forward %s t1 dnnl2.6.3 = dnnl_direct\n",
                 which == 0 ? "1x28x28 -> 32x26x26" : "32x26x26 -> 64x24x24", names[isa]);
        write_file(content);
        co_plan_spec spec = {.batch = 5, .mode = CO_TRAIN, .feature_gradient = true};
        side own = side_open(&options, graph, &spec, 1, 1);
        side ref = side_open(&(side_options){.backend = "ref"}, graph, &spec, 1, 1);
        random_batch b = random_batch_make(graph, &spec, 1);
        side_run(&own, 0, &spec, &b.batch, 1);
        side_run(&ref, 0, &spec, &b.batch, 1);
        char what[CO_NAME_SIZE];
        double d = side_distance(&own, &ref, 0, &spec, what);
        if (d > 1e-4) {
            fail_msg("%s is off by %.2e", what, d);
        }
        random_batch_free(&b);
        side_close(&own);
        side_close(&ref);
    }
    co_graph_destroy(graph);
}

/* ------------------------------------------------------------------ placement of buffers */

static void buffers_that_live_together_do_not_overlap(void **state)
{
    (void)state;
    enum { BUFFERS = 60, ROUNDS = 50, TIMES = 40 };
    co_error err = {0};
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 1, .stream = CO_STREAM_TEST});
    for (int round = 0; round < ROUNDS; round++) {
        co_buffers all = {0};
        size_t sum = 0;
        for (int i = 0; i < BUFFERS; i++) {
            int index = -1;
            size_t bytes = 1 + co_rng_below(&rng, 5000);
            check(co_buffers_add(&all, bytes, (co_buffer_use)co_rng_below(&rng, 3), &index, &err),
                  &err);
            co_buffers_touch(&all, index, (int)co_rng_below(&rng, TIMES));
            co_buffers_touch(&all, index, (int)co_rng_below(&rng, TIMES));
            sum += all.items[index].bytes;
        }
        check(co_buffers_place(&all, &err), &err);
        assert_true(all.slab_bytes <= sum);
        for (int i = 0; i < BUFFERS; i++) {
            const co_buffer *a = &all.items[i];
            assert_int_equal(a->offset % 64, 0);
            assert_true(a->offset + a->bytes <= all.slab_bytes);
            for (int k = 0; k < i; k++) {
                const co_buffer *b = &all.items[k];
                bool together = a->first <= b->last && b->first <= a->last;
                bool overlap = a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
                assert_false(together && overlap);
            }
        }
        size_t bill[CO_BUFFER_USES];
        check(co_buffers_bill(&all, bill, &err), &err);
        size_t total = 0;
        for (int i = 0; i < CO_BUFFER_USES; i++) {
            total += bill[i];
        }
        assert_true(total <= all.slab_bytes);
        co_buffers_free(&all);
    }
}

static int make_path(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_choose),
        cmocka_unit_test(rules_choose_for_rows),
        cmocka_unit_test(rows_win_over_rules),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(tuning_writes_what_it_chose),
        cmocka_unit_test(families_mix),
        cmocka_unit_test(buffers_that_live_together_do_not_overlap),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
