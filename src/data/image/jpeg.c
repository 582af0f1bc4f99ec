#include "data/image/jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "base/alloc.h"

enum {
    EXIF_MARKER = JPEG_APP0 + 1,
    MARKER_BYTES_MAX = 0xFFFF,
    LIBRARY_BYTES = 128 * 1024, /* tables, and some rows of an image */
    EXIF_NAME_BYTES = 6,        /* "Exif\0\0" before the TIFF header */
    CMYK_CHANNELS = 4,
    SCANS_MAX = 256, /* of a progressive file; each costs a pass over the whole image */
    BYTE_MAX = 255,
};

struct co_jpeg {
    struct jpeg_decompress_struct state; /* first: libjpeg hands it back */
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape; /* out of libjpeg, which knows no other way */
    const char *path;
    size_t size;
    size_t fault_at; /* byte of the file */
    char fault[JMSG_LENGTH_MAX];
    bool no_memory;
    size_t bytes; /* of the largest image in several scans */
};

bool co_jpeg_is(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

/* ---- what libjpeg calls ---- */

static void keep_fault(co_jpeg *jpeg)
{
    const struct jpeg_source_mgr *source = jpeg->state.src;
    size_t left = source != NULL ? source->bytes_in_buffer : 0;
    jpeg->fault_at = left <= jpeg->size ? jpeg->size - left : 0;
    if (jpeg->errors.msg_code == JWRN_JPEG_EOF) {
        jpeg->fault_at = jpeg->size; /* what was read ahead is not counted yet */
    }
    jpeg->errors.format_message((j_common_ptr)&jpeg->state, jpeg->fault);
}

_Noreturn static void on_error(j_common_ptr state)
{
    co_jpeg *jpeg = (co_jpeg *)state;
    jpeg->no_memory = state->err->msg_code == JERR_OUT_OF_MEMORY;
    keep_fault(jpeg);
    longjmp(jpeg->escape, 1);
}

/* libjpeg goes on after damage and makes up what is missing; a sample that is half invented is
 * worse than none. Oddities without loss stay warnings. */
static void on_message(j_common_ptr state, int level)
{
    static const int losses[] = {JWRN_JPEG_EOF, JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE,
                                 JWRN_ARITH_BAD_CODE, JWRN_MUST_RESYNC};
    if (level >= 0) {
        return;
    }
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        if (state->err->msg_code == losses[i]) {
            on_error(state);
        }
    }
}

static void on_output(j_common_ptr state)
{
    (void)state; /* a library prints nothing */
}

static void on_progress(j_common_ptr state)
{
    co_jpeg *jpeg = (co_jpeg *)state;
    if (jpeg->state.input_scan_number > SCANS_MAX) {
        snprintf(jpeg->fault, sizeof(jpeg->fault), "more than %d scans", SCANS_MAX);
        jpeg->fault_at = jpeg->size - jpeg->state.src->bytes_in_buffer;
        longjmp(jpeg->escape, 1);
    }
}

/* ---- life ---- */

co_status co_jpeg_create(co_jpeg **out, co_error *err)
{
    void *block = NULL;
    CO_TRY(co_alloc(1, sizeof(co_jpeg), "JPEG reader", &block, err));
    co_jpeg *jpeg = block;
    jpeg->state.err = jpeg_std_error(&jpeg->errors);
    jpeg->errors.error_exit = on_error;
    jpeg->errors.emit_message = on_message;
    jpeg->errors.output_message = on_output;
    jpeg->progress.progress_monitor = on_progress;
    if (setjmp(jpeg->escape) != 0) {
        co_status status = co_fail(err, CO_MEMORY, "JPEG reader: %s", jpeg->fault);
        co_free(jpeg);
        return status;
    }
    jpeg_create_decompress(&jpeg->state);
    jpeg->state.progress = &jpeg->progress;
    jpeg_save_markers(&jpeg->state, EXIF_MARKER, MARKER_BYTES_MAX);
    *out = jpeg;
    return CO_OK;
}

void co_jpeg_destroy(co_jpeg *jpeg)
{
    if (jpeg != NULL) {
        jpeg_destroy_decompress(&jpeg->state);
        co_free(jpeg);
    }
}

size_t co_jpeg_bytes(const co_jpeg *jpeg)
{
    return sizeof(*jpeg) + LIBRARY_BYTES + jpeg->bytes;
}

/* Of an image in several scans all coefficients are kept until the last one. */
static void note_bytes(co_jpeg *jpeg)
{
    const struct jpeg_decompress_struct *state = &jpeg->state;
    size_t blocks = 0;
    for (int c = 0; c < state->num_components; c++) {
        const jpeg_component_info *part = &state->comp_info[c];
        blocks += (size_t)part->width_in_blocks * part->height_in_blocks;
    }
    if (jpeg_has_multiple_scans(&jpeg->state)) {
        size_t bytes = blocks * sizeof(JBLOCK);
        jpeg->bytes = bytes > jpeg->bytes ? bytes : jpeg->bytes;
    }
}

static co_status fault(co_jpeg *jpeg, co_error *err)
{
    co_status status = co_fail(err, jpeg->no_memory ? CO_MEMORY : CO_DATA,
                               "%s: byte %zu: the JPEG is damaged or cut off: %s", jpeg->path,
                               jpeg->fault_at, jpeg->fault);
    jpeg->no_memory = false;
    jpeg_abort_decompress(&jpeg->state);
    return status;
}

/* ---- header ---- */

