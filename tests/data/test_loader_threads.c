/* The loader with helper threads gives the batches that it gives without, whatever the timing;
 * data sets serve many threads at once. The thread sanitizer runs this file. */
#include "data/helper_loader.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

enum { THREADS_TRIED = 4, STEPS = 300 };
static const int thread_counts[THREADS_TRIED] = {0, 1, 4, 7};

static int make_set(void **state)
{
    if (folder_make(state) != 0) {
        return 1;
    }
    put_set(*state, CO_PACKING_GZIP);
    return 0;
}

static void pause_us(long microseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = microseconds * 1000}, NULL);
}

/* Runs STEPS batches with some seeks on the way; the hash of all. */
static uint64_t run(co_dataset *set, co_loader_options options, int threads, int depth)
{
    co_error err;
    size_t sample_bytes = co_dataset_describe(set)->sample_bytes;
    options.threads = threads;
    options.depth = depth;
    co_loader *loader = open_loader(set, &options);
    uint64_t all = FNV1A_START;
    for (uint32_t step = 0; step < STEPS; step++) {
        if (step % 37 == 30) { /* with the ring in all sorts of states */
            uint32_t batch = (step * 7) % co_loader_batches(loader);
            assert_ok(co_loader_seek(loader, step % 5, batch, &err), &err);
        }
        if (step % 50 == 49) {
            pause_us(300); /* the helpers fill the ring and fall asleep */
        }
        uint64_t hash = batch_hash(next_batch(loader), sample_bytes);
        all = fnv1a(all, &hash, sizeof(hash));
    }
    co_loader_destroy(loader);
    return all;
}

static void compare(co_dataset *set, co_loader_options options)
{
    uint64_t expected = run(set, options, 0, 0);
    for (int i = 1; i < THREADS_TRIED; i++) {
        for (int depth = 0; depth <= 20; depth += 10) {
            assert_true(run(set, options, thread_counts[i], depth) == expected);
        }
    }
}

static void test_same_batches(void **state)
{
    co_dataset *set = open_set("mnist", *state);
    compare(set, (co_loader_options){.batch = 8, .shuffle = true, .seed = 1});
    compare(set, (co_loader_options){.batch = 16, .shuffle = true, .drop_last = true, .seed = 2});
    compare(set, (co_loader_options){.batch = 5, .split = CO_SPLIT_TEST});
    co_dataset_close(set);
}

/* An epoch of one batch: the ring holds many epochs at once. */
static void test_short_epochs(void **state)
{
    static const uint32_t indices[] = {1, 2, 3, 5, 8, 13};
    co_dataset *set = open_set("mnist", *state);
    compare(set, (co_loader_options){
                     .batch = 6, .shuffle = true, .seed = 3, .indices = indices, .count = 6});
    compare(set, (co_loader_options){
                     .batch = 100, .shuffle = true, .seed = 3, .indices = indices, .count = 6});
    compare(set, (co_loader_options){
                     .batch = 1, .shuffle = true, .seed = 4, .indices = indices, .count = 2});
    co_dataset_close(set);
}

/* Images are drawn while they are loaded, by several threads, some of them twice at once. */
static void test_glyphs(void **state)
{
    (void)state;
    uint32_t indices[100];
    for (uint32_t i = 0; i < 100; i++) {
        indices[i] = (i * i) % 83;
    }
    const co_loader_options options = {
        .batch = 7, .shuffle = true, .seed = 5, .indices = indices, .count = 100};
    uint64_t hashes[THREADS_TRIED];
    for (int i = 0; i < THREADS_TRIED; i++) {
        co_dataset *set = open_set("glyphs", NULL); /* nothing is drawn yet */
        hashes[i] = run(set, options, thread_counts[i], 0);
        assert_true(hashes[i] == hashes[0]);
        co_dataset_close(set);
    }
}

