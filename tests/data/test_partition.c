/* Who gets which samples: the table of SYSTEMS 17 (8), and properties of every rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/loader.h"
#include "data/partition.h"

enum { MOST = 60000 };

static int32_t labels[MOST];
static uint8_t seen[MOST];

static co_subset all_of(uint32_t count, int classes)
{
    co_error err = {0};
    co_subset subset;
    co_subset none;
    assert_int_equal(co_subset_split(count, 1.0, false, 1, &subset, &none, &err), CO_OK);
    for (uint32_t i = 0; i < count; i++) {
        labels[i] = (int32_t)((i * 7 + i / 13) % (uint32_t)classes);
    }
    return subset;
}

static co_partition make(co_partition_kind kind, co_uneven uneven, uint32_t workers,
                         const co_subset *subset, int classes)
{
    const co_partition_rule rule = {kind, uneven, 0.3, workers, 5};
    co_partition partition = {0};
    co_error err = {0};
    if (co_partition_make(&rule, subset, labels, classes, &partition, &err) != CO_OK) {
        fail_msg("%s", err.text);
    }
    return partition;
}

/* How many of the first `count` samples are in the partition, none of them twice. */
static uint32_t distinct(const co_partition *p)
{
    uint32_t found = 0;
    memset(seen, 0, sizeof(seen));
    for (uint32_t i = 0; i < p->begin[p->workers]; i++) {
        assert_true(p->indices[i] < MOST);
        found += seen[p->indices[i]] == 0;
        seen[p->indices[i]] = 1;
    }
    return found;
}

static void pieces_are_those_of_torch_chunk(void **state)
{
    (void)state;
    co_subset subset = all_of(60000, 10);
    co_partition p = make(CO_PARTITION_DATASET, CO_UNEVEN_KEEP, 7, &subset, 10);
    for (uint32_t w = 0; w < 6; w++) {
        assert_int_equal(co_partition_count(&p, w), 8572);
    }
    assert_int_equal(co_partition_count(&p, 6), 8568);
    assert_int_equal(distinct(&p), 60000);
    co_partition_free(&p);
    p = make(CO_PARTITION_DATASET, CO_UNEVEN_PAD, 7, &subset, 10);
    assert_int_equal(p.begin[7], 7 * 8572);
    assert_int_equal(distinct(&p), 60000);
    co_partition_free(&p);
    p = make(CO_PARTITION_DATASET, CO_UNEVEN_DROP, 7, &subset, 10);
    assert_int_equal(p.begin[7], 7 * 8568);
    assert_int_equal(distinct(&p), 7 * 8568);
    co_partition_free(&p);
    co_subset_free(&subset);
}

static uint32_t labels_of(const co_partition *p, uint32_t worker)
{
    uint32_t mask = 0;
    for (uint32_t i = p->begin[worker]; i < p->begin[worker + 1]; i++) {
        mask |= 1U << labels[p->indices[i]];
    }
    return mask;
}

static void labels_belong_to_one_worker(void **state)
{
    (void)state;
    co_subset subset = all_of(50003, 10);
    co_partition even = make(CO_PARTITION_LABELS, CO_UNEVEN_PAD, 5, &subset, 10);
    co_partition whole = make(CO_PARTITION_LABELS_UNSCALED, CO_UNEVEN_KEEP, 5, &subset, 10);
    uint32_t together = 0;
    uint32_t smallest = UINT32_MAX;
    for (uint32_t w = 0; w < 5; w++) {
        uint32_t mask = labels_of(&whole, w);
        assert_int_equal(__builtin_popcount(mask), 2);
        assert_int_equal(together & mask, 0);
        together |= mask;
        assert_int_equal(labels_of(&even, w), mask);
        uint32_t count = co_partition_count(&whole, w);
        smallest = count < smallest ? count : smallest;
    }
    assert_int_equal(together, 1023);
    assert_int_equal(whole.begin[5], 50003);
    for (uint32_t w = 0; w < 5; w++) {
        assert_int_equal(co_partition_count(&even, w), smallest);
    }
    assert_int_equal(distinct(&even), 5 * smallest);
    co_partition_free(&even);
    co_partition_free(&whole);
    co_subset_free(&subset);
}

