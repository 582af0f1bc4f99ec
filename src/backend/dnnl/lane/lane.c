#include "backend/dnnl/lane/lane.h"

#include <string.h>

#include "backend/dnnl/lane/share.h"
#include "backend/dnnl/lane/tables.h"

static const char *const isa_names[] = {"plain", "avx2", "avx512"};

const co_lane_ops *co_lane_ops_for(co_lane_isa isa)
{
    switch (isa) {
    case CO_LANE_PLAIN:
        return &co_lane_plain_ops;
#if defined(__x86_64__)
    case CO_LANE_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &co_lane_avx2_ops
                                                                               : NULL;
    case CO_LANE_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")
                   ? &co_lane_avx512_ops
                   : NULL;
#else
    case CO_LANE_AVX2:
    case CO_LANE_AVX512:
        return NULL;
#endif
    }
    return NULL;
}

co_lane_isa co_lane_isa_best(void)
{
    if (co_lane_ops_for(CO_LANE_AVX512) != NULL) {
        return CO_LANE_AVX512;
    }
    return co_lane_ops_for(CO_LANE_AVX2) != NULL ? CO_LANE_AVX2 : CO_LANE_PLAIN;
}

co_status co_lane_isa_parse(const char *name, co_lane_isa *out, co_error *err)
{
    if (name[0] == '\0' || strcmp(name, "auto") == 0) {
        *out = co_lane_isa_best();
        return CO_OK;
    }
    for (int isa = CO_LANE_PLAIN; isa <= CO_LANE_AVX512; isa++) {
        if (strcmp(name, isa_names[isa]) != 0) {
            continue;
        }
        if (co_lane_ops_for((co_lane_isa)isa) == NULL) {
            return co_fail(err, CO_UNSUPPORTED,
                           "instruction set \"%s\": this CPU does not have it; the best one here "
                           "is \"%s\"",
                           name, isa_names[co_lane_isa_best()]);
        }
        *out = (co_lane_isa)isa;
        return CO_OK;
    }
    return co_fail(err, CO_USAGE,
                   "instruction set \"%s\" is unknown; choose auto, avx512, avx2 or plain", name);
}

void co_lane_conv_init(co_lane_conv *d, int lanes)
{
    d->lanes = lanes;
    d->bundles = co_div_up(d->rows, lanes);
    d->out_h = (d->in_h + 2 * d->pad_h - d->kernel_h) / d->stride_h + 1;
    d->out_w = (d->in_w + 2 * d->pad_w - d->kernel_w) / d->stride_w + 1;
    int k = co_max(1, d->pool);
    int rows = d->pool_row ? 1 : k;
    d->y_h = d->out_h / rows;
    d->y_w = d->out_w / k;
    d->used_h = d->y_h * rows;
    d->used_w = d->y_w * k;
}

void co_lane_linear_init(co_lane_linear *d, int lanes)
{
    d->lanes = lanes;
    d->bundles = co_div_up(d->rows, lanes);
}

void co_lane_pool_init(co_lane_pool *d, int lanes)
{
    d->lanes = lanes;
    d->bundles = co_div_up(d->rows, lanes);
    d->out_h = (d->in_h + 2 * d->pad_h - d->kernel_h) / d->stride_h + 1;
    d->out_w = (d->in_w + 2 * d->pad_w - d->kernel_w) / d->stride_w + 1;
}

void co_lane_input_init(co_lane_input *d, int lanes)
{
    d->lanes = lanes;
    d->bundles = co_div_up(d->rows, lanes);
}

void co_lane_norm_init(co_lane_norm *d, int lanes)
{
    d->lanes = lanes;
    d->bundles = co_div_up(d->rows, lanes);
}

void co_lane_dropout_init(co_lane_dropout *d, int lanes)
{
    d->lanes = lanes;
    d->bundles = co_div_up(d->rows, lanes);
}

size_t co_lane_floats(int rows, size_t per_sample, int lanes)
{
    return (size_t)co_div_up(rows, lanes) * (size_t)lanes * per_sample;
}

static bool is_plain(const co_lane_conv *d)
{
    return d->stride_h == 1 && d->stride_w == 1 && d->groups == 1;
}

bool co_lane_conv_is_line(const co_lane_conv *d)
{
    return is_plain(d) && d->kernel_h == 1 && d->kernel_w > 1 && d->pad_h == 0 &&
           d->pad_w < d->kernel_w;
}

bool co_lane_conv_has_winograd(const co_lane_conv *d)
{
    bool square = is_plain(d) && d->kernel_h == 3 && d->kernel_w == 3 && d->pad_h <= 1 &&
                  d->pad_w <= 1;
    return square || co_lane_conv_is_line(d);
}

/* Is the result large enough? F(5, 5) does a piece of up to five taps with 9 multiplications for
 * five results: from four taps on these are at least 1.67 times fewer. */
static bool winograd_saves(const co_lane_conv *d)
{
    enum { PLANE = 4, TAPS = 4, ROW = 30 };
    if (co_lane_conv_is_line(d)) {
        return d->kernel_w >= TAPS && d->out_w >= ROW;
    }
    return d->out_h >= PLANE && d->out_w >= PLANE;
}

/* Measured on AMD Zen 5 and computed for Intel: F(4x4, 3x3) saves up to 4x of the multiplications
 * but transforms each channel, which pays when enough channels share the transforms. */
void co_lane_conv_choose(co_lane_conv *d)
{
    enum { CHANNELS = 16 };
    bool pays = co_lane_conv_has_winograd(d) && d->in_channels >= CHANNELS &&
                d->out_channels >= CHANNELS && winograd_saves(d);
    for (int pass = CO_LANE_FORWARD; pass <= CO_LANE_WEIGHTS; pass++) {
        d->algorithm[pass] = pays ? CO_LANE_WINOGRAD : CO_LANE_DIRECT;
    }
    if (pays && d->pool > 1 && !d->pool_row && !co_lane_conv_can_pool(d, d->pool)) {
        d->algorithm[CO_LANE_FORWARD] = CO_LANE_DIRECT;
    }
}

bool co_lane_conv_can_pool(const co_lane_conv *d, int pool)
{
    if (d->algorithm[CO_LANE_FORWARD] == CO_LANE_WINOGRAD) {
        return !co_lane_conv_is_line(d) && (pool == 2 || pool == 4);
    }
    return pool >= 1 && pool <= 15;
}

bool co_lane_conv_can_pool_row(const co_lane_conv *d, int pool)
{
    bool winograd = d->algorithm[CO_LANE_FORWARD] == CO_LANE_WINOGRAD &&
                    d->algorithm[CO_LANE_DATA] == CO_LANE_WINOGRAD &&
                    d->algorithm[CO_LANE_WEIGHTS] == CO_LANE_WINOGRAD;
    return winograd && co_lane_conv_is_line(d) && pool >= 1 && pool <= 15;
}

bool co_lane_conv_takes_pooled(const co_lane_conv *d, co_lane_pass pass)
{
    enum { CHANNELS = 3 }; /* a direct gradient opens dpooled once per input channel */
    if (d->pool <= 1 || pass == CO_LANE_FORWARD) {
        return false;
    }
    if (d->pool_row) {
        return true;
    }
    if (d->algorithm[pass] == CO_LANE_WINOGRAD) {
        return !co_lane_conv_is_line(d) && (d->pool == 2 || d->pool == 4);
    }
    return pass == CO_LANE_WEIGHTS && d->in_channels / d->groups <= CHANNELS;
}
