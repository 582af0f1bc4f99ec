/* Bad IDX files: each fault gives CO_DATA and a message with the file, the byte and what to do. */
#include "data/helper_data.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/dataset.h"
#include "data/loader.h"

#define TRAIN_IMAGES "train-images-idx3-ubyte"
#define TRAIN_LABELS "train-labels-idx1-ubyte"
#define TEST_IMAGES  "t10k-images-idx3-ubyte"
#define TEST_LABELS  "t10k-labels-idx1-ubyte"

enum { IMAGES_SIZE = 16 + HELPER_TRAIN * HELPER_SAMPLE, LABELS_SIZE = 8 + HELPER_TRAIN };

/* Opens and reads everything; the first fault. */
static co_status read_all(const char *dir, co_error *err)
{
    co_dataset *set = NULL;
    CO_TRY(co_dataset_open("mnist", dir, NULL, &set, err));
    co_status status = co_dataset_require(set, CO_SPLIT_TRAIN, err);
    if (status == CO_OK) {
        status = co_dataset_require(set, CO_SPLIT_TEST, err);
    }
    co_dataset_close(set);
    return status;
}

/* ---- plain files, one byte or size changed ---- */

typedef struct idx_change {
    const char *file;
    size_t at;         /* where to write... */
    int count;         /* ...so many bytes */
    uint8_t bytes[12]; /* ...of these */
    long longer;       /* then bytes to add (> 0) or cut (< 0) */
    const char *says[3];
} idx_change;

static const idx_change changes[] = {
    {TRAIN_IMAGES, 0, 0, {0}, -IMAGES_SIZE, {"byte 0", "empty", "get it again"}},
    {TRAIN_IMAGES, 0, 0, {0}, 3 - IMAGES_SIZE, {"byte 3", "truncated", "get it again"}},
    {TRAIN_IMAGES, 0, 0, {0}, 9 - IMAGES_SIZE, {"byte 9", "truncated", "16 bytes"}},
    {TRAIN_LABELS, 0, 0, {0}, 7 - LABELS_SIZE, {"byte 7", "truncated", "8 bytes"}},
    {TRAIN_IMAGES, 0, 2, {'P', 'K'}, 0, {"byte 0", "50 4b", "another format"}},
    {TRAIN_IMAGES, 2, 1, {0x0D}, 0, {"byte 2", "0x0d", "0x08"}},
    {TRAIN_IMAGES, 3, 1, {1}, 0, {"byte 3", "2049", "2051"}},
    {TEST_LABELS, 3, 1, {3}, 0, {"byte 3", "2051", "2049"}},
    {TRAIN_IMAGES, 4, 4, {0}, 0, {"byte 4", "0 samples", ""}},
    {TEST_LABELS, 4, 4, {0}, 0, {"byte 4", "0 samples", ""}},
    {TRAIN_IMAGES, 8, 4, {0}, 0, {"byte 8", "0 x 3", "65536"}},
    {TRAIN_IMAGES, 12, 4, {0, 1, 0, 1}, 0, {"byte 8", "5 x 65537", "65536"}},
    {TRAIN_IMAGES,
     4,
     12,
     {255, 255, 255, 255, 0, 1, 0, 0, 0, 1, 0, 0},
     0,
     {"byte 4", "4294967295", "65536 x 65536"}},
    {TRAIN_IMAGES, 0, 0, {0}, -1, {"byte 870", "truncated", "promises 871"}},
    {TRAIN_IMAGES, 0, 0, {0}, 1, {"byte 871", "appended", "has 872 bytes"}},
    {TEST_LABELS, 0, 0, {0}, -1, {"byte 30", "truncated", "promises 31"}},
    {TEST_LABELS, 0, 0, {0}, 5, {"byte 31", "appended", "has 36 bytes"}},
    {TRAIN_LABELS, 8 + 41, 1, {10}, 0, {"byte 49", "label 10 of sample 41", "0..9"}},
    {TEST_LABELS, 8, 1, {255}, 0, {"byte 8", "label 255 of sample 0", "0..9"}},
};

static void test_changes(void **state)
{
    const char *dir = *state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const idx_change *change = &changes[i];
        put_set(dir, CO_PACKING_NONE);
        idx_image good = get_bytes(dir, change->file);
        size_t size = (size_t)((long)good.size + change->longer);
        uint8_t *bad = calloc(1, size > good.size ? size : good.size);
        assert_non_null(bad);
        memcpy(bad, good.bytes, good.size);
        memcpy(bad + change->at, change->bytes, (size_t)change->count);
        put_bytes(dir, change->file, bad, size);
        co_error err;
        assert_fault(read_all(dir, &err), CO_DATA, &err, dir, change->file, change->says[0],
                     change->says[1], change->says[2], NULL);
        free(bad);
        idx_free(&good);
    }
}

