/* Compiled once per instruction set with CO_BENCH_ISA = plain, avx2 or avx512. */
#include "bench/machine.h"

#define PASTE(a, b) a##b
#define NAME(a, b)  PASTE(a, b)
#define TEXT_OF(a)  #a
#define TEXT(a)     TEXT_OF(a)

/* Enough independent chains to hide the latency of two units; 14 registers of 16 with a and b. */
enum { CHAINS = 12 };

#if defined(__AVX512F__)
#include <immintrin.h>
typedef __m512 vector;
#define MULTIPLY_ADD(acc, a, b) _mm512_fmadd_ps(acc, a, b)
#elif defined(__FMA__)
#include <immintrin.h>
typedef __m256 vector;
#define MULTIPLY_ADD(acc, a, b) _mm256_fmadd_ps(acc, a, b)
#else
typedef float vector __attribute__((vector_size(16)));
#define MULTIPLY_ADD(acc, a, b) ((acc) * (a) + (b))
#endif

enum { LANES = sizeof(vector) / sizeof(float) };

static float multiply_add(long rounds, float a, float b)
{
    vector va = (vector){0} + a;
    vector vb = (vector){0} + b;
    vector chain[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        chain[i] = vb * (float)i;
    }
    for (long round = 0; round < rounds; round++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) {
            chain[i] = MULTIPLY_ADD(chain[i], va, vb);
        }
    }
    vector sum = chain[0];
    for (int i = 1; i < CHAINS; i++) {
        sum += chain[i];
    }
    float total = 0.0f;
    for (int i = 0; i < LANES; i++) {
        total += sum[i];
    }
    return total;
}

static void axpy(long count, float a, const float *restrict x, float *restrict y)
{
    for (long i = 0; i < count; i++) {
        y[i] += a * x[i];
    }
}

const co_peak_kernels NAME(co_peak_kernels_, CO_BENCH_ISA) = {
    .isa = TEXT(CO_BENCH_ISA),
    .multiply_add = multiply_add,
    .flops_per_round = CHAINS * LANES * 2,
    .axpy = axpy,
};
