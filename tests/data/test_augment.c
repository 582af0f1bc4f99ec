/* Augmentation of hand-made images: every possible crop, mirror, shift and cutout appears as it
 * should and about as often, draws do not depend on each other, and the loader's threads do not
 * matter. */
#include "data/helper_cifar.h"
#include "data/helper_loader.h"

#include <math.h>
#include <string.h>

#include "data/augment.h"

enum { H = 3, W = 4, CHANNELS = 2, BYTES = CHANNELS * H * W, VISITS = 4000 };

static const co_image_shape shape = {CHANNELS, H, W};

/* Pixel values say where they are: 100 * (channel + 1) + 10 * y + x, never 0. */
static void number_pixels(uint8_t *out)
{
    for (int i = 0; i < BYTES; i++) {
        out[i] = (uint8_t)(100 * (i / (H * W) + 1) + 10 * (i / W % H) + i % W);
    }
}

static void augment_one(const co_augment *augment, uint32_t epoch, uint32_t sample, uint8_t *out)
{
    uint8_t in[BYTES];
    number_pixels(in);
    const co_rng_key key = {.seed = 7, .epoch = epoch, .sample = sample};
    co_augment_apply(augment, &shape, &key, in, out);
}

/* The same image by plain loops: cut at (dy, dx), mirrored, moved by (sy, sx). */
static void expect_image(int dy, int dx, bool flip, int sy, int sx, uint8_t *out)
{
    uint8_t in[BYTES];
    number_pixels(in);
    for (int c = 0; c < CHANNELS; c++) {
        uint8_t cut[H][W];
        uint8_t mirrored[H][W];
        for (int y = 0; y < H; y++) {
            for (int x = 0; x < W; x++) {
                bool inside = y + dy >= 0 && y + dy < H && x + dx >= 0 && x + dx < W;
                cut[y][x] = inside ? in[(c * H + y + dy) * W + x + dx] : 0;
            }
        }
        for (int y = 0; y < H; y++) {
            for (int x = 0; x < W; x++) {
                mirrored[y][x] = cut[y][flip ? W - 1 - x : x];
            }
        }
        for (int y = 0; y < H; y++) {
            for (int x = 0; x < W; x++) {
                int from_y = y + sy < 0 ? 0 : y + sy > H - 1 ? H - 1 : y + sy;
                int from_x = x + sx < 0 ? 0 : x + sx > W - 1 ? W - 1 : x + sx;
                out[(c * H + y) * W + x] = mirrored[from_y][from_x];
            }
        }
    }
}

typedef struct all_cases {
    int crop;
    bool flips;
    int shift_y;
    int shift_x;
    int count;
    int seen[512];
} all_cases;

/* Which of the possible images `got` is; a case may look like another: the first is counted. */
static void count_case(all_cases *all, const uint8_t *got)
{
    uint8_t wanted[BYTES];
    int number = 0;
    int found = -1;
    for (int dy = -all->crop; dy <= all->crop; dy++) {
        for (int dx = -all->crop; dx <= all->crop; dx++) {
            for (int flip = 0; flip <= all->flips; flip++) {
                for (int sy = -all->shift_y; sy <= all->shift_y; sy++) {
                    for (int sx = -all->shift_x; sx <= all->shift_x; sx++, number++) {
                        expect_image(dy, dx, flip == 1, sy, sx, wanted);
                        if (found < 0 && memcmp(got, wanted, BYTES) == 0) {
                            found = number;
                        }
                    }
                }
            }
        }
    }
    assert_true(found >= 0);
    all->count = number;
    all->seen[found]++;
}

static void check_cases(const co_augment *augment, all_cases all)
{
    for (uint32_t i = 0; i < VISITS; i++) {
        uint8_t out[BYTES];
        augment_one(augment, i / 64, i % 64, out);
        count_case(&all, out);
    }
    for (int i = 0; i < all.count; i++) { /* six standard deviations */
        double mean = (double)VISITS / all.count;
        assert_close(all.seen[i], mean, 6 * sqrt(mean));
    }
}

