/* Kernels for small networks on the CPU: the batch lies in the vector lanes.
 *
 * Layout. L = ops->lanes images form a *bundle*. A value of a layer is stored as
 * [bundle][C][H][W][L] floats ("lane layout"): one pixel of L images is one vector. Small channel
 * counts (1, 6, 10) waste nothing. Flatten is a no-op: [C*H*W][L]. Buffers are 64-byte aligned.
 *
 * Unused lanes. A batch of `rows` images fills bundles = ceil(rows / L). The lanes behind `rows` in
 * the last bundle are zero after `input` and `from_rows`; forward kernels leave something finite in
 * them, backward kernels keep gradients in them exactly 0. So weight gradients are right for any
 * rows. Batch norm and to_rows, which would notice, mask them.
 *
 * Parameters and their gradients are in PyTorch's order: convolution (O, I / groups, KH, KW),
 * linear (O, I). Weight gradients are overwritten, not added to. Convolutions read a packed copy of
 * the weights, made by conv_pack once per change of the weights.
 *
 * Work. Each operation consists of independent items 0 .. items-1; the caller shares [begin, end)
 * among its threads (one range per thread and call is best: some work is done once per call). The
 * results are the same bits for any partition and any order. Nothing here allocates, keeps state or
 * fails: `scratch` (floats, 64-byte aligned, one per thread, sized by the *_scratch query, contents
 * irrelevant before and after) belongs to the caller. Any thread may call. */
#ifndef CO_BACKEND_DNNL_LANE_LANE_H
#define CO_BACKEND_DNNL_LANE_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"

#define CO_LANE_MAX  16   /* lanes of the widest instruction set */
#define CO_LANE_NONE 255u /* pool index of a window that passes no gradient (ReLU) */

typedef enum co_lane_isa {
    CO_LANE_PLAIN = 0, /* any CPU: compiler vectors of 4 floats */
    CO_LANE_AVX2 = 1,  /* 8 lanes, AVX2 + FMA */
    CO_LANE_AVX512 = 2 /* 16 lanes, AVX-512 F, VL, DQ, BW */
} co_lane_isa;

typedef enum co_lane_pass {
    CO_LANE_FORWARD = 0, /* y from x */
    CO_LANE_DATA = 1,    /* dx from dy */
    CO_LANE_WEIGHTS = 2  /* dw, dbias from x and dy */
} co_lane_pass;

typedef enum co_lane_algorithm {
    CO_LANE_DIRECT = 0,
    CO_LANE_WINOGRAD = 1 /* where co_lane_conv_has_winograd */
} co_lane_algorithm;

/* A convolution, with optional bias, ReLU and non-overlapping max pooling behind it (stride = pool,
 * no padding, floor mode). Fill the first part, then call co_lane_conv_init. */
typedef struct co_lane_conv {
    int rows; /* images of the batch */
    int in_channels, in_h, in_w;
    int out_channels, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, groups;
    int in_halo;   /* x is stored with this many zeros around each plane (what `input` can write):
                    * [I][in_h + 2 halo][in_w + 2 halo][L]; dx never has one */
    bool relu;     /* with pool: before or after it, the result is the same */
    int pool;      /* 0 or 1: none; k: k x k max pooling, y is then the pooled output, k <= 15 */
    bool pool_row; /* windows of 1 x k instead: where co_lane_conv_can_pool_row */
    co_lane_algorithm algorithm[3]; /* per pass; co_lane_conv_choose fills it */
    /* set by co_lane_conv_init */
    int lanes, bundles;
    int out_h, out_w;   /* of the convolution itself */
    int used_h, used_w; /* the part that pooling reads (= out without pool): the size of dy */
    int y_h, y_w;       /* of y: pooled, or = out */
} co_lane_conv;

