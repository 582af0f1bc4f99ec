/* Any bytes as a safetensors file: refused or read, never a crash or a lie.
 *
 * What our reader accepts, a general JSON parser must accept too, with the same tensors; and
 * every tensor must be readable within the file.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "state/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void check_against_jansson(const co_safetensors *file, const uint8_t *data)
{
    uint64_t length = 0;
    memcpy(&length, data, sizeof(length));
    json_t *header = json_loadb((const char *)data + sizeof(length), length, JSON_REJECT_DUPLICATES,
                                NULL);
    check(header != NULL);
    size_t metadata = json_object_get(header, "__metadata__") != NULL;
    check(json_object_size(header) == co_safetensors_count(file) + metadata);
    check(json_object_size(json_object_get(header, "__metadata__")) ==
          co_safetensors_metadata_count(file));
    for (size_t i = 0; i < co_safetensors_count(file); i++) {
        const co_tensor_entry *entry = co_safetensors_entry(file, i);
        const json_t *tensor = json_object_get(header, entry->name);
        const json_t *offsets = json_object_get(tensor, "data_offsets");
        check(json_integer_value(json_array_get(offsets, 0)) == (json_int_t)entry->begin);
        check(json_integer_value(json_array_get(offsets, 1)) == (json_int_t)entry->end);
        check(json_array_size(json_object_get(tensor, "shape")) == entry->rank);
    }
    json_decref(header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    co_error err = {.text = ""};
    co_safetensors *file = NULL;
    if (co_safetensors_open_memory(data, size, "input", &file, &err) != CO_OK) {
        check(err.status == CO_FILE && err.text[0] != '\0' && file == NULL);
        return 0;
    }
    check_against_jansson(file, data);
    for (size_t i = 0; i < co_safetensors_count(file); i++) {
        const co_tensor_entry *entry = co_safetensors_entry(file, i);
        size_t bytes = (size_t)(entry->end - entry->begin);
        void *out = malloc(bytes + (bytes == 0));
        check(out != NULL && entry->elements * co_dtype_size(entry->dtype) == bytes);
        check(co_safetensors_read(file, entry, out, bytes, &err) == CO_OK);
        check(co_safetensors_find(file, entry->name) == entry);
        free(out);
    }
    co_safetensors_close(file);
    return 0;
}
