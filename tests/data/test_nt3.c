/* NT3's tables as a data set: what they hold after scaling, packed files, where they may lie, the
 * cache in all its states, and the generator. */
#include "data/helper_loader.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "data/nt3_draw.h"

/* The largest magnitudes of the columns over both files: 4, 8, 0, 0.5. */
static const char train_text[] = "0,1,-2.0,0,.25\n"
                                 "1,-4,4e0,0,0.125\n"
                                 "1,2,1,0,-0.5\n";
static const char test_text[] = "1, 3 ,-8,0,0.5\r\n"
                                "0.0,0,2,-0,+5e-1\r\n\r\n";
static const float train_scaled[3][4] = {
    {0.25f, -0.25f, 0, 0.5f}, {-1, 0.5f, 0, 0.25f}, {0.5f, 0.125f, 0, -1}};
static const float test_scaled[2][4] = {{0.75f, -1, 0, 1}, {0, 0.25f, 0, 1}};

static void put_tables(const char *dir, co_packing packing)
{
    put_packed(dir, "nt_train2.csv", train_text, sizeof(train_text) - 1, packing);
    put_packed(dir, "nt_test2.csv", test_text, sizeof(test_text) - 1, packing);
}

static void check_content(co_dataset *set)
{
    co_error err;
    static const int32_t train_labels[] = {0, 1, 1};
    static const int32_t test_labels[] = {1, 0};
    const co_dataset_info *info = co_dataset_describe(set);
    assert_string_equal(info->name, "nt3");
    assert_int_equal(info->samples[CO_SPLIT_TRAIN], 3);
    assert_int_equal(info->samples[CO_SPLIT_TEST], 2);
    assert_int_equal(info->channels, 1);
    assert_int_equal(info->height, 1);
    assert_int_equal(info->width, 4);
    assert_int_equal(info->classes, 2);
    assert_int_equal(info->pixel, CO_PIXEL_F32);
    assert_int_equal(info->sample_bytes, 16);
    float sample[4];
    for (uint32_t i = 0; i < 3; i++) {
        assert_ok(co_dataset_fetch(set, CO_SPLIT_TRAIN, i, sample, &err), &err);
        assert_memory_equal(sample, train_scaled[i], sizeof(sample));
        assert_int_equal(co_dataset_labels(set, CO_SPLIT_TRAIN)[i], train_labels[i]);
    }
    for (uint32_t i = 0; i < 2; i++) {
        assert_ok(co_dataset_fetch(set, CO_SPLIT_TEST, i, sample, &err), &err);
        for (int k = 0; k < 4; k++) {
            assert_close(sample[k], test_scaled[i][k], 0.0); /* -0 is 0 */
        }
        assert_int_equal(co_dataset_labels(set, CO_SPLIT_TEST)[i], test_labels[i]);
    }
}

/* Opens, compares the content, and finds `words` in what is said about the cache. */
static void open_and_check(const char *dir, const char *words)
{
    co_dataset *set = open_set("nt3", dir);
    check_content(set);
    const char *note = co_dataset_note(set);
    if (words[0] == '\0' ? note[0] != '\0' : strstr(note, words) == NULL) {
        fail_msg("no '%s' in the note: %s", words, note);
    }
    co_dataset_close(set);
}

