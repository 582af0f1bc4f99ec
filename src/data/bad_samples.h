/* Samples that cannot be used: whether a set with such samples is refused, or goes without them.
 *
 * A format that can do without single samples (image folders, CSV rows) looks at all of them when
 * the set is opened with the policy `skip`, and leaves the bad ones out before the set has numbers
 * for its samples. So the set is the same on every worker, with any number of loader threads and
 * after a resume, and so is the count. With the policy `error` nothing is looked for: the first
 * sample that cannot be read ends the run.
 *
 * A co_bad_samples is used by one thread. Who checks with many threads keeps the faults and notes
 * them in the order of the samples, so that the same ones are listed.
 */
#ifndef CO_DATA_BAD_SAMPLES_H
#define CO_DATA_BAD_SAMPLES_H

#include <stdint.h>

#include "base/status.h"
#include "base/text.h"

typedef enum co_bad_policy { CO_BAD_ERROR, CO_BAD_SKIP } co_bad_policy;

enum { CO_BAD_LISTED = 4 };

typedef struct co_bad_samples {
    co_bad_policy policy;
    uint32_t budget;                /* how many may be left out; ignored with CO_BAD_ERROR */
    uint64_t count;                 /* left out, over both splits */
    co_error listed[CO_BAD_LISTED]; /* the faults of the first ones */
} co_bad_samples;

/* The status and fault of reading one sample. CO_DATA under the policy `skip` is counted and gives
 * CO_OK: the caller leaves the sample out. Everything else is passed on. It never fails for the
 * budget, so that the count in co_bad_samples_settle's message is that of the whole set. */
CO_MUST_CHECK co_status co_bad_samples_note(co_bad_samples *bad, co_status status,
                                            const co_error *fault, co_error *err);

/* After the last sample: CO_DATA with the count and the first faults when it is over the budget.
 * `name`: of the data set, for the message. */
CO_MUST_CHECK co_status co_bad_samples_settle(const co_bad_samples *bad, const char *name,
                                              co_error *err);

/* "3 samples left out; the first: ...; ..." for people. Adds nothing when none was. */
void co_bad_samples_tell(const co_bad_samples *bad, co_text *text);

#endif
