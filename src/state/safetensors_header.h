/* The header of a safetensors file: parsing and checking (private to state/). */
#ifndef CO_STATE_SAFETENSORS_HEADER_H
#define CO_STATE_SAFETENSORS_HEADER_H

#include <stdbool.h>

#include "state/safetensors.h"

typedef struct co_safetensors_header {
    co_tensor_entry *entries; /* sorted by data range */
    size_t count;
    uint32_t *by_name; /* indices into entries, sorted by name */
    co_metadata *metadata;
    size_t metadata_count;
    char *strings; /* what names, keys and values point into */
} co_safetensors_header;

/* Parses the `bytes` characters of `json` and checks that the tensors tile `data_bytes` bytes.
 * `label` is the file's name in messages. */
CO_MUST_CHECK co_status co_safetensors_parse(const char *json, size_t bytes, uint64_t data_bytes,
                                             const char *label, co_safetensors_header *out,
                                             co_error *err);
void co_safetensors_header_free(co_safetensors_header *header);

/* Checks the type, name and shape of one tensor and computes its elements and bytes. */
bool co_tensor_bytes(co_dtype dtype, unsigned rank, const uint64_t *shape, uint64_t *elements,
                     uint64_t *bytes);

#endif
