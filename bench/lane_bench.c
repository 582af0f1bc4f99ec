/* Speed of the lane kernels, one line per kernel and shape: microseconds per batch of 64, GFLOP/s
 * (counted as direct convolution) and percent of the measured peak of one core.
 *
 *   lane_bench [avx512|avx2|plain] [milliseconds per kernel] [part of the names to run]
 *
 * Each kernel runs many times and the best time counts: other programs only ever make it slower. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/dnnl/lane/lane.h"
#include "base/alloc.h"
#include "base/rng.h"
#include "bench/machine.h"

enum { BATCH = 64 };

typedef struct bench {
    const co_lane_ops *ops;
    double peak_gflops;
    double budget_s;
    const char *filter;
    double total_us, total_gflop; /* of the network that is being timed */
} bench;

typedef void (*bench_func)(void *context);

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* other programs may take the core */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *room(size_t size)
{
    void *block = NULL;
    co_error err;
    if (co_alloc(size + CO_ALIGNMENT, 1, "benchmark", &block, &err) != CO_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return block;
}

static float *values(size_t count)
{
    float *block = room(count * sizeof(float));
    co_rng_key key = {.seed = count, .stream = CO_STREAM_TEST};
    co_rng rng = co_rng_at(&key);
    for (size_t i = 0; i < count; i++) {
        block[i] = co_rng_uniform(&rng) - 0.5f;
    }
    return block;
}

static double best_time(const bench *b, bench_func run, void *context)
{
    double best = 1e9;
    double start = now_s();
    run(context);
    for (int i = 0; i < 5 || now_s() - start < b->budget_s; i++) {
        double t = now_s();
        run(context);
        t = now_s() - t;
        best = t < best ? t : best;
    }
    return best;
}

static void report(bench *b, const char *name, double mflop, bench_func run, void *context)
{
    if (strstr(name, b->filter) == NULL) {
        return;
    }
    double t = best_time(b, run, context);
    b->total_us += t * 1e6;
    b->total_gflop += mflop * 1e-3;
    if (mflop > 0.0) {
        printf("%-44s %9.1f us %8.1f GFLOP/s %6.1f %%\n", name, t * 1e6, mflop * 1e-3 / t,
               100.0 * mflop * 1e-3 / t / b->peak_gflops);
    } else {
        printf("%-44s %9.1f us\n", name, t * 1e6);
    }
}

static void end_network(bench *b, const char *name)
{
    if (b->filter[0] != '\0') {
        return;
    }
    double s = b->total_us * 1e-6;
    printf("%-44s %9.1f us %8.1f GFLOP/s %6.1f %% %8.0f img/s\n\n", name, s * 1e6,
           b->total_gflop / s, 100.0 * b->total_gflop / s / b->peak_gflops, BATCH / s);
    b->total_us = 0.0;
    b->total_gflop = 0.0;
}

/* --- one convolution: all its passes */
typedef struct conv_bench {
    const co_lane_ops *ops;
    co_lane_conv d;
    co_lane_conv_args a;
    float *w, *packed[2], *scratch, *dpooled, *dy;
    co_lane_pass pass;
} conv_bench;

static void run_conv(void *context)
{
    conv_bench *c = context;
    co_lane_conv_args a = c->a;
    if (co_lane_conv_takes_pooled(&c->d, c->pass)) {
        a.dy = NULL;
        a.dpooled = c->dpooled;
    }
    if (c->pass != CO_LANE_WEIGHTS) {
        bool packs = c->ops->conv_packed_floats(&c->d, c->pass) > 0;
        a.packed = packs ? c->packed[c->pass] : c->w;
    }
    c->ops->conv_run(&c->d, c->pass, &a, 0, c->ops->conv_items(&c->d, c->pass), c->scratch);
}

static void run_pack(void *context)
{
    conv_bench *c = context;
    for (int pass = CO_LANE_FORWARD; pass <= CO_LANE_DATA; pass++) {
        int items = c->ops->conv_pack_items(&c->d, (co_lane_pass)pass);
        c->ops->conv_pack(&c->d, (co_lane_pass)pass, c->w, c->packed[pass], 0, items);
    }
}

static void run_unpool(void *context)
{
    conv_bench *c = context;
    c->ops->conv_unpool(&c->d, c->dpooled, c->a.pool_index, c->dy, 0,
                        c->d.bundles * c->d.out_channels);
}

static size_t lane_floats(const co_lane_conv *d, int channels, int h, int w)
{
    return co_lane_floats(d->rows, (size_t)(channels * h * w), d->lanes);
}

static void conv_rooms(conv_bench *c)
{
    co_lane_conv *d = &c->d;
    size_t weights = (size_t)(d->out_channels * d->in_channels / d->groups * d->kernel_h *
                              d->kernel_w);
    size_t x = lane_floats(d, d->in_channels, d->in_h + 2 * d->in_halo, d->in_w + 2 * d->in_halo);
    size_t y = lane_floats(d, d->out_channels, d->y_h, d->y_w);
    size_t dy = lane_floats(d, d->out_channels, d->used_h, d->used_w);
    size_t scratch = 0;
    for (int pass = 0; pass < 3; pass++) {
        size_t size = c->ops->conv_scratch_floats(d, (co_lane_pass)pass);
        scratch = size > scratch ? size : scratch;
    }
    c->w = values(weights);
    for (int pass = 0; pass < 2; pass++) {
        c->packed[pass] = values(c->ops->conv_packed_floats(d, (co_lane_pass)pass));
    }
    c->scratch = values(scratch);
    c->dpooled = values(y);
    c->dy = values(dy);
    c->a = (co_lane_conv_args){.x = values(x),
                               .bias = values((size_t)d->out_channels),
                               .y = values(y),
                               .pool_index = room(y),
                               .dy = c->dy,
                               .dx = values(x),
                               .relu_x = NULL,
                               .dw = values(weights),
                               .dbias = values((size_t)d->out_channels)};
}

static void conv_free(conv_bench *c)
{
    co_free(c->w);
    co_free(c->packed[0]);
    co_free(c->packed[1]);
    co_free(c->scratch);
    co_free(c->dpooled);
    co_free(c->dy);
    co_free((void *)(uintptr_t)c->a.x);
    co_free((void *)(uintptr_t)c->a.bias);
    co_free(c->a.y);
    co_free(c->a.pool_index);
    co_free(c->a.dx);
    co_free(c->a.dw);
    co_free(c->a.dbias);
}

static void bench_conv(bench *b, const char *name, co_lane_conv d, int algorithm, bool data)
{
    static const char *const passes[] = {"forward", "data", "weights"};
    d.rows = BATCH;
    d.stride_h = d.stride_h == 0 ? 1 : d.stride_h;
    d.stride_w = d.stride_h;
    d.groups = 1;
    conv_bench c = {.ops = b->ops, .d = d};
    co_lane_conv_init(&c.d, b->ops->lanes);
    if (algorithm < 0) {
        co_lane_conv_choose(&c.d);
    } else {
        for (int pass = 0; pass < 3; pass++) {
            c.d.algorithm[pass] = (co_lane_algorithm)algorithm;
        }
    }
    conv_rooms(&c);
    double mflop = 2e-6 * BATCH * c.d.out_channels * c.d.in_channels * c.d.kernel_h * c.d.kernel_w *
                   c.d.used_h * c.d.used_w;
    char line[96];
    snprintf(line, sizeof line, "%s pack", name);
    report(b, line, 0.0, run_pack, &c);
    for (int pass = 0; pass < 3; pass++) {
        bool unpool = !co_lane_conv_takes_pooled(&c.d, CO_LANE_WEIGHTS) ||
                      (data && !co_lane_conv_takes_pooled(&c.d, CO_LANE_DATA));
        if (pass == CO_LANE_DATA && d.pool > 1 && unpool) {
            snprintf(line, sizeof line, "%s unpool", name);
            report(b, line, 0.0, run_unpool, &c);
        }
        if (pass == CO_LANE_DATA && !data) {
            continue;
        }
        c.pass = (co_lane_pass)pass;
        snprintf(line, sizeof line, "%s %s%s", name, passes[pass],
                 c.d.algorithm[pass] == CO_LANE_WINOGRAD ? " (winograd)" : "");
        report(b, line, mflop, run_conv, &c);
    }
    conv_free(&c);
}

/* --- one linear layer */
typedef struct linear_bench {
    const co_lane_ops *ops;
    co_lane_linear d;
    co_lane_linear_args a;
    co_lane_pass pass;
    float *scratch;
} linear_bench;

static void run_linear(void *context)
{
    linear_bench *c = context;
    c->ops->linear_run(&c->d, c->pass, &c->a, 0, c->ops->linear_items(&c->d, c->pass), c->scratch);
}

static void bench_linear(bench *b, int inputs, int outputs)
{
    static const char *const passes[] = {"forward", "data", "weights"};
    linear_bench c = {.ops = b->ops, .d = {.rows = BATCH, .inputs = inputs, .outputs = outputs}};
    co_lane_linear_init(&c.d, b->ops->lanes);
    size_t in = co_lane_floats(BATCH, (size_t)inputs, b->ops->lanes);
    size_t out = co_lane_floats(BATCH, (size_t)outputs, b->ops->lanes);
    float *x = values(in);
    float *y = values(out);
    float *w = values((size_t)inputs * (size_t)outputs);
    float *dw = values((size_t)inputs * (size_t)outputs);
    float *bias = values((size_t)outputs);
    float *dx = values(in);
    float *dy = values(out);
    c.a = (co_lane_linear_args){
        .x = x, .w = w, .bias = bias, .y = y, .dy = dy, .dx = dx, .dw = dw, .dbias = bias};
    double mflop = 2e-6 * BATCH * inputs * outputs;
    for (int pass = 0; pass < 3; pass++) {
        c.pass = (co_lane_pass)pass;
        c.scratch = values(b->ops->linear_scratch_floats(&c.d, c.pass));
        char line[96];
        snprintf(line, sizeof line, "linear %d->%d %s", inputs, outputs, passes[pass]);
        report(b, line, mflop, run_linear, &c);
        co_free(c.scratch);
    }
    float *const all[] = {x, y, w, dw, bias, dx, dy};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        co_free(all[i]);
    }
}

