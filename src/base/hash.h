/* Checksums: XXH3, 128 bits (not cryptographic). One pass or in pieces; any thread. */
#ifndef CO_BASE_HASH_H
#define CO_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct co_hash {
    uint64_t high;
    uint64_t low;
} co_hash;

#define CO_HASH_TEXT_SIZE 33 /* 32 hexadecimal digits and the zero byte */

co_hash co_hash_bytes(const void *data, size_t bytes);
bool co_hash_equal(co_hash a, co_hash b);
/* The canonical form: 32 lower-case digits, most significant first (as `xxhsum -H2`). */
void co_hash_text(co_hash hash, char out[CO_HASH_TEXT_SIZE]);

/* A hash in pieces. Whoever creates destroys; one thread at a time. */
typedef struct co_hasher co_hasher;
CO_MUST_CHECK co_status co_hasher_create(co_hasher **out, co_error *err);
void co_hasher_destroy(co_hasher *hasher); /* NULL is allowed */
void co_hasher_add(co_hasher *hasher, const void *data, size_t bytes);
void co_hasher_reset(co_hasher *hasher); /* as if nothing had been added */
/* Of all that was added so far; more may be added after. */
co_hash co_hasher_result(const co_hasher *hasher);

/* Of a file's content; CO_FILE when it cannot be read. */
CO_MUST_CHECK co_status co_hash_file(const char *path, co_hash *out, co_error *err);

#endif