/* Which pointers a pass uses; the others may be NULL.
 * FORWARD: x, packed (for FORWARD), bias or NULL, y; pool_index when pooling (may be NULL: eval).
 * DATA:    dy, packed (for DATA), dx; relu_x or NULL.
 * WEIGHTS: x, dy, dw, dbias or NULL.
 * dpooled and pool_index stand for dy (then NULL) where co_lane_conv_takes_pooled says so.
 * dy is the gradient at the convolution's own output, [O][used_h][used_w][L] per bundle: for a
 * pooled convolution conv_unpool makes it; for ReLU without pool relu_backward does (in place). */
typedef struct co_lane_conv_args {
    const float *x;
    const float *packed;
    const float *bias;
    float *y;
    uint8_t *pool_index; /* [bundle][O][y_h][y_w][L]: place of the maximum in its window, or NONE */
    const float *dy;
    const float *dpooled; /* laid out like y */
    float *dx;
    const float *relu_x; /* laid out like dx: dx becomes 0 where relu_x <= 0 (the ReLU before us) */
    float *dw;
    float *dbias;
} co_lane_conv_args;

typedef struct co_lane_linear {
    int rows, inputs, outputs;
    bool relu;          /* forward: y = max(0, .) */
    int lanes, bundles; /* set by co_lane_linear_init */
} co_lane_linear;

/* FORWARD: x, w, bias or NULL, y. DATA: dy, w, dx, relu_x or NULL. WEIGHTS: x, dy, dw, dbias. */
typedef struct co_lane_linear_args {
    const float *x; /* [bundle][I][L] */
    const float *w; /* (O, I) */
    const float *bias;
    float *y;
    const float *dy; /* [bundle][O][L] */
    float *dx;
    const float *relu_x; /* like dx */
    float *dw;
    float *dbias;
} co_lane_linear_args;

typedef enum co_lane_pool_kind {
    CO_LANE_POOL_MAX = 0,    /* first maximum in scan order wins, padding counts as -inf */
    CO_LANE_POOL_AVERAGE = 1 /* count_include_pad = true, as PyTorch's default */
} co_lane_pool_kind;

/* Pooling over planes; floor mode; windows may overlap. Global pooling: kernel = plane, stride 1.
 */
typedef struct co_lane_pool {
    co_lane_pool_kind kind;
    int rows, channels, in_h, in_w;
    int kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    int lanes, bundles, out_h, out_w; /* set by co_lane_pool_init */
} co_lane_pool;

/* Images to lane layout: value * scale[c] + shift[c], rounded once (fused). */
typedef struct co_lane_input {
    int rows, channels, h, w;
    int halo; /* zeros around each plane of x, for a first convolution that pads */
    const float *scale, *shift;
    int lanes, bundles; /* set by co_lane_input_init */
} co_lane_input;

/* Batch norm over (rows, H, W) per channel. */
typedef struct co_lane_norm {
    int rows, channels, h, w;
    float epsilon, momentum; /* running = (1 - momentum) * running + momentum * batch */
    bool relu;               /* y = max(0, .) */
    bool frozen;             /* training: by the running statistics, which stay as they are */
    int lanes, bundles;      /* set by co_lane_norm_init */
} co_lane_norm;

/* Forward in training: x, gamma, beta, y, saved_mean, saved_rstd, running_mean, running_var
 * (updated unless NULL). Forward in evaluation: x, gamma, beta, y, running_*. Backward: x, dy, y
 * (only with relu: its sign is the mask), gamma, saved_*, dx (may be dy), dgamma, dbeta.
 * gamma and beta may be NULL: 1 and 0. */
typedef struct co_lane_norm_args {
    const float *x;
    const float *gamma, *beta;
    float *y;
    float *saved_mean, *saved_rstd; /* per channel */
    float *running_mean, *running_var;
    const float *dy;
    float *dx;
    float *dgamma, *dbeta;
} co_lane_norm_args;

/* Dropout. Element e of a sample (index in C, H, W order; the channel index when by_channel) is
 * kept when u16(e) >= round(p * 65536), and scaled by 1 / (1 - p). u16(e) is piece e % 8 of Philox
 * block e / 8 keyed (seed, CO_STREAM_DROPOUT + ordinal, replica, epoch, sample id, visit 0): word
 * out[(e % 8) / 2], low half for even e, high half for odd. */
