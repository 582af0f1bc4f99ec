/* A curve drawn with characters: braille dots (2 x 4 to a character) or, without UTF-8, marks
 * in two half rows (private to monitor/). Lives on its user's stack.
 */
#ifndef CO_MONITOR_PLOT_H
#define CO_MONITOR_PLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

#define CO_PLOT_COLUMNS_MAX 120
#define CO_PLOT_ROWS_MAX    16

typedef struct co_plot {
    unsigned columns; /* characters, 1 to CO_PLOT_COLUMNS_MAX */
    unsigned rows;    /* characters, 1 to CO_PLOT_ROWS_MAX */
    bool utf8;
    bool color;
    double low; /* the value of the lowest dots ... */
    double high;
    unsigned char dots[CO_PLOT_ROWS_MAX][CO_PLOT_COLUMNS_MAX];
    bool marks[CO_PLOT_ROWS_MAX][CO_PLOT_COLUMNS_MAX];
} co_plot;

/* The line through `count` values spread evenly over the width; those not finite leave a gap. */
void co_plot_line(co_plot *plot, const double *values, size_t count);
/* A point at x in 0..1. */
void co_plot_mark(co_plot *plot, double x, double value);
/* One row of characters, the top one being 0: exactly `columns` columns wide. */
void co_plot_row(const co_plot *plot, unsigned row, co_text *text);

#endif
