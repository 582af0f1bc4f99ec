/* An image as a PNG file in memory, without compression (private to monitor/): RFC 2083, 1950,
 * 1951. Small pictures need no library. */
#ifndef CO_MONITOR_PNG_H
#define CO_MONITOR_PNG_H

#include <stddef.h>
#include <stdint.h>

#include "data/crc32.h"

/* Bytes of the file; channels: 1 or 3. */
size_t co_png_bytes(uint32_t channels, uint32_t height, uint32_t width);
/* pixels: (channels, height, width). Writes co_png_bytes to `out`. */
void co_png_write(const co_crc32_table *crc, const uint8_t *pixels, uint32_t channels,
                  uint32_t height, uint32_t width, uint8_t *out);

#endif
