/* One vector type for the lane kernels, in three forms chosen by CO_LANE_FORM (a co_lane_isa
 * value), which each lane_<isa>.c defines. Private to this folder.
 *
 *   vf, vi, vm        L floats, L 32-bit integers, a mask of L lanes; CO_L lanes
 *   vf_fma(a, b, c)   a * b + c          vf_max(a, b)    b when either is NaN
 *   vf_beats(a, m)    a > m, or a is NaN and m is not: max pooling as PyTorch does it
 *   vf_pick(m, y, n)  m ? y : n          vf_keep(m, a)   m ? a : 0
 *   vi_load_u8, ...   L small unsigned integers, widened / narrowed
 *   vi_mul_wide       both halves of a 32 x 32 bit product
 *   vf_sum_each(v)    L vectors -> lane i: the sum over v[i]'s lanes, in a fixed order
 *   vf_transpose(v)   L x L in place
 * vf_load and vf_store want alignment to the vector. */
#ifndef CO_BACKEND_DNNL_LANE_VEC_H
#define CO_BACKEND_DNNL_LANE_VEC_H

#include <stddef.h>
#include <stdint.h>

#define CO_INLINE static inline __attribute__((always_inline, unused))
/* CO_UNROLL: all copies of a loop, so that arrays of vectors become registers. Sanitizer builds
 * leave the loops alone: every access is instrumented there, and unrolled it would compile for
 * minutes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CO_NO_UNROLL 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CO_NO_UNROLL 1
#endif
#endif
#ifdef CO_NO_UNROLL
#define CO_UNROLL
#elif defined(__clang__)
#define CO_UNROLL _Pragma("clang loop unroll(full)")
#else
#define CO_UNROLL _Pragma("GCC unroll 16")
#endif

/* Asks for the cache line at p, which will be read soon. */
#define CO_PREFETCH(p)       __builtin_prefetch((p), 0, 3)
#define CO_PREFETCH_WRITE(p) __builtin_prefetch((p), 1, 3) /* written soon */

#if CO_LANE_FORM == 2
#include "backend/dnnl/lane/vec_avx512.h"
#elif CO_LANE_FORM == 1
#include "backend/dnnl/lane/vec_avx2.h"
#else
#include "backend/dnnl/lane/vec_plain.h"
#endif

/* Registers hold accumulators of OUT x PIXELS plus the operands of one step. */
#if CO_LANE_FORM == 2
#define CO_REGISTERS 32
#else
#define CO_REGISTERS 16
#endif

#endif
