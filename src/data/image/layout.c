#include "data/image/layout.h"

#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "data/image/layout_lists.h"
#include "data/image/walk.h"

enum { CORE50_SESSIONS = 11, CORE50_OBJECTS = 50 };

static const co_image_family families[] = {
    {.name = "tinyimagenet",
     .layout = CO_LAYOUT_TINY,
     .folders = {"TinyImageNet", "TinyImageNet/tiny-imagenet-200", "tiny-imagenet-200",
                 "tiny-imagenet/tiny-imagenet-200", "."},
     .size = 64},
    {.name = "imagenet",
     .layout = CO_LAYOUT_FOLDERS,
     .folders = {"ImageNet", "imagenet", "ILSVRC/Data/CLS-LOC", "."},
     .size = 224},
    {.name = "imagenet_blurred",
     .layout = CO_LAYOUT_FOLDERS,
     .folders = {"ImageNet_blurred", "."},
     .size = 224},
    {.name = "imagenet100",
     .layout = CO_LAYOUT_LISTS,
     .folders = {"ImageNet100", "."},
     .size = 224,
     .lists = {"train_100.txt", "val_100.txt"}},
    {.name = "imagenet100small",
     .layout = CO_LAYOUT_LISTS,
     .folders = {"ImageNet100-small", "ImageNet100", "."},
     .size = 224,
     .lists = {"train_100_small.txt", "val_100_small.txt"}},
    {.name = "core50",
     .layout = CO_LAYOUT_CORE50,
     .folders = {"CORe50", "CORe50/core50_128x128", "core50_128x128", "."},
     .size = 128,
     .as_stored = true},
    {.name = "images", .layout = CO_LAYOUT_CLASSES, .folders = {"."}, .size = 224},
};

const co_image_family *co_image_family_find(const char *name)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (strcmp(name, families[i].name) == 0) {
            return &families[i];
        }
    }
    return NULL;
}

co_status co_image_bad(co_image_faults *faults, co_status status, const co_error *fault,
                       co_error *err)
{
    return faults->findings != NULL ? co_findings_note(faults->findings, status, fault, err)
                                    : co_bad_samples_note(faults->bad, status, fault, err);
}

/* ---- train/<class> and val/<class> ---- */

static co_status add_files(const co_names *files, co_split split, int32_t label,
                           co_image_list *list, co_error *err)
{
    for (uint32_t i = 0; i < files->count; i++) {
        CO_TRY(co_image_part_add(&list->part[split], co_names_get(files, i), label, err));
    }
    return CO_OK;
}

static co_status empty_class(const co_image_list *list, const char *sub, co_error *err)
{
    return co_fail(err, CO_DATA, "%s/%s: this class has no images; fill the folder or remove it",
                   list->root, sub);
}

static co_status add_class(co_split split, const char *sub, int32_t label, co_image_list *list,
                           co_dataset_findings *findings, co_error *err)
{
    co_error fault = {0};
    co_names files = {0};
    co_status status = co_walk_images(list->root, sub, &files, &fault);
    if (status == CO_OK && files.count == 0) {
        status = empty_class(list, sub, &fault);
    }
    status = co_findings_note(findings, status, &fault, err);
    if (status == CO_OK) {
        status = add_files(&files, split, label, list, err);
    }
    co_names_free(&files);
    return status;
}

/* The images of `split` lie in root/top/<class>. */
static co_status add_folders(const char *top, co_split split, co_image_list *list,
                             co_dataset_findings *findings, co_error *err)
{
    char path[CO_WALK_PATH];
    co_names names = {0};
    co_error fault = {0};
    CO_TRY(co_walk_join(list->root, top, path, err));
    co_status status = co_walk_folders(path, &names, err);
    for (uint32_t i = 0; i < names.count && status == CO_OK; i++) {
        const char *name = co_names_get(&names, i);
        int64_t label = co_names_find(&list->classes, name);
        status = co_walk_join(top, name, path, err);
        if (status == CO_OK && label < 0) {
            status = co_fail(&fault, CO_DATA, "%s/%s: train/ has no class of this name", list->root,
                             path);
            status = co_findings_note(findings, status, &fault, err);
        } else if (status == CO_OK) {
            status = add_class(split, path, (int32_t)label, list, findings, err);
        }
    }
    co_names_free(&names);
    return status;
}

static co_status no_classes(const char *path, co_error *err)
{
    return co_fail(err, CO_DATA, "%s: has no folders, one for each class", path);
}