static void test_each_kind(void **state)
{
    (void)state;
    check_cases(&(co_augment){.crop = 1}, (all_cases){.crop = 1});
    check_cases(&(co_augment){.crop = 2}, (all_cases){.crop = 2});
    check_cases(&(co_augment){.flip = CO_FLIP_RANDOM}, (all_cases){.flips = true});
    /* 0.4 of 3 and 4 pixels is one pixel either way; 0.3 of 3 is none */
    check_cases(&(co_augment){.shift = 0.4}, (all_cases){.shift_y = 1, .shift_x = 1});
    check_cases(&(co_augment){.shift = 0.3}, (all_cases){.shift_x = 1});
    check_cases(&(co_augment){.crop = 1, .flip = CO_FLIP_RANDOM},
                (all_cases){.crop = 1, .flips = true});
}

/* Crop, mirror and shift together, each image against what its three draws alone do. */
static void test_together(void **state)
{
    (void)state;
    const co_augment both = {.crop = 1, .flip = CO_FLIP_RANDOM, .shift = 0.4};
    all_cases all = {.crop = 1, .flips = true, .shift_y = 1, .shift_x = 1};
    for (uint32_t i = 0; i < 500; i++) {
        uint8_t out[BYTES];
        uint8_t alone[BYTES];
        augment_one(&both, 3, i, out);
        count_case(&all, out);
        augment_one(&(co_augment){.flip = CO_FLIP_RANDOM}, 3, i, alone);
        bool flipped = alone[0] != 100;
        augment_one(&(co_augment){.shift = 0.4}, 3, i, alone);
        int sy = alone[W] / 10 % 10 - 1; /* the middle row shows where it came from */
        int sx = alone[W + 1] % 10 - 1;
        augment_one(&(co_augment){.crop = 1}, 3, i, alone);
        int dy = alone[W + 1] / 10 % 10 - 1;
        int dx = alone[W + 1] % 10 - 1;
        expect_image(dy, dx, flipped, sy, sx, alone);
        assert_memory_equal(out, alone, BYTES);
    }
}

/* A random half in the first epoch, the other half in the second, and so on. */
static void test_alternating(void **state)
{
    (void)state;
    const co_augment augment = {.flip = CO_FLIP_ALTERNATING};
    int flipped = 0;
    for (uint32_t sample = 0; sample < VISITS; sample++) {
        uint8_t first[BYTES];
        augment_one(&augment, 0, sample, first);
        bool now = first[0] != 100;
        flipped += now;
        for (uint32_t epoch = 1; epoch < 4; epoch++) {
            uint8_t later[BYTES];
            augment_one(&augment, epoch, sample, later);
            assert_int_equal(later[0] != 100, now != (epoch % 2 == 1));
        }
    }
    assert_in_range(flipped, VISITS / 2 - 190, VISITS / 2 + 190);
}

/* A square of 2 x 2, of which the border cuts off parts; each centre equally often. */
static void test_cutout(void **state)
{
    (void)state;
    const co_augment augment = {.cutout = 2, .fill = {7, 9}};
    int seen[H][W] = {{0}};
    for (uint32_t i = 0; i < VISITS; i++) {
        uint8_t in[BYTES];
        uint8_t out[BYTES];
        number_pixels(in);
        augment_one(&augment, 1, i, out);
        int bottom = -1;
        int right = -1;
        for (int k = 0; k < H * W; k++) {
            bottom = out[k] == 7 ? k / W : bottom;
            right = out[k] == 7 ? k % W : right;
        }
        assert_in_range(bottom, 0, H - 1); /* the centre is the last pixel of the square */
        assert_in_range(right, 0, W - 1);
        seen[bottom][right]++;
        for (int k = 0; k < BYTES; k++) {
            int y = k / W % H;
            int x = k % W;
            bool blank = (y == bottom || y == bottom - 1) && (x == right || x == right - 1);
            assert_int_equal(out[k], blank ? (k < H * W ? 7 : 9) : in[k]);
        }
    }
    for (int k = 0; k < H * W; k++) {
        assert_close(seen[k / W][k % W], VISITS / 12.0, 6 * sqrt(VISITS / 12.0));
    }
}

