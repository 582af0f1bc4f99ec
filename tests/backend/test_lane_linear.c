/* Fully connected layers in lane layout against plain loops in double. */
#include "lane_test.h"

enum { SHAPES = 200 };

typedef struct linear_call {
    const co_lane_ops *ops;
    co_lane_linear d;
    co_lane_pass pass;
    co_lane_linear_args args;
} linear_call;

static void run_range(void *context, int begin, int end)
{
    linear_call *call = context;
    size_t room = call->ops->linear_scratch_floats(&call->d, call->pass);
    float *scratch = test_floats(room + 16);
    memset(scratch, 0xff, room * sizeof(float)); /* NaN: contents must not matter */
    call->ops->linear_run(&call->d, call->pass, &call->args, begin, end, scratch);
    for (size_t i = room; i < room + 16; i++) {
        assert_true(scratch[i] == 0.0f);
    }
    co_free(scratch);
}

static void run_pass(linear_call *call, co_lane_pass pass, int parts)
{
    call->pass = pass;
    test_in_parts(call->ops->linear_items(&call->d, pass), parts, run_range, call);
}

static void expect(const linear_call *call, const char *what, double error)
{
    if (!(error <= 1e-5)) {
        print_message("%s %s: error %g; rows %d, %d -> %d, relu %d\n", call->ops->name, what, error,
                      call->d.rows, call->d.inputs, call->d.outputs, call->d.relu);
    }
    assert_true(error <= 1e-5);
}

static void check_forward(linear_call *call, const float *x, const float *w, const float *bias)
{
    const co_lane_linear *d = &call->d;
    double *want = test_doubles((size_t)(d->rows * d->outputs));
    for (int e = 0; e < d->rows * d->outputs; e++) {
        int n = e / d->outputs;
        int o = e % d->outputs;
        double sum = bias != NULL ? (double)bias[o] : 0.0;
        for (int i = 0; i < d->inputs; i++) {
            sum += (double)x[n * d->inputs + i] * (double)w[o * d->inputs + i];
        }
        want[e] = d->relu && sum < 0.0 ? 0.0 : sum;
    }
    float *lanes = test_to_lanes(x, d->rows, d->inputs, 1, 1, 0, d->lanes, NAN);
    size_t floats = co_lane_floats(d->rows, (size_t)d->outputs, d->lanes);
    float *y[2];
    for (int run = 0; run < 2; run++) {
        y[run] = test_floats(floats);
        call->args = (co_lane_linear_args){.x = lanes, .w = w, .bias = bias, .y = y[run]};
        run_pass(call, CO_LANE_FORWARD, run == 0 ? 1 : 3);
    }
    expect(call, "forward", test_lane_error(y[0], want, d->rows, d->outputs, d->lanes));
    for (int e = 0; e < d->rows * d->outputs; e++) {
        assert_true(test_lane_at(y[0], d->outputs, d->lanes, e / d->outputs, e % d->outputs) ==
                    test_lane_at(y[1], d->outputs, d->lanes, e / d->outputs, e % d->outputs));
    }
    co_free(y[0]);
    co_free(y[1]);
    co_free(lanes);
    co_free(want);
}

static void check_data(linear_call *call, const float *x, const float *w, const float *dy,
                       bool masked)
{
    const co_lane_linear *d = &call->d;
    double *want = test_doubles((size_t)(d->rows * d->inputs));
    for (int e = 0; e < d->rows * d->inputs; e++) {
        int n = e / d->inputs;
        int i = e % d->inputs;
        for (int o = 0; o < d->outputs && (!masked || x[e] > 0.0f); o++) {
            want[e] += (double)dy[n * d->outputs + o] * (double)w[o * d->inputs + i];
        }
    }
    float *dy_lanes = test_to_lanes(dy, d->rows, d->outputs, 1, 1, 0, d->lanes, 0.0f);
    float *mask = test_to_lanes(x, d->rows, d->inputs, 1, 1, 0, d->lanes, 1.0f);
    size_t floats = co_lane_floats(d->rows, (size_t)d->inputs, d->lanes);
    float *dx[2];
    for (int run = 0; run < 2; run++) {
        dx[run] = test_floats(floats);
        memset(dx[run], 0xff, floats * sizeof(float));
        call->args = (co_lane_linear_args){
            .dy = dy_lanes, .w = w, .dx = dx[run], .relu_x = masked ? mask : NULL};
        run_pass(call, CO_LANE_DATA, run == 0 ? 1 : 4);
    }
    expect(call, "data", test_lane_error(dx[0], want, d->rows, d->inputs, d->lanes));
    assert_memory_equal(dx[0], dx[1], floats * sizeof(float));
    assert_true(test_unused_zero(dx[0], d->rows, d->inputs, d->lanes));
    co_free(dx[0]);
    co_free(dx[1]);
    co_free(mask);
    co_free(dy_lanes);
    co_free(want);
}

