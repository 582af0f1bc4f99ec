/* CRC-32 as gzip uses it (ISO 3309, polynomial 0xEDB88320): libarchive unpacks gzip files without
 * comparing their checksum, so the reader does. Pure functions; any thread may call. */
#ifndef CO_DATA_CRC32_H
#define CO_DATA_CRC32_H

#include <stddef.h>
#include <stdint.h>

enum { CO_CRC32_SLICES = 16 };

/* 16 KiB, filled by its user in a few microseconds. */
typedef struct co_crc32_table {
    uint32_t word[CO_CRC32_SLICES][256];
} co_crc32_table;

void co_crc32_init(co_crc32_table *table);
/* crc: 0 at the start, then the value returned for the bytes before. */
uint32_t co_crc32_add(const co_crc32_table *table, uint32_t crc, const void *bytes, size_t count);

#endif
