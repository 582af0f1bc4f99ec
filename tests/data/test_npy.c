/* NumPy arrays as a data set: every accepted type and shape, what the loader makes of floats, and
 * every way in which a file can be wrong. */
#include "data/helper_loader.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/check.h"
#include "data/normalise.h"

enum { TRAIN = 6, TEST = 4, FILE_MAX = 4096 };

/* Version 1 with the header that NumPy writes, padded to a multiple of 64; *size of the file. */
static size_t build(uint8_t *out, const char *header, const void *data, size_t bytes)
{
    size_t length = strlen(header) + 1;
    length += (64 - (10 + length) % 64) % 64;
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (uint8_t)length;
    out[9] = (uint8_t)(length >> 8);
    memset(out + 10, ' ', length);
    memcpy(out + 10, header, strlen(header));
    out[10 + length - 1] = '\n';
    memcpy(out + 10 + length, data, bytes);
    assert_in_range(10 + length + bytes, 1, FILE_MAX);
    return 10 + length + bytes;
}

static void put_array(const char *dir, const char *name, const char *descr, const char *shape,
                      const void *data, size_t bytes)
{
    uint8_t file[FILE_MAX];
    char header[256];
    (void)snprintf(header, sizeof(header), "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                   descr, shape);
    put_bytes(dir, name, file, build(file, header, data, bytes));
}

static const uint8_t train_labels[TRAIN] = {0, 2, 1, 2, 0, 1};
static const uint8_t test_labels[TEST] = {3, 0, 1, 2};

static void put_labels(const char *dir)
{
    put_array(dir, "train_y.npy", "|u1", "(6,)", train_labels, TRAIN);
    put_array(dir, "test_y.npy", "|u1", "(4,)", test_labels, TEST);
}

/* The samples hold 24 numbers each: sample i has i + k / 8 at place k, or bytes 10 i + k. */
static void put_samples(const char *dir, bool floats, const char *shape_tail)
{
    float values[TRAIN * 24];
    uint8_t bytes[TRAIN * 24];
    for (int i = 0; i < TRAIN * 24; i++) {
        values[i] = (float)(i / 24) + (float)(i % 24) / 8.0f;
        bytes[i] = (uint8_t)(10 * (i / 24) + i % 24);
    }
    for (int split = 0; split < CO_SPLITS; split++) {
        char shape[64];
        int samples = split == 0 ? TRAIN : TEST;
        (void)snprintf(shape, sizeof(shape), "(%d, %s)", samples, shape_tail);
        put_array(dir, split == 0 ? "train_x.npy" : "test_x.npy", floats ? "<f4" : "|u1", shape,
                  floats ? (const void *)values : (const void *)bytes,
                  (size_t)samples * 24 * (floats ? 4 : 1));
    }
}

static void test_shapes(void **state)
{
    static const struct {
        const char *tail;
        int channels, height, width;
    } shapes[] = {{"2, 3, 4", 2, 3, 4}, {"4, 6", 1, 4, 6}, {"24", 1, 1, 24}};
    put_labels(*state);
    for (int i = 0; i < 6; i++) {
        bool floats = i >= 3;
        put_samples(*state, floats, shapes[i % 3].tail);
        co_dataset *set = open_set("npy", *state);
        const co_dataset_info *info = co_dataset_describe(set);
        assert_int_equal(info->channels, shapes[i % 3].channels);
        assert_int_equal(info->height, shapes[i % 3].height);
        assert_int_equal(info->width, shapes[i % 3].width);
        assert_int_equal(info->pixel, floats ? CO_PIXEL_F32 : CO_PIXEL_U8);
        assert_int_equal(info->classes, 4); /* the test set has the largest label */
        assert_int_equal(info->samples[CO_SPLIT_TRAIN], TRAIN);
        assert_int_equal(info->samples[CO_SPLIT_TEST], TEST);
        co_error err;
        float sample[24];
        assert_int_equal(info->sample_bytes, floats ? 96 : 24);
        assert_ok(co_dataset_fetch(set, CO_SPLIT_TEST, 3, sample, &err), &err);
        for (int k = 0; k < 24; k++) {
            double got = floats ? (double)sample[k] : ((const uint8_t *)sample)[k];
            assert_close(got, floats ? 3 + k / 8.0 : 30 + k, 0.0);
        }
        co_dataset_close(set);
    }
}

static void test_label_types(void **state)
{
    static const struct {
        const char *descr;
        int bytes;
    } types[] = {{"|u1", 1}, {"<u2", 2}, {"<u4", 4}, {"<u8", 8},
                 {"|i1", 1}, {"<i2", 2}, {"<i4", 4}, {"<i8", 8}};
    put_labels(*state);
    put_samples(*state, true, "24");
    for (int i = 0; i < 8; i++) {
        co_error err;
        uint8_t data[TRAIN * 8] = {0};
        for (int k = 0; k < TRAIN; k++) {
            data[k * types[i].bytes] = train_labels[k];
        }
        put_array(*state, "train_y.npy", types[i].descr, "(6,)", data,
                  TRAIN * (size_t)types[i].bytes);
        co_dataset *set = open_set("npy", *state);
        for (int k = 0; k < TRAIN; k++) {
            assert_int_equal(co_dataset_labels(set, CO_SPLIT_TRAIN)[k], train_labels[k]);
        }
        co_dataset_close(set);
        memset(data + types[i].bytes, 0xFF, (size_t)types[i].bytes); /* -1, or too large */
        put_array(*state, "train_y.npy", types[i].descr, "(6,)", data,
                  TRAIN * (size_t)types[i].bytes);
        co_status status = co_dataset_open("npy", *state, NULL, &set, &err);
        if (types[i].descr[1] == 'u' && types[i].bytes <= 2) { /* 255 and 65535 are labels */
            assert_ok(status, &err);
            co_dataset_close(set);
        } else {
            assert_fault(status, CO_DATA, &err, "train_y.npy: byte ", "of sample 1 is not in",
                         NULL);
        }
    }
}

static void test_packed(void **state)
{
    put_labels(*state);
    put_samples(*state, true, "2, 3, 4");
    idx_image image = get_bytes(*state, "train_x.npy");
    char path[2 * HELPER_PATH];
    (void)snprintf(path, sizeof(path), "%s/train_x.npy", (const char *)*state);
    assert_int_equal(remove(path), 0);
    put_packed(*state, "train_x.npy", image.bytes, image.size, CO_PACKING_XZ);
    co_dataset *set = open_set("npy", *state);
    co_error err;
    float sample[24];
    assert_ok(co_dataset_fetch(set, CO_SPLIT_TRAIN, 5, sample, &err), &err);
    assert_close((double)sample[23], 5 + 23 / 8.0, 0.0);
    co_dataset_close(set);
    idx_free(&image);
}

/* Versions 2 and 3, keys in another order, double quotes, no padding: so floats lie unaligned. */
static void test_other_writers(void **state)
{
    static const char header[] = "{\"shape\":(6,24),\"fortran_order\":False,\"descr\":\"<f4\"}\n";
    put_labels(*state);
    put_samples(*state, true, "24");
    for (uint8_t version = 2; version <= 3; version++) {
        uint8_t file[FILE_MAX] = {0x93, 'N', 'U', 'M', 'P', 'Y', version, 0, sizeof(header) - 1};
        memcpy(file + 12, header, sizeof(header) - 1);
        for (int i = 0; i < TRAIN * 24; i++) {
            float value = (float)i;
            memcpy(file + 12 + sizeof(header) - 1 + 4 * i, &value, 4);
        }
        put_bytes(*state, "train_x.npy", file, 12 + sizeof(header) - 1 + TRAIN * 96);
        co_dataset *set = open_set("npy", *state);
        co_error err;
        float sample[24];
        assert_ok(co_dataset_fetch(set, CO_SPLIT_TRAIN, 2, sample, &err), &err);
        assert_close((double)sample[23], 71.0, 0.0);
        co_moments moments;
        assert_ok(co_dataset_moments(set, CO_SPLIT_TRAIN, true, &moments, &err), &err);
        assert_close(moments.mean, 71.5, 1e-12);
        assert_close(moments.std, sqrt(144 * 145 / 12.0), 1e-9); /* of 0 to 143 */
        co_dataset_close(set);
    }
}

/* The same batches of floats for any number of threads, normalised as they are or measured. */
static void test_loader(void **state)
{
    put_labels(*state);
    put_samples(*state, true, "2, 3, 4");
    uint64_t first[6] = {0};
    for (int threads = 0; threads <= 4; threads += threads == 0 ? 1 : 3) {
        co_error err;
        co_dataset *set = open_set("npy", *state);
        const co_loader_options options = {
            .batch = 2, .shuffle = true, .threads = threads, .seed = 5};
        co_loader *loader = open_loader(set, &options);
        for (int i = 0; i < 6; i++) {
            const co_batch *batch = next_batch(loader);
            assert_int_equal(batch->pixel, CO_PIXEL_F32);
            assert_close((double)((const float *)batch->pixels)[24 + 9],
                         batch->samples[1] + 9 / 8.0, 0.0);
            first[i] = threads == 0 ? batch_hash(batch, 96) : first[i];
            assert_int_equal(batch_hash(batch, 96), first[i]);
        }
        co_loader_destroy(loader);
        co_loader_options augmented = options;
        augmented.augment.flip = CO_FLIP_RANDOM;
        assert_fault(co_loader_create(set, &augmented, &loader, &err), CO_USAGE, &err, "no bytes",
                     NULL);
        co_pixel_map map;
        assert_ok(co_normalise(set, CO_NORMALISE_NONE, &map, &err), &err);
        assert_close((double)map.scale[1], 1.0, 0.0);
        assert_close((double)map.shift[1], 0.0, 0.0);
        assert_ok(co_normalise(set, CO_NORMALISE_CHANNEL, &map, &err), &err);
        /* channel 1: i + k / 8, i = 0..5, k = 12..23 */
        double variance = (72 / 71.0) * (35 / 12.0 + 143 / 12.0 / 64.0);
        assert_close((double)map.scale[1], 1 / sqrt(variance), 1e-6);
        assert_close((double)map.shift[1], -(2.5 + 17.5 / 8) / sqrt(variance), 1e-5);
        co_dataset_close(set);
    }
}

static void refuse(const char *dir, const char *const *texts)
{
    co_error err;
    co_dataset *set = NULL;
    static co_dataset_findings findings;
    assert_fault_texts(co_dataset_open("npy", dir, NULL, &set, &err), CO_DATA, &err, texts);
    assert_ok(co_dataset_check("npy", dir, &findings, &err), &err);
    assert_true(findings.count >= 1);
}
#define REFUSE(dir, ...) refuse(dir, (const char *const[]){__VA_ARGS__, NULL})

static void test_headers(void **state)
{
    static const struct {
        const char *header;
        const char *text;
    } wrong[] = {
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (6, 24), }", "of type '>f4'"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (6, 24), }", ".astype('<f4')"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (6, 24), }", "of type '|O'"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6, 24), }", "in quotes"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (6, 24), }", "ascontiguousarray"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (6, 24), }", "neither True nor False"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6, -24), }", "a size is missing"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6 24), }", "a ',' is missing"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (144), }", "a ',' is missing"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), }", "no dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,6,24), }", "more than 4"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6, 1234567890123456789), }", "digits"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4), }",
         "truncated"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6, 0), }", "is empty"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6, 25), }", "it is truncated"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6, 23), }", "something appended"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (144,), }", "samples have the shape"},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (6, 24), }", "uint8 or float32"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (12, 12), }", "6 labels for the 12"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6, 4, 6), }", "does not go with"},
        {"{'descr': '<f4', 'fortran_order': False, }", "is missing"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6, 24)}", "twice"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6, 24), 'x': 1}", "an unknown key"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6, 24)} # ok", "does not end with"},
        {"{'descr': '<f4, 'fortran_order': False, 'shape': (6, 24)}", "of type '<f4, '"},
        {"['descr', '<f4']", "no dictionary"},
        {"", "no dictionary"},
    };
    uint8_t data[TRAIN * 96] = {0};
    put_labels(*state);
    put_samples(*state, true, "24");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint8_t file[FILE_MAX];
        put_bytes(*state, "train_x.npy", file, build(file, wrong[i].header, data, sizeof(data)));
        REFUSE(*state, "train_x.npy", wrong[i].text);
    }
}

