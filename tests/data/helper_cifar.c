#include "data/helper_cifar.h"

#include <stdio.h>
#include <string.h>

#include "base/rng.h"

enum { TAR_BLOCK = 512 };

idx_image cifar_build(int labels, uint32_t records, uint32_t seed)
{
    size_t record = (size_t)labels + CIFAR_PIXELS;
    idx_image image = {.bytes = malloc(records * record), .size = records * record};
    assert_non_null(image.bytes);
    co_rng rng = co_rng_at(&(co_rng_key){.seed = seed, .stream = CO_STREAM_TEST});
    for (uint32_t i = 0; i < records; i++) {
        uint8_t *at = image.bytes + i * record;
        at[0] = (uint8_t)(labels == 1 ? (i + seed) % 10 : i % 20);
        at[labels - 1] = labels == 1 ? at[0] : (uint8_t)((i * 7 + seed) % 100);
        for (int k = 0; k < CIFAR_PIXELS; k++) {
            at[labels + k] = (uint8_t)co_rng_below(&rng, 256);
        }
    }
    return image;
}

/* The ustar header: octal numbers in text, a checksum over all bytes with its own field blank. */
static void put_header(uint8_t *at, const tar_member *member)
{
    unsigned sum = 0;
    uint64_t size = member->promised != 0 ? member->promised : member->size;
    (void)snprintf((char *)at, 100, "%s", member->path);
    memcpy(at + 100, "0000644\0000000000\0000000000", 24);
    (void)snprintf((char *)at + 124, 12, "%011llo", (unsigned long long)size);
    memcpy(at + 136, "00000000000", 12);
    memset(at + 148, ' ', 8);
    at[156] = (uint8_t)member->kind;
    if (member->kind == '2') {
        memcpy(at + 157, "elsewhere", 9);
    }
    memcpy(at + 257, "ustar\00000", 8);
    for (int i = 0; i < TAR_BLOCK; i++) {
        sum += at[i];
    }
    (void)snprintf((char *)at + 148, 8, "%06o", sum);
}

idx_image tar_build(const tar_member *members)
{
    idx_image image = {.bytes = calloc(1, 64), .size = 0};
    for (const tar_member *member = members;; member++) {
        size_t body = member->path == NULL ? TAR_BLOCK : (member->size + 511) / 512 * 512;
        image.bytes = realloc(image.bytes, image.size + TAR_BLOCK + body);
        assert_non_null(image.bytes);
        uint8_t *at = image.bytes + image.size;
        memset(at, 0, TAR_BLOCK + body);
        image.size += TAR_BLOCK + body;
        if (member->path == NULL) { /* the end: two blocks of zeros */
            return image;
        }
        put_header(at, member);
        if (member->size > 0) {
            memcpy(at + TAR_BLOCK, member->bytes, member->size);
        }
    }
}
