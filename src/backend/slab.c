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

co_status co_slab_alloc(const co_plan_spec *specs, int count, size_t bytes, void **out,
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