static const char *in_folder(const char *dir, const char *name)
{
    static char path[4 * HELPER_PATH];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void test_content(void **state)
{
    for (int packing = CO_PACKING_NONE; packing <= CO_PACKING_XZ; packing++) {
        char sub[2 * HELPER_PATH];
        (void)snprintf(sub, sizeof(sub), "%s/%d", (const char *)*state, packing);
        assert_int_equal(mkdir(sub, 0777), 0);
        put_tables(sub, (co_packing)packing);
        open_and_check(sub, "there was none");
        open_and_check(sub, "");
    }
}

static void test_folders(void **state)
{
    co_error err;
    co_dataset *set = NULL;
    char sub[2 * HELPER_PATH];
    (void)snprintf(sub, sizeof(sub), "%s/CANDLE", (const char *)*state);
    assert_int_equal(mkdir(sub, 0777), 0);
    put_tables(sub, CO_PACKING_NONE);
    assert_ok(co_dataset_open("candle", *state, NULL, &set, &err), &err);
    check_content(set);
    co_dataset_close(set);
    assert_int_equal(access(in_folder(sub, "nt3.cohort-cache"), R_OK), 0);
    assert_int_not_equal(access(in_folder(sub, "nt3.cohort-cache.lock"), F_OK), 0);
    assert_int_not_equal(access(in_folder(sub, "nt3.cohort-cache.tmp"), F_OK), 0);
}

static void set_time(const char *path, time_t seconds, long nanoseconds)
{
    const struct timespec times[2] = {{.tv_sec = seconds, .tv_nsec = nanoseconds},
                                      {.tv_sec = seconds, .tv_nsec = nanoseconds}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Other content, another time or another size of either file: made anew, and said. */
static void test_stale(void **state)
{
    const char *dir = *state;
    char other[sizeof(train_text)];
    put_tables(dir, CO_PACKING_NONE);
    set_time(in_folder(dir, "nt_train2.csv"), 1000, 1);
    open_and_check(dir, "there was none");
    set_time(in_folder(dir, "nt_train2.csv"), 1000, 2);
    open_and_check(dir, "made of other rows");
    open_and_check(dir, "");
    memcpy(other, train_text, sizeof(other));
    other[0] = '1'; /* same size, same time */
    put_bytes(dir, "nt_train2.csv", other, sizeof(other) - 1);
    set_time(in_folder(dir, "nt_train2.csv"), 1000, 2);
    co_dataset *set = open_set("nt3", dir);
    assert_int_equal(co_dataset_labels(set, CO_SPLIT_TRAIN)[0], 1);
    assert_non_null(strstr(co_dataset_note(set), "made of other rows"));
    co_dataset_close(set);
    put_bytes(dir, "nt_train2.csv", train_text, sizeof(train_text) - 1);
    put_packed(dir, "nt_test2.csv", test_text, sizeof(test_text) - 3, CO_PACKING_NONE);
    open_and_check(dir, "made of other rows");
}

/* Every byte of the cache matters: one that changes is noticed, as is every cut. */
static void test_damaged(void **state)
{
    const char *dir = *state;
    static const char name[] = "nt3.cohort-cache";
    put_tables(dir, CO_PACKING_NONE);
    open_and_check(dir, "there was none");
    idx_image good = get_bytes(dir, name);
    assert_int_equal(good.size, 8192 + 64 + 5 * 16);
    static const size_t places[] = {0,    7,    16,   20,   24,        40,        60,       4200,
                                    8192, 8196, 8211, 8220, 8256 + 16, 8256 + 47, 8256 + 79};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        good.bytes[places[i]] ^= 0x40;
        put_bytes(dir, name, good.bytes, good.size);
        open_and_check(dir, "it was damaged");
        good.bytes[places[i]] ^= 0x40;
    }
    static const size_t sizes[] = {0, 1, 100, 8191, 8192, 8256, 8335};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        put_bytes(dir, name, good.bytes, sizes[i]);
        open_and_check(dir, "it was damaged");
    }
    good.bytes[8]++; /* the version */
    put_bytes(dir, name, good.bytes, good.size);
    open_and_check(dir, "another version");
    open_and_check(dir, "");
    idx_free(&good);
}

/* A folder that cannot be written to: no cache, the same content; --cache-dir is a way out. */
static void test_no_right_to_write(void **state)
{
    const char *dir = *state;
    put_tables(dir, CO_PACKING_NONE);
    /* Also for root, who may write everywhere: a folder of the cache's name. */
    assert_int_equal(mkdir(in_folder(dir, "nt3.cohort-cache"), 0777), 0);
    open_and_check(dir, "no cache could be made");
    co_error err;
    co_dataset *set = NULL;
    char cache[2 * HELPER_PATH];
    (void)snprintf(cache, sizeof(cache), "%s/some/where", dir);
    const co_dataset_options options = {.cache_dir = cache, .background = true};
    static const char *const words[] = {"there was none", ""};
    for (int i = 0; i < 2; i++) {
        assert_ok(co_dataset_open("nt3", dir, &options, &set, &err), &err);
        check_content(set);
        assert_non_null(strstr(co_dataset_note(set), words[i]));
        assert_int_equal(co_dataset_note(set)[0] == '\0', i == 1);
        co_dataset_close(set);
    }
}

/* Threads change nothing. The hash fixes the generator: its files are part of what tests rely on.
 */
static void test_generator(void **state)
{
    co_error err;
    const co_nt3_drawing drawing = {.samples = 63, .features = 500, .seed = 7};
    uint32_t rows[CO_SPLITS];
    char hex[CO_HASH_TEXT_SIZE];
    assert_ok(co_nt3_draw(*state, &drawing, &err), &err);
    idx_image text = get_bytes(*state, "nt_train2.csv");
    co_hash_text(co_hash_bytes(text.bytes, text.size), hex);
    assert_string_equal(hex, "b7fd78dde73a301684f03a794e00cecb");
    idx_free(&text);
    co_nt3_drawn_samples(drawing.samples, rows);
    uint64_t hashes[2] = {0};
    for (int i = 0; i < 2; i++) {
        char cache[2 * HELPER_PATH];
        (void)snprintf(cache, sizeof(cache), "%s/%d", (const char *)*state, i);
        const co_dataset_options options = {.background = i == 1, .cache_dir = cache};
        co_dataset *set = NULL;
        assert_ok(co_dataset_open("nt3", *state, &options, &set, &err), &err);
        const co_dataset_info *info = co_dataset_describe(set);
        assert_int_equal(info->width, 500);
        uint32_t tumors = 0;
        for (int split = 0; split < CO_SPLITS; split++) {
            assert_int_equal(info->samples[split], rows[split]);
            const float *values = co_dataset_resident(set, (co_split)split);
            hashes[i] = fnv1a(hashes[i], values, rows[split] * info->sample_bytes);
            for (uint32_t k = 0; k < rows[split]; k++) {
                tumors += (uint32_t)co_dataset_labels(set, (co_split)split)[k];
            }
            for (uint32_t k = 0; k < rows[split] * 500; k++) {
                assert_true(values[k] >= 0.0f && values[k] <= 1.0f);
            }
        }
        assert_int_equal(tumors, 31);
        co_dataset_close(set);
    }
    assert_true(hashes[0] == hashes[1]);
    assert_fault(co_nt3_draw(*state, &drawing, &err), CO_FILE, &err, "nt_train2.csv",
                 "is there already", NULL);
    const co_nt3_drawing few = {.samples = 9, .features = 500};
    assert_fault(co_nt3_draw(*state, &few, &err), CO_USAGE, &err, "at least 10", NULL);
}

/* The classes can be told apart: by the nearest of the two mean rows, on rows not used for them. */
static void test_generated_signal(void **state)
{
    co_error err;
    enum { FEATURES = 2000 };
    const co_nt3_drawing drawing = {.samples = 100, .features = FEATURES, .seed = 1};
    assert_ok(co_nt3_draw(*state, &drawing, &err), &err);
    co_dataset *set = open_set("nt3", *state);
    const float *train = co_dataset_resident(set, CO_SPLIT_TRAIN);
    const float *test = co_dataset_resident(set, CO_SPLIT_TEST);
    static double mean[2][FEATURES];
    for (uint32_t i = 0; i < 80; i++) {
        int label = co_dataset_labels(set, CO_SPLIT_TRAIN)[i];
        for (int k = 0; k < FEATURES; k++) {
            mean[label][k] += (double)train[i * FEATURES + (uint32_t)k] / 40;
        }
    }
    int right = 0;
    for (uint32_t i = 0; i < 20; i++) {
        double distance[2] = {0, 0};
        for (int k = 0; k < FEATURES; k++) {
            for (int label = 0; label < 2; label++) {
                double d = (double)test[i * FEATURES + (uint32_t)k] - mean[label][k];
                distance[label] += d * d;
            }
        }
        right += (distance[1] < distance[0]) == (co_dataset_labels(set, CO_SPLIT_TEST)[i] == 1);
    }
    assert_int_equal(right, 20);
    co_dataset_close(set);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_content),
        IN_FOLDER(test_folders),
        IN_FOLDER(test_stale),
        IN_FOLDER(test_damaged),
        IN_FOLDER(test_no_right_to_write),
        IN_FOLDER(test_generator),
        IN_FOLDER(test_generated_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