static int orientation_of(const struct jpeg_decompress_struct *state)
{
    for (jpeg_saved_marker_ptr marker = state->marker_list; marker != NULL; marker = marker->next) {
        if (marker->marker == EXIF_MARKER && marker->data_length > EXIF_NAME_BYTES &&
            memcmp(marker->data, "Exif\0", EXIF_NAME_BYTES) == 0) {
            return co_exif_orientation(marker->data + EXIF_NAME_BYTES,
                                       marker->data_length - EXIF_NAME_BYTES);
        }
    }
    return 1;
}

co_status co_jpeg_head(co_jpeg *jpeg, const co_image_file *file, co_image_head *out, co_error *err)
{
    jpeg_abort_decompress(&jpeg->state); /* what an earlier image left */
    jpeg->path = file->path;
    jpeg->size = file->size;
    if (setjmp(jpeg->escape) != 0) {
        return fault(jpeg, err);
    }
    jpeg_mem_src(&jpeg->state, file->bytes, file->size);
    (void)jpeg_read_header(&jpeg->state, TRUE);
    CO_TRY(co_image_head_check(file->path, "JPEG", jpeg->state.image_width,
                               jpeg->state.image_height, err));
    out->width = (int)jpeg->state.image_width;
    out->height = (int)jpeg->state.image_height;
    out->orientation = orientation_of(&jpeg->state);
    return CO_OK;
}

/* ---- pixels ---- */

static co_status choose_colours(struct jpeg_decompress_struct *state, const char *path,
                                co_error *err)
{
    switch (state->jpeg_color_space) {
    case JCS_GRAYSCALE:
        state->out_color_space = JCS_GRAYSCALE;
        return CO_OK;
    case JCS_RGB:
    case JCS_YCbCr:
        state->out_color_space = JCS_RGB;
        return CO_OK;
    case JCS_CMYK:
    case JCS_YCCK:
        state->out_color_space = JCS_CMYK;
        return CO_OK;
    default:
        return co_fail(
            err, CO_DATA,
            "%s: is a JPEG of %d colour components of unknown meaning; grey, RGB, YCbCr, "
            "CMYK and YCCK can be read",
            path, state->num_components);
    }
}

/* Printers' colours as screens show them: every ink takes its share of the light. The files that
 * are about are Adobe's, which store the light that is left instead of the ink; PIL takes all for
 * such. */
static void cmyk_to_rgb(const uint8_t *in, int count, uint8_t *out)
{
    for (int i = 0; i < count; i++, in += CMYK_CHANNELS, out += 3) {
        for (int c = 0; c < 3; c++) {
            out[c] = (uint8_t)((in[c] * in[3] + BYTE_MAX / 2) / BYTE_MAX);
        }
    }
}

/* A column more on both sides: fancy upsampling of the colours looks one further. */
static void crop_columns(struct jpeg_decompress_struct *state, const co_image_rect *wanted,
                         co_image_rect *got)
{
    int width = (int)state->output_width;
    int left = wanted->left > 1 ? wanted->left - 2 : 0;
    int right = wanted->left + wanted->width + 2;
    right = right < width ? right : width;
    JDIMENSION first = (JDIMENSION)left;
    JDIMENSION count = (JDIMENSION)(right - left);
    if (left > 0 || right < width) {
        jpeg_crop_scanline(state, &first, &count);
    }
    got->left = (int)first;
    got->width = (int)count;
}

static void read_rows(co_jpeg *jpeg, const co_image_rect *got, co_image_pixels *pixels)
{
    struct jpeg_decompress_struct *state = &jpeg->state;
    bool cmyk = state->out_color_space == JCS_CMYK;
    size_t stride = (size_t)got->width * (size_t)pixels->channels;
    uint8_t *inks = pixels->data + stride * (size_t)got->height; /* a row behind the image */
    if (got->top > 0) {
        (void)jpeg_skip_scanlines(state, (JDIMENSION)got->top);
    }
    for (int y = 0; y < got->height; y++) {
        JSAMPROW row = cmyk ? inks : pixels->data + stride * (size_t)y;
        (void)jpeg_read_scanlines(state, &row, 1);
        if (cmyk) {
            cmyk_to_rgb(inks, got->width, pixels->data + stride * (size_t)y);
        }
    }
}

co_status co_jpeg_decode(co_jpeg *jpeg, const co_image_rect *wanted, int reduce,
                         co_image_pixels *pixels, co_image_rect *got, co_error *err)
{
    struct jpeg_decompress_struct *state = &jpeg->state;
    CO_TRY(choose_colours(state, jpeg->path, err));
    if (setjmp(jpeg->escape) != 0) {
        return fault(jpeg, err);
    }
    state->scale_num = 1;
    state->scale_denom = (unsigned)reduce;
    state->dct_method = JDCT_ISLOW;
    (void)jpeg_start_decompress(state);
    note_bytes(jpeg);
    got->top = wanted->top;
    got->height = wanted->height;
    crop_columns(state, wanted, got);
    bool cmyk = state->out_color_space == JCS_CMYK;
    int channels = cmyk ? 3 : state->output_components;
    size_t extra = cmyk ? (size_t)got->width * CMYK_CHANNELS : 0;
    CO_TRY(co_image_pixels_shape(pixels, got->width, got->height, channels, extra, err));
    read_rows(jpeg, got, pixels);
    if (state->output_scanline == state->output_height) {
        (void)jpeg_finish_decompress(state); /* tells of what is missing at the end */
    } else {
        jpeg_abort_decompress(state);
    }
    return CO_OK;
}
