/* PNG files by libspng: every colour type and depth becomes RGB bytes; transparency is dropped, as
 * PIL's convert("RGB") does. */
#ifndef CO_DATA_IMAGE_PNG_H
#define CO_DATA_IMAGE_PNG_H

#include "data/image/image.h"

bool co_png_is(const uint8_t *bytes, size_t size);

/* Reads the header, and the orientation where the file has one. */
CO_MUST_CHECK co_status co_png_head(const co_image_file *file, co_image_head *out, co_error *err);

/* Decodes the whole image. CO_DATA (with the file) when it is damaged or cut off. */
CO_MUST_CHECK co_status co_png_decode(const co_image_file *file, co_image_pixels *pixels,
                                      co_error *err);

#endif
