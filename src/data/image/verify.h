/* Reads every image of a split, with all processors: which of them can be used. */
#ifndef CO_DATA_IMAGE_VERIFY_H
#define CO_DATA_IMAGE_VERIFY_H

#include "data/image/layout.h"

/* Notes a fault for each image that cannot be read, in the order of the images, and takes these out
 * of the list. */
CO_MUST_CHECK co_status co_image_list_verify(co_image_list *list, co_split split,
                                             co_image_faults *faults, co_error *err);

#endif
