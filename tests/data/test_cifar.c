/* CIFAR-10 and CIFAR-100 as files in a folder, plain and packed, and as members of an archive. */
#include "data/helper_cifar.h"
#include "data/helper_loader.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "data/check.h"

static const char names10[] =
    "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";

enum { FIRST = 12, SECOND = 7, TEST = 5 };

static void make_folder(const char *dir, const char *name)
{
    char path[2 * HELPER_PATH];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void put_ten(const char *dir, const char *sub, co_packing packing)
{
    static const struct {
        const char *name;
        uint32_t records;
    } files[] = {
        {"data_batch_1.bin", FIRST}, {"data_batch_2.bin", SECOND}, {"test_batch.bin", TEST}};
    char path[HELPER_PATH];
    for (uint32_t i = 0; i < 3; i++) {
        idx_image image = cifar_build(1, files[i].records, i);
        (void)snprintf(path, sizeof(path), "%s/%s", sub, files[i].name);
        put_packed(dir, path, image.bytes, image.size, packing);
        idx_free(&image);
    }
    (void)snprintf(path, sizeof(path), "%s/batches.meta.txt", sub);
    put_bytes(dir, path, names10, sizeof(names10) - 1);
}

/* Samples of both splits against the records they were built from. */
static void check_ten(co_dataset *set)
{
    co_error err;
    const co_dataset_info *info = co_dataset_describe(set);
    assert_string_equal(info->name, "cifar10");
    assert_int_equal(info->channels, 3);
    assert_int_equal(info->sample_bytes, CIFAR_PIXELS);
    assert_int_equal(info->samples[CO_SPLIT_TRAIN], FIRST + SECOND);
    assert_int_equal(info->samples[CO_SPLIT_TEST], TEST);
    assert_string_equal(info->class_names[9], "truck");
    static const uint32_t records[] = {FIRST, SECOND, TEST};
    uint32_t sample = 0;
    for (uint32_t i = 0; i < 3; i++) {
        co_split split = i < 2 ? CO_SPLIT_TRAIN : CO_SPLIT_TEST;
        sample = i == 2 ? 0 : sample;
        idx_image image = cifar_build(1, records[i], i);
        for (uint32_t k = 0; k < records[i]; k++, sample++) {
            uint8_t pixels[CIFAR_PIXELS];
            const uint8_t *record = image.bytes + (size_t)k * (1 + CIFAR_PIXELS);
            assert_ok(co_dataset_fetch(set, split, sample, pixels, &err), &err);
            assert_memory_equal(pixels, record + 1, CIFAR_PIXELS);
            assert_int_equal(co_dataset_labels(set, split)[sample], record[0]);
        }
        idx_free(&image);
    }
}

static void test_packings(void **state)
{
    const char *dir = *state;
    for (co_packing packing = CO_PACKING_NONE; packing <= CO_PACKING_XZ; packing++) {
        char sub[32];
        (void)snprintf(sub, sizeof(sub), "form%d", (int)packing);
        make_folder(dir, sub);
        put_ten(dir, sub, packing);
        char path[2 * HELPER_PATH];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, sub);
        co_dataset *set = open_set("cifar10", path);
        check_ten(set);
        co_dataset_close(set);
    }
}

static void test_folders(void **state)
{
    static const char *const subs[] = {"cifar-10", "CIFAR10", "CIFAR10/cifar-10-batches-bin",
                                       "cifar-10-batches-bin"};
    for (int i = 0; i < 4; i++) { /* each is preferred to those before it */
        make_folder(*state, subs[i]);
        put_ten(*state, subs[i], CO_PACKING_NONE);
        if (i > 0) {
            char old[HELPER_PATH];
            (void)snprintf(old, sizeof(old), "%s/data_batch_1.bin", subs[i - 1]);
            put_bytes(*state, old, "broken", 6);
        }
        co_dataset *set = open_set("cifar-10", *state);
        check_ten(set);
        co_dataset_close(set);
    }
}