static co_status read_folders(co_image_list *list, co_dataset_findings *findings, co_error *err)
{
    char path[CO_WALK_PATH];
    CO_TRY(co_walk_join(list->root, "train", path, err));
    CO_TRY(co_walk_folders(path, &list->classes, err));
    if (list->classes.count == 0) {
        return no_classes(path, err);
    }
    CO_TRY(add_folders("train", CO_SPLIT_TRAIN, list, findings, err));
    static const char *const tests[] = {"val", "test"};
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        CO_TRY(co_walk_join(list->root, tests[i], path, err));
        if (co_walk_is_folder(path)) {
            return add_folders(tests[i], CO_SPLIT_TEST, list, findings, err);
        }
    }
    return co_fail(err, CO_DATA, "%s: has neither val/ nor test/ beside train/", list->root);
}

/* ---- Tiny ImageNet ---- */

static co_status read_tiny(co_image_list *list, co_image_faults *faults, co_error *err)
{
    char path[CO_WALK_PATH];
    CO_TRY(co_walk_join(list->root, "wnids.txt", path, err));
    if (co_walk_is_file(path)) {
        CO_TRY(co_lists_classes(path, faults->findings, &list->classes, err));
    } else {
        CO_TRY(co_walk_join(list->root, "train", path, err));
        CO_TRY(co_walk_folders(path, &list->classes, err));
    }
    if (list->classes.count == 0) {
        return no_classes(path, err);
    }
    for (uint32_t i = 0; i < list->classes.count; i++) {
        CO_TRY(co_walk_join("train", co_names_get(&list->classes, i), path, err));
        CO_TRY(add_class(CO_SPLIT_TRAIN, path, (int32_t)i, list, faults->findings, err));
    }
    CO_TRY(co_walk_join(list->root, "val/val_annotations.txt", path, err));
    if (!co_walk_is_file(path)) { /* sorted into folders, as many do for ImageFolder */
        return add_folders("val", CO_SPLIT_TEST, list, faults->findings, err);
    }
    return co_lists_annotations(path, "val/images", faults, list, err);
}

/* ---- CORe50 ---- */

static co_status read_session(int session, co_image_list *list, co_dataset_findings *findings,
                              co_error *err)
{
    bool test = session == 3 || session == 7 || session == 10; /* the authors' choice */
    for (int object = 0; object < CORE50_OBJECTS; object++) {
        char sub[32];
        char path[CO_WALK_PATH];
        co_text text = co_text_over(sub, sizeof(sub));
        co_text_printf(&text, "s%d/%s", session, co_names_get(&list->classes, (uint32_t)object));
        CO_TRY(co_walk_join(list->root, sub, path, err));
        if (co_walk_is_folder(path)) {
            CO_TRY(
                add_class(test ? CO_SPLIT_TEST : CO_SPLIT_TRAIN, sub, object, list, findings, err));
        }
    }
    return CO_OK;
}

static co_status read_core50(co_image_list *list, co_dataset_findings *findings, co_error *err)
{
    for (int object = 1; object <= CORE50_OBJECTS; object++) {
        char name[16];
        co_text text = co_text_over(name, sizeof(name));
        co_text_printf(&text, "o%d", object);
        CO_TRY(co_names_add(&list->classes, name, err));
    }
    for (int session = 1; session <= CORE50_SESSIONS; session++) {
        CO_TRY(read_session(session, list, findings, err));
    }
    return CO_OK;
}

/* ---- one folder of classes ---- */

/* A part of the images of each class, drawn always the same, whatever the seed: runs stay
 * comparable, and adding a class changes nothing for the others. */
static co_status split_class(const co_names *files, int32_t label, double share,
                             co_image_list *list, co_error *err)
{
    void *block = NULL;
    uint32_t count = files->count;
    uint32_t tests = (uint32_t)(share * count + 0.5);
    tests = tests == 0 && count > 1 ? 1 : tests;
    tests = tests == count ? count - 1 : tests;
    CO_TRY(co_alloc(count, sizeof(uint32_t) + 1, "split", &block, err));
    uint32_t *order = block;
    uint8_t *is_test = (uint8_t *)(order + count);
    co_rng rng = co_rng_at(&(co_rng_key){.stream = CO_STREAM_SPLIT, .sample = (uint32_t)label});
    co_rng_permutation(&rng, order, count);
    for (uint32_t i = 0; i < tests; i++) {
        is_test[order[i]] = 1;
    }
    co_status status = CO_OK;
    for (uint32_t i = 0; i < count && status == CO_OK; i++) {
        co_split split = is_test[i] != 0 ? CO_SPLIT_TEST : CO_SPLIT_TRAIN;
        status = co_image_part_add(&list->part[split], co_names_get(files, i), label, err);
    }
    co_free(block);
    return status;
}

