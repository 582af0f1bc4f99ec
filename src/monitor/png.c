#include "monitor/png.h"

#include <string.h>

enum {
    SIGNATURE_BYTES = 8,
    CHUNK_BYTES = 12, /* length, type, checksum */
    HEADER_BYTES = 13,
    ZLIB_BYTES = 6,     /* two before, Adler-32 after */
    STORED_MAX = 65535, /* bytes in a stored block */
    STORED_BYTES = 5,   /* before each */
    ADLER_MODULUS = 65521u,
};

/* The rows, each after the number of its filter (0: none). */
static size_t raw_bytes(uint32_t channels, uint32_t height, uint32_t width)
{
    return (size_t)height * ((size_t)channels * width + 1);
}

static size_t data_bytes(size_t raw)
{
    size_t blocks = (raw + STORED_MAX - 1) / STORED_MAX;
    return ZLIB_BYTES + raw + STORED_BYTES * blocks;
}

size_t co_png_bytes(uint32_t channels, uint32_t height, uint32_t width)
{
    return SIGNATURE_BYTES + 3 * CHUNK_BYTES + HEADER_BYTES +
           data_bytes(raw_bytes(channels, height, width));
}

static uint8_t *put_big_endian(uint8_t *out, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        *out++ = (uint8_t)(value >> shift);
    }
    return out;
}

static uint8_t *begin_chunk(uint8_t *out, size_t bytes, const char *type)
{
    out = put_big_endian(out, (uint32_t)bytes);
    memcpy(out, type, 4);
    return out + 4;
}

/* `bytes` of data lie before `end`, after the type. */
static uint8_t *end_chunk(const co_crc32_table *crc, uint8_t *end, size_t bytes)
{
    return put_big_endian(end, co_crc32_add(crc, 0, end - bytes - 4, bytes + 4));
}

/* What goes into the stored blocks, byte by byte. */
typedef struct stream {
    uint8_t *out;
    size_t left; /* bytes of the image that are still to come */
    size_t room; /* in the block */
    uint32_t a;  /* Adler-32 */
    uint32_t b;
} stream;

static void put(stream *s, uint8_t byte)
{
    if (s->room == 0) {
        uint16_t bytes = (uint16_t)(s->left < STORED_MAX ? s->left : STORED_MAX);
        *s->out++ = s->left <= STORED_MAX; /* the last one; stored */
        *s->out++ = (uint8_t)bytes;
        *s->out++ = (uint8_t)(bytes >> 8);
        *s->out++ = (uint8_t)~bytes;
        *s->out++ = (uint8_t)(~bytes >> 8);
        s->room = bytes;
    }
    *s->out++ = byte;
    s->room--;
    s->left--;
    s->a = (s->a + byte) % ADLER_MODULUS;
    s->b = (s->b + s->a) % ADLER_MODULUS;
}

static uint8_t *put_data(const uint8_t *pixels, uint32_t channels, uint32_t height, uint32_t width,
                         uint8_t *out)
{
    size_t plane = (size_t)height * width;
    *out++ = 0x78; /* deflate, window of 32 KiB */
    *out++ = 0x01;
    stream s = {.out = out, .left = raw_bytes(channels, height, width), .a = 1};
    for (size_t y = 0; y < height; y++) {
        put(&s, 0);
        for (size_t x = 0; x < width; x++) {
            for (size_t c = 0; c < channels; c++) {
                put(&s, pixels[c * plane + y * width + x]);
            }
        }
    }
    return put_big_endian(s.out, s.b << 16 | s.a);
}

void co_png_write(const co_crc32_table *crc, const uint8_t *pixels, uint32_t channels,
                  uint32_t height, uint32_t width, uint8_t *out)
{
    static const uint8_t signature[SIGNATURE_BYTES] = {137, 'P', 'N', 'G', 13, 10, 26, 10};
    size_t data = data_bytes(raw_bytes(channels, height, width));
    memcpy(out, signature, sizeof(signature));
    out = begin_chunk(out + sizeof(signature), HEADER_BYTES, "IHDR");
    out = put_big_endian(out, width);
    out = put_big_endian(out, height);
    const uint8_t rest[] = {8, channels == 3 ? 2 : 0, 0, 0, 0}; /* bits, colour, methods */
    memcpy(out, rest, sizeof(rest));
    out = end_chunk(crc, out + sizeof(rest), HEADER_BYTES);
    out = begin_chunk(out, data, "IDAT");
    out = put_data(pixels, channels, height, width, out);
    out = end_chunk(crc, out, data);
    out = begin_chunk(out, 0, "IEND");
    (void)end_chunk(crc, out, 0);
}