/* The archive as published, with a folder, other files and the batches in any order. */
static idx_image build_archive(void)
{
    idx_image first = cifar_build(1, FIRST, 0);
    idx_image second = cifar_build(1, SECOND, 1);
    idx_image last = cifar_build(1, TEST, 2);
    const tar_member members[] = {
        {"cifar-10-batches-bin/", NULL, 0, '5', 0},
        {"cifar-10-batches-bin/data_batch_2.bin", second.bytes, second.size, '0', 0},
        {"cifar-10-batches-bin/batches.meta.txt", names10, sizeof(names10) - 1, '0', 0},
        {"cifar-10-batches-bin/readme.html", "<p>", 3, '0', 0},
        {"cifar-10-batches-bin/data_batch_1.bin", first.bytes, first.size, '0', 0},
        {"cifar-10-batches-bin/test_batch.bin", last.bytes, last.size, '0', 0},
        {0},
    };
    idx_image image = tar_build(members);
    idx_free(&first);
    idx_free(&second);
    idx_free(&last);
    return image;
}

static void test_archives(void **state)
{
    static const char *const endings[] = {"", ".gz", ".xz"};
    char path[2 * HELPER_PATH];
    idx_image image = build_archive();
    for (co_packing packing = CO_PACKING_NONE; packing <= CO_PACKING_XZ; packing++) {
        put_packed(*state, "cifar-10-binary.tar", image.bytes, image.size, packing);
        co_dataset *set = open_set("cifar10", *state); /* found in its folder */
        check_ten(set);
        co_dataset_close(set);
        (void)snprintf(path, sizeof(path), "%s/cifar-10-binary.tar%s", (const char *)*state,
                       endings[packing]);
        set = open_set("cifar10", path); /* named itself */
        check_ten(set);
        co_dataset_close(set);
        assert_int_equal(remove(path), 0);
    }
    idx_free(&image);
}

static void test_hundred(void **state)
{
    idx_image train = cifar_build(2, 40, 3);
    idx_image test = cifar_build(2, 9, 4);
    put_bytes(*state, "train.bin", train.bytes, train.size);
    put_bytes(*state, "test.bin", test.bytes, test.size);
    for (int coarse = 0; coarse < 2; coarse++) {
        co_dataset *set = open_set(coarse ? "cifar100_coarse" : "cifar100", *state);
        const co_dataset_info *info = co_dataset_describe(set);
        assert_int_equal(info->classes, coarse ? 20 : 100);
        assert_int_equal(info->samples[CO_SPLIT_TRAIN], 40);
        assert_null(info->class_names);
        for (uint32_t i = 0; i < 40; i++) {
            co_error err;
            uint8_t pixels[CIFAR_PIXELS];
            const uint8_t *record = train.bytes + (size_t)i * (2 + CIFAR_PIXELS);
            assert_int_equal(co_dataset_labels(set, CO_SPLIT_TRAIN)[i], record[1 - coarse]);
            assert_ok(co_dataset_fetch(set, CO_SPLIT_TRAIN, i, pixels, &err), &err);
            assert_memory_equal(pixels, record + 2, CIFAR_PIXELS);
        }
        co_dataset_close(set);
    }
    idx_free(&train);
    idx_free(&test);
}

/* The same batches for any number of loader threads, read with helper threads or without. */
static void test_loader(void **state)
{
    make_folder(*state, "cifar10");
    put_ten(*state, "cifar10", CO_PACKING_XZ);
    uint64_t first = 0;
    for (int threads = 0; threads <= 4; threads += 2) {
        co_error err;
        co_dataset *set = NULL;
        const co_dataset_options reading = {.background = threads > 0};
        assert_ok(co_dataset_open("cifar10", *state, &reading, &set, &err), &err);
        const co_loader_options options = {
            .batch = 4, .shuffle = true, .threads = threads, .seed = 5};
        co_loader *loader = open_loader(set, &options);
        uint64_t hash = FNV1A_START;
        for (int i = 0; i < 12; i++) {
            uint64_t one = batch_hash(next_batch(loader), CIFAR_PIXELS);
            hash = fnv1a(hash, &one, sizeof(one));
        }
        co_loader_destroy(loader);
        co_dataset_close(set);
        first = threads == 0 ? hash : first;
        assert_int_equal(hash, first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_packings, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_folders, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_archives, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_hundred, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_loader, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
