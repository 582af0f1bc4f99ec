/* Which part of an image a sample shows: the middle of the resized image, or a random part of
 * random shape (random-resized crop). torchvision's rules (docs/METHODS.md 3). */
#ifndef CO_DATA_IMAGE_VIEW_H
#define CO_DATA_IMAGE_VIEW_H

#include "base/rng.h"
#include "data/dataset.h"
#include "data/image/resample.h"

/* How the pixels of an image become a square sample of `size`. */
typedef struct co_image_frame {
    int size;   /* side of a sample */
    int resize; /* its shorter side becomes this long before the middle is cut out; >= size */
} co_image_frame;

typedef struct co_image_view {
    co_resample_span x; /* of the image as stored */
    co_resample_span y;
    bool exchange; /* then: exchange rows and columns, */
    bool mirror_x; /* mirrored before that along the stored axes */
    bool mirror_y;
} co_image_view;

/* cut: NULL for the middle. The view turns the image upright. */
co_image_view co_image_view_of(const co_image_frame *frame, const co_image_head *head,
                               const co_sample_cut *cut);

/* The rectangle of a random-resized crop of an upright image. */
co_image_rect co_image_random_rect(const co_sample_cut *cut, int width, int height);

#endif