typedef struct co_lane_dropout {
    int rows, channels, plane; /* plane = H * W */
    bool by_channel;
    float p;            /* in [0, 1] */
    co_rng_key key;     /* sample is ignored */
    int lanes, bundles; /* set by co_lane_dropout_init */
} co_lane_dropout;

/* Items are in the comments as "items:". */
typedef struct co_lane_ops {
    const char *name; /* "avx512", "avx2", "plain" */
    co_lane_isa isa;
    int lanes;

    /* --- between rows and lanes. items: bundles */
    void (*input_u8)(const co_lane_input *d, const uint8_t *rows, size_t row_stride, float *x,
                     int begin, int end);
    void (*input_f32)(const co_lane_input *d, const float *rows, size_t row_stride, float *x,
                      int begin, int end);
    /* lanes [bundle][count][L] -> row-major (rows, count) with row_stride floats, and back (unused
     * lanes become 0). */
    void (*to_rows)(int rows, int count, const float *lane, float *out, size_t row_stride,
                    int begin, int end);
    void (*from_rows)(int rows, int count, const float *in, size_t row_stride, float *lane,
                      int begin, int end);

    /* --- convolution */
    /* 0 for WEIGHTS; elsewhere 0 means that args.packed are the weights themselves */
    size_t (*conv_packed_floats)(const co_lane_conv *d, co_lane_pass pass);
    int (*conv_pack_items)(const co_lane_conv *d, co_lane_pass pass);
    void (*conv_pack)(const co_lane_conv *d, co_lane_pass pass, const float *w, float *packed,
                      int begin, int end);
    int (*conv_items)(const co_lane_conv *d, co_lane_pass pass);
    /* Items are bundle-major: items / bundles consecutive ones belong to one bundle. */
    bool (*conv_by_bundle)(const co_lane_conv *d, co_lane_pass pass);
    size_t (*conv_scratch_floats)(const co_lane_conv *d, co_lane_pass pass);
    void (*conv_run)(const co_lane_conv *d, co_lane_pass pass, const co_lane_conv_args *a,
                     int begin, int end, float *scratch);
    /* Gradient at the pooled output -> gradient at the convolution's output (used_h, used_w).
     * items: bundles * out_channels */
    void (*conv_unpool)(const co_lane_conv *d, const float *dpooled, const uint8_t *pool_index,
                        float *dy, int begin, int end);

    /* --- linear */
    int (*linear_items)(const co_lane_linear *d, co_lane_pass pass);
    size_t (*linear_scratch_floats)(const co_lane_linear *d, co_lane_pass pass);
    void (*linear_run)(const co_lane_linear *d, co_lane_pass pass, const co_lane_linear_args *a,
                       int begin, int end, float *scratch);

    /* --- pooling. items: bundles * channels. index: [bundle][C][OH][OW][L], place of the maximum
     * as ih * in_w + iw (max only, planes up to 65535 pixels; NULL: not wanted). dx is overwritten.
     */
    void (*pool_forward)(const co_lane_pool *d, const float *x, float *y, uint16_t *index,
                         int begin, int end);
    void (*pool_backward)(const co_lane_pool *d, const float *dy, const uint16_t *index, float *dx,
                          int begin, int end);

    /* --- element by element. begin, end count vectors of L floats: bundles * C * H * W of them.
     * Outputs may be an input (in place). */
    void (*relu_forward)(const float *x, float *y, size_t begin, size_t end);
    void (*relu_backward)(const float *y, const float *dy, float *dx, size_t begin, size_t end);
    void (*add)(const float *a, const float *b, float *y, size_t begin, size_t end);
    void (*add_relu)(const float *a, const float *b, float *y, size_t begin, size_t end);
    void (*scale)(const float *x, float factor, float *y, size_t begin, size_t end);

    /* --- dropout. items: bundles. samples: sample id of each row. keep: one bit per lane,
     * uint16_t [bundle][C * H * W] (by_channel: [bundle][C]); written forward, read backward. */
    void (*dropout_forward)(const co_lane_dropout *d, const uint32_t *samples, const float *x,
                            float *y, uint16_t *keep, int begin, int end);
    void (*dropout_backward)(const co_lane_dropout *d, const uint16_t *keep, const float *dy,
                             float *dx, int begin, int end);

    /* --- batch norm. items: channels */
    void (*norm_train)(const co_lane_norm *d, const co_lane_norm_args *a, int begin, int end);
    void (*norm_eval)(const co_lane_norm *d, const co_lane_norm_args *a, int begin, int end);
    void (*norm_backward)(const co_lane_norm *d, const co_lane_norm_args *a, int begin, int end);
    /* The same in parts, for statistics of more than these rows. Arrays are per channel.
     * moments: the mean of x, the sum of squares about it. normalise: y from x, gamma, beta, mean
     * and 1 / deviation. sums: of dy and of dy (x - saved_mean), from x, dy, y, saved_*; dgamma and
     * dbeta of these rows too. gradient: dx from x, dy, y, gamma, saved_* and what `sums` gives,
     * divided by the number of values. */
    void (*norm_moments)(const co_lane_norm *d, const float *x, double *mean, double *squares,
                         int begin, int end);
    void (*norm_normalise)(const co_lane_norm *d, const co_lane_norm_args *a, const double *mean,
                           const double *rstd, int begin, int end);
    void (*norm_sums)(const co_lane_norm *d, const co_lane_norm_args *a, double *sum_dy,
                      double *sum_dyx, int begin, int end);
    void (*norm_gradient)(const co_lane_norm *d, const co_lane_norm_args *a, const double *mean_dy,
                          const double *mean_dyx, int begin, int end);
} co_lane_ops;

