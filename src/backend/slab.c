#include "backend/slab.h"

#include "base/alloc.h"
#include "base/text.h"

static int largest_batch(const co_plan_spec *specs, int count)
{
    int largest = 1;
    for (int i = 0; i < count; i++) {
        largest = specs[i].batch > largest ? specs[i].batch : largest;
    }
    return largest;
}

static co_status allocate(const co_plan_spec *specs, int count, size_t bytes, void **out,
                          co_error *err)
{
    size_t available = co_memory_available();
    if (bytes <= available) {
        return co_alloc(bytes, 1, "the plans", out, err);
    }
    char needed_text[32];
    char available_text[32];
    co_text needed = co_text_over(needed_text, sizeof(needed_text));
    co_text left = co_text_over(available_text, sizeof(available_text));
    int batch = largest_batch(specs, count);
    co_text_size(&needed, bytes);
    co_text_size(&left, available);
    /* A slab grows with the batch. */
    return co_fail(err, CO_MEMORY,
                   "batches of %d samples need %s, %s are available: the largest batch that fits "
                   "is about %.0f; lower --batch-size (or --eval-batch-size)",
                   batch, needed_text, available_text,
                   (double)batch * ((double)available / (double)bytes));
}

co_status co_slab_alloc(co_slab_pool *pool, const co_plan_spec *specs, int count, size_t bytes,
                        void **out, co_error *err)
{
    for (int i = 0; pool != NULL && i < pool->count; i++) {
        if (pool->bytes[i] >= bytes) {
            *out = pool->blocks[i];
            return CO_OK;
        }
    }
    if (pool != NULL && pool->count == CO_SLAB_POOL_BLOCKS) {
        return co_fail(err, CO_INTERNAL, "plans of more than %d sizes", (int)CO_SLAB_POOL_BLOCKS);
    }
    CO_TRY(allocate(specs, count, bytes, out, err));
    if (pool != NULL) {
        pool->blocks[pool->count] = *out;
        pool->bytes[pool->count++] = bytes;
    }
    return CO_OK;
}

void co_slab_free(const co_slab_pool *pool, void *slab)
{
    if (pool == NULL) {
        co_free(slab);
    }
}

void co_slab_pool_free(co_slab_pool *pool)
{
    for (int i = 0; i < pool->count; i++) {
        co_free(pool->blocks[i]);
    }
    *pool = (co_slab_pool){0};
}
