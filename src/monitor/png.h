/* An image as a PNG file in memory (private to monitor/). */
#ifndef CO_MONITOR_PNG_H
#define CO_MONITOR_PNG_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* pixels: (channels, height, width), channels 1 or 3. *out, of *bytes bytes, is freed with free().
 */
CO_MUST_CHECK co_status co_png_encode(const uint8_t *pixels, uint32_t channels, uint32_t height,
                                      uint32_t width, void **out, size_t *bytes, co_error *err);

#endif