static void test_destroy_early(void **state)
{
    co_error err;
    co_dataset *set = open_set("mnist", *state);
    for (int steps = 0; steps < 12; steps++) {
        co_loader *loader = open_loader(
            set, &(co_loader_options){.batch = 4, .threads = 3, .shuffle = true});
        if (steps % 2 == 0) {
            assert_ok(co_loader_seek(loader, 1, 1, &err), &err);
        }
        for (int i = 0; i < steps; i++) {
            (void)next_batch(loader);
        }
        co_loader_destroy(loader);
    }
    co_loader_destroy(NULL);
    co_dataset_close(set);
}

/* ---- a data set that fails ---- */

enum { SHAKY_SAMPLES = 40, SHAKY_BAD = 21 };

static co_status shaky_require(co_dataset *set, co_split split, co_error *err)
{
    (void)set;
    (void)split;
    (void)err;
    return CO_OK;
}

static co_status shaky_fetch(co_dataset *set, co_split split, uint32_t sample, void *pixels,
                             co_error *err)
{
    (void)set;
    (void)split;
    if (sample == SHAKY_BAD) {
        return co_fail(err, CO_DATA, "sample %u is broken", sample);
    }
    memset(pixels, (int)sample, 1);
    return CO_OK;
}

/* The error comes with its batch, not earlier, and the batches around it are good. */
static void test_fault_in_a_batch(void **state)
{
    (void)state;
    static const co_dataset_ops ops = {.require = shaky_require, .fetch = shaky_fetch};
    int32_t labels[SHAKY_SAMPLES] = {0};
    co_dataset set = {.ops = &ops,
                      .info = {.name = "shaky", .samples = {SHAKY_SAMPLES}, .sample_bytes = 1}};
    set.part[CO_SPLIT_TRAIN].labels = labels;
    for (int i = 0; i < THREADS_TRIED; i++) {
        co_loader *loader = open_loader(
            &set, &(co_loader_options){.batch = 4, .threads = thread_counts[i]});
        for (int b = 0; b < 20; b++) {
            co_error err;
            const co_batch *batch = NULL;
            co_status status = co_loader_next(loader, &batch, &err);
            if (b % 10 == SHAKY_BAD / 4) {
                assert_fault(status, CO_DATA, &err, "sample 21 is broken", NULL);
                continue;
            }
            assert_ok(status, &err);
            assert_int_equal(((const uint8_t *)batch->pixels)[3], batch->samples[3]);
        }
        co_loader_destroy(loader);
    }
}

/* ---- many threads at one data set ---- */

static void *require_both(void *arg)
{
    co_error err;
    co_dataset *set = arg;
    uint8_t sample[HELPER_SAMPLE];
    for (int split = CO_SPLITS - 1; split >= 0; split--) {
        if (co_dataset_require(set, (co_split)split, &err) != CO_OK ||
            co_dataset_fetch(set, (co_split)split, 7, sample, &err) != CO_OK) {
            return NULL;
        }
    }
    return set;
}

static void test_require_from_many(void **state)
{
    enum { MANY = 4 };
    for (int round = 0; round < 10; round++) {
        co_error err;
        co_dataset *set = NULL;
        pthread_t threads[MANY];
        const co_dataset_options options = {.background = round % 2 == 0};
        assert_ok(co_dataset_open("mnist", *state, &options, &set, &err), &err);
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, require_both, set), 0);
        }
        for (int i = 0; i < MANY; i++) {
            void *done = NULL;
            assert_int_equal(pthread_join(threads[i], &done), 0);
            assert_ptr_equal(done, set);
        }
        co_dataset_close(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_batches),     cmocka_unit_test(test_short_epochs),
        cmocka_unit_test(test_glyphs),           cmocka_unit_test(test_destroy_early),
        cmocka_unit_test(test_fault_in_a_batch), cmocka_unit_test(test_require_from_many),
    };
    return cmocka_run_group_tests(tests, make_set, folder_remove);
}
