/* Data sets of image files: their layouts, order, labels, splits and loaders. */
#include "data/helper_images.h"
#include "data/helper_loader.h"

#include <stdio.h>
#include <string.h>

#include "data/check.h"
#include "data/image/list.h"

static co_dataset *open_images(const char *name, const char *dir, const co_dataset_options *options)
{
    co_error err;
    co_dataset *set = NULL;
    assert_ok(co_dataset_open(name, dir, options, &set, &err), &err);
    return set;
}

static void put_text(const char *dir, const char *name, const char *text)
{
    put_bytes(dir, name, text, strlen(text));
}

/* Three classes of 4, 5 and 6 training images and 2 each to test. */
static void put_train_val(const char *dir)
{
    put_pictures(dir, "train/b-two", 5, 20);
    put_pictures(dir, "train/a", 4, 10);
    put_pictures(dir, "train/b/deep/er", 6, 30);
    put_pictures(dir, "val/a", 2, 40);
    put_pictures(dir, "val/b", 2, 50);
    put_pictures(dir, "val/b-two", 2, 60);
}

static void check_counts(const co_dataset *set, uint32_t train, uint32_t test, int classes)
{
    const co_dataset_info *info = co_dataset_describe(set);
    assert_int_equal(info->samples[CO_SPLIT_TRAIN], train);
    assert_int_equal(info->samples[CO_SPLIT_TEST], test);
    assert_int_equal(info->classes, classes);
}

/* ImageFolder sorts classes and files by bytes: "a", "b", "b-two". */
static void test_folders(void **state)
{
    put_train_val(*state);
    put_text(*state, "train/a/notes.txt", "no image");
    make_folder(*state, "train/.cache");
    co_dataset *set = open_images("imagenet", *state, NULL);
    const co_dataset_info *info = co_dataset_describe(set);
    check_counts(set, 15, 6, 3);
    assert_string_equal(info->class_names[0], "a");
    assert_string_equal(info->class_names[1], "b");
    assert_string_equal(info->class_names[2], "b-two");
    assert_int_equal(info->height, 224);
    const int32_t *labels = co_dataset_labels(set, CO_SPLIT_TRAIN);
    for (int i = 0; i < 15; i++) {
        assert_int_equal(labels[i], i < 4 ? 0 : i < 10 ? 1 : 2);
    }
    co_dataset_close(set);
}

/* The same sample, read from the file that the order says, and from the one of another set. */
static void test_sizes(void **state)
{
    static uint8_t one[3 * 32 * 32];
    static uint8_t two[3 * 32 * 32];
    co_error err;
    put_train_val(*state);
    const co_dataset_options small = {.image_size = 32};
    const co_dataset_options plain = {.image_size = 32, .image_resize = 36};
    co_dataset *a = open_images("images", *state, &small);
    co_dataset *b = open_images("imagenet", *state, &plain); /* 32 * 8 / 7 = 36 */
    for (uint32_t i = 0; i < 15; i++) {
        assert_ok(co_dataset_fetch(a, CO_SPLIT_TRAIN, i, one, &err), &err);
        assert_ok(co_dataset_fetch(b, CO_SPLIT_TRAIN, i, two, &err), &err);
        assert_memory_equal(one, two, sizeof(one));
    }
    co_dataset_close(a);
    co_dataset_close(b);
    co_dataset *set = NULL;
    const co_dataset_options wrong = {.image_size = 64, .image_resize = 32};
    assert_fault(co_dataset_open("images", *state, &wrong, &set, &err), CO_USAGE, &err,
                 "image_resize must be at least image_size", NULL);
}

static void put_tiny(const char *dir)
{
    make_folder(dir, "tiny-imagenet-200");
    put_pictures(dir, "tiny-imagenet-200/train/n02/images", 3, 1);
    put_pictures(dir, "tiny-imagenet-200/train/n01/images", 4, 5);
    put_text(dir, "tiny-imagenet-200/train/n01/n01_boxes.txt", "p00.jpg\t0\t1\t2\t3\n");
    put_pictures(dir, "tiny-imagenet-200/val/images", 3, 9);
    put_text(dir, "tiny-imagenet-200/wnids.txt", "n02\nn01\n");
    put_text(dir, "tiny-imagenet-200/val/val_annotations.txt",
             "p00.jpg\tn02\t0\t0\t9\t9\np02.jpg\tn01\t0\t0\t9\t9\r\n\np01.jpg\tn02\t0\t0\t9\t9");
}

