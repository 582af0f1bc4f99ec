#include "data/crc32.h"

#include <string.h>

void co_crc32_init(co_crc32_table *table)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t word = byte;
        for (int bit = 0; bit < 8; bit++) {
            word = (word >> 1) ^ (0xEDB88320u & (0u - (word & 1u)));
        }
        table->word[0][byte] = word;
    }
    /* word[k][b]: the effect of byte b when k more bytes follow it. */
    for (int slice = 1; slice < CO_CRC32_SLICES; slice++) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t before = table->word[slice - 1][byte];
            table->word[slice][byte] = (before >> 8) ^ table->word[0][before & 0xFFu];
        }
    }
}

static uint32_t load_le32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/* Four bytes of which the last has `slice` bytes of the group after it. */
static inline uint32_t fold(const co_crc32_table *table, int slice, uint32_t word)
{
    return table->word[slice + 3][word & 0xFFu] ^ table->word[slice + 2][(word >> 8) & 0xFFu] ^
           table->word[slice + 1][(word >> 16) & 0xFFu] ^ table->word[slice][word >> 24];
}

uint32_t co_crc32_add(const co_crc32_table *table, uint32_t crc, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    crc = ~crc;
    for (; count >= CO_CRC32_SLICES; count -= CO_CRC32_SLICES, at += CO_CRC32_SLICES) {
        crc = fold(table, 12, crc ^ load_le32(at)) ^ fold(table, 8, load_le32(at + 4)) ^
              fold(table, 4, load_le32(at + 8)) ^ fold(table, 0, load_le32(at + 12));
    }
    for (; count > 0; count--, at++) {
        crc = (crc >> 8) ^ table->word[0][(crc ^ *at) & 0xFFu];
    }
    return ~crc;
}
