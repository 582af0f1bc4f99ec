/* Vectors of 4 lanes in GNU vector types, for any CPU (SSE2 on x86-64). See vec.h. Multiply and add
 * are not fused here: results differ from the other instruction sets in the last bits. */
#ifndef CO_BACKEND_DNNL_LANE_VEC_PLAIN_H
#define CO_BACKEND_DNNL_LANE_VEC_PLAIN_H

#include <string.h>

#define CO_L 4

typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef vi vm; /* all ones or all zeros per lane */

CO_INLINE vf vf_load(const float *p)
{
    return *(const vf *)(const void *)p;
}
CO_INLINE vf vf_loadu(const float *p)
{
    vf a;
    memcpy(&a, p, sizeof a);
    return a;
}
CO_INLINE void vf_store(float *p, vf a)
{
    *(vf *)(void *)p = a;
}
CO_INLINE void vf_storeu(float *p, vf a)
{
    memcpy(p, &a, sizeof a);
}
CO_INLINE vf vf_set1(float a)
{
    return (vf){a, a, a, a};
}
CO_INLINE vf vf_zero(void)
{
    return (vf){0.0f, 0.0f, 0.0f, 0.0f};
}
CO_INLINE vf vf_add(vf a, vf b)
{
    return a + b;
}
CO_INLINE vf vf_sub(vf a, vf b)
{
    return a - b;
}
CO_INLINE vf vf_mul(vf a, vf b)
{
    return a * b;
}
CO_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return a * b + c;
}
CO_INLINE vm vf_gt(vf a, vf b)
{
    return a > b;
}
CO_INLINE vf vf_pick(vm m, vf yes, vf no)
{
    return (vf)((m & (vi)yes) | (~m & (vi)no));
}
CO_INLINE vf vf_max(vf a, vf b)
{
    return vf_pick(a > b, a, b);
}
CO_INLINE vm vf_beats(vf a, vf best)
{
    return ~(a <= best) & (best == best);
}
CO_INLINE vf vf_keep(vm m, vf a)
{
    return (vf)(m & (vi)a);
}
CO_INLINE vi vi_set1(int a)
{
    return (vi){a, a, a, a};
}
CO_INLINE vi vi_pick(vm m, vi yes, vi no)
{
    return (m & yes) | (~m & no);
}
CO_INLINE vm vi_eq(vi a, vi b)
{
    return a == b;
}
CO_INLINE vi vi_loadu(const uint32_t *p)
{
    vi a;
    memcpy(&a, p, sizeof a);
    return a;
}
CO_INLINE vi vi_load_u8(const uint8_t *p)
{
    return (vi){p[0], p[1], p[2], p[3]};
}
CO_INLINE void vi_store_u8(uint8_t *p, vi a)
{
    for (int i = 0; i < CO_L; i++) {
        p[i] = (uint8_t)a[i];
    }
}
CO_INLINE vi vi_load_u16(const uint16_t *p)
{
    return (vi){p[0], p[1], p[2], p[3]};
}
CO_INLINE void vi_store_u16(uint16_t *p, vi a)
{
    for (int i = 0; i < CO_L; i++) {
        p[i] = (uint16_t)a[i];
    }
}
CO_INLINE vf vi_to_float(vi a)
{
    return (vf){(float)a[0], (float)a[1], (float)a[2], (float)a[3]};
}
CO_INLINE vi vi_xor(vi a, vi b)
{
    return a ^ b;
}
CO_INLINE vi vi_low16(vi a)
{
    return a & 0xffff;
}
CO_INLINE vi vi_high16(vi a)
{
    return (a >> 16) & 0xffff;
}
CO_INLINE vm vi_gt(vi a, vi b)
{
    return a > b;
}
CO_INLINE void vi_mul_wide(vi a, uint32_t b, vi *high, vi *low)
{
    vi h = vi_set1(0);
    vi l = vi_set1(0);
    for (int i = 0; i < CO_L; i++) {
        uint64_t product = (uint64_t)(uint32_t)a[i] * b;
        h[i] = (int32_t)(uint32_t)(product >> 32);
        l[i] = (int32_t)(uint32_t)product;
    }
    *high = h;
    *low = l;
}
CO_INLINE uint16_t vm_bits(vm m)
{
    return (uint16_t)((m[0] & 1) | (m[1] & 2) | (m[2] & 4) | (m[3] & 8));
}
CO_INLINE vm vm_from_bits(uint16_t bits)
{
    vi bit = {1, 2, 4, 8};
    return (vi_set1(bits) & bit) == bit;
}
CO_INLINE vf vf_partial_load(const float *p, int count)
{
    vf a = vf_zero();
    for (int i = 0; i < count; i++) {
        a[i] = p[i];
    }
    return a;
}
CO_INLINE void vf_partial_store(float *p, vf a, int count)
{
    for (int i = 0; i < count; i++) {
        p[i] = a[i];
    }
}

CO_INLINE void vf_transpose(vf *v)
{
    vf t[4];
    for (int i = 0; i < 4; i++) {
        t[i] = (vf){v[0][i], v[1][i], v[2][i], v[3][i]};
    }
    for (int i = 0; i < 4; i++) {
        v[i] = t[i];
    }
}
CO_INLINE vf vf_sum_each(const vf *v)
{
    vf t[4] = {v[0], v[1], v[2], v[3]};
    vf_transpose(t);
    return (t[0] + t[2]) + (t[1] + t[3]);
}

#endif