static void test_counts_disagree(void **state)
{
    const char *dir = *state;
    co_error err;
    put_set(dir, CO_PACKING_NONE);
    idx_image labels = idx_build(1, HELPER_TRAIN - 1, 0, 0, 1);
    put_bytes(dir, TRAIN_LABELS, labels.bytes, labels.size);
    assert_fault(read_all(dir, &err), CO_DATA, &err, TRAIN_LABELS, TRAIN_IMAGES, "byte 4",
                 "56 labels for the 57 images", NULL);
    idx_free(&labels);
}

static void test_shapes_disagree(void **state)
{
    const char *dir = *state;
    co_error err;
    put_set(dir, CO_PACKING_NONE);
    idx_image images = idx_build(3, HELPER_TEST, HELPER_HEIGHT, HELPER_WIDTH + 1, 1);
    put_bytes(dir, TEST_IMAGES, images.bytes, images.size);
    assert_fault(read_all(dir, &err), CO_DATA, &err, TRAIN_IMAGES, TEST_IMAGES, "5 x 4", "5 x 3",
                 NULL);
    idx_free(&images);
}

/* ---- folders ---- */

static void test_folders(void **state)
{
    const char *dir = *state;
    char path[2 * HELPER_PATH];
    co_error err;
    assert_fault(read_all(dir, &err), CO_DATA, &err, dir, TRAIN_IMAGES, TEST_LABELS, "MNIST/raw",
                 ".gz", "data fetch mnist", NULL);
    (void)snprintf(path, sizeof(path), "%s/absent", dir);
    assert_fault(read_all(path, &err), CO_DATA, &err, path, "No such file", "data fetch mnist",
                 NULL);
    put_set(dir, CO_PACKING_NONE);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, TRAIN_IMAGES);
    assert_fault(read_all(path, &err), CO_DATA, &err, path, "not a folder", NULL);
    assert_int_equal(remove(path), 0);
    assert_fault(read_all(dir, &err), CO_DATA, &err, dir, TRAIN_IMAGES " is missing",
                 "data fetch mnist", NULL);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_fault(read_all(dir, &err), CO_DATA, &err, path, "is not a file", NULL);
}

static void test_unreadable(void **state)
{
    const char *dir = *state;
    char path[2 * HELPER_PATH];
    co_error err;
    if (geteuid() == 0) {
        print_message("skipped: root may read everything\n");
        skip();
    }
    put_set(dir, CO_PACKING_NONE);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, TEST_LABELS);
    assert_int_equal(chmod(path, 0), 0);
    assert_fault(read_all(dir, &err), CO_DATA, &err, path, "cannot be opened", "Permission", NULL);
}

static void test_usage(void **state)
{
    (void)state;
    co_error err;
    co_dataset *set = NULL;
    assert_fault(co_dataset_open("minst", ".", NULL, &set, &err), CO_USAGE, &err, "minst",
                 "fashion_mnist", "glyphs", NULL);
    assert_fault(co_dataset_open("mnist", NULL, NULL, &set, &err), CO_USAGE, &err, "mnist",
                 "--dataset-dir", NULL);
    assert_null(set);
}

/* ---- packed files ---- */

static void remove_file(const char *dir, const char *name)
{
    char path[2 * HELPER_PATH];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(remove(path), 0);
}

/* A set whose train images are `content` packed, with the packed bytes changed afterwards. */
static void put_packed_set(const char *dir, const idx_image *content, co_packing packing)
{
    put_set(dir, CO_PACKING_NONE);
    remove_file(dir, TRAIN_IMAGES);
    put_packed(dir, TRAIN_IMAGES, content->bytes, content->size, packing);
}

static void test_packed_sizes(void **state)
{
    const char *dir = *state;
    for (co_packing packing = CO_PACKING_GZIP; packing <= CO_PACKING_XZ; packing++) {
        const char *name = packing == CO_PACKING_GZIP ? TRAIN_IMAGES ".gz" : TRAIN_IMAGES ".xz";
        co_error err;
        idx_image images = set_images(0);
        images.size -= 1;
        put_packed_set(dir, &images, packing);
        assert_fault(read_all(dir, &err), CO_DATA, &err, name, "byte 870", "truncated",
                     "promises 871", NULL);
        images.bytes = realloc(images.bytes, images.size + 2);
        images.size += 2;
        images.bytes[images.size - 1] = 0;
        put_packed_set(dir, &images, packing);
        assert_fault(read_all(dir, &err), CO_DATA, &err, name, "byte 871", "more follow", NULL);
        images.size = 11;
        put_packed_set(dir, &images, packing);
        assert_fault(read_all(dir, &err), CO_DATA, &err, name, "byte 11", "truncated", NULL);
        idx_free(&images);
        remove_file(dir, name);
    }
}

/* Every byte of a packed file matters: cutting it anywhere, or changing one in the data or the
 * checksum, is found. */
