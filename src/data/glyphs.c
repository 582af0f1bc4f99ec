/* The embedded data set: drawn on demand, each image once, then kept. Several threads may ask for
 * the same image: one draws it into the memory of the set, the others meanwhile draw their own
 * copy, which has the same bytes, so that nobody waits. */
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "data/format.h"
#include "data/glyphs_draw.h"
#include "data/source.h"

enum { TRAIN_SAMPLES = 60000, TEST_SAMPLES = 10000 };

enum { IMAGE_NEW, IMAGE_BUSY, IMAGE_READY };

typedef struct glyph_part {
    co_bytes images;     /* (samples, 28, 28), touched as they are drawn */
    int32_t *labels;     /* (samples), owned */
    atomic_uchar *state; /* (samples) IMAGE_* */
} glyph_part;

typedef struct glyph_set {
    co_dataset base;
    glyph_part part[CO_SPLITS];
} glyph_set;

static const char *const digit_names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

static const uint32_t sample_counts[CO_SPLITS] = {TRAIN_SAMPLES, TEST_SAMPLES};

/* Of all pixels of a split: their sum and the sum of their squares (a test draws them all). */
static const uint64_t pixel_sums[CO_SPLITS][2] = {{1200122583, 166465061429},
                                                  {199167109, 27526811821}};

static co_status glyphs_require(co_dataset *base, co_split split, co_error *err)
{
    (void)base;
    (void)split;
    (void)err;
    return CO_OK;
}

static co_status glyphs_fetch(co_dataset *base, co_split split, uint32_t sample, void *pixels,
                              co_error *err)
{
    (void)err;
    glyph_part *part = &((glyph_set *)base)->part[split];
    int digit = part->labels[sample];
    uint8_t *kept = (uint8_t *)part->images.pages + (size_t)sample * CO_GLYPH_BYTES;
    unsigned char state = atomic_load_explicit(&part->state[sample], memory_order_acquire);
    if (state == IMAGE_NEW &&
        atomic_compare_exchange_strong(&part->state[sample], &state, (unsigned char)IMAGE_BUSY)) {
        co_glyph_draw((uint32_t)split, sample, digit, kept);
        atomic_store_explicit(&part->state[sample], IMAGE_READY, memory_order_release);
        state = IMAGE_READY;
    }
    if (state == IMAGE_READY) {
        memcpy(pixels, kept, CO_GLYPH_BYTES);
    } else {
        co_glyph_draw((uint32_t)split, sample, digit, pixels);
    }
    return CO_OK;
}

static const uint64_t *glyphs_known_sums(const co_dataset *base, co_split split)
{
    (void)base;
    return pixel_sums[split];
}

static void glyphs_destroy(co_dataset *base)
{
    glyph_set *set = (glyph_set *)base;
    for (int split = 0; split < CO_SPLITS; split++) {
        co_bytes_free(&set->part[split].images);
        co_free(set->part[split].labels);
        co_free(set->part[split].state);
    }
    co_free(set);
}

static const co_dataset_ops glyphs_ops = {
    .destroy = glyphs_destroy,
    .require = glyphs_require,
    .fetch = glyphs_fetch,
    .known_sums = glyphs_known_sums,
};

static co_status open_part(glyph_set *set, co_split split, co_error *err)
{
    glyph_part *part = &set->part[split];
    uint32_t samples = sample_counts[split];
    void *block = NULL;
    CO_TRY(co_bytes_reserve((size_t)samples * CO_GLYPH_BYTES, "glyphs", &part->images, err));
    CO_TRY(co_alloc(samples, sizeof(int32_t), "labels", &block, err));
    part->labels = block;
    CO_TRY(co_alloc(samples, sizeof(atomic_uchar), "glyphs", &block, err));
    part->state = block;
    co_glyph_labels((uint32_t)split, samples, part->labels);
    set->base.part[split].labels = part->labels;
    set->base.memory_bytes += (size_t)samples * (CO_GLYPH_BYTES + sizeof(int32_t) + 1);
    return CO_OK;
}

static co_status glyphs_open(const char *name, const char *dir, const co_dataset_options *options,
                             co_dataset **out, co_error *err)
{
    (void)name;
    (void)dir;
    (void)options;
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(glyph_set), "data set", &block, err));
    glyph_set *set = block;
    set->base.ops = &glyphs_ops;
    set->base.info = (co_dataset_info){
        .name = "glyphs",
        .format = "drawn",
        .samples = {TRAIN_SAMPLES, TEST_SAMPLES},
        .channels = 1,
        .height = CO_GLYPH_SIDE,
        .width = CO_GLYPH_SIDE,
        .pixel = CO_PIXEL_U8,
        .sample_bytes = CO_GLYPH_BYTES,
        .classes = CO_GLYPH_CLASSES,
        .class_names = digit_names,
    };
    for (int split = 0; split < CO_SPLITS; split++) {
        co_status status = open_part(set, (co_split)split, err);
        if (status != CO_OK) {
            glyphs_destroy(&set->base);
            return status;
        }
    }
    *out = &set->base;
    return CO_OK;
}

const co_dataset_format co_format_glyphs = {.open = glyphs_open};
