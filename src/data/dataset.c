#include "data/dataset.h"

#include <string.h>

#include "base/text.h"
#include "conf/hint.h"
#include "data/cifar_find.h"
#include "data/idx_find.h"
#include "data/image/layout.h"

static const char *const names[] = {"mnist",
                                    "fashion_mnist",
                                    "cifar10",
                                    "cifar100",
                                    "cifar100_coarse",
                                    "tinyimagenet",
                                    "imagenet",
                                    "imagenet_blurred",
                                    "imagenet100",
                                    "imagenet100small",
                                    "core50",
                                    "images",
                                    "npy",
                                    "nt3",
                                    "glyphs",
                                    NULL};

const char *co_dataset_name(int index)
{
    int count = (int)(sizeof(names) / sizeof(names[0])) - 1;
    return index >= 0 && index < count ? names[index] : NULL;
}

static co_status unknown_name(const char *name, co_error *err)
{
    char list[512];
    co_text known = co_text_over(list, sizeof(list));
    for (int i = 0; names[i] != NULL; i++) {
        co_text_printf(&known, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    const char *nearest = co_nearest_name(name, names, sizeof(names) / sizeof(names[0]) - 1);
    return co_fail(err, CO_USAGE, "unknown data set '%.60s'%s%s%s; there are: %s", name,
                   nearest != NULL ? " (did you mean '" : "", nearest != NULL ? nearest : "",
                   nearest != NULL ? "'?)" : "", list);
}

co_status co_dataset_open(const char *name, const char *dir, const co_dataset_options *options,
                          co_dataset **out, co_error *err)
{
    if (strcmp(name, "glyphs") == 0) {
        return co_glyphs_open(out, err);
    }
    bool cifar = co_cifar_family_find(name) != NULL;
    bool npy = strcmp(name, "npy") == 0;
    bool nt3 = co_nt3_is(name);
    bool images = co_image_family_find(name) != NULL;
    if (!cifar && !npy && !nt3 && !images && co_idx_family_find(name) == NULL) {
        return unknown_name(name, err);
    }
    if (dir == NULL || dir[0] == '\0') {
        return co_fail(
            err, CO_USAGE,
            "data set '%s' is read from files: name their folder (--dataset-dir DIR), or "
            "use --dataset glyphs, which needs none",
            name);
    }
    if (options != NULL && options->bad_policy == CO_BAD_SKIP && !nt3 && !images) {
        return co_fail(
            err, CO_USAGE,
            "--bad-samples skip is for image files and nt3: a fault in a file of '%s' is "
            "one of the whole file ('cohort data check' finds it)",
            name);
    }
    if (npy) {
        return co_npy_open(dir, out, err);
    }
    if (nt3) {
        return co_nt3_open(dir, options, out, err);
    }
    if (images) {
        return co_images_open(name, dir, options, out, err);
    }
    return cifar ? co_cifar_open(name, dir, options, out, err)
                 : co_idx_open(name, dir, options, out, err);
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
