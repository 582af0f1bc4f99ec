#include "data/helper_images.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>
#include <spng.h>

#include "base/rng.h"

enum { QUALITY = 90, NOISE = 9, PALETTE = 16 };

uint8_t *picture_pixels(const picture *of)
{
    int w = of->width;
    int h = of->height;
    uint8_t *pixels = malloc((size_t)w * (size_t)h * 3);
    assert_non_null(pixels);
    co_rng rng = co_rng_at(&(co_rng_key){.seed = of->seed, .stream = CO_STREAM_TEST});
    int cx = (int)co_rng_below(&rng, (uint32_t)w);
    int cy = (int)co_rng_below(&rng, (uint32_t)h);
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            int distance = (x - cx) * (x - cx) + (y - cy) * (y - cy);
            bool inside = distance * 9 < w * w;
            int noise = (int)co_rng_below(&rng, NOISE);
            uint8_t *at = pixels + ((size_t)y * (size_t)w + (size_t)x) * 3;
            at[0] = (uint8_t)(inside ? 200 + noise : 200 * x / w + noise);
            at[1] = (uint8_t)(inside ? 40 + noise : 200 * y / h + noise);
            at[2] = (uint8_t)((x * 5 + y * 3) % 200 + noise);
        }
    }
    return pixels;
}

static void begin_jpeg(const picture *of, struct jpeg_compress_struct *state)
{
    bool inks = of->form == PICTURE_CMYK || of->form == PICTURE_YCCK;
    state->image_width = (JDIMENSION)of->width;
    state->image_height = (JDIMENSION)of->height;
    state->input_components = inks ? 4 : of->form == PICTURE_GREY ? 1 : 3;
    state->in_color_space = inks ? JCS_CMYK : of->form == PICTURE_GREY ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(state);
    jpeg_set_quality(state, QUALITY, TRUE);
    if (of->form == PICTURE_YCCK) {
        jpeg_set_colorspace(state, JCS_YCCK);
    }
    if (of->form == PICTURE_FULL) {
        state->comp_info[0].h_samp_factor = state->comp_info[0].v_samp_factor = 1;
    }
    if (of->form == PICTURE_PROGRESSIVE) {
        jpeg_simple_progression(state);
    }
    jpeg_start_compress(state, TRUE);
    if (of->orientation > 0) {
        uint8_t exif[] = {'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1,
                          1,   18,  0,   3,   0, 0, 0,   1,   0, 0,  0, 0, 0, 0, 0, 0};
        exif[25] = (uint8_t)of->orientation;
        jpeg_write_marker(state, JPEG_APP0 + 1, exif, sizeof(exif));
    }
}

static void put_jpeg_row(const picture *of, const uint8_t *rgb, struct jpeg_compress_struct *state,
                         uint8_t *row)
{
    int channels = state->input_components;
    for (int x = 0; x < of->width; x++, rgb += 3) {
        uint8_t *at = row + (size_t)x * (size_t)channels;
        at[0] = rgb[0];
        for (int c = 1; c < channels; c++) {
            at[c] = c < 3 ? rgb[c] : (uint8_t)(255 - x % 128);
        }
    }
    JSAMPROW rows = row;
    assert_int_equal(jpeg_write_scanlines(state, &rows, 1), 1);
}

idx_image jpeg_build(const picture *of)
{
    struct jpeg_compress_struct state;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    uint8_t *pixels = picture_pixels(of);
    uint8_t *row = malloc((size_t)of->width * 4);
    assert_non_null(row);
    state.err = jpeg_std_error(&errors);
    jpeg_create_compress(&state);
    jpeg_mem_dest(&state, &bytes, &size);
    begin_jpeg(of, &state);
    for (int y = 0; y < of->height; y++) {
        put_jpeg_row(of, pixels + (size_t)y * (size_t)of->width * 3, &state, row);
    }
    jpeg_finish_compress(&state);
    jpeg_destroy_compress(&state);
    free(row);
    free(pixels);
    return (idx_image){.bytes = bytes, .size = size};
}

/* ---- PNG ---- */

/* The sample of one channel in `depth` bits; what is decoded from it: its upper 8 bits. */
static unsigned sample_of(uint8_t value, int depth)
{
    return depth == 16 ? value * 256u + 77u : (unsigned)value >> (8 - depth);
}

static uint8_t byte_of(unsigned sample, int depth)
{
    return (uint8_t)(depth == 16 ? sample >> 8 : sample * 255u / ((1u << depth) - 1));
}

