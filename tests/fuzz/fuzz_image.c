/* Any bytes as an image file: no crash, no leak, and what is accepted fills its sample. */
#include <stdint.h>
#include <stdlib.h>

#include "data/image/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIDE = 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    co_error err;
    co_image_reader *reader = NULL;
    uint8_t pixels[3 * SIDE * SIDE];
    const co_image_frame frame = {.size = SIDE, .resize = SIDE + 3};
    const co_image_file file = {.path = "fuzzed", .bytes = data, .size = size};
    if (co_image_reader_create(&reader, &err) != CO_OK) {
        return 0;
    }
    /* One reader for all: what a bad image leaves behind must not hurt the next. */
    for (uint32_t i = 0; i < 3; i++) {
        const co_sample_cut cut = {.area = 0.08, .ratio = 4.0 / 3.0, .key = {.sample = i}};
        co_status status = co_image_read_bytes(reader, &file, &frame, i == 0 ? NULL : &cut, pixels,
                                               &err);
        if (status != CO_OK && status != CO_DATA && status != CO_MEMORY) {
            abort();
        }
    }
    co_image_reader_destroy(reader);
    return 0;
}