static void test_fill(void **state)
{
    (void)state;
    co_augment augment = {.cutout = 1};
    const co_pixel_map map = {.channels = 4,
                              .scale = {1.0f / 63, 1.0f / 255, 1.0f, 1.0f},
                              .shift = {-125.3f / 63, 0.0f, -400.0f, 5.0f}};
    co_augment_fill_zero(&augment, &map);
    assert_memory_equal(augment.fill, ((const uint8_t[]){125, 0, 255, 0}), 4);
}

static void test_refused(void **state)
{
    (void)state;
    co_error err;
    assert_ok(co_augment_check(&(co_augment){.crop = 2, .cutout = 3}, &shape, &err), &err);
    assert_fault(co_augment_check(&(co_augment){.crop = 3}, &shape, &err), CO_USAGE, &err,
                 "augment_crop 3", "3 x 4", NULL);
    assert_fault(co_augment_check(&(co_augment){.cutout = 4}, &shape, &err), CO_USAGE, &err,
                 "augment_cutout 4", NULL);
    const co_image_shape wide = {1, 1, 60483};
    assert_ok(co_augment_check(&(co_augment){0}, &wide, &err), &err);
    assert_fault(co_augment_check(&(co_augment){.flip = CO_FLIP_RANDOM}, &wide, &err), CO_USAGE,
                 &err, "60483", NULL);
}

/* Batches of two epochs: the same for any number of threads and wherever the loader starts, other
 * bytes in the second epoch, and each row what co_augment_apply makes of the sample. */
static void test_loader(void **state)
{
    idx_image train = cifar_build(1, 50, 1);
    put_bytes(*state, "data_batch_1.bin", train.bytes, train.size);
    put_bytes(*state, "test_batch.bin", train.bytes, train.size);
    const co_image_shape image = {3, 32, 32};
    const co_augment augment = {.crop = 4, .flip = CO_FLIP_RANDOM, .shift = 0.1, .cutout = 8};
    static uint64_t first[14];
    for (int threads = 0; threads <= 4; threads += threads == 0 ? 1 : 3) {
        co_dataset *set = open_set("cifar10", *state);
        const co_loader_options options = {
            .batch = 8, .shuffle = true, .threads = threads, .seed = 5, .augment = augment};
        co_loader *loader = open_loader(set, &options);
        for (int i = 0; i < 14; i++) {
            const co_batch *batch = next_batch(loader);
            uint64_t hash = batch_hash(batch, CIFAR_PIXELS);
            first[i] = threads == 0 ? hash : first[i];
            assert_int_equal(hash, first[i]);
            for (int row = 0; row < batch->rows; row++) {
                uint8_t wanted[CIFAR_PIXELS];
                const co_rng_key key = {
                    .seed = 5, .epoch = (uint32_t)i / 7, .sample = batch->samples[row]};
                co_augment_apply(&augment, &image, &key,
                                 train.bytes + (size_t)batch->samples[row] * 3073 + 1, wanted);
                assert_memory_equal((const uint8_t *)batch->pixels + (size_t)row * CIFAR_PIXELS,
                                    wanted, CIFAR_PIXELS);
            }
        }
        co_error err;
        assert_ok(co_loader_seek(loader, 1, 2, &err), &err);
        assert_int_equal(batch_hash(next_batch(loader), CIFAR_PIXELS), first[9]);
        co_loader_destroy(loader);
        co_dataset_close(set);
    }
    idx_free(&train);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_alternating),
        cmocka_unit_test(test_cutout),
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_refused),
        cmocka_unit_test_setup_teardown(test_loader, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
