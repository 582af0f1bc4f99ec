/* The loader, gathering in the caller: which samples come when, and with the right content. */
#include "data/helper_loader.h"

#include <stdbool.h>
#include <string.h>

#include "base/rng.h"

static int make_set(void **state)
{
    if (folder_make(state) != 0) {
        return 1;
    }
    put_set(*state, CO_PACKING_NONE);
    return 0;
}

static void check_rows(const co_batch *batch, co_dataset *set, co_split split)
{
    const uint8_t *all = co_dataset_resident(set, split);
    for (int row = 0; row < batch->rows; row++) {
        uint32_t sample = batch->samples[row];
        assert_memory_equal((const uint8_t *)batch->pixels + row * HELPER_SAMPLE,
                            all + sample * HELPER_SAMPLE, HELPER_SAMPLE);
        assert_int_equal(batch->labels[row], co_dataset_labels(set, split)[sample]);
    }
}

/* Each epoch has every sample once, in an order of its own; the last batch has what is left. */
static void test_epochs_are_permutations(void **state)
{
    co_dataset *set = open_set("mnist", *state);
    co_loader *loader = open_loader(
        set, &(co_loader_options){.batch = 8, .shuffle = true, .seed = 5, .replica = 3});
    assert_int_equal(co_loader_samples(loader), HELPER_TRAIN);
    assert_int_equal(co_loader_batches(loader), 8);
    uint32_t orders[4][HELPER_TRAIN];
    for (uint32_t epoch = 0; epoch < 4; epoch++) {
        bool seen[HELPER_TRAIN] = {false};
        uint32_t at = 0;
        for (uint32_t b = 0; b < 8; b++) {
            const co_batch *batch = next_batch(loader);
            assert_int_equal(batch->rows, b < 7 ? 8 : 1);
            assert_int_equal(batch->epoch, epoch);
            assert_int_equal(batch->seed, 5);
            assert_int_equal(batch->replica, 3);
            assert_int_equal(batch->pixel, CO_PIXEL_U8);
            check_rows(batch, set, CO_SPLIT_TRAIN);
            for (int row = 0; row < batch->rows; row++) {
                assert_false(seen[batch->samples[row]]);
                seen[batch->samples[row]] = true;
                orders[epoch][at++] = batch->samples[row];
            }
        }
        assert_int_equal(at, HELPER_TRAIN);
        for (uint32_t before = 0; before < epoch; before++) {
            assert_memory_not_equal(orders[before], orders[epoch], sizeof(orders[0]));
        }
    }
    co_loader_destroy(loader);
    co_dataset_close(set);
}

/* The order is that of stream SHUFFLE, and of nothing else. */
static void test_order_is_the_streams(void **state)
{
    co_dataset *set = open_set("mnist", *state);
    co_loader *loader = open_loader(
        set, &(co_loader_options){
                 .batch = HELPER_TRAIN, .shuffle = true, .seed = 0x123456789abcu, .replica = 9});
    co_error err;
    assert_ok(co_loader_seek(loader, 7, 0, &err), &err);
    uint32_t expected[HELPER_TRAIN];
    co_rng rng = co_rng_at(&(co_rng_key){
        .seed = 0x123456789abcu, .stream = CO_STREAM_SHUFFLE, .replica = 9, .epoch = 7});
    co_rng_permutation(&rng, expected, HELPER_TRAIN);
    assert_memory_equal(next_batch(loader)->samples, expected, sizeof(expected));
    co_loader_destroy(loader);
    co_dataset_close(set);
}

static void test_seeds_and_replicas_differ(void **state)
{
    co_dataset *set = open_set("mnist", *state);
    static const uint64_t seeds[3] = {1, 2, 1};
    static const uint32_t replicas[3] = {0, 0, 1};
    uint32_t first[3][16];
    for (int i = 0; i < 3; i++) {
        const co_loader_options options = {
            .batch = 16, .shuffle = true, .seed = seeds[i], .replica = replicas[i]};
        co_loader *loader = open_loader(set, &options);
        memcpy(first[i], next_batch(loader)->samples, sizeof(first[i]));
        co_loader_destroy(loader);
    }
    assert_memory_not_equal(first[0], first[1], sizeof(first[0]));
    assert_memory_not_equal(first[0], first[2], sizeof(first[0]));
    assert_memory_not_equal(first[1], first[2], sizeof(first[0]));
    co_dataset_close(set);
}

