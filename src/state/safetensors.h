/* Safetensors files: tensors by name, the format that other tools read too.
 *
 *     u64    N, little-endian
 *     N      JSON: {"__metadata__":{"key":"text",...},
 *            "name":{"dtype":"F32","shape":[2,3],"data_offsets":[begin,end]},...} and spaces
 *     rest   the tensors' values, little-endian, row-major, packed
 *
 * The reader is strict: it refuses whatever the format does not allow (duplicate keys, unknown
 * types or keys, ranges that overlap, leave holes or do not match the shape, trailing data) and
 * checks every size against the file before using it, so a hostile file costs no more memory than
 * a few times its header. Files are read by offset, not mapped: a file that shrinks meanwhile is
 * an error, not a signal. Errors are CO_FILE and name file, tensor and byte range.
 *
 * A reader belongs to whoever opened it; one thread at a time.
 */
#ifndef CO_STATE_SAFETENSORS_H
#define CO_STATE_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"

#define CO_SAFETENSORS_HEADER_MAX   100000000u /* the format's own limit, bytes */
#define CO_SAFETENSORS_RANK_MAX     8
#define CO_SAFETENSORS_NAME_MAX     1024 /* bytes */
#define CO_SAFETENSORS_METADATA_MAX 4096 /* pairs */

typedef enum co_dtype {
    CO_DTYPE_BOOL,
    CO_DTYPE_U8,
    CO_DTYPE_I8,
    CO_DTYPE_U16,
    CO_DTYPE_I16,
    CO_DTYPE_F16,
    CO_DTYPE_BF16,
    CO_DTYPE_U32,
    CO_DTYPE_I32,
    CO_DTYPE_F32,
    CO_DTYPE_U64,
    CO_DTYPE_I64,
    CO_DTYPE_F64,
} co_dtype;

size_t co_dtype_size(co_dtype dtype);      /* bytes of one element */
const char *co_dtype_name(co_dtype dtype); /* "F32", ... */

typedef struct co_tensor_entry {
    const char *name;
    co_dtype dtype;
    unsigned rank; /* 0: a scalar */
    uint64_t shape[CO_SAFETENSORS_RANK_MAX];
    uint64_t elements;
    uint64_t begin; /* bytes from the start of the data section */
    uint64_t end;
} co_tensor_entry;

typedef struct co_metadata {
    const char *key;
    const char *value;
} co_metadata;

typedef struct co_safetensors co_safetensors;

CO_MUST_CHECK co_status co_safetensors_open(const char *path, co_safetensors **out, co_error *err);
/* A file that is already in memory, borrowed until close; `label` stands for its name. */
CO_MUST_CHECK co_status co_safetensors_open_memory(const void *data, size_t bytes,
                                                   const char *label, co_safetensors **out,
                                                   co_error *err);
void co_safetensors_close(co_safetensors *file); /* NULL is allowed */

/* Tensors in the order of their data. */
size_t co_safetensors_count(const co_safetensors *file);
const co_tensor_entry *co_safetensors_entry(const co_safetensors *file, size_t index);
/* NULL when there is none of that name. */
const co_tensor_entry *co_safetensors_find(const co_safetensors *file, const char *name);
size_t co_safetensors_metadata_count(const co_safetensors *file);
/* Sorted by key. */
const co_metadata *co_safetensors_metadata_at(const co_safetensors *file, size_t index);
const char *co_safetensors_metadata(const co_safetensors *file, const char *key); /* or NULL */

/* Reads a tensor's values into `out`, whose size must be exactly that of the tensor. */
CO_MUST_CHECK co_status co_safetensors_read(co_safetensors *file, const co_tensor_entry *entry,
                                            void *out, size_t bytes, co_error *err);
/* Finds the tensor, checks that it is F32 of that shape, and reads it. */
CO_MUST_CHECK co_status co_safetensors_read_f32(co_safetensors *file, const char *name,
                                                unsigned rank, const uint64_t *shape, float *out,
                                                co_error *err);

/* One tensor to save; everything is borrowed during the call. */
typedef struct co_tensor_source {
    const char *name;
    co_dtype dtype;
    unsigned rank;
    uint64_t shape[CO_SAFETENSORS_RANK_MAX];
    const void *data;
} co_tensor_source;

/* Saves atomically. The bytes depend on the arguments only: tensors and metadata in the given
 * order, nothing about time or place; the header is padded with spaces so that the data start at
 * a multiple of 64 bytes. */
CO_MUST_CHECK co_status co_safetensors_save(const co_files *files, const char *path,
                                            const co_tensor_source *tensors, size_t count,
                                            const co_metadata *metadata, size_t metadata_count,
                                            co_error *err);

/* The same; also says what the file is to hold: hashes[0] of the header, which has *header_bytes
 * bytes, hashes[1 + i] of tensor i, taken from memory. */
CO_MUST_CHECK co_status co_safetensors_save_hashed(const co_files *files, const char *path,
                                                   const co_tensor_source *tensors, size_t count,
                                                   const co_metadata *metadata,
                                                   size_t metadata_count, co_hash *hashes,
                                                   uint64_t *header_bytes, co_error *err);

/* Bytes of a tensor's values; CO_INTERNAL when its rank or size is impossible. */
CO_MUST_CHECK co_status co_tensor_source_bytes(const co_tensor_source *tensor, uint64_t *bytes,
                                               co_error *err);

#endif
