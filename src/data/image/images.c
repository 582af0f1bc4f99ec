/* The data sets of image files: the list is read when the set is opened, a file when one of its
 * samples is asked for. Nothing is kept decoded: the system keeps the files in its cache, once for
 * all workers of a machine. */
#include <string.h>

#include "base/alloc.h"
#include "data/format.h"
#include "data/image/layout.h"
#include "data/image/reader.h"
#include "data/image/verify.h"
#include "data/image/walk.h"

enum { CHANNELS = 3, SIDE_MAX = 4096, SAMPLES_MEASURED = 16 };

static const double usual_test_share = 0.2;

typedef struct image_set {
    co_dataset base;
    const co_image_family *family;
    co_image_frame frame;
    co_image_list list;
    const char **class_names; /* owned */
} image_set;

struct co_sample_reader {
    const image_set *set;
    co_image_reader *images;
};

static void images_destroy(co_dataset *base)
{
    image_set *set = (image_set *)base;
    co_image_list_free(&set->list);
    co_free(set->class_names);
    co_free(set);
}

static co_status images_require(co_dataset *base, co_split split, co_error *err)
{
    (void)base;
    (void)split;
    (void)err;
    return CO_OK;
}

static void images_reader_close(co_sample_reader *reader)
{
    co_image_reader_destroy(reader->images);
    co_free(reader);
}

static co_status images_reader_open(co_dataset *base, co_sample_reader **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_sample_reader), "image reader", &block, err));
    co_sample_reader *reader = block;
    reader->set = (const image_set *)base;
    co_status status = co_image_reader_create(&reader->images, err);
    if (status != CO_OK) {
        co_free(reader);
        return status;
    }
    *out = reader;
    return CO_OK;
}

static co_status images_read(co_sample_reader *reader, co_split split, uint32_t sample,
                             const co_sample_cut *cut, void *pixels, co_error *err)
{
    const image_set *set = reader->set;
    char path[CO_WALK_PATH];
    const char *file = co_names_get(&set->list.part[split].files, sample);
    CO_TRY(co_walk_join(set->list.root, file, path, err));
    return co_image_read(reader->images, path, &set->frame, cut, pixels, err);
}

/* For those who read a sample now and then; loaders keep a reader. */
static co_status images_fetch(co_dataset *base, co_split split, uint32_t sample, void *pixels,
                              co_error *err)
{
    co_sample_reader *reader = NULL;
    CO_TRY(images_reader_open(base, &reader, err));
    co_status status = images_read(reader, split, sample, NULL, pixels, err);
    images_reader_close(reader);
    return status;
}

/* A reader grows to what its largest image takes: here of samples from all over the set. One that
 * cannot be read says nothing. */
static co_status images_reader_bytes(co_dataset *base, size_t *bytes, co_error *err)
{
    co_error fault;
    void *pixels = NULL;
    co_sample_reader *reader = NULL;
    CO_TRY(images_reader_open(base, &reader, err));
    co_status status = co_alloc(base->info.sample_bytes, 1, "sample", &pixels, err);
    for (uint64_t i = 0; i < SAMPLES_MEASURED && status == CO_OK; i++) {
        uint64_t sample = i * base->info.samples[CO_SPLIT_TRAIN] / SAMPLES_MEASURED;
        (void)!images_read(reader, CO_SPLIT_TRAIN, (uint32_t)sample, NULL, pixels, &fault);
    }
    if (status == CO_OK) {
        *bytes = sizeof(*reader) + co_image_reader_bytes(reader->images);
    }
    co_free(pixels);
    images_reader_close(reader);
    return status;
}

static const co_dataset_ops image_ops = {
    .destroy = images_destroy,
    .require = images_require,
    .fetch = images_fetch,
    .reader_open = images_reader_open,
    .reader_close = images_reader_close,
    .read = images_read,
    .reader_bytes = images_reader_bytes,
};

