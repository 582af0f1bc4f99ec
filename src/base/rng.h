/* Counter-based random numbers: Philox4x32-10.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011
 * (the Random123 library). A draw is a pure function of what it is for (the seed, the stream,
 * the replica, the epoch, the sample, the visit), never of a thread, a time or a resume point.
 *
 * Layout of the 128-bit counter:   word 0: visit << 24 | block    word 1: sample
 *                                  word 2: epoch (or step)        word 3: stream << 24 | replica
 * The 64-bit key is the seed. One block gives four 32-bit words; 2^24 blocks per key.
 */
#ifndef CO_BASE_RNG_H
#define CO_BASE_RNG_H

#include <stdint.h>

/* What a number is drawn for. Values are part of the reproducibility contract: never renumber. */
typedef enum co_stream {
    CO_STREAM_INIT = 1,      /* initial weights: sample = parameter index */
    CO_STREAM_SHUFFLE = 2,   /* order of samples: epoch */
    CO_STREAM_SPLIT = 3,     /* train_split / val permutation */
    CO_STREAM_AUGMENT = 4,   /* per (epoch, sample, visit) */
    CO_STREAM_GLYPHS = 5,    /* the embedded data set: epoch = split, sample = index */
    CO_STREAM_DELAY = 6,     /* per (worker, step) */
    CO_STREAM_REHEARSAL = 7, /* per (step, draw) */
    CO_STREAM_TEST = 8,      /* tests and benchmarks */
    CO_STREAM_DEALING = 16,  /* which worker gets which samples */
    CO_STREAM_NT3 = 32,      /* generated NT3 tables: epoch = split, sample = row */
    CO_STREAM_DROPOUT = 64,  /* + ordinal of the dropout layer in the graph (at most 190) */
} co_stream;

typedef struct co_rng_key {
    uint64_t seed;
    uint32_t stream;  /* co_stream, < 256 */
    uint32_t replica; /* < 2^24; 0 where data are partitioned */
    uint32_t epoch;
    uint32_t sample;
    uint32_t visit; /* < 256: how often this sample came before in this epoch */
} co_rng_key;

/* One Philox4x32-10 block: out = f(counter, key). */
void co_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* A cursor over the blocks of one key. Lives on the stack of its user. */
typedef struct co_rng {
    uint32_t counter[4];
    uint32_t key[2];
    uint32_t words[4];
    unsigned used; /* words already taken of `words`, 4 = draw a new block */
} co_rng;

co_rng co_rng_at(const co_rng_key *key);
uint32_t co_rng_u32(co_rng *rng);
/* Uniform in [0, 1), 24 bits. */
float co_rng_uniform(co_rng *rng);
/* Uniform in {0, ..., n - 1} without bias (Lemire's method); n > 0. */
uint32_t co_rng_below(co_rng *rng, uint32_t n);
/* Standard normal (Box-Muller; one value per two words). */
float co_rng_normal(co_rng *rng);
/* order[0..n) becomes a random permutation of 0..n-1 (Fisher-Yates). */
void co_rng_permutation(co_rng *rng, uint32_t *order, uint32_t n);

#endif