static void test_tiny(void **state)
{
    put_tiny(*state);
    co_dataset *set = open_images("tiny-imagenet", *state, NULL);
    check_counts(set, 7, 3, 2);
    assert_string_equal(co_dataset_describe(set)->name, "tinyimagenet");
    assert_int_equal(co_dataset_describe(set)->width, 64);
    assert_string_equal(co_dataset_describe(set)->class_names[0], "n01"); /* sorted */
    const int32_t *labels = co_dataset_labels(set, CO_SPLIT_TEST);
    assert_int_equal(labels[0], 1);
    assert_int_equal(labels[1], 0);
    assert_int_equal(labels[2], 1);
    co_dataset_close(set);
}

static void test_lists(void **state)
{
    make_folder(*state, "ImageNet100");
    put_pictures(*state, "ImageNet100/train/n07", 4, 1);
    put_pictures(*state, "ImageNet100/val/n08", 2, 5);
    put_text(*state, "ImageNet100/train_100.txt",
             "train/n07/p03.jpg 1\ntrain/n07/p01.jpg  1 \ntrain/n07/p00.jpg\t0\n");
    put_text(*state, "ImageNet100/val_100.txt", "val/n08/p01.jpg 2\n");
    co_dataset *set = open_images("imagenet100", *state, NULL);
    check_counts(set, 3, 1, 3);
    const int32_t *labels = co_dataset_labels(set, CO_SPLIT_TRAIN);
    assert_int_equal(labels[0], 1);
    assert_int_equal(labels[2], 0);
    assert_string_equal(co_dataset_describe(set)->class_names[1], "n07");
    assert_string_equal(co_dataset_describe(set)->class_names[2], "n08");
    co_dataset_close(set);
}

static void test_core50(void **state)
{
    static const char *const subs[] = {"s1/o1", "s1/o10", "s2/o2", "s3/o1", "s10/o2", "s11/o50"};
    static const int32_t train[] = {0, 9, 1, 49};
    for (uint32_t i = 0; i < 6; i++) {
        put_pictures(*state, subs[i], 1, i);
    }
    co_dataset *set = open_images("core50", *state, NULL);
    check_counts(set, 4, 2, 50);
    assert_int_equal(co_dataset_describe(set)->height, 128);
    assert_memory_equal(co_dataset_labels(set, CO_SPLIT_TRAIN), train, sizeof(train));
    assert_int_equal(co_dataset_labels(set, CO_SPLIT_TEST)[1], 1);
    co_dataset_close(set);
}

/* One folder of classes: a share of each class is the test; the rest trains; nothing is in both. */
static void test_share(void **state)
{
    put_pictures(*state, "roses", 10, 1);
    put_pictures(*state, "tulips", 7, 2);
    put_pictures(*state, "lonely", 1, 3);
    for (int round = 0; round < 3; round++) {
        static const double shares[] = {0.0, 0.5, 0.01};
        static const uint32_t tests[] = {3, 9, 2};
        const co_dataset_options options = {.test_share = shares[round]};
        co_dataset *set = open_images("images", *state, &options);
        check_counts(set, 18 - tests[round], tests[round], 3);
        assert_string_equal(co_dataset_describe(set)->class_names[0], "lonely");
        co_dataset_close(set);
    }
}

/* ---- loaders ---- */

static uint64_t run_loader(co_dataset *set, co_loader_options options, int threads)
{
    options.threads = threads;
    co_loader *loader = open_loader(set, &options);
    uint64_t all = FNV1A_START;
    for (int step = 0; step < 25; step++) {
        co_error err;
        if (step == 11) {
            assert_ok(co_loader_seek(loader, 3, 1, &err), &err);
        }
        uint64_t hash = batch_hash(next_batch(loader), co_dataset_describe(set)->sample_bytes);
        all = fnv1a(all, &hash, sizeof(hash));
    }
    co_loader_destroy(loader);
    return all;
}

static void test_same_bits(void **state)
{
    put_train_val(*state);
    const co_dataset_options small = {.image_size = 24};
    co_dataset *set = open_images("images", *state, &small);
    const co_loader_options plain = {.batch = 4, .shuffle = true, .seed = 3};
    co_loader_options cut = plain;
    cut.augment = (co_augment){.area = 0.08, .ratio = 4.0 / 3.0};
    co_loader_options all = cut;
    all.augment.flip = CO_FLIP_RANDOM;
    all.augment.cutout = 8;
    const co_loader_options *kinds[] = {&plain, &cut, &all};
    uint64_t hashes[3];
    for (int kind = 0; kind < 3; kind++) {
        hashes[kind] = run_loader(set, *kinds[kind], 0);
        assert_true(run_loader(set, *kinds[kind], 1) == hashes[kind]);
        assert_true(run_loader(set, *kinds[kind], 4) == hashes[kind]);
        for (int other = 0; other < kind; other++) {
            assert_true(hashes[kind] != hashes[other]);
        }
    }
    all.seed = 4;
    assert_true(run_loader(set, all, 1) != hashes[2]);
    co_dataset_close(set);
}

