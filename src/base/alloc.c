#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

bool co_mul_size(size_t a, size_t b, size_t *out)
{
    size_t product = 0;
    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *out = product;
    return true;
}

bool co_add_size(size_t a, size_t b, size_t *out)
{
    size_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) {
        return false;
    }
    *out = sum;
    return true;
}

/* Large blocks ask for pages of 2 MiB: kernels walk through planes and weights in steps of many
 * small pages, and would wait for their translation. The kernel may refuse; nothing depends on it.
 */
static void *allocate(size_t bytes)
{
    const size_t huge = (size_t)2 << 20;
    if (bytes < 4 * huge) {
        return aligned_alloc(CO_ALIGNMENT, bytes);
    }
    void *block = aligned_alloc(huge, co_round_up(bytes, huge));
    if (block != NULL) {
        (void)madvise(block, bytes / huge * huge, MADV_HUGEPAGE);
    }
    return block;
}

co_status co_alloc(size_t count, size_t size, const char *what, void **out, co_error *err)
{
    size_t bytes = 0;
    if (!co_mul_size(count, size, &bytes) || bytes > (size_t)-1 - CO_ALIGNMENT) {
        return co_fail(err, CO_MEMORY, "%s: %zu x %zu bytes is more than memory can address", what,
                       count, size);
    }
    if (bytes == 0) {
        *out = NULL;
        return CO_OK;
    }
    size_t rounded = co_round_up(bytes, CO_ALIGNMENT);
    void *block = allocate(rounded);
    if (block == NULL) {
        return co_fail(err, CO_MEMORY, "%s: cannot allocate %zu bytes", what, bytes);
    }
    memset(block, 0, rounded);
    *out = block;
    return CO_OK;
}

void co_free(void *block)
{
    free(block);
}

co_status co_strdup(const char *text, char **out, co_error *err)
{
    size_t bytes = strlen(text) + 1;
    void *copy = NULL;
    CO_TRY(co_alloc(bytes, 1, "text", &copy, err));
    assert(copy != NULL); /* bytes > 0 */
    memcpy(copy, text, bytes);
    *out = copy;
    return CO_OK;
}
