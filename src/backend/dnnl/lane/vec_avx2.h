/* Vectors of 8 lanes: AVX2 and FMA. See vec.h for what each function does. */
#ifndef CO_BACKEND_DNNL_LANE_VEC_AVX2_H
#define CO_BACKEND_DNNL_LANE_VEC_AVX2_H

#include <immintrin.h>

#define CO_L 8

typedef __m256 vf;
typedef __m256i vi;
typedef __m256i vm; /* all ones or all zeros per lane */

CO_INLINE vf vf_load(const float *p)
{
    return _mm256_load_ps(p);
}
CO_INLINE vf vf_loadu(const float *p)
{
    return _mm256_loadu_ps(p);
}
CO_INLINE void vf_store(float *p, vf a)
{
    _mm256_store_ps(p, a);
}
CO_INLINE void vf_storeu(float *p, vf a)
{
    _mm256_storeu_ps(p, a);
}
CO_INLINE vf vf_set1(float a)
{
    return _mm256_set1_ps(a);
}
CO_INLINE vf vf_zero(void)
{
    return _mm256_setzero_ps();
}
CO_INLINE vf vf_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
CO_INLINE vf vf_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
CO_INLINE vf vf_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
CO_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
CO_INLINE vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
CO_INLINE vm vf_gt(vf a, vf b)
{
    return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
CO_INLINE vm vf_beats(vf a, vf best)
{
    return _mm256_castps_si256(
        _mm256_and_ps(_mm256_cmp_ps(best, best, _CMP_ORD_Q), _mm256_cmp_ps(a, best, _CMP_NLE_UQ)));
}
CO_INLINE vf vf_pick(vm m, vf yes, vf no)
{
    return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(m));
}
CO_INLINE vf vf_keep(vm m, vf a)
{
    return _mm256_and_ps(_mm256_castsi256_ps(m), a);
}
CO_INLINE vi vi_set1(int a)
{
    return _mm256_set1_epi32(a);
}
CO_INLINE vi vi_pick(vm m, vi yes, vi no)
{
    return _mm256_blendv_epi8(no, yes, m);
}
CO_INLINE vm vi_eq(vi a, vi b)
{
    return _mm256_cmpeq_epi32(a, b);
}
CO_INLINE vi vi_loadu(const uint32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
CO_INLINE vi vi_load_u8(const uint8_t *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}
CO_INLINE void vi_store_u8(uint8_t *p, vi a)
{
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(words, words));
}
CO_INLINE vi vi_load_u16(const uint16_t *p)
{
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
CO_INLINE void vi_store_u16(uint16_t *p, vi a)
{
    _mm_storeu_si128((__m128i *)(void *)p,
                     _mm_packus_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1)));
}
CO_INLINE vf vi_to_float(vi a)
{
    return _mm256_cvtepi32_ps(a);
}
CO_INLINE vi vi_xor(vi a, vi b)
{
    return _mm256_xor_si256(a, b);
}
CO_INLINE vi vi_low16(vi a)
{
    return _mm256_and_si256(a, _mm256_set1_epi32(0xffff));
}
CO_INLINE vi vi_high16(vi a)
{
    return _mm256_srli_epi32(a, 16);
}
CO_INLINE vm vi_gt(vi a, vi b)
{
    return _mm256_cmpgt_epi32(a, b);
}
CO_INLINE void vi_mul_wide(vi a, uint32_t b, vi *high, vi *low)
{
    __m256i factor = _mm256_set1_epi32((int)b);
    __m256i even = _mm256_mul_epu32(a, factor);
    __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), factor);
    *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    *low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}
CO_INLINE uint16_t vm_bits(vm m)
{
    return (uint16_t)_mm256_movemask_ps(_mm256_castsi256_ps(m));
}
CO_INLINE vm vm_from_bits(uint16_t bits)
{
    __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(bits), bit), bit);
}
CO_INLINE vf vf_partial_load(const float *p, int count)
{
    return _mm256_maskload_ps(p, vm_from_bits((uint16_t)((1u << count) - 1u)));
}
CO_INLINE void vf_partial_store(float *p, vf a, int count)
{
    _mm256_maskstore_ps(p, vm_from_bits((uint16_t)((1u << count) - 1u)), a);
}

CO_INLINE vf vf_sum_each(const vf *v)
{
    vf t[4];
    CO_UNROLL
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_add_ps(_mm256_permute2f128_ps(v[i], v[i + 4], 0x20),
                             _mm256_permute2f128_ps(v[i], v[i + 4], 0x31));
    }
    vf a = _mm256_add_ps(_mm256_unpacklo_ps(t[0], t[1]), _mm256_unpackhi_ps(t[0], t[1]));
    vf b = _mm256_add_ps(_mm256_unpacklo_ps(t[2], t[3]), _mm256_unpackhi_ps(t[2], t[3]));
    return _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
}

CO_INLINE void vf_transpose(vf *v)
{
    vf t[8];
    CO_UNROLL
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
    CO_UNROLL
    for (int i = 0; i < 8; i += 4) {
        v[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        v[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        v[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        v[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    CO_UNROLL
    for (int k = 0; k < 4; k++) {
        t[k] = _mm256_permute2f128_ps(v[k], v[4 + k], 0x20);
        t[4 + k] = _mm256_permute2f128_ps(v[k], v[4 + k], 0x31);
    }
    CO_UNROLL
    for (int k = 0; k < 8; k++) {
        v[k] = t[k];
    }
}

#endif
