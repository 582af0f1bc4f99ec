#include "data/dataset.h"

#include <string.h>

#include "data/format.h"

co_status co_dataset_open(const char *name, const char *dir, const co_dataset_options *options,
                          co_dataset **out, co_error *err)
{
    static const co_dataset_options usual = {0};
    const co_dataset_format *format = NULL;
    CO_TRY(co_dataset_format_find(name, dir, &name, &format, err));
    options = options != NULL ? options : &usual;
    if (options->bad_policy == CO_BAD_SKIP && !format->can_skip) {
        return co_fail(err, CO_USAGE,
                       "--bad-samples skip is for image files and nt3: '%s' has none, or a fault "
                       "in a file of it is one of the whole file ('cohort data check' finds it)",
                       name);
    }
    return format->open(name, dir, options, out, err);
}

void co_dataset_close(co_dataset *set)
{
    if (set != NULL) {
        set->ops->destroy(set);
    }
}

co_status co_dataset_require(co_dataset *set, co_split split, co_error *err)
{
    return set->ops->require(set, split, err);
}

co_status co_dataset_fetch(co_dataset *set, co_split split, uint32_t sample, void *pixels,
                           co_error *err)
{
    if (sample >= set->info.samples[split]) {
        return co_fail(err, CO_INTERNAL, "sample %u asked of %u", sample, set->info.samples[split]);
    }
    const char *resident = set->part[split].pixels;
    if (resident != NULL) {
        memcpy(pixels, resident + sample * set->info.sample_bytes, set->info.sample_bytes);
        return CO_OK;
    }
    return set->ops->fetch(set, split, sample, pixels, err);
}

co_status co_dataset_reader_open(co_dataset *set, co_sample_reader **out, co_error *err)
{
    if (set->ops->reader_open == NULL) {
        *out = NULL;
        return CO_OK;
    }
    return set->ops->reader_open(set, out, err);
}

void co_dataset_reader_close(co_dataset *set, co_sample_reader *reader)
{
    if (reader != NULL) {
        set->ops->reader_close(reader);
    }
}

co_status co_dataset_reader_bytes(co_dataset *set, size_t *bytes, co_error *err)
{
    if (set->ops->reader_bytes == NULL) {
        *bytes = 0;
        return CO_OK;
    }
    return set->ops->reader_bytes(set, bytes, err);
}

co_status co_dataset_read(co_dataset *set, co_sample_reader *reader, co_split split,
                          uint32_t sample, const co_sample_cut *cut, void *pixels, co_error *err)
{
    if (reader == NULL) {
        return cut == NULL ? co_dataset_fetch(set, split, sample, pixels, err)
                           : co_fail(err, CO_INTERNAL, "%s: a part of a sample was asked for",
                                     set->info.name);
    }
    if (sample >= set->info.samples[split]) {
        return co_fail(err, CO_INTERNAL, "sample %u asked of %u", sample, set->info.samples[split]);
    }
    return set->ops->read(reader, split, sample, cut, pixels, err);
}
