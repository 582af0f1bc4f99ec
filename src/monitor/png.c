#include "monitor/png.h"

#include <spng.h>

#include "base/alloc.h"

/* (channels, height, width) to (height, width, channels) */
static void interleave(const uint8_t *pixels, uint32_t channels, size_t plane, uint8_t *out)
{
    for (size_t i = 0; i < plane; i++) {
        for (uint32_t c = 0; c < channels; c++) {
            *out++ = pixels[c * plane + i];
        }
    }
}

static int encode(spng_ctx *png, struct spng_ihdr *head, const void *pixels, size_t size,
                  void **out, size_t *bytes)
{
    (void)spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
    (void)spng_set_option(png, SPNG_FILTER_CHOICE, SPNG_DISABLE_FILTERING); /* as it is small */
    int code = spng_set_ihdr(png, head);
    if (code == 0) {
        code = spng_encode_image(png, pixels, size, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    }
    if (code == 0) {
        *out = spng_get_png_buffer(png, bytes, &code);
    }
    return code;
}

co_status co_png_encode(const uint8_t *pixels, uint32_t channels, uint32_t height, uint32_t width,
                        void **out, size_t *bytes, co_error *err)
{
    size_t plane = (size_t)height * width;
    void *block = NULL;
    CO_TRY(co_alloc(plane, channels, "picture", &block, err));
    interleave(pixels, channels, plane, block);
    struct spng_ihdr head = {
        .width = width,
        .height = height,
        .bit_depth = 8,
        .color_type = channels == 3 ? SPNG_COLOR_TYPE_TRUECOLOR : SPNG_COLOR_TYPE_GRAYSCALE,
    };
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    int code = png == NULL ? SPNG_EMEM : encode(png, &head, block, plane * channels, out, bytes);
    spng_ctx_free(png);
    co_free(block);
    return code == 0 ? CO_OK : co_fail(err, CO_MEMORY, "picture: %s", spng_strerror(code));
}
