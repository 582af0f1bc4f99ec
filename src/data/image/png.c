#include "data/image/png.h"

#include <string.h>

#include <spng.h>

enum { CHUNK_BYTES_MAX = 1 << 24, CHUNKS_BYTES_MAX = 1 << 25 };

bool co_png_is(const uint8_t *bytes, size_t size)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    return size >= sizeof(signature) && memcmp(bytes, signature, sizeof(signature)) == 0;
}

static co_status fault(const co_image_file *file, int code, co_error *err)
{
    return co_fail(err, code == SPNG_EMEM ? CO_MEMORY : CO_DATA,
                   "%s: the PNG is damaged or cut off: %s", file->path, spng_strerror(code));
}

static co_status open_file(const co_image_file *file, spng_ctx **out, struct spng_ihdr *head,
                           co_error *err)
{
    spng_ctx *png = spng_ctx_new(0);
    if (png == NULL) {
        return co_fail(err, CO_MEMORY, "%s: no memory to decode it", file->path);
    }
    co_status status = CO_OK;
    (void)spng_set_chunk_limits(png, CHUNK_BYTES_MAX, CHUNKS_BYTES_MAX);
    int code = spng_set_png_buffer(png, file->bytes, file->size);
    code = code == 0 ? spng_get_ihdr(png, head) : code;
    if (code != 0) {
        status = fault(file, code, err);
    } else {
        status = co_image_head_check(file->path, "PNG", head->width, head->height, err);
    }
    if (status != CO_OK) {
        spng_ctx_free(png);
        return status;
    }
    *out = png;
    return CO_OK;
}

co_status co_png_head(const co_image_file *file, co_image_head *out, co_error *err)
{
    spng_ctx *png = NULL;
    struct spng_ihdr head;
    struct spng_exif exif;
    CO_TRY(open_file(file, &png, &head, err));
    out->width = (int)head.width;
    out->height = (int)head.height;
    out->orientation = 1;
    if (spng_get_exif(png, &exif) == 0) {
        out->orientation = co_exif_orientation((const uint8_t *)exif.data, exif.length);
    }
    spng_ctx_free(png);
    return CO_OK;
}

co_status co_png_decode(const co_image_file *file, co_image_pixels *pixels, co_error *err)
{
    spng_ctx *png = NULL;
    struct spng_ihdr head;
    CO_TRY(open_file(file, &png, &head, err));
    co_status status = co_image_pixels_shape(pixels, (int)head.width, (int)head.height, 3, 0, err);
    if (status == CO_OK) {
        size_t bytes = (size_t)head.width * head.height * 3;
        int code = spng_decode_image(png, pixels->data, bytes, SPNG_FMT_RGB8, 0);
        status = code == 0 ? CO_OK : fault(file, code, err);
    }
    spng_ctx_free(png);
    return status;
}
