/* Which elements a dropout layer keeps: the definition that every backend follows bit for bit.
 *
 * A sample's mask is a pure function of (seed, dropout ordinal, replica, epoch, sample id); visit
 * is 0. Element e (its index in C, H, W order; the channel's index for channel dropout) has the
 * 16-bit number e % 8 of Philox block e / 8: word (e % 8) / 2, low half for even e, high half for
 * odd e. It is kept where the number is at least round(probability * 65536); kept values are
 * multiplied by 1 / (1 - probability) in float. Pure functions, any thread.
 */
#ifndef CO_BACKEND_DROPOUT_H
#define CO_BACKEND_DROPOUT_H

#include <math.h>
#include <stdint.h>

#include "backend/batch.h"
#include "base/rng.h"

enum { CO_DROPOUT_BLOCK = 8 }; /* elements per Philox block */

static inline uint32_t co_dropout_threshold(float probability)
{
    return (uint32_t)lroundf(probability * 65536.0f); /* the product is exact */
}

static inline float co_dropout_scale(float probability)
{
    return 1.0f / (1.0f - probability);
}

/* The key of one row of a batch. */
static inline co_rng_key co_dropout_key(const co_batch *batch, int row, int dropout_ordinal)
{
    return (co_rng_key){
        .seed = batch->seed,
        .stream = (uint32_t)CO_STREAM_DROPOUT + (uint32_t)dropout_ordinal,
        .replica = batch->replica,
        .epoch = batch->epoch,
        .sample = batch->samples[row],
    };
}

/* The numbers of elements 8 * block .. 8 * block + 7. */
static inline void co_dropout_numbers(const co_rng_key *key, uint32_t block,
                                      uint16_t numbers[CO_DROPOUT_BLOCK])
{
    co_rng rng = co_rng_at(key);
    rng.counter[0] += block;
    uint32_t words[4];
    co_philox(rng.counter, rng.key, words);
    for (int i = 0; i < CO_DROPOUT_BLOCK; i++) {
        numbers[i] = (uint16_t)(words[i / 2] >> (16 * (i % 2)));
    }
}

#endif