static void test_packed_damage(void **state)
{
    const char *dir = *state;
    for (co_packing packing = CO_PACKING_GZIP; packing <= CO_PACKING_XZ; packing++) {
        const char *name = packing == CO_PACKING_GZIP ? TRAIN_IMAGES ".gz" : TRAIN_IMAGES ".xz";
        idx_image images = set_images(0);
        put_packed_set(dir, &images, packing);
        idx_image packed = get_bytes(dir, name);
        co_error err;
        for (size_t size = 6; size < packed.size; size += 31) {
            put_bytes(dir, name, packed.bytes, size);
            assert_fault(read_all(dir, &err), CO_DATA, &err, name, NULL);
        }
        size_t first = 18; /* gzip: bits of its header and the first block's padding mean nothing */
        for (size_t at = first; at < packed.size; at += 29) {
            packed.bytes[at] ^= 0x10;
            put_bytes(dir, name, packed.bytes, packed.size);
            assert_fault(read_all(dir, &err), CO_DATA, &err, name, NULL);
            packed.bytes[at] ^= 0x10;
        }
        put_bytes(dir, name, packed.bytes, packed.size);
        assert_ok(read_all(dir, &err), &err);
        idx_free(&images);
        idx_free(&packed);
        remove_file(dir, name);
    }
}

static void test_gzip_trailer(void **state)
{
    const char *dir = *state;
    co_error err;
    idx_image images = set_images(0);
    put_packed_set(dir, &images, CO_PACKING_GZIP);
    idx_image packed = get_bytes(dir, TRAIN_IMAGES ".gz");
    packed.bytes[packed.size - 8] ^= 1; /* the checksum */
    put_bytes(dir, TRAIN_IMAGES ".gz", packed.bytes, packed.size);
    assert_fault(read_all(dir, &err), CO_DATA, &err, TRAIN_IMAGES ".gz", "checksum", "byte ", NULL);
    packed.bytes[packed.size - 8] ^= 1;
    packed.bytes = realloc(packed.bytes, packed.size + 9);
    memcpy(packed.bytes + packed.size, "something", 9); /* appended */
    put_bytes(dir, TRAIN_IMAGES ".gz", packed.bytes, packed.size + 9);
    assert_fault(read_all(dir, &err), CO_DATA, &err, TRAIN_IMAGES ".gz", "checksum",
                 "bytes follow its end", NULL);
    idx_free(&images);
    idx_free(&packed);
}

/* Headers that promise 60 GB in files of a few bytes: found without taking the memory. */
static void test_lying_header(void **state)
{
    const char *dir = *state;
    idx_image images = idx_build(3, 60, 1, 1, 1);
    idx_image labels = idx_build(1, 15, 0, 0, 1);
    const uint8_t lie[12] = {0, 0, 0, 15, 0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF};
    memcpy(images.bytes + 4, lie, sizeof(lie));
    put_bytes(dir, TRAIN_LABELS, labels.bytes, labels.size);
    put_bytes(dir, TEST_LABELS, labels.bytes, labels.size);
    for (co_packing packing = CO_PACKING_GZIP; packing <= CO_PACKING_XZ; packing++) {
        struct rusage before;
        struct rusage after;
        co_error err;
        put_packed(dir, TRAIN_IMAGES, images.bytes, images.size, packing);
        put_packed(dir, TEST_IMAGES, images.bytes, images.size, packing);
        assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
        assert_fault(read_all(dir, &err), CO_DATA, &err, TRAIN_IMAGES, "byte 76", "truncated",
                     NULL);
        assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
        assert_true(after.ru_maxrss - before.ru_maxrss < 64 * 1024); /* KiB */
        remove_file(dir, packing == CO_PACKING_GZIP ? TRAIN_IMAGES ".gz" : TRAIN_IMAGES ".xz");
        remove_file(dir, packing == CO_PACKING_GZIP ? TEST_IMAGES ".gz" : TEST_IMAGES ".xz");
    }
    idx_free(&images);
    idx_free(&labels);
}

/* A fault found by the helper thread reaches everyone who asks, each time. */
static void test_background_fault(void **state)
{
    const char *dir = *state;
    co_error err;
    co_dataset *set = NULL;
    co_loader *loader = NULL;
    idx_image images = set_images(0);
    images.size -= 100;
    put_packed_set(dir, &images, CO_PACKING_GZIP);
    assert_ok(co_dataset_open("mnist", dir, &(co_dataset_options){.background = true}, &set, &err),
              &err);
    for (int i = 0; i < 3; i++) {
        assert_fault(co_dataset_require(set, CO_SPLIT_TRAIN, &err), CO_DATA, &err, TRAIN_IMAGES,
                     "byte 771", NULL);
    }
    co_status status = co_loader_create(set, &(co_loader_options){.batch = 4}, &loader, &err);
    assert_fault(status, CO_DATA, &err, TRAIN_IMAGES, "byte 771", NULL);
    assert_ok(co_dataset_require(set, CO_SPLIT_TEST, &err), &err);
    co_dataset_close(set);
    idx_free(&images);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_changes, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_counts_disagree, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_shapes_disagree, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_folders, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_unreadable, folder_make, folder_remove),
        cmocka_unit_test(test_usage),
        cmocka_unit_test_setup_teardown(test_packed_sizes, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_packed_damage, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_gzip_trailer, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_lying_header, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_background_fault, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
