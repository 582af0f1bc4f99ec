#include "data/image/image.h"

#include "base/alloc.h"

co_status co_image_pixels_shape(co_image_pixels *pixels, int width, int height, int channels,
                                size_t extra, co_error *err)
{
    size_t bytes = (size_t)width * (size_t)height * (size_t)channels + extra;
    if (bytes > pixels->capacity) {
        size_t wanted = bytes + bytes / 4; /* images of a set differ: do not grow for each */
        void *block = NULL;
        CO_TRY(co_alloc(wanted, 1, "decoded image", &block, err));
        co_free(pixels->data);
        pixels->data = block;
        pixels->capacity = wanted;
    }
    pixels->width = width;
    pixels->height = height;
    pixels->channels = channels;
    return CO_OK;
}

co_status co_image_head_check(const char *path, const char *kind, uint64_t width, uint64_t height,
                              co_error *err)
{
    if (width == 0 || height == 0) {
        return co_fail(err, CO_DATA, "%s: is a %s of %llu x %llu pixels: it has no content", path,
                       kind, (unsigned long long)width, (unsigned long long)height);
    }
    if (width > CO_IMAGE_SIDE_MAX || height > CO_IMAGE_SIDE_MAX ||
        width * height > CO_IMAGE_PIXELS_MAX) {
        return co_fail(err, CO_DATA,
                       "%s: is a %s of %llu x %llu pixels: more than %d million are refused; make "
                       "it smaller, or remove it",
                       path, kind, (unsigned long long)width, (unsigned long long)height,
                       CO_IMAGE_PIXELS_MAX / 1000000);
    }
    return CO_OK;
}

/* ---- EXIF: an entry of the first directory of a TIFF file ---- */

enum {
    TIFF_HEAD = 8,
    TIFF_ENTRY = 12,
    TAG_ORIENTATION = 0x0112,
    TYPE_SHORT = 3,
    ORIENTATIONS = 8,
};

static uint32_t number(const uint8_t *at, int bytes, bool little)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value = value << 8 | at[little ? bytes - 1 - i : i];
    }
    return value;
}

int co_exif_orientation(const uint8_t *tiff, size_t size)
{
    if (size < TIFF_HEAD + 2 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) {
        return 1;
    }
    bool little = tiff[0] == 'I';
    size_t at = number(tiff + 4, 4, little);
    if (number(tiff + 2, 2, little) != 42 || at > size - 2) {
        return 1;
    }
    uint32_t entries = number(tiff + at, 2, little);
    at += 2;
    for (uint32_t i = 0; i < entries && size - at >= TIFF_ENTRY; i++, at += TIFF_ENTRY) {
        if (number(tiff + at, 2, little) == TAG_ORIENTATION &&
            number(tiff + at + 2, 2, little) == TYPE_SHORT) {
            uint32_t value = number(tiff + at + 8, 2, little);
            return value >= 1 && value <= ORIENTATIONS ? (int)value : 1;
        }
    }
    return 1;
}
