/* A data set of zeros of any shape, for memory bills of networks whose data are not there. */
#include <string.h>

#include "base/alloc.h"
#include "data/dataset.h"

enum { BLANK_SAMPLES = 60000 };

typedef struct blank_set {
    co_dataset base; /* first: a co_dataset is cast back to this */
    int32_t *labels;
} blank_set;

static co_status blank_require(co_dataset *base, co_split split, co_error *err)
{
    (void)base;
    (void)split;
    (void)err;
    return CO_OK;
}

static co_status blank_fetch(co_dataset *base, co_split split, uint32_t sample, void *pixels,
                             co_error *err)
{
    (void)split;
    (void)sample;
    (void)err;
    memset(pixels, 0, base->info.sample_bytes);
    return CO_OK;
}

static void blank_destroy(co_dataset *base)
{
    co_free(((blank_set *)base)->labels);
    co_free(base);
}

static const co_dataset_ops blank_ops = {
    .destroy = blank_destroy,
    .require = blank_require,
    .fetch = blank_fetch,
};

co_status co_blank_open(const co_dataset_info *like, co_dataset **out, co_error *err)
{
    void *block = NULL;
    void *labels = NULL;
    CO_TRY(co_alloc(1, sizeof(blank_set), "data set", &block, err));
    co_status status = co_alloc(BLANK_SAMPLES, sizeof(int32_t), "labels", &labels, err);
    if (status != CO_OK) {
        co_free(block);
        return status;
    }
    blank_set *set = block;
    set->labels = labels;
    set->base.ops = &blank_ops;
    set->base.info = *like;
    for (int split = 0; split < CO_SPLITS; split++) {
        set->base.info.samples[split] = BLANK_SAMPLES;
        set->base.part[split].labels = labels;
    }
    *out = &set->base;
    return CO_OK;
}