/* S1's rule: the shorter side becomes 8/7 of the sample's, rounded down (64: 73, 224: 256). */
static co_status choose_frame(image_set *set, const co_dataset_options *options, co_error *err)
{
    int size = options->image_size > 0 ? options->image_size : set->family->size;
    int usual = set->family->as_stored ? size : size * 8 / 7;
    set->frame.size = size;
    set->frame.resize = options->image_resize > 0 ? options->image_resize : usual;
    if (size > SIDE_MAX || set->frame.resize > SIDE_MAX || set->frame.resize < size) {
        return co_fail(err, CO_USAGE,
                       "images of %d x %d cannot be cut out of images whose shorter side is %d; "
                       "image_resize must be at least image_size, and both at most %d",
                       size, size, set->frame.resize, SIDE_MAX);
    }
    return CO_OK;
}

static co_status describe(image_set *set, co_error *err)
{
    void *block = NULL;
    co_image_list *list = &set->list;
    size_t side = (size_t)set->frame.size;
    CO_TRY(co_alloc(list->classes.count, sizeof(const char *), "class names", &block, err));
    set->class_names = block;
    for (uint32_t i = 0; i < list->classes.count; i++) {
        set->class_names[i] = co_names_get(&list->classes, i);
    }
    set->base.info = (co_dataset_info){
        .name = set->family->name,
        .format = "image files",
        .channels = CHANNELS,
        .height = set->frame.size,
        .width = set->frame.size,
        .pixel = CO_PIXEL_U8,
        .sample_bytes = CHANNELS * side * side,
        .classes = (int)list->classes.count,
        .class_names = set->class_names,
        .image_files = true,
    };
    for (int split = 0; split < CO_SPLITS; split++) {
        set->base.info.samples[split] = list->part[split].files.count;
        set->base.part[split].labels = list->part[split].labels;
    }
    set->base.memory_bytes = co_image_list_bytes(list);
    return CO_OK;
}

/* With the policy `skip`: the images that can be read. */
static co_status leave_out(image_set *set, co_image_faults *faults, co_error *err)
{
    const co_bad_samples *bad = &set->base.bad;
    if (bad->policy != CO_BAD_SKIP) {
        return CO_OK;
    }
    for (int split = 0; split < CO_SPLITS; split++) {
        CO_TRY(co_image_list_verify(&set->list, (co_split)split, faults, err));
        if (set->list.part[split].files.count == 0) {
            return co_fail(err, CO_DATA, "%s: none of its %s images can be read; the first: %.300s",
                           set->list.root, split == CO_SPLIT_TRAIN ? "training" : "test",
                           bad->listed[0].text);
        }
    }
    return co_bad_samples_settle(bad, set->family->name, err);
}

static double share_of(const co_dataset_options *options)
{
    return options->test_share > 0.0 ? options->test_share : usual_test_share;
}

static co_status open_set(image_set *set, const char *dir, const co_dataset_options *options,
                          co_error *err)
{
    co_image_faults faults = {.bad = &set->base.bad};
    set->base.bad.policy = options->bad_policy;
    set->base.bad.budget = options->bad_budget;
    CO_TRY(choose_frame(set, options, err));
    CO_TRY(co_image_list_read(set->family, dir, share_of(options), &faults, &set->list, err));
    CO_TRY(leave_out(set, &faults, err));
    return describe(set, err);
}

static co_status images_open(const char *name, const char *dir, const co_dataset_options *options,
                             co_dataset **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(image_set), "data set", &block, err));
    image_set *set = block;
    set->base.ops = &image_ops;
    set->family = co_image_family_find(name);
    co_status status = open_set(set, dir, options, err);
    if (status != CO_OK) {
        images_destroy(&set->base);
        return status;
    }
    *out = &set->base;
    return CO_OK;
}

static co_status images_check(const char *name, const char *dir, co_dataset_findings *findings,
                              co_error *err)
{
    co_error fault;
    co_image_list list = {0};
    co_image_faults faults = {.findings = findings};
    co_status status = co_image_list_read(co_image_family_find(name), dir, usual_test_share,
                                          &faults, &list, &fault);
    status = co_findings_note(findings, status, &fault, err);
    for (int split = 0; split < CO_SPLITS && status == CO_OK; split++) {
        status = co_image_list_verify(&list, (co_split)split, &faults, err);
    }
    co_image_list_free(&list);
    return status;
}

const co_dataset_format co_format_images = {
    .open = images_open, .check = images_check, .can_skip = true};