/* A loader for evaluation stops at the end of an epoch and goes on after a seek, or without. */
static void test_once(void **state)
{
    put_train_val(*state);
    const co_dataset_options small = {.image_size = 24};
    co_dataset *set = open_images("images", *state, &small);
    co_loader_options options = {.batch = 4, .once = true};
    uint64_t inline_hash = run_loader(set, options, 0);
    assert_true(run_loader(set, options, 1) == inline_hash);
    assert_true(run_loader(set, options, 3) == inline_hash);
    co_dataset_close(set);
}

static void test_cut_needs_files(void **state)
{
    (void)state;
    co_error err;
    co_loader *loader = NULL;
    co_dataset *set = open_set("glyphs", NULL);
    const co_loader_options options = {.batch = 4, .augment = {.area = 0.5, .ratio = 1.0}};
    assert_fault(co_loader_create(set, &options, &loader, &err), CO_USAGE, &err, "glyphs",
                 "cut out of image files", "augment_resized_crop", NULL);
    co_dataset_close(set);
}

/* ---- bad samples ---- */

static void spoil(const char *dir)
{
    cut_file(dir, "train/a/p01.jpg", 300);
    put_text(dir, "train/b-two/p04.jpg", "this is no picture");
    cut_file(dir, "val/b/p00.jpg", 0);
}

static void test_error_policy(void **state)
{
    co_error err;
    put_train_val(*state);
    spoil(*state);
    const co_dataset_options small = {.image_size = 24};
    co_dataset *set = open_images("images", *state, &small);
    static uint8_t pixels[3 * 24 * 24];
    assert_ok(co_dataset_fetch(set, CO_SPLIT_TRAIN, 0, pixels, &err), &err);
    assert_fault(co_dataset_fetch(set, CO_SPLIT_TRAIN, 1, pixels, &err), CO_DATA, &err,
                 "train/a/p01.jpg: byte 300", "cut off", NULL);
    co_dataset_close(set);
}

static void test_skip_policy(void **state)
{
    co_error err;
    put_train_val(*state);
    spoil(*state);
    co_dataset_options options = {.image_size = 24, .bad_policy = CO_BAD_SKIP, .bad_budget = 3};
    co_dataset *set = open_images("images", *state, &options);
    check_counts(set, 13, 5, 3);
    assert_int_equal(co_dataset_left_out(set)->count, 3);
    assert_non_null(strstr(co_dataset_left_out(set)->listed[0].text, "train/a/p01.jpg"));
    assert_non_null(strstr(co_dataset_left_out(set)->listed[2].text, "val/b/p00.jpg"));
    const int32_t *labels = co_dataset_labels(set, CO_SPLIT_TRAIN);
    for (int i = 0; i < 13; i++) {
        assert_int_equal(labels[i], i < 3 ? 0 : i < 9 ? 1 : 2);
    }
    uint64_t hash = run_loader(set, (co_loader_options){.batch = 4, .shuffle = true}, 0);
    assert_true(run_loader(set, (co_loader_options){.batch = 4, .shuffle = true}, 4) == hash);
    co_dataset_close(set);
    options.bad_budget = 2;
    set = NULL;
    assert_fault(co_dataset_open("images", *state, &options, &set, &err), CO_DATA, &err,
                 "images: 3 samples cannot be used", "allows 2", "train/a/p01.jpg",
                 "train/b-two/p04.jpg", NULL);
    assert_null(set);
}

static void test_all_bad(void **state)
{
    co_error err;
    co_dataset *set = NULL;
    put_pictures(*state, "one", 3, 1);
    for (int i = 0; i < 3; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "one/p%02d.jpg", i);
        cut_file(*state, name, 100);
    }
    const co_dataset_options options = {.bad_policy = CO_BAD_SKIP, .bad_budget = 100};
    assert_fault(co_dataset_open("images", *state, &options, &set, &err), CO_DATA, &err,
                 "none of its training images can be read", "p0", NULL);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_folders),
        IN_FOLDER(test_sizes),
        IN_FOLDER(test_tiny),
        IN_FOLDER(test_lists),
        IN_FOLDER(test_core50),
        IN_FOLDER(test_share),
        IN_FOLDER(test_same_bits),
        IN_FOLDER(test_once),
        cmocka_unit_test(test_cut_needs_files),
        IN_FOLDER(test_error_policy),
        IN_FOLDER(test_skip_policy),
        IN_FOLDER(test_all_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
