/* Batches as numbers, so that two loaders can be compared. */
#ifndef CO_TESTS_HELPER_LOADER_H
#define CO_TESTS_HELPER_LOADER_H

#include "data/helper_data.h"
#include "data/loader.h"

/* FNV-1a of everything in the batch: rows, epoch, keys, samples, labels, pixels. */
uint64_t batch_hash(const co_batch *batch, size_t sample_bytes);
uint64_t fnv1a(uint64_t hash, const void *bytes, size_t count);
#define FNV1A_START 0xcbf29ce484222325u

co_dataset *open_set(const char *name, const char *dir);
co_loader *open_loader(co_dataset *set, const co_loader_options *options);
const co_batch *next_batch(co_loader *loader);

#endif