static void test_drop_last(void **state)
{
    co_dataset *set = open_set("mnist", *state);
    co_loader *loader = open_loader(
        set, &(co_loader_options){.batch = 16, .shuffle = true, .drop_last = true});
    assert_int_equal(co_loader_batches(loader), 3);
    assert_int_equal(co_loader_samples(loader), 48);
    for (uint32_t b = 0; b < 9; b++) {
        const co_batch *batch = next_batch(loader);
        assert_int_equal(batch->rows, 16);
        assert_int_equal(batch->epoch, b / 3);
    }
    co_loader_destroy(loader);
    co_dataset_close(set);
}

static void test_evaluation_is_in_order(void **state)
{
    co_dataset *set = open_set("mnist", *state);
    co_loader *loader = open_loader(set, &(co_loader_options){.split = CO_SPLIT_TEST, .batch = 10});
    for (int pass = 0; pass < 2; pass++) {
        uint32_t at = 0;
        for (uint32_t b = 0; b < co_loader_batches(loader); b++) {
            const co_batch *batch = next_batch(loader);
            check_rows(batch, set, CO_SPLIT_TEST);
            for (int row = 0; row < batch->rows; row++) {
                assert_int_equal(batch->samples[row], at++);
            }
        }
        assert_int_equal(at, HELPER_TEST);
    }
    co_loader_destroy(loader);
    co_dataset_close(set);
}

static void test_subset(void **state)
{
    static const uint32_t indices[] = {40, 3, 9, 56, 0, 12, 31};
    enum { COUNT = 7 };
    co_dataset *set = open_set("mnist", *state);
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        co_loader *loader = open_loader(
            set, &(co_loader_options){
                     .indices = indices, .count = COUNT, .batch = COUNT, .shuffle = shuffle != 0});
        const co_batch *batch = next_batch(loader);
        check_rows(batch, set, CO_SPLIT_TRAIN);
        uint64_t seen = 0;
        for (int row = 0; row < COUNT; row++) {
            seen |= (uint64_t)1 << batch->samples[row];
            assert_true(shuffle != 0 || batch->samples[row] == indices[row]);
        }
        uint64_t expected = 0;
        for (int i = 0; i < COUNT; i++) {
            expected |= (uint64_t)1 << indices[i];
        }
        assert_true(seen == expected);
        co_loader_destroy(loader);
    }
    co_dataset_close(set);
}

/* A loader put at any place gives what one that ran there gives. */
static void test_seek(void **state)
{
    co_error err;
    co_dataset *set = open_set("mnist", *state);
    const co_loader_options options = {.batch = 13, .shuffle = true, .seed = 77};
    co_loader *steady = open_loader(set, &options);
    co_loader *jumps = open_loader(set, &options);
    uint32_t batches = co_loader_batches(steady);
    for (uint32_t n = 0; n < 4 * batches; n++) {
        uint32_t epoch = 0;
        uint32_t batch = 0;
        co_loader_position(steady, &epoch, &batch);
        assert_int_equal(epoch, n / batches);
        assert_int_equal(batch, n % batches);
        uint64_t expected = batch_hash(next_batch(steady), HELPER_SAMPLE);
        assert_ok(co_loader_seek(jumps, epoch, batch, &err), &err);
        assert_true(batch_hash(next_batch(jumps), HELPER_SAMPLE) == expected);
        assert_ok(co_loader_seek(jumps, 3 - epoch, 0, &err), &err); /* elsewhere */
        (void)next_batch(jumps);
    }
    uint32_t epoch = 0;
    uint32_t batch = 1;
    assert_ok(co_loader_seek(jumps, 2, batches, &err), &err);
    co_loader_position(jumps, &epoch, &batch);
    assert_int_equal(epoch, 3);
    assert_int_equal(batch, 0);
    assert_fault(co_loader_seek(jumps, 0, batches + 1, &err), CO_INTERNAL, &err, "batch 6", NULL);
    co_loader_destroy(steady);
    co_loader_destroy(jumps);
    co_dataset_close(set);
}

/* Three workers go on with an epoch of which others took the first 21 of 57 entries: in their
 * batches of 5 they take the 36 others, one after the other, and to fill the last batch begin
 * again; the epoch after is dealt out whole. */
