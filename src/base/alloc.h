/* Memory: 64-byte aligned, zeroed, overflow-checked blocks.
 *
 * Whoever allocates frees, with co_free. Any thread may call; a training step never does.
 */
#ifndef CO_BASE_ALLOC_H
#define CO_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#define CO_ALIGNMENT 64u

/* *out: count * size bytes, zeroed, aligned to 64 bytes (NULL when that is 0 bytes).
 * Fails with CO_MEMORY, naming `what` and the size; *out is then untouched. */
CO_MUST_CHECK co_status co_alloc(size_t count, size_t size, const char *what, void **out,
                                 co_error *err);
void co_free(void *block); /* NULL is allowed */

/* *out = a copy of the string; freed by co_free. */
CO_MUST_CHECK co_status co_strdup(const char *text, char **out, co_error *err);

/* Bytes that this process may still take: what the system says is available, and its own limit of
 * addresses; SIZE_MAX where neither is known. */
size_t co_memory_available(void);

/* false on overflow; *out is written only on success. */
bool co_mul_size(size_t a, size_t b, size_t *out);
bool co_add_size(size_t a, size_t b, size_t *out);

/* Rounds up to a multiple of `unit`. */
static inline size_t co_round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

#endif