static void dirichlet_deals_everything_once(void **state)
{
    (void)state;
    co_subset subset = all_of(20000, 10);
    double skew[2] = {0};
    const double alphas[2] = {0.1, 1000.0};
    for (int k = 0; k < 2; k++) {
        const co_partition_rule rule = {CO_PARTITION_DIRICHLET, CO_UNEVEN_KEEP, alphas[k], 4, 11};
        co_partition p = {0};
        co_error err = {0};
        assert_int_equal(co_partition_make(&rule, &subset, labels, 10, &p, &err), CO_OK);
        assert_int_equal(p.begin[4], 20000);
        assert_int_equal(distinct(&p), 20000);
        uint32_t of_label[4][10] = {{0}};
        for (uint32_t w = 0; w < 4; w++) {
            for (uint32_t i = p.begin[w]; i < p.begin[w + 1]; i++) {
                of_label[w][labels[p.indices[i]]]++;
            }
        }
        /* Mean over the labels of the largest share: 1/4 when even, 1 when one has them all. */
        for (int c = 0; c < 10; c++) {
            uint32_t most = 0;
            uint32_t sum = 0;
            for (int w = 0; w < 4; w++) {
                most = of_label[w][c] > most ? of_label[w][c] : most;
                sum += of_label[w][c];
            }
            skew[k] += (double)most / sum / 10.0;
        }
        co_partition_free(&p);
    }
    assert_true(skew[0] > 0.7);
    assert_true(skew[1] < 0.3);
    co_subset_free(&subset);
}

static void shards_and_repeats(void **state)
{
    (void)state;
    co_subset subset = all_of(1001, 10);
    co_partition p = make(CO_PARTITION_SHARD, CO_UNEVEN_PAD, 4, &subset, 10);
    co_partition again = make(CO_PARTITION_SHARD, CO_UNEVEN_PAD, 4, &subset, 10);
    assert_int_equal(p.begin[4], 4 * 251);
    assert_int_equal(distinct(&p), 1001);
    assert_memory_equal(p.indices, again.indices, p.begin[4] * sizeof(uint32_t));
    co_subset mine = {0};
    co_error err = {0};
    assert_int_equal(co_partition_take(&p, 3, &mine, &err), CO_OK);
    assert_int_equal(mine.count, 251);
    assert_memory_equal(mine.indices, p.indices + p.begin[3], 251 * sizeof(uint32_t));
    co_subset_free(&mine);
    co_partition_free(&p);
    co_partition_free(&again);
    co_subset_free(&subset);
}

static void what_cannot_be_dealt_says_why(void **state)
{
    (void)state;
    co_subset subset = all_of(20, 10);
    co_partition p = {0};
    co_error err = {0};
    const co_partition_rule three = {CO_PARTITION_LABELS, CO_UNEVEN_PAD, 0, 3, 1};
    assert_int_equal(co_partition_make(&three, &subset, labels, 10, &p, &err), CO_USAGE);
    assert_string_equal(err.text, "10 labels cannot be dealt out evenly to 3 workers; numbers of "
                                  "workers that divide them: 2, 5, 10");
    const co_partition_rule many = {CO_PARTITION_SHARD, CO_UNEVEN_PAD, 0, 21, 1};
    assert_int_equal(co_partition_make(&many, &subset, labels, 10, &p, &err), CO_USAGE);
    assert_string_equal(err.text, "21 workers, but 20 training samples: each needs one");
    /* torch.chunk(20, 16): pieces of 2, so that workers 10 to 15 get none. */
    const co_partition_rule pieces = {CO_PARTITION_DATASET, CO_UNEVEN_PAD, 0, 16, 1};
    assert_int_equal(co_partition_make(&pieces, &subset, labels, 10, &p, &err), CO_USAGE);
    assert_string_equal(err.text, "worker 10 of 16 is left without samples: 20 samples are too few "
                                  "for these workers");
    const co_partition_rule skewed = {CO_PARTITION_DIRICHLET, CO_UNEVEN_PAD, 0.001, 16, 1};
    assert_int_equal(co_partition_make(&skewed, &subset, labels, 10, &p, &err), CO_USAGE);
    assert_non_null(strstr(err.text, "is left without samples: raise --dirichlet-alpha (0.001)"));
    co_subset_free(&subset);
}

/* The sampler: workers with batches of b see, step by step, what one worker with batches of W b
 * sees; the last batch too. */
