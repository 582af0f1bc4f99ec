/* Which samples a run trains on: train_split and val (docs/METHODS.md 3). Any thread may call. */
#ifndef CO_DATA_SPLIT_H
#define CO_DATA_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef struct co_subset {
    uint32_t *indices; /* owned: co_subset_free. In the order of the permutation */
    uint32_t count;
} co_subset;

void co_subset_free(co_subset *subset); /* leaves it empty; an empty one is allowed */

/* Draws a random permutation of 0..samples-1 from stream SPLIT and keeps the first
 * int(fraction * samples) of it; with `hold_out`, the last tenth of these goes to *validation and
 * int(0.9 * kept) stay in *train. *validation is left empty otherwise. With fraction 1 and no
 * hold-out the order is 0..samples-1. 0 < fraction <= 1; CO_USAGE when a part would be empty. */
CO_MUST_CHECK co_status co_subset_split(uint32_t samples, double fraction, bool hold_out,
                                        uint64_t seed, co_subset *train, co_subset *validation,
                                        co_error *err);

#endif
