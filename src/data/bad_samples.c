#include "data/bad_samples.h"

co_status co_bad_samples_note(co_bad_samples *bad, co_status status, const co_error *fault,
                              co_error *err)
{
    if (status == CO_OK) {
        return CO_OK;
    }
    if (status != CO_DATA || bad->policy != CO_BAD_SKIP) {
        return co_fail(err, status, "%s", fault->text);
    }
    if (bad->count < CO_BAD_LISTED) {
        bad->listed[bad->count] = *fault;
    }
    bad->count++;
    return CO_OK;
}

/* Cut short each: all of them are to fit one message. */
static void list_faults(const co_bad_samples *bad, co_text *text)
{
    for (uint64_t i = 0; i < bad->count && i < CO_BAD_LISTED; i++) {
        co_text_printf(text, "%s%.180s", i > 0 ? "; " : "", bad->listed[i].text);
    }
}

co_status co_bad_samples_settle(const co_bad_samples *bad, const char *name, co_error *err)
{
    if (bad->count <= bad->budget) {
        return CO_OK;
    }
    char list[CO_ERROR_SIZE];
    co_text text = co_text_over(list, sizeof(list));
    list_faults(bad, &text);
    return co_fail(err, CO_DATA,
                   "%.60s: %llu samples cannot be used, --bad-samples-budget allows %u; 'cohort "
                   "data check' lists them; the first: %s",
                   name, (unsigned long long)bad->count, bad->budget, list);
}

void co_bad_samples_tell(const co_bad_samples *bad, co_text *text)
{
    if (bad->count == 0) {
        return;
    }
    co_text_printf(text, "%llu sample%s left out; the first: ", (unsigned long long)bad->count,
                   bad->count == 1 ? "" : "s");
    list_faults(bad, text);
}