static void more_than_can_be_counted_is_refused(void **state)
{
    (void)state;
    const co_partition_rule rule = {CO_PARTITION_WHOLE, CO_UNEVEN_PAD, 0.3, 4096, 5};
    co_partition partition = {0};
    co_subset subset;
    co_subset none;
    co_error err = {0};
    assert_int_equal(co_subset_split(1U << 20, 1.0, false, 1, &subset, &none, &err), CO_OK);
    assert_int_equal(co_partition_make(&rule, &subset, labels, 10, &partition, &err),
                     CO_UNSUPPORTED);
    assert_non_null(strstr(err.text, "4294967296 samples of all workers together"));
    assert_null(partition.begin);
    co_subset_free(&subset);
}

static void dealt_orders_make_the_global_batch(void **state)
{
    (void)state;
    enum { WORKERS = 4, BATCH = 16 };
    co_error err = {0};
    co_dataset *set = NULL;
    co_loader *one = NULL;
    co_loader *dealt[WORKERS];
    co_subset part;
    co_subset none;
    assert_int_equal(co_dataset_open("glyphs", NULL, NULL, &set, &err), CO_OK);
    assert_int_equal(co_subset_split(60000, 0.009, false, 1, &part, &none, &err), CO_OK);
    assert_int_equal(part.count, 540); /* 8 batches of 64 and 28: 7 for each worker */
    co_loader_options options = {.split = CO_SPLIT_TRAIN,
                                 .indices = part.indices,
                                 .count = part.count,
                                 .batch = WORKERS * BATCH,
                                 .shuffle = true,
                                 .seed = 9};
    assert_int_equal(co_loader_create(set, &options, &one, &err), CO_OK);
    for (uint32_t w = 0; w < WORKERS; w++) {
        options.batch = BATCH;
        options.deal = WORKERS;
        options.dealt = w;
        assert_int_equal(co_loader_create(set, &options, &dealt[w], &err), CO_OK);
        assert_int_equal(co_loader_batches(dealt[w]), co_loader_batches(one));
    }
    for (uint32_t step = 0; step < 2 * co_loader_batches(one); step++) {
        const co_batch *whole = NULL;
        const co_batch *piece = NULL;
        assert_int_equal(co_loader_next(one, &whole, &err), CO_OK);
        for (int w = 0; w < WORKERS; w++) {
            assert_int_equal(co_loader_next(dealt[w], &piece, &err), CO_OK);
            assert_int_equal(piece->rows * WORKERS, whole->rows);
            for (int row = 0; row < piece->rows; row++) {
                assert_int_equal(piece->samples[row], whole->samples[row * WORKERS + w]);
            }
        }
    }
    co_loader_destroy(one);
    for (int w = 0; w < WORKERS; w++) {
        co_loader_destroy(dealt[w]);
    }
    co_subset_free(&part);
    co_dataset_close(set);
}

/* Where workers do not divide the samples: padded from the beginning, or the rest left out. */
static void dealt_orders_are_padded_or_cut(void **state)
{
    (void)state;
    co_error err = {0};
    co_dataset *set = NULL;
    assert_int_equal(co_dataset_open("glyphs", NULL, NULL, &set, &err), CO_OK);
    const uint32_t few[] = {10, 11, 12, 13, 14, 15, 16};
    for (int padded = 0; padded < 2; padded++) {
        for (uint32_t w = 0; w < 3; w++) {
            const co_loader_options options = {.split = CO_SPLIT_TRAIN,
                                               .indices = few,
                                               .count = 7,
                                               .batch = 8,
                                               .deal = 3,
                                               .dealt = w,
                                               .deal_padded = padded};
            co_loader *loader = NULL;
            const co_batch *batch = NULL;
            assert_int_equal(co_loader_create(set, &options, &loader, &err), CO_OK);
            assert_int_equal(co_loader_next(loader, &batch, &err), CO_OK);
            assert_int_equal(batch->rows, padded ? 3 : 2);
            assert_int_equal(batch->samples[1], 13 + w);
            if (padded) {
                const uint32_t last[] = {16, 10, 11};
                assert_int_equal(batch->samples[2], last[w]);
            }
            co_loader_destroy(loader);
        }
    }
    co_dataset_close(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_those_of_torch_chunk),
        cmocka_unit_test(labels_belong_to_one_worker),
        cmocka_unit_test(dirichlet_deals_everything_once),
        cmocka_unit_test(shards_and_repeats),
        cmocka_unit_test(what_cannot_be_dealt_says_why),
        cmocka_unit_test(more_than_can_be_counted_is_refused),
        cmocka_unit_test(dealt_orders_make_the_global_batch),
        cmocka_unit_test(dealt_orders_are_padded_or_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