/* --- input and dropout */
typedef struct other_bench {
    const co_lane_ops *ops;
    co_lane_input input;
    co_lane_dropout drop;
    uint8_t *pixels;
    uint16_t *keep;
    uint32_t samples[BATCH];
    float *x;
} other_bench;

static void run_input(void *context)
{
    other_bench *c = context;
    c->ops->input_u8(&c->input, c->pixels, (size_t)(c->input.h * c->input.w), c->x, 0,
                     c->input.bundles);
}

static void run_dropout(void *context)
{
    other_bench *c = context;
    c->ops->dropout_forward(&c->drop, c->samples, c->x, c->x, c->keep, 0, c->drop.bundles);
}

static void bench_input(bench *b, int halo)
{
    float one = 1.0f;
    other_bench c = {.ops = b->ops,
                     .input = {.rows = BATCH,
                               .channels = 1,
                               .h = 28,
                               .w = 28,
                               .halo = halo,
                               .scale = &one,
                               .shift = &one}};
    co_lane_input_init(&c.input, b->ops->lanes);
    c.pixels = room(BATCH * 28 * 28);
    c.x = values(co_lane_floats(BATCH, (size_t)((28 + 2 * halo) * (28 + 2 * halo)), b->ops->lanes));
    report(b, "input 28x28 uint8", 0.0, run_input, &c);
    co_free(c.pixels);
    co_free(c.x);
}

