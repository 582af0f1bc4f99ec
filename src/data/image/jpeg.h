/* JPEG files by libjpeg-turbo: only the rows and columns that are asked for, and smaller by its
 * scaled inverse transforms where that is asked for.
 *
 * One thread uses a co_jpeg at a time. libjpeg allocates and frees a little working memory of its
 * own for every image.
 */
#ifndef CO_DATA_IMAGE_JPEG_H
#define CO_DATA_IMAGE_JPEG_H

#include <stdbool.h>

#include "data/image/image.h"

typedef struct co_jpeg co_jpeg;

bool co_jpeg_is(const uint8_t *bytes, size_t size);

CO_MUST_CHECK co_status co_jpeg_create(co_jpeg **out, co_error *err);
void co_jpeg_destroy(co_jpeg *jpeg); /* NULL is allowed */

/* What it took at most for an image so far, estimated: libjpeg does not tell. */
size_t co_jpeg_bytes(const co_jpeg *jpeg);

/* Reads the header; the next call may be co_jpeg_decode. The file is borrowed until then. CO_DATA
 * names file and byte. */
CO_MUST_CHECK co_status co_jpeg_head(co_jpeg *jpeg, const co_image_file *file, co_image_head *out,
                                     co_error *err);

/* Decodes the pixels of `wanted` (of the image made smaller by `reduce` = 1, 2, 4 or 8, whose sides
 * are rounded up) and perhaps some around it. *got: what is in `pixels`, in the same coordinates.
 * Grey images stay grey; CMYK ones become RGB. CO_DATA (file and byte) when the part that was read
 * is damaged or cut off. */
CO_MUST_CHECK co_status co_jpeg_decode(co_jpeg *jpeg, const co_image_rect *wanted, int reduce,
                                       co_image_pixels *pixels, co_image_rect *got, co_error *err);

#endif
