#include "lane_peak.h"

#include <time.h>

enum { CHAINS = 12, STEPS = 400000, ROUNDS = 20 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#if defined(__x86_64__)
#include <immintrin.h>

/* asm keeps the compiler from simplifying the loop. */
#define FMA_CHAINS(type, set1, fma)                                                                \
    type a[CHAINS];                                                                                \
    for (int i = 0; i < CHAINS; i++) {                                                             \
        a[i] = set1((float)i);                                                                     \
    }                                                                                              \
    type b = set1(0.999f);                                                                         \
    type c = set1(0.001f);                                                                         \
    for (int step = 0; step < STEPS; step++) {                                                     \
        _Pragma("GCC unroll 16") for (int i = 0; i < CHAINS; i++)                                  \
        {                                                                                          \
            a[i] = fma(a[i], b, c);                                                                \
        }                                                                                          \
        __asm__ volatile("" : "+v"(b));                                                            \
    }                                                                                              \
    for (int i = 0; i < CHAINS; i++) {                                                             \
        __asm__ volatile("" : : "v"(a[i]));                                                        \
    }

__attribute__((target("avx512f"))) static void chains_avx512(void)
{
    FMA_CHAINS(__m512, _mm512_set1_ps, _mm512_fmadd_ps)
}

__attribute__((target("avx2,fma"))) static void chains_avx2(void)
{
    FMA_CHAINS(__m256, _mm256_set1_ps, _mm256_fmadd_ps)
}
#endif

/* Multiply and add are two instructions here, as in the plain kernels. */
static void chains_plain(void)
{
    typedef float four __attribute__((vector_size(16)));
    four a[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        a[i] = (four){0.0f, 1.0f, 2.0f, (float)i};
    }
    four b = {0.999f, 0.999f, 0.999f, 0.999f};
    four c = {0.001f, 0.001f, 0.001f, 0.001f};
    for (int step = 0; step < STEPS; step++) {
        _Pragma("GCC unroll 16") for (int i = 0; i < CHAINS; i++)
        {
            a[i] = a[i] * b + c;
        }
#if defined(__x86_64__)
        __asm__ volatile("" : "+x"(b));
#endif
    }
    volatile float sink = 0.0f;
    for (int i = 0; i < CHAINS; i++) {
        sink = sink + a[i][0];
    }
}

double co_lane_peak_gflops(co_lane_isa isa)
{
    int lanes = 4;
    void (*chains)(void) = chains_plain;
#if defined(__x86_64__)
    if (isa == CO_LANE_AVX512) {
        lanes = 16;
        chains = chains_avx512;
    } else if (isa == CO_LANE_AVX2) {
        lanes = 8;
        chains = chains_avx2;
    }
#endif
    double best = 0.0;
    for (int round = 0; round < ROUNDS; round++) {
        double t = now_s();
        chains();
        t = now_s() - t;
        double gflops = 2e-9 * lanes * CHAINS * (double)STEPS / t;
        best = gflops > best ? gflops : best;
    }
    return best;
}