static void test_files(void **state)
{
    uint8_t file[FILE_MAX] = {0};
    REFUSE(*state, "train_x.npy is missing");
    put_samples(*state, true, "24");
    put_labels(*state);
    static const struct {
        size_t at;
        uint8_t value;
        const char *text;
    } wrong[] = {{0, 'P', "byte 0: is no .npy file"},
                 {6, 4, "byte 6: version 4.0"},
                 {7, 1, "byte 6: version 1.1"},
                 {9, 200, "byte 8: a header of"}};
    idx_image good = get_bytes(*state, "train_x.npy");
    for (size_t i = 0; i < 4; i++) {
        memcpy(file, good.bytes, good.size);
        file[wrong[i].at] = wrong[i].value;
        put_bytes(*state, "train_x.npy", file, good.size);
        REFUSE(*state, "train_x.npy", wrong[i].text);
    }
    for (size_t size = 0; size < good.size; size += 7) {
        put_bytes(*state, "train_x.npy", good.bytes, size);
        REFUSE(*state, "train_x.npy");
    }
    put_bytes(*state, "train_x.npy", good.bytes, good.size);
    put_array(*state, "train_y.npy", "<f4", "(6,)", file, 24);
    REFUSE(*state, "train_y.npy: float32 (6,); labels are integers");
    put_array(*state, "train_y.npy", "|u1", "(6, 1)", file, 6);
    REFUSE(*state, "train_y.npy: uint8 (6, 1); labels are integers");
    idx_free(&good);
}

