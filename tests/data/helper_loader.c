#include "data/helper_loader.h"

uint64_t fnv1a(uint64_t hash, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3u;
    }
    return hash;
}

uint64_t batch_hash(const co_batch *batch, size_t sample_bytes)
{
    size_t rows = (size_t)batch->rows;
    uint64_t hash = fnv1a(FNV1A_START, &batch->rows, sizeof(batch->rows));
    hash = fnv1a(hash, &batch->epoch, sizeof(batch->epoch));
    hash = fnv1a(hash, &batch->replica, sizeof(batch->replica));
    hash = fnv1a(hash, &batch->seed, sizeof(batch->seed));
    hash = fnv1a(hash, batch->samples, rows * sizeof(uint32_t));
    hash = fnv1a(hash, batch->labels, rows * sizeof(int32_t));
    return fnv1a(hash, batch->pixels, rows * sample_bytes);
}

co_dataset *open_set(const char *name, const char *dir)
{
    co_error err;
    co_dataset *set = NULL;
    assert_ok(co_dataset_open(name, dir, NULL, &set, &err), &err);
    return set;
}

co_loader *open_loader(co_dataset *set, const co_loader_options *options)
{
    co_error err;
    co_loader *loader = NULL;
    assert_ok(co_loader_create(set, options, &loader, &err), &err);
    return loader;
}

const co_batch *next_batch(co_loader *loader)
{
    co_error err;
    const co_batch *batch = NULL;
    assert_ok(co_loader_next(loader, &batch, &err), &err);
    return batch;
}