static co_status read_classes(double share, co_image_list *list, co_dataset_findings *findings,
                              co_error *err)
{
    char path[CO_WALK_PATH];
    CO_TRY(co_walk_join(list->root, "train", path, err));
    if (co_walk_is_folder(path)) {
        return read_folders(list, findings, err);
    }
    CO_TRY(co_walk_folders(list->root, &list->classes, err));
    if (list->classes.count == 0) {
        return no_classes(list->root, err);
    }
    co_names files = {0};
    co_status status = CO_OK;
    for (uint32_t i = 0; i < list->classes.count && status == CO_OK; i++) {
        co_error fault = {0};
        const char *name = co_names_get(&list->classes, i);
        co_names_clear(&files);
        status = co_walk_images(list->root, name, &files, &fault);
        status = status == CO_OK && files.count == 0 ? empty_class(list, name, &fault) : status;
        bool whole = status == CO_OK;
        status = co_findings_note(findings, status, &fault, err);
        if (whole) {
            status = split_class(&files, (int32_t)i, share, list, err);
        }
    }
    co_names_free(&files);
    return status;
}

/* ---- any ---- */

/* Something that only a folder of this layout has. */
static bool looks_right(const co_image_family *family, const char *root)
{
    static const char *const marks[] = {[CO_LAYOUT_FOLDERS] = "train",
                                        [CO_LAYOUT_TINY] = "train",
                                        [CO_LAYOUT_CORE50] = "s1",
                                        [CO_LAYOUT_CLASSES] = "."};
    char path[CO_WALK_PATH];
    co_error unused;
    bool lists = family->layout == CO_LAYOUT_LISTS;
    const char *mark = lists ? family->lists[CO_SPLIT_TRAIN] : marks[family->layout];
    return co_walk_join(root, mark, path, &unused) == CO_OK &&
           (lists ? co_walk_is_file(path) : co_walk_is_folder(path));
}

static co_status find_root(const co_image_family *family, const char *dir, char **out,
                           co_error *err)
{
    static const char *const wanted[] = {
        [CO_LAYOUT_FOLDERS] = "a folder with train/<class>/ and val/<class>/",
        [CO_LAYOUT_TINY] = "a folder with train/, val/ and wnids.txt",
        [CO_LAYOUT_LISTS] = "a folder with the lists of its images",
        [CO_LAYOUT_CORE50] = "a folder with s1/ to s11/",
        [CO_LAYOUT_CLASSES] = "a folder with one folder for each class"};
    for (const char *const *sub = family->folders; *sub != NULL; sub++) {
        char path[CO_WALK_PATH];
        CO_TRY(co_walk_join(dir, *sub, path, err));
        const char *root = strcmp(*sub, ".") == 0 ? dir : path;
        if (looks_right(family, root)) {
            return co_strdup(root, out, err);
        }
    }
    const char *folder = family->folders[0];
    bool named = folder != NULL && strcmp(folder, ".") != 0;
    return co_fail(err, CO_DATA, "%s: has no %s files: expected %s%s%s, here%s%s%s", dir,
                   family->name, wanted[family->layout], family->lists[0] != NULL ? ", " : "",
                   family->lists[0] != NULL ? family->lists[0] : "", named ? " or in " : "",
                   named ? folder : "",
                   family->layout == CO_LAYOUT_TINY ? "; 'cohort data fetch tinyimagenet' gets them"
                                                    : "");
}

static co_status read_layout(const co_image_family *family, double test_share,
                             co_image_faults *faults, co_image_list *list, co_error *err)
{
    switch (family->layout) {
    case CO_LAYOUT_FOLDERS:
        return read_folders(list, faults->findings, err);
    case CO_LAYOUT_TINY:
        return read_tiny(list, faults, err);
    case CO_LAYOUT_LISTS:
        return co_lists_labelled(family->lists, faults, list, err);
    case CO_LAYOUT_CORE50:
        return read_core50(list, faults->findings, err);
    case CO_LAYOUT_CLASSES:
        return read_classes(test_share, list, faults->findings, err);
    }
    return co_fail(err, CO_INTERNAL, "%s: unknown layout", family->name);
}

co_status co_image_list_read(const co_image_family *family, const char *dir, double test_share,
                             co_image_faults *faults, co_image_list *out, co_error *err)
{
    CO_TRY(find_root(family, dir, &out->root, err));
    CO_TRY(read_layout(family, test_share, faults, out, err));
    for (int split = 0; split < CO_SPLITS && faults->findings == NULL; split++) {
        if (out->part[split].files.count == 0) {
            return co_fail(err, CO_DATA, "%s: has no %s images", out->root,
                           split == CO_SPLIT_TRAIN ? "training" : "test");
        }
    }
    return CO_OK;
}