static void bench_dropout(bench *b, int elements)
{
    other_bench c = {.ops = b->ops,
                     .drop = {.rows = BATCH, .channels = elements, .plane = 1, .p = 0.25f}};
    co_lane_dropout_init(&c.drop, b->ops->lanes);
    size_t floats = co_lane_floats(BATCH, (size_t)elements, b->ops->lanes);
    c.x = values(floats);
    c.keep = room(floats * sizeof(uint16_t));
    char line[96];
    snprintf(line, sizeof line, "dropout %d forward", elements);
    report(b, line, 0.0, run_dropout, &c);
    co_free(c.x);
    co_free(c.keep);
}

static co_lane_conv square(int in, int out, int size, int kernel, int pad, int pool)
{
    return (co_lane_conv){.in_channels = in,
                          .out_channels = out,
                          .in_h = size,
                          .in_w = size,
                          .kernel_h = kernel,
                          .kernel_w = kernel,
                          .pad_h = pad,
                          .pad_w = pad,
                          .pool = pool,
                          .relu = true};
}

/* 1 x kernel taps over a row. */
static co_lane_conv line(int channels, int width, int kernel)
{
    return (co_lane_conv){.in_channels = channels,
                          .out_channels = channels,
                          .in_h = 1,
                          .in_w = width,
                          .kernel_h = 1,
                          .kernel_w = kernel,
                          .relu = true};
}

