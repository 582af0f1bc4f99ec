#include "base/rng.h"

#include <math.h>

enum { PHILOX_ROUNDS = 10 };

static const uint32_t philox_multiplier[2] = {0xD2511F53u, 0xCD9E8D57u};
static const uint32_t philox_weyl[2] = {0x9E3779B9u, 0xBB67AE85u};

void co_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0];
    uint32_t c1 = counter[1];
    uint32_t c2 = counter[2];
    uint32_t c3 = counter[3];
    uint32_t k0 = key[0];
    uint32_t k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)philox_multiplier[0] * c0;
        uint64_t p1 = (uint64_t)philox_multiplier[1] * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += philox_weyl[0];
        k1 += philox_weyl[1];
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

co_rng co_rng_at(const co_rng_key *key)
{
    co_rng rng = {
        .counter = {key->visit << 24, key->sample, key->epoch, key->stream << 24 | key->replica},
        .key = {(uint32_t)key->seed, (uint32_t)(key->seed >> 32)},
        .used = 4,
    };
    return rng;
}

uint32_t co_rng_u32(co_rng *rng)
{
    if (rng->used == 4) {
        co_philox(rng->counter, rng->key, rng->words);
        rng->counter[0]++;
        rng->used = 0;
    }
    return rng->words[rng->used++];
}

float co_rng_uniform(co_rng *rng)
{
    return (float)(co_rng_u32(rng) >> 8) * 0x1p-24f;
}

uint32_t co_rng_below(co_rng *rng, uint32_t n)
{
    uint64_t product = (uint64_t)co_rng_u32(rng) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = (0u - n) % n;
        while ((uint32_t)product < threshold) {
            product = (uint64_t)co_rng_u32(rng) * n;
        }
    }
    return (uint32_t)(product >> 32);
}

float co_rng_normal(co_rng *rng)
{
    /* 1 - u is in (0, 1], so the logarithm is finite. */
    double radius = sqrt(-2.0 * log(1.0 - (double)co_rng_uniform(rng)));
    double angle = 6.283185307179586 * (double)co_rng_uniform(rng);
    return (float)(radius * cos(angle));
}

void co_rng_permutation(co_rng *rng, uint32_t *order, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
    }
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = co_rng_below(rng, i);
        uint32_t swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
}
