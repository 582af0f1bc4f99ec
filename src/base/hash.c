#include "base/hash.h"

#include <errno.h>
#include <stdio.h>
#include <xxhash.h>

#include "base/alloc.h"

struct co_hasher {
    XXH3_state_t *state;
};

co_hash co_hash_bytes(const void *data, size_t bytes)
{
    XXH128_hash_t hash = XXH3_128bits(data, bytes);
    return (co_hash){.high = hash.high64, .low = hash.low64};
}

bool co_hash_equal(co_hash a, co_hash b)
{
    return a.high == b.high && a.low == b.low;
}

void co_hash_text(co_hash hash, char out[CO_HASH_TEXT_SIZE])
{
    (void)snprintf(out, CO_HASH_TEXT_SIZE, "%016llx%016llx", (unsigned long long)hash.high,
                   (unsigned long long)hash.low);
}

co_status co_hasher_create(co_hasher **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_hasher), "hash state", &block, err));
    co_hasher *hasher = block;
    hasher->state = XXH3_createState();
    if (hasher->state == NULL) {
        co_free(hasher);
        return co_fail(err, CO_MEMORY, "hash state: cannot allocate memory");
    }
    (void)XXH3_128bits_reset(hasher->state);
    *out = hasher;
    return CO_OK;
}

void co_hasher_destroy(co_hasher *hasher)
{
    if (hasher != NULL) {
        (void)XXH3_freeState(hasher->state);
        co_free(hasher);
    }
}

void co_hasher_reset(co_hasher *hasher)
{
    (void)XXH3_128bits_reset(hasher->state);
}

void co_hasher_add(co_hasher *hasher, const void *data, size_t bytes)
{
    (void)XXH3_128bits_update(hasher->state, data, bytes);
}

co_hash co_hasher_result(const co_hasher *hasher)
{
    XXH128_hash_t hash = XXH3_128bits_digest(hasher->state);
    return (co_hash){.high = hash.high64, .low = hash.low64};
}

static co_status add_file(co_hasher *hasher, FILE *file, const char *path, co_error *err)
{
    char chunk[16384];
    size_t count = 0;
    while ((count = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        co_hasher_add(hasher, chunk, count);
    }
    if (ferror(file)) {
        return co_fail_errno(err, CO_FILE, errno, "cannot read %s", path);
    }
    return CO_OK;
}

co_status co_hash_file(const char *path, co_hash *out, co_error *err)
{
    co_hasher *hasher = NULL;
    CO_TRY(co_hasher_create(&hasher, err));
    co_status status = CO_OK;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        status = co_fail_errno(err, CO_FILE, errno, "cannot open %s", path);
        goto destroy_hasher;
    }
    CO_TRY_GOTO(status, add_file(hasher, file, path, err), close_file);
    *out = co_hasher_result(hasher);
close_file:
    (void)fclose(file);
destroy_hasher:
    co_hasher_destroy(hasher);
    return status;
}