/* The table of an instruction set; NULL when this build or this CPU does not have it. PLAIN always
 * exists. */
const co_lane_ops *co_lane_ops_for(co_lane_isa isa);
/* The widest usable one. */
co_lane_isa co_lane_isa_best(void);
/* "avx512", "avx2", "plain", or "auto" / "" for the best. CO_USAGE for an unknown name,
 * CO_UNSUPPORTED when the CPU lacks it. */
CO_MUST_CHECK co_status co_lane_isa_parse(const char *name, co_lane_isa *out, co_error *err);

/* Fill the derived members. Shapes must be valid (graph/ has checked them). */
void co_lane_conv_init(co_lane_conv *d, int lanes);
/* A kernel of one row, 1 x k, stride 1, padding below k, no groups: Winograd's is F(5, 5). */
bool co_lane_conv_is_line(const co_lane_conv *d);
/* Does Winograd exist for the shape? F(4x4, 3x3): kernel 3x3, stride 1, padding 0 or 1, no groups;
 * and F(5, 5) in one dimension. */
bool co_lane_conv_has_winograd(const co_lane_conv *d);
/* The committed choice of algorithms: a pure function of shape and pass. Sets d->algorithm. */
void co_lane_conv_choose(co_lane_conv *d);
/* true when `pool` can be fused for the algorithms of d (any k when direct, 2 or 4 in Winograd). */
bool co_lane_conv_can_pool(const co_lane_conv *d, int pool);
/* true when max pooling by windows of 1 x `pool` can be fused: all passes are Winograd's in one
 * dimension. */
bool co_lane_conv_can_pool_row(const co_lane_conv *d, int pool);
/* true when the pass (DATA or WEIGHTS) of a pooled convolution reads dpooled and pool_index by
 * itself: if both passes do, nobody needs conv_unpool and dy, which is the faster way. */
bool co_lane_conv_takes_pooled(const co_lane_conv *d, co_lane_pass pass);
void co_lane_linear_init(co_lane_linear *d, int lanes);
void co_lane_pool_init(co_lane_pool *d, int lanes);
void co_lane_input_init(co_lane_input *d, int lanes);
void co_lane_norm_init(co_lane_norm *d, int lanes);
void co_lane_dropout_init(co_lane_dropout *d, int lanes);
/* Floats of a value of `per_sample` elements: bundles * per_sample * lanes. */
size_t co_lane_floats(int rows, size_t per_sample, int lanes);

#endif
