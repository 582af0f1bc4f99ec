/* Image files to samples: what one thread keeps for that. */
#ifndef CO_DATA_IMAGE_READER_H
#define CO_DATA_IMAGE_READER_H

#include "data/image/view.h"

typedef struct co_image_reader co_image_reader;

CO_MUST_CHECK co_status co_image_reader_create(co_image_reader **out, co_error *err);
void co_image_reader_destroy(co_image_reader *reader); /* NULL is allowed */

size_t co_image_reader_bytes(const co_image_reader *reader); /* that it holds by now */

/* One image to (3, size, size) bytes. cut: NULL for the middle. CO_DATA names the file, and the
 * byte where it is known. */
CO_MUST_CHECK co_status co_image_read(co_image_reader *reader, const char *path,
                                      const co_image_frame *frame, const co_sample_cut *cut,
                                      uint8_t *pixels, co_error *err);
/* The same of a file that is in memory. */
CO_MUST_CHECK co_status co_image_read_bytes(co_image_reader *reader, const co_image_file *file,
                                            const co_image_frame *frame, const co_sample_cut *cut,
                                            uint8_t *pixels, co_error *err);

/* Decodes all of the image and forgets it: CO_DATA when any part is damaged. */
CO_MUST_CHECK co_status co_image_verify(co_image_reader *reader, const char *path, co_error *err);

#endif
