/* Vectors of 16 lanes: AVX-512 F, VL, DQ, BW. See vec.h for what each function does. */
#ifndef CO_BACKEND_DNNL_LANE_VEC_AVX512_H
#define CO_BACKEND_DNNL_LANE_VEC_AVX512_H

#include <immintrin.h>

#define CO_L 16

typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

CO_INLINE vf vf_load(const float *p)
{
    return _mm512_load_ps(p);
}
CO_INLINE vf vf_loadu(const float *p)
{
    return _mm512_loadu_ps(p);
}
CO_INLINE void vf_store(float *p, vf a)
{
    _mm512_store_ps(p, a);
}
CO_INLINE void vf_storeu(float *p, vf a)
{
    _mm512_storeu_ps(p, a);
}
CO_INLINE vf vf_set1(float a)
{
    return _mm512_set1_ps(a);
}
CO_INLINE vf vf_zero(void)
{
    return _mm512_setzero_ps();
}
CO_INLINE vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
CO_INLINE vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
CO_INLINE vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
CO_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
CO_INLINE vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
CO_INLINE vm vf_gt(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}
CO_INLINE vm vf_beats(vf a, vf best)
{
    return _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(best, best, _CMP_ORD_Q), a, best,
                                   _CMP_NLE_UQ);
}
CO_INLINE vf vf_pick(vm m, vf yes, vf no)
{
    return _mm512_mask_mov_ps(no, m, yes);
}
CO_INLINE vf vf_keep(vm m, vf a)
{
    return _mm512_maskz_mov_ps(m, a);
}
CO_INLINE vi vi_set1(int a)
{
    return _mm512_set1_epi32(a);
}
CO_INLINE vi vi_pick(vm m, vi yes, vi no)
{
    return _mm512_mask_mov_epi32(no, m, yes);
}
CO_INLINE vm vi_eq(vi a, vi b)
{
    return _mm512_cmpeq_epi32_mask(a, b);
}
CO_INLINE vi vi_loadu(const uint32_t *p)
{
    return _mm512_loadu_si512(p);
}
CO_INLINE vi vi_load_u8(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
CO_INLINE void vi_store_u8(uint8_t *p, vi a)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(a));
}
CO_INLINE vi vi_load_u16(const uint16_t *p)
{
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
CO_INLINE void vi_store_u16(uint16_t *p, vi a)
{
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(a));
}
CO_INLINE vf vi_to_float(vi a)
{
    return _mm512_cvtepi32_ps(a);
}
CO_INLINE vi vi_xor(vi a, vi b)
{
    return _mm512_xor_si512(a, b);
}
CO_INLINE vi vi_low16(vi a)
{
    return _mm512_and_si512(a, _mm512_set1_epi32(0xffff));
}
CO_INLINE vi vi_high16(vi a)
{
    return _mm512_srli_epi32(a, 16);
}
CO_INLINE vm vi_gt(vi a, vi b)
{
    return _mm512_cmpgt_epi32_mask(a, b);
}
CO_INLINE void vi_mul_wide(vi a, uint32_t b, vi *high, vi *low)
{
    __m512i factor = _mm512_set1_epi32((int)b);
    __m512i even = _mm512_mul_epu32(a, factor);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), factor);
    *high = _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xaaaa, odd);
    *low = _mm512_mask_mov_epi32(even, 0xaaaa, _mm512_slli_epi64(odd, 32));
}
CO_INLINE uint16_t vm_bits(vm m)
{
    return (uint16_t)m;
}
CO_INLINE vm vm_from_bits(uint16_t bits)
{
    return (vm)bits;
}
CO_INLINE vf vf_partial_load(const float *p, int count)
{
    return _mm512_maskz_loadu_ps((vm)((1u << count) - 1u), p);
}
CO_INLINE void vf_partial_store(float *p, vf a, int count)
{
    _mm512_mask_storeu_ps(p, (vm)((1u << count) - 1u), a);
}

/* Lane i of the result is lane index[i] of a (0 .. 15) or b (16 .. 31). */
CO_INLINE vf vf_of_two(vf a, vf b, vi index)
{
    return _mm512_permutex2var_ps(a, index, b);
}

/* Lane i of the result is the sum over the lanes of v[i]. */
CO_INLINE vf vf_sum_each(const vf *v)
{
    vf t[8];
    vf u[4];
    CO_UNROLL
    for (int i = 0; i < 8; i++) {
        t[i] = _mm512_add_ps(_mm512_shuffle_f32x4(v[i], v[i + 8], 0x44),
                             _mm512_shuffle_f32x4(v[i], v[i + 8], 0xee));
    }
    CO_UNROLL
    for (int i = 0; i < 4; i++) {
        u[i] = _mm512_add_ps(_mm512_shuffle_f32x4(t[i], t[i + 4], 0x88),
                             _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd));
    }
    vf a = _mm512_add_ps(_mm512_unpacklo_ps(u[0], u[1]), _mm512_unpackhi_ps(u[0], u[1]));
    vf b = _mm512_add_ps(_mm512_unpacklo_ps(u[2], u[3]), _mm512_unpackhi_ps(u[2], u[3]));
    vf r = _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
    return _mm512_shuffle_f32x4(r, r, 0xd8); /* blocks came as 0, 8, 4, 12 */
}

/* v becomes its transpose: L vectors of L lanes. */
CO_INLINE void vf_transpose(vf *v)
{
    vf t[16];
    CO_UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
    CO_UNROLL
    for (int i = 0; i < 16; i += 4) { /* v[i + k]: column 4 * block + k of rows i .. i + 3 */
        v[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        v[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        v[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        v[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    CO_UNROLL
    for (int k = 0; k < 4; k++) {
        t[k] = _mm512_shuffle_f32x4(v[k], v[4 + k], 0x88);     /* blocks 0, 2 of rows 0-7 */
        t[4 + k] = _mm512_shuffle_f32x4(v[k], v[4 + k], 0xdd); /* blocks 1, 3 */
        t[8 + k] = _mm512_shuffle_f32x4(v[8 + k], v[12 + k], 0x88);
        t[12 + k] = _mm512_shuffle_f32x4(v[8 + k], v[12 + k], 0xdd);
    }
    CO_UNROLL
    for (int k = 0; k < 4; k++) {
        v[k] = _mm512_shuffle_f32x4(t[k], t[8 + k], 0x88);
        v[4 + k] = _mm512_shuffle_f32x4(t[4 + k], t[12 + k], 0x88);
        v[8 + k] = _mm512_shuffle_f32x4(t[k], t[8 + k], 0xdd);
        v[12 + k] = _mm512_shuffle_f32x4(t[4 + k], t[12 + k], 0xdd);
    }
}

#endif
