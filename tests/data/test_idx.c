/* Good IDX files: what is written comes back, from every packing, layout and name. */
#include "data/helper_data.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "data/dataset.h"

static void check_content(co_dataset *set)
{
    co_error err;
    for (int split = 0; split < CO_SPLITS; split++) {
        idx_image images = set_images(split);
        idx_image labels = set_labels(split);
        uint32_t count = co_dataset_describe(set)->samples[split];
        assert_int_equal(count, split == 0 ? HELPER_TRAIN : HELPER_TEST);
        assert_ok(co_dataset_require(set, (co_split)split, &err), &err);
        assert_memory_equal(co_dataset_resident(set, (co_split)split), images.bytes + 16,
                            images.size - 16);
        for (uint32_t i = 0; i < count; i++) {
            uint8_t sample[HELPER_SAMPLE];
            assert_ok(co_dataset_fetch(set, (co_split)split, i, sample, &err), &err);
            assert_memory_equal(sample, images.bytes + 16 + i * HELPER_SAMPLE, HELPER_SAMPLE);
            assert_int_equal(co_dataset_labels(set, (co_split)split)[i], labels.bytes[8 + i]);
        }
        idx_free(&images);
        idx_free(&labels);
    }
}

static void open_and_check(const char *name, const char *dir, bool background)
{
    co_error err;
    co_dataset *set = NULL;
    assert_ok(
        co_dataset_open(name, dir, &(co_dataset_options){.background = background}, &set, &err),
        &err);
    const co_dataset_info *info = co_dataset_describe(set);
    assert_int_equal(info->channels, 1);
    assert_int_equal(info->height, HELPER_HEIGHT);
    assert_int_equal(info->width, HELPER_WIDTH);
    assert_int_equal(info->sample_bytes, HELPER_SAMPLE);
    assert_int_equal(info->classes, 10);
    assert_int_equal(info->pixel, CO_PIXEL_U8);
    check_content(set);
    co_dataset_close(set);
}

static void test_packings(void **state)
{
    for (co_packing packing = CO_PACKING_NONE; packing <= CO_PACKING_XZ; packing++) {
        void *dir = NULL;
        assert_int_equal(folder_make(&dir), 0);
        put_set(dir, packing);
        open_and_check("mnist", dir, false);
        open_and_check("mnist", dir, true);
        assert_int_equal(folder_remove(&dir), 0);
    }
    (void)state;
}

/* The content decides how a file is read, not its name. */
static void test_wrong_ending(void **state)
{
    const char *dir = *state;
    put_set(dir, CO_PACKING_NONE);
    idx_image images = set_images(0);
    put_packed(dir, "packed", images.bytes, images.size, CO_PACKING_GZIP);
    idx_image packed = get_bytes(dir, "packed.gz");
    put_bytes(dir, "train-images-idx3-ubyte", packed.bytes, packed.size);
    open_and_check("mnist", dir, false);
    idx_free(&images);
    idx_free(&packed);
}

static void test_layouts(void **state)
{
    static const struct {
        const char *name;
        const char *folders[2];
    } layouts[] = {
        {"mnist", {"mnist", NULL}},
        {"mnist", {"MNIST", "MNIST/raw"}},
        {"mnist", {"MNIST", NULL}},
        {"fashion_mnist", {"fashion-mnist", NULL}},
        {"fashion-mnist", {"FashionMNIST", "FashionMNIST/raw"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        void *dir = NULL;
        char sub[2 * HELPER_PATH];
        assert_int_equal(folder_make(&dir), 0);
        for (int k = 0; k < 2 && layouts[i].folders[k] != NULL; k++) {
            (void)snprintf(sub, sizeof(sub), "%s/%s", (const char *)dir, layouts[i].folders[k]);
            assert_int_equal(mkdir(sub, 0777), 0);
        }
        put_set(sub, CO_PACKING_GZIP);
        open_and_check(layouts[i].name, dir, false);
        open_and_check(layouts[i].name, sub, false); /* the folder itself */
        assert_int_equal(folder_remove(&dir), 0);
    }
}

static void test_other_names(void **state)
{
    const char *dir = *state;
    put_set(dir, CO_PACKING_NONE);
    static const char *const names[4][2] = {
        {"train-images-idx3-ubyte", "train-images.idx3-ubyte"},
        {"train-labels-idx1-ubyte", "train-labels.idx1-ubyte"},
        {"t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"},
        {"t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"},
    };
    for (int i = 0; i < 4; i++) {
        char from[2 * HELPER_PATH];
        char to[2 * HELPER_PATH];
        (void)snprintf(from, sizeof(from), "%s/%s", dir, names[i][0]);
        (void)snprintf(to, sizeof(to), "%s/%s", dir, names[i][1]);
        assert_int_equal(rename(from, to), 0);
    }
    open_and_check("mnist", dir, false);
}

/* A set may be closed while its helper still reads, or before anything was read. */
static void test_close_early(void **state)
{
    const char *dir = *state;
    co_error err;
    put_set(dir, CO_PACKING_XZ);
    for (int i = 0; i < 20; i++) {
        co_dataset *set = NULL;
        assert_ok(co_dataset_open("mnist", dir, &(co_dataset_options){.background = i % 2 == 0},
                                  &set, &err),
                  &err);
        co_dataset_close(set);
    }
    co_dataset_close(NULL);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(co_dataset_name(0), "mnist");
    assert_string_equal(co_dataset_name(1), "fashion_mnist");
    int count = 0;
    while (co_dataset_name(count) != NULL) {
        count++;
    }
    assert_string_equal(co_dataset_name(count - 1), "glyphs");
    assert_null(co_dataset_name(count + 1));
    assert_null(co_dataset_name(-1));
    for (int i = 0; i < count; i++) {
        assert_ptr_equal(co_dataset_known_name(co_dataset_name(i)), co_dataset_name(i));
    }
    assert_string_equal(co_dataset_known_name("TinyImageNet"), "tinyimagenet");
    assert_string_equal(co_dataset_known_name("CIFAR-100_coarse"), "cifar100_coarse");
    assert_string_equal(co_dataset_known_name("fashion-mnist"), "fashion_mnist");
    assert_string_equal(co_dataset_known_name("candle"), "nt3");
    assert_null(co_dataset_known_name("cifar1"));
    assert_null(co_dataset_known_name("cifar10x"));
    assert_null(co_dataset_known_name(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packings),
        cmocka_unit_test_setup_teardown(test_wrong_ending, folder_make, folder_remove),
        cmocka_unit_test(test_layouts),
        cmocka_unit_test_setup_teardown(test_other_names, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_close_early, folder_make, folder_remove),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
