/* Image files made by the libraries' own writers, and folders of them. */
#ifndef CO_TESTS_HELPER_IMAGES_H
#define CO_TESTS_HELPER_IMAGES_H

#include "data/helper_data.h"

typedef enum picture_form {
    PICTURE_RGB,         /* YCbCr, colours at a quarter of the resolution */
    PICTURE_FULL,        /* YCbCr, colours at full resolution */
    PICTURE_PROGRESSIVE, /* as RGB, in several scans */
    PICTURE_GREY,
    PICTURE_CMYK,
    PICTURE_YCCK,
    PICTURE_FORMS
} picture_form;

typedef struct picture {
    picture_form form;
    int width;
    int height;
    int orientation; /* of an EXIF block; 0: none */
    uint32_t seed;
} picture;

/* A picture of gradients, discs and a little noise as a JPEG of quality 90; freed by idx_free. */
idx_image jpeg_build(const picture *of);

/* The same as a PNG. colour: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha; depth in
 * bits. *rgb: (width * height * 3) what it must decode to; NULL when nobody asks. */
idx_image png_build(const picture *of, int colour, int depth, uint8_t *rgb);

/* The picture's own pixels (width * height * 3), before any compression; freed by free. */
uint8_t *picture_pixels(const picture *of);

void make_folder(const char *dir, const char *name);
/* `count` JPEGs of the class in dir/sub, named <prefix><k>.jpg. */
void put_pictures(const char *dir, const char *sub, int count, uint32_t seed);
/* Cuts a file to its first `bytes`. */
void cut_file(const char *dir, const char *name, size_t bytes);

#endif
