/* Draws the images of the data set `glyphs`: 28 x 28 grey images of the ten digits.
 *
 * A digit is a few strokes (polylines and smooth curves); its points are jittered, mapped by a
 * random affine map, drawn with a random thickness and ink over faint lines, and noise is added.
 * An image is a pure function of (split, index): Philox, stream GLYPHS, under a seed that is part
 * of the data set and not of a run. Only additions, multiplications, divisions and square roots of
 * floats are used, which IEEE 754 rounds exactly, so that every compiler gives the same bytes.
 * Any thread may call.
 */
#ifndef CO_DATA_GLYPHS_DRAW_H
#define CO_DATA_GLYPHS_DRAW_H

#include <stdint.h>

enum { CO_GLYPH_SIDE = 28, CO_GLYPH_BYTES = CO_GLYPH_SIDE * CO_GLYPH_SIDE, CO_GLYPH_CLASSES = 10 };

/* Of `count` samples (a multiple of 10): each ten in a row have every digit once. */
void co_glyph_labels(uint32_t split, uint32_t count, int32_t *labels);

/* pixels: (28, 28), 0 = background. */
void co_glyph_draw(uint32_t split, uint32_t index, int digit, uint8_t *pixels);

#endif
