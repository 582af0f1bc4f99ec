/* The data sets of CIFAR's binary records: everything is read and checked when the set is opened;
 * a sample is copied out of its record when it is asked for. */
#include <string.h>

#include "base/alloc.h"
#include "data/cifar_file.h"
#include "data/format.h"

typedef struct cifar_set {
    co_dataset base;
    co_cifar_files *files;
    int32_t *labels[CO_SPLITS]; /* owned */
} cifar_set;

static co_status cifar_require(co_dataset *base, co_split split, co_error *err)
{
    (void)base;
    (void)split;
    (void)err;
    return CO_OK;
}

static co_status cifar_fetch(co_dataset *base, co_split split, uint32_t sample, void *pixels,
                             co_error *err)
{
    const cifar_set *set = (const cifar_set *)base;
    const co_cifar_family *family = set->files->family;
    int role = 0;
    int end = 0;
    co_cifar_files_of(family, split, &role, &end);
    for (; role < end; role++) {
        const co_cifar_file *file = &set->files->file[role];
        if (sample < file->records) {
            const uint8_t *record = file->content.data + sample * co_cifar_record_bytes(family);
            memcpy(pixels, record + family->label_bytes, CO_CIFAR_PIXELS);
            return CO_OK;
        }
        sample -= file->records;
    }
    return co_fail(err, CO_INTERNAL, "%s: a sample behind the last one was asked for",
                   family->name);
}

static void cifar_destroy(co_dataset *base)
{
    cifar_set *set = (cifar_set *)base;
    for (int split = 0; split < CO_SPLITS; split++) {
        co_free(set->labels[split]);
    }
    co_cifar_files_free(set->files);
    co_free(set);
}

static const co_dataset_ops cifar_ops = {
    .destroy = cifar_destroy,
    .require = cifar_require,
    .fetch = cifar_fetch,
};

static co_status open_part(cifar_set *set, co_split split, co_error *err)
{
    const co_cifar_family *family = set->files->family;
    int begin = 0;
    int end = 0;
    uint32_t samples = 0;
    co_cifar_files_of(family, split, &begin, &end);
    for (int role = begin; role < end; role++) {
        samples += set->files->file[role].records;
        set->base.memory_bytes += set->files->file[role].content.size;
    }
    void *block = NULL;
    CO_TRY(co_alloc(samples, sizeof(int32_t), "labels", &block, err));
    int32_t *labels = block;
    set->labels[split] = labels;
    set->base.part[split].labels = labels;
    set->base.info.samples[split] = samples;
    set->base.memory_bytes += samples * sizeof(int32_t);
    for (int role = begin; role < end; role++) {
        const co_cifar_file *file = &set->files->file[role];
        for (uint32_t i = 0; i < file->records; i++) {
            *labels++ =
                file->content.data[i * co_cifar_record_bytes(family) + (size_t)family->label];
        }
    }
    return CO_OK;
}

static void describe(cifar_set *set)
{
    const co_cifar_family *family = set->files->family;
    set->base.ops = &cifar_ops;
    set->base.info = (co_dataset_info){
        .name = family->name,
        .format = "cifar binary",
        .channels = 3,
        .height = CO_CIFAR_SIDE,
        .width = CO_CIFAR_SIDE,
        .pixel = CO_PIXEL_U8,
        .sample_bytes = CO_CIFAR_PIXELS,
        .classes = family->classes,
        .class_names = set->files->names_text != NULL ? set->files->class_names : NULL,
    };
}

static co_status cifar_open(const char *name, const char *dir, const co_dataset_options *options,
                            co_dataset **out, co_error *err)
{
    const co_cifar_family *family = co_cifar_family_find(name);
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(cifar_set), "data set", &block, err));
    cifar_set *set = block;
    co_status status = co_cifar_files_read(family, dir, options->background, NULL, &set->files,
                                           err);
    if (status == CO_OK) {
        describe(set);
    }
    for (int split = 0; split < CO_SPLITS && status == CO_OK; split++) {
        status = open_part(set, (co_split)split, err);
    }
    if (status != CO_OK) {
        cifar_destroy(&set->base);
        return status;
    }
    *out = &set->base;
    return CO_OK;
}

static co_status cifar_check(const char *name, const char *dir, co_dataset_findings *findings,
                             co_error *err)
{
    co_cifar_files *files = NULL;
    CO_TRY(co_cifar_files_read(co_cifar_family_find(name), dir, true, findings, &files, err));
    co_cifar_files_free(files);
    return CO_OK;
}

const co_dataset_format co_format_cifar = {.open = cifar_open, .check = cifar_check};