static void bench_networks(bench *b)
{
    co_lane_conv lenet_first = square(1, 6, 28, 5, 2, 2);
    lenet_first.in_halo = 2;
    bench_input(b, 2);
    bench_conv(b, "conv 1->6 5x5 28 pool2", lenet_first, -1, false);
    bench_conv(b, "conv 6->16 5x5 14 pool2", square(6, 16, 14, 5, 0, 2), -1, true);
    bench_linear(b, 400, 120);
    bench_linear(b, 120, 84);
    bench_linear(b, 84, 10);
    end_network(b, "LeNet-5 forward and backward");

    bench_input(b, 0);
    bench_conv(b, "conv 1->32 3x3 28", square(1, 32, 28, 3, 0, 0), -1, false);
    bench_conv(b, "conv 32->64 3x3 26 pool2", square(32, 64, 26, 3, 0, 2), -1, true);
    bench_dropout(b, 9216);
    bench_linear(b, 9216, 128);
    bench_linear(b, 128, 10);
    end_network(b, "cnn1 forward and backward");

    bench_input(b, 0);
    bench_conv(b, "conv 1->32 3x3 28 pool2", square(1, 32, 28, 3, 0, 2), -1, false);
    bench_conv(b, "conv 32->64 3x3 13 pool2", square(32, 64, 13, 3, 0, 2), -1, true);
    bench_linear(b, 1600, 50);
    bench_linear(b, 50, 10);
    end_network(b, "mnistnet forward and backward");

    bench_conv(b, "conv 3->32 3x3 32 pool2", square(3, 32, 32, 3, 1, 2), -1, false);
    bench_conv(b, "conv 32->64 3x3 16 pool2", square(32, 64, 16, 3, 1, 2), -1, true);
    bench_linear(b, 4096, 512);
    bench_linear(b, 512, 10);
    end_network(b, "cnn2 forward and backward");

    bench_conv(b, "conv 32->64 3x3 26 pool2 direct", square(32, 64, 26, 3, 0, 2), 0, true);
    bench_conv(b, "conv 32->64 3x3 13 pool2 direct", square(32, 64, 13, 3, 0, 2), 0, true);
    bench_conv(b, "conv 16->16 3x3 16", square(16, 16, 16, 3, 1, 0), 1, true);
    bench_conv(b, "conv 16->16 3x3 16 direct", square(16, 16, 16, 3, 1, 0), 0, true);
    bench_conv(b, "conv 64->64 3x3 8", square(64, 64, 8, 3, 1, 0), 1, true);
    bench_conv(b, "conv 64->64 3x3 8 direct", square(64, 64, 8, 3, 1, 0), 0, true);
    co_lane_conv strided = square(16, 32, 16, 3, 1, 0);
    strided.stride_h = 2;
    bench_conv(b, "conv 16->32 3x3 16 stride 2", strided, 0, true);
    bench_conv(b, "conv 32->32 1x1 16", square(32, 32, 16, 1, 0, 0), 0, true);
    bench_conv(b, "line 128->128 1x10 2000", line(128, 2000, 10), 1, true);
    bench_conv(b, "line 128->128 1x10 2000 direct", line(128, 2000, 10), 0, true);
    bench_conv(b, "line 32->32 1x5 500", line(32, 500, 5), 1, true);
    bench_conv(b, "line 32->32 1x5 500 direct", line(32, 500, 5), 0, true);
    end_network(b, "other shapes");
}

/* Best of several short runs, in the same clock as the kernels. */
static double peak_gflops(const co_peak_kernels *kernels)
{
    enum { RUNS = 40, ROUNDS = 100000 };
    double best = 0.0;
    volatile float sink = 0.0f;
    for (int i = 0; i < RUNS; i++) {
        double t = now_s();
        sink = sink + kernels->multiply_add(ROUNDS, 0.999f, 0.001f);
        t = now_s() - t;
        double gflops = 1e-9 * ROUNDS * kernels->flops_per_round / t;
        best = gflops > best ? gflops : best;
    }
    return best;
}

int main(int argc, char **argv)
{
    co_error err;
    co_lane_isa isa = CO_LANE_PLAIN;
    if (co_lane_isa_parse(argc > 1 ? argv[1] : "auto", &isa, &err) != CO_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    bench b = {.ops = co_lane_ops_for(isa),
               .budget_s = 1e-3 * (argc > 2 ? atof(argv[2]) : 100.0),
               .filter = argc > 3 ? argv[3] : ""};
    b.peak_gflops = peak_gflops(co_peak_find(b.ops->name));
    printf("%s, batch %d, peak of one core %.0f GFLOP/s\n\n", b.ops->name, BATCH, b.peak_gflops);
    bench_networks(&b);
    return 0;
}
