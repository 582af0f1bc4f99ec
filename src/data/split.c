#include "data/split.h"

#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"

static const double train_share = 0.9; /* of what is kept, when a part is held out */

void co_subset_free(co_subset *subset)
{
    co_free(subset->indices);
    *subset = (co_subset){0};
}

static co_status subset_alloc(uint32_t count, co_subset *out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(count, sizeof(uint32_t), "list of samples", &block, err));
    *out = (co_subset){.indices = block, .count = count};
    return CO_OK;
}

static co_status check_parts(uint32_t samples, double fraction, bool hold_out, uint32_t *kept,
                             uint32_t *trained, co_error *err)
{
    if (!(fraction > 0.0 && fraction <= 1.0)) {
        return co_fail(err, CO_USAGE, "train_split is %g; it goes from above 0 to 1", fraction);
    }
    *kept = (uint32_t)(fraction * samples);
    *trained = hold_out ? (uint32_t)(train_share * *kept) : *kept;
    if (*trained == 0 || (hold_out && *trained == *kept)) {
        return co_fail(err, CO_USAGE,
                       "train_split %g of %u samples%s leaves a part without samples; raise it",
                       fraction, samples, hold_out ? " with a validation part" : "");
    }
    return CO_OK;
}

co_status co_subset_split(uint32_t samples, double fraction, bool hold_out, uint64_t seed,
                          co_subset *train, co_subset *validation, co_error *err)
{
    uint32_t kept = 0;
    uint32_t trained = 0;
    CO_TRY(check_parts(samples, fraction, hold_out, &kept, &trained, err));
    co_subset all = {0};
    co_subset held = {0};
    CO_TRY(subset_alloc(samples, &all, err));
    co_status status = subset_alloc(kept - trained, &held, err);
    if (status != CO_OK) {
        co_subset_free(&all);
        return status;
    }
    if (kept < samples || hold_out) {
        co_rng rng = co_rng_at(&(co_rng_key){.seed = seed, .stream = CO_STREAM_SPLIT});
        co_rng_permutation(&rng, all.indices, samples);
    } else {
        for (uint32_t i = 0; i < samples; i++) {
            all.indices[i] = i;
        }
    }
    if (held.count > 0) {
        memcpy(held.indices, all.indices + trained, held.count * sizeof(uint32_t));
    }
    all.count = trained;
    *train = all;
    *validation = held;
    return CO_OK;
}
