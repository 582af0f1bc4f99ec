/* Tables like NT3's, for tests and for who has no access to the real ones: the same two CSV files
 * with any number of rows and columns. Not gene expression: every value is drawn.
 *
 * Each column has a level and a spread of its own; in one of four, tumor rows lie two spreads
 * higher (three times of four) or lower. Nothing is below 0. The files are a pure function of the
 * settings. One thread.
 */
#ifndef CO_DATA_NT3_DRAW_H
#define CO_DATA_NT3_DRAW_H

#include <stdint.h>

#include "base/status.h"

enum { CO_NT3_SAMPLES_MIN = 10 };

typedef struct co_nt3_drawing {
    uint32_t samples;  /* of both files, >= CO_NT3_SAMPLES_MIN; a fifth of them are test rows */
    uint32_t features; /* >= 1 */
    uint64_t seed;
} co_nt3_drawing;

/* Rows of the two files: train, test. */
void co_nt3_drawn_samples(uint32_t samples, uint32_t out[2]);

/* Writes nt_train2.csv and nt_test2.csv into the folder, which is made when it is not there. Fails
 * with CO_FILE when one of them is there already. */
CO_MUST_CHECK co_status co_nt3_draw(const char *dir, const co_nt3_drawing *drawing, co_error *err);

#endif