static void put_sample(uint8_t *row, size_t index, int depth, unsigned sample)
{
    if (depth == 16) {
        row[2 * index] = (uint8_t)(sample & 255); /* of this machine: spng turns it around */
        row[2 * index + 1] = (uint8_t)(sample >> 8);
    } else if (depth == 8) {
        row[index] = (uint8_t)sample;
    } else {
        size_t per_byte = 8u / (unsigned)depth;
        unsigned shift = (unsigned)(8 - depth) - (unsigned)(index % per_byte) * (unsigned)depth;
        row[index / per_byte] |= (uint8_t)(sample << shift);
    }
}

/* One pixel, and what it must become. */
static void put_pixel(int colour, int depth, const uint8_t *in, size_t x, uint8_t *row,
                      uint8_t *rgb)
{
    static const int channels[] = {[0] = 1, [2] = 3, [3] = 1, [4] = 2, [6] = 4};
    if (colour == 3) {
        unsigned entry = in[0] % PALETTE % (1u << depth);
        put_sample(row, x, depth, entry);
        rgb[0] = (uint8_t)(entry * 15);
        rgb[1] = (uint8_t)(entry * 7);
        rgb[2] = (uint8_t)(255 - entry);
        return;
    }
    for (int c = 0; c < channels[colour]; c++) {
        bool alpha = (colour == 4 && c == 1) || c == 3;
        unsigned sample = sample_of(alpha ? (uint8_t)(x * 3) : in[c], depth);
        put_sample(row, x * (size_t)channels[colour] + (size_t)c, depth, sample);
        if (!alpha) {
            rgb[c] = byte_of(sample, depth);
        }
    }
    if (colour == 0 || colour == 4) {
        rgb[1] = rgb[2] = rgb[0];
    }
}

idx_image png_build(const picture *of, int colour, int depth, uint8_t *rgb)
{
    static const int channels[] = {[0] = 1, [2] = 3, [3] = 1, [4] = 2, [6] = 4};
    size_t w = (size_t)of->width;
    size_t h = (size_t)of->height;
    size_t row_bytes = (w * (size_t)channels[colour] * (size_t)depth + 7) / 8;
    uint8_t *pixels = picture_pixels(of);
    uint8_t *rows = calloc(h, row_bytes);
    uint8_t *expected = rgb != NULL ? rgb : malloc(w * h * 3);
    assert_non_null(rows);
    assert_non_null(expected);
    for (size_t i = 0; i < w * h; i++) {
        put_pixel(colour, depth, pixels + i * 3, i % w, rows + i / w * row_bytes, expected + i * 3);
    }
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    struct spng_ihdr head = {.width = (uint32_t)w,
                             .height = (uint32_t)h,
                             .bit_depth = (uint8_t)depth,
                             .color_type = (uint8_t)colour};
    struct spng_plte palette = {.n_entries = PALETTE};
    for (unsigned i = 0; i < PALETTE; i++) {
        palette.entries[i] = (struct spng_plte_entry){
            .red = (uint8_t)(i * 15), .green = (uint8_t)(i * 7), .blue = (uint8_t)(255 - i)};
    }
    palette.n_entries = 1u << depth < PALETTE ? 1u << depth : PALETTE;
    assert_int_equal(spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1), 0);
    assert_int_equal(spng_set_ihdr(png, &head), 0);
    if (colour == 3) {
        assert_int_equal(spng_set_plte(png, &palette), 0);
    }
    assert_int_equal(
        spng_encode_image(png, rows, h * row_bytes, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE), 0);
    int error = 0;
    size_t size = 0;
    void *bytes = spng_get_png_buffer(png, &size, &error);
    assert_non_null(bytes);
    spng_ctx_free(png);
    free(rows);
    free(pixels);
    if (rgb == NULL) {
        free(expected);
    }
    return (idx_image){.bytes = bytes, .size = size};
}

/* ---- folders ---- */

void make_folder(const char *dir, const char *name)
{
    char path[2 * HELPER_PATH];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    for (char *at = path + strlen(dir) + 1; *at != '\0'; at++) {
        if (*at == '/') {
            *at = '\0';
            (void)mkdir(path, 0755);
            *at = '/';
        }
    }
    assert_int_equal(mkdir(path, 0755), 0);
}

void put_pictures(const char *dir, const char *sub, int count, uint32_t seed)
{
    char name[HELPER_PATH];
    make_folder(dir, sub);
    for (int i = 0; i < count; i++) {
        const picture one = {.form = (picture_form)((seed + (uint32_t)i) % PICTURE_FORMS),
                             .width = 40 + 7 * i,
                             .height = 50 - i,
                             .seed = seed + (uint32_t)i};
        idx_image image = jpeg_build(&one);
        (void)snprintf(name, sizeof(name), "%s/p%02d.jpg", sub, i);
        put_bytes(dir, name, image.bytes, image.size);
        idx_free(&image);
    }
}

void cut_file(const char *dir, const char *name, size_t bytes)
{
    char path[2 * HELPER_PATH];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(truncate(path, (off_t)bytes), 0);
}
