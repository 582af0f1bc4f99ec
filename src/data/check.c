#include "data/check.h"

#include <string.h>

#include "data/format.h"

void co_findings_add(co_dataset_findings *findings, const co_error *fault)
{
    if (findings->count < CO_CHECK_LISTED) {
        findings->listed[findings->count] = *fault;
    }
    findings->count++;
}

co_status co_findings_note(co_dataset_findings *findings, co_status status, const co_error *fault,
                           co_error *err)
{
    if (status == CO_DATA && findings != NULL) {
        co_findings_add(findings, fault);
        return CO_OK;
    }
    return status == CO_OK ? CO_OK : co_fail(err, status, "%s", fault->text);
}

co_status co_dataset_check(const char *name, const char *dir, co_dataset_findings *findings,
                           co_error *err)
{
    const co_dataset_format *format = NULL;
    memset(findings, 0, sizeof(*findings));
    CO_TRY(co_dataset_format_find(name, dir, &name, &format, err));
    return format->check != NULL ? format->check(name, dir, findings, err) : CO_OK;
}

co_status co_dataset_summarise(co_dataset *set, co_dataset_summary *out, co_error *err)
{
    const co_dataset_info *info = co_dataset_describe(set);
    if (info->classes > CO_CHECK_CLASSES) {
        return co_fail(err, CO_UNSUPPORTED, "%s: a summary of more than %d classes", info->name,
                       CO_CHECK_CLASSES);
    }
    memset(out, 0, sizeof(*out));
    for (int split = 0; split < CO_SPLITS; split++) {
        CO_TRY(co_dataset_require(set, (co_split)split, err));
        const int32_t *labels = co_dataset_labels(set, (co_split)split);
        for (uint32_t i = 0; i < info->samples[split]; i++) {
            out->histogram[split][labels[i]]++;
        }
        CO_TRY(co_dataset_moments(set, (co_split)split, true, &out->moments[split], err));
    }
    return CO_OK;
}