/* `data check` lists bad labels and samples that are not finite, all of them. */
static void test_check(void **state)
{
    co_error err;
    static co_dataset_findings findings;
    put_labels(*state);
    put_samples(*state, true, "24");
    assert_ok(co_dataset_check("npy", *state, &findings, &err), &err);
    assert_int_equal(findings.count, 0);
    idx_image image = get_bytes(*state, "test_x.npy");
    float bad[2] = {NAN, INFINITY};
    memcpy(image.bytes + image.size - 8, bad, 8);      /* sample 3, counted once */
    memcpy(image.bytes + image.size - 4 * 96, bad, 4); /* sample 0 */
    put_bytes(*state, "test_x.npy", image.bytes, image.size);
    put_array(*state, "train_y.npy", "|i1", "(6,)", "\x00\xFF\x01\xFE\x00\x01", 6);
    assert_ok(co_dataset_check("npy", *state, &findings, &err), &err);
    assert_int_equal(findings.count, 4);
    assert_non_null(strstr(findings.listed[0].text, "label -1 of sample 1"));
    assert_non_null(strstr(findings.listed[1].text, "label -2 of sample 3"));
    assert_non_null(strstr(findings.listed[2].text, "value 0 of sample 0 is not finite"));
    assert_non_null(strstr(findings.listed[3].text, "value 22 of sample 3 is not finite"));
    idx_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shapes, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_label_types, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_packed, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_other_writers, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_loader, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_headers, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_files, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_check, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