static void test_rest_of_an_epoch(void **state)
{
    enum { WORKERS = 3, BATCH = 5, USED = 21, LEFT = 3, ALL = HELPER_TRAIN };
    co_error err;
    uint32_t order[2 * ALL];
    co_dataset *set = open_set("mnist", *state);
    co_loader *one = open_loader(set, &(co_loader_options){.batch = ALL, .shuffle = true});
    for (int epoch = 0; epoch < 2; epoch++) {
        memcpy(order + (size_t)epoch * ALL, next_batch(one)->samples, sizeof(uint32_t) * ALL);
    }
    for (int threads = 0; threads < 3; threads += 2) {
        for (uint32_t w = 0; w < WORKERS; w++) {
            const co_loader_options options = {.batch = BATCH,
                                               .shuffle = true,
                                               .deal = WORKERS,
                                               .dealt = w,
                                               .deal_padded = true,
                                               .threads = threads};
            co_loader *loader = open_loader(set, &options);
            const uint32_t begin = co_loader_batches(loader) - LEFT;
            co_loader_set_rest(loader, &(co_loader_rest){.batch = begin, .used = USED});
            assert_int_equal(co_loader_get_rest(loader).used, USED);
            assert_ok(co_loader_seek(loader, 0, begin, &err), &err);
            for (uint32_t b = 0; b < LEFT; b++) {
                const co_batch *batch = next_batch(loader);
                assert_int_equal(batch->rows, BATCH);
                for (uint32_t row = 0; row < BATCH; row++) {
                    uint32_t place = USED + (b * BATCH + row) * WORKERS + w;
                    assert_int_equal(batch->samples[row], order[place % ALL]);
                }
            }
            const co_batch *next = next_batch(loader);
            assert_int_equal(next->epoch, 1);
            assert_int_equal(next->samples[1], order[ALL + WORKERS + w]);
            co_loader_destroy(loader);
        }
    }
    co_loader_destroy(one);
    co_dataset_close(set);
}

/* The same where no worker's share fills a batch: an epoch has one, of the share's size. */
static void test_rest_smaller_than_a_batch(void **state)
{
    enum { WORKERS = 3, SHARE = HELPER_TRAIN / WORKERS, USED = 21, ALL = HELPER_TRAIN };
    co_error err;
    uint32_t order[ALL];
    co_dataset *set = open_set("mnist", *state);
    co_loader *one = open_loader(set, &(co_loader_options){.batch = ALL, .shuffle = true});
    memcpy(order, next_batch(one)->samples, sizeof(order));
    for (uint32_t w = 0; w < WORKERS; w++) {
        const co_loader_options options = {
            .batch = ALL, .shuffle = true, .deal = WORKERS, .dealt = w, .deal_padded = true};
        co_loader *loader = open_loader(set, &options);
        assert_int_equal(co_loader_batches(loader), 1);
        co_loader_set_rest(loader, &(co_loader_rest){.used = USED});
        assert_ok(co_loader_seek(loader, 0, 0, &err), &err);
        const co_batch *batch = next_batch(loader);
        assert_int_equal(batch->rows, SHARE);
        for (uint32_t row = 0; row < SHARE; row++) {
            assert_int_equal(batch->samples[row], order[(USED + row * WORKERS + w) % ALL]);
        }
        co_loader_destroy(loader);
    }
    co_loader_destroy(one);
    co_dataset_close(set);
}

static void test_bad_options(void **state)
{
    static const uint32_t outside[] = {HELPER_TRAIN};
    static const co_loader_options bad[] = {
        {.batch = 0},
        {.batch = 4, .threads = -1},
        {.batch = 4, .threads = 1000},
        {.batch = 58, .drop_last = true},
        {.batch = 4, .indices = outside, .count = 0},
    };
    co_error err;
    co_loader *loader = NULL;
    co_dataset *set = open_set("mnist", *state);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_fault(co_loader_create(set, &bad[i], &loader, &err), CO_USAGE, &err, NULL);
    }
    co_status status = co_loader_create(
        set, &(co_loader_options){.batch = 4, .indices = outside, .count = 1}, &loader, &err);
    assert_fault(status, CO_INTERNAL, &err, "sample 57", NULL);
    assert_null(loader);
    co_dataset_close(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epochs_are_permutations),
        cmocka_unit_test(test_order_is_the_streams),
        cmocka_unit_test(test_seeds_and_replicas_differ),
        cmocka_unit_test(test_drop_last),
        cmocka_unit_test(test_evaluation_is_in_order),
        cmocka_unit_test(test_subset),
        cmocka_unit_test(test_seek),
        cmocka_unit_test(test_rest_of_an_epoch),
        cmocka_unit_test(test_rest_smaller_than_a_batch),
        cmocka_unit_test(test_bad_options),
    };
    return cmocka_run_group_tests(tests, make_set, folder_remove);
}
