/* Looks at everything in a data set and lists what is wrong: `cohort data check` and `info`.
 *
 * Unlike co_dataset_open it does not stop at the first fault: each file is read to its end, and
 * files are compared with each other. The report is plain memory of the caller.
 */
#ifndef CO_DATA_CHECK_H
#define CO_DATA_CHECK_H

#include "data/dataset.h"
#include "data/normalise.h"

enum { CO_CHECK_LISTED = 256, CO_CHECK_CLASSES = 1024 };

typedef struct co_dataset_findings {
    uint64_t count;                   /* of faults; the first ones are listed */
    co_error listed[CO_CHECK_LISTED]; /* the messages */
} co_dataset_findings;

/* Adds one fault. */
void co_findings_add(co_dataset_findings *findings, const co_error *fault);

/* A status that a part of a check ended with: a fault of the data (CO_DATA) becomes a finding and
 * the check goes on, anything else (no memory) ends it. Without findings every fault is the error.
 */
CO_MUST_CHECK co_status co_findings_note(co_dataset_findings *findings, co_status status,
                                         const co_error *fault, co_error *err);

/* Scans all files of the set. Returns CO_OK with findings->count = 0 for a clean set, CO_OK with
 * faults listed for a broken one, and fails only when it cannot check at all (unknown name, no
 * memory). dir may be NULL for a set without files. */
CO_MUST_CHECK co_status co_dataset_check(const char *name, const char *dir,
                                         co_dataset_findings *findings, co_error *err);

typedef struct co_dataset_summary {
    uint32_t histogram[CO_SPLITS][CO_CHECK_CLASSES]; /* labels per class */
    co_moments moments[CO_SPLITS];                   /* of all pixels of the split */
} co_dataset_summary;

/* Counts labels and pixels of both splits (reads them). For sets of at most CO_CHECK_CLASSES. */
CO_MUST_CHECK co_status co_dataset_summarise(co_dataset *set, co_dataset_summary *out,
                                             co_error *err);

#endif