static void check_weights(linear_call *call, const float *x, const float *dy)
{
    const co_lane_linear *d = &call->d;
    size_t count = (size_t)(d->inputs * d->outputs);
    double *want = test_doubles(count);
    double *want_bias = test_doubles((size_t)d->outputs);
    for (int n = 0; n < d->rows; n++) {
        for (int o = 0; o < d->outputs; o++) {
            double g = (double)dy[n * d->outputs + o];
            want_bias[o] += g;
            for (int i = 0; i < d->inputs; i++) {
                want[o * d->inputs + i] += g * (double)x[n * d->inputs + i];
            }
        }
    }
    /* x behind the batch is not looked at: NaN; dy is 0 there, as the kernels leave it. */
    float *x_lanes = test_to_lanes(x, d->rows, d->inputs, 1, 1, 0, d->lanes, NAN);
    float *dy_lanes = test_to_lanes(dy, d->rows, d->outputs, 1, 1, 0, d->lanes, 0.0f);
    float *dw[2];
    float *db[2];
    for (int run = 0; run < 2; run++) {
        dw[run] = test_floats(count);
        db[run] = test_floats((size_t)d->outputs);
        memset(dw[run], 0xff, count * sizeof(float));
        call->args = (co_lane_linear_args){
            .x = x_lanes, .dy = dy_lanes, .dw = dw[run], .dbias = db[run]};
        run_pass(call, CO_LANE_WEIGHTS, run == 0 ? 1 : 3);
    }
    expect(call, "weights", test_error(dw[0], want, count));
    expect(call, "bias", test_error(db[0], want_bias, (size_t)d->outputs));
    assert_memory_equal(dw[0], dw[1], count * sizeof(float));
    assert_memory_equal(db[0], db[1], (size_t)d->outputs * sizeof(float));
    for (int run = 0; run < 2; run++) {
        co_free(dw[run]);
        co_free(db[run]);
    }
    co_free(x_lanes);
    co_free(dy_lanes);
    co_free(want);
    co_free(want_bias);
}

static void check_shape(const co_lane_ops *ops, uint32_t seed, int rows, int inputs, int outputs)
{
    co_rng rng = test_rng(seed);
    linear_call call = {
        .ops = ops,
        .d = {.rows = rows, .inputs = inputs, .outputs = outputs, .relu = seed % 2 == 1}};
    co_lane_linear_init(&call.d, ops->lanes);
    float *x = test_random(&rng, (size_t)(rows * inputs));
    float *w = test_random(&rng, (size_t)(inputs * outputs));
    float *bias = test_random(&rng, (size_t)outputs);
    float *dy = test_random(&rng, (size_t)(rows * outputs));
    check_forward(&call, x, w, seed % 3 == 0 ? NULL : bias);
    check_data(&call, x, w, dy, seed % 2 == 0);
    check_weights(&call, x, dy);
    co_free(x);
    co_free(w);
    co_free(bias);
    co_free(dy);
}

static void check_random(const co_lane_ops *ops)
{
    for (uint32_t seed = 0; seed < SHAPES; seed++) {
        co_rng rng = test_rng(2000 + seed);
        int rows = test_batches[co_rng_below(&rng, TEST_BATCHES)];
        int inputs = test_pick(&rng, 1, 150);
        check_shape(ops, seed, rows, inputs, test_pick(&rng, 1, 70));
    }
    check_shape(ops, 1, 33, 2500, 10); /* more than one chunk of inputs */
    check_shape(ops, 2, 17, 40, 600);  /* and of outputs */
    check_shape(ops, 3, 130, 20, 30);  /* more bundles than registers hold */
}

static void test_random_shapes(void **state)
{
    (void)state;
    test_each_isa(check_random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
