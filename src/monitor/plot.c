#include "monitor/plot.h"

#include <math.h>

/* Dots of one character: braille has 2 x 4, ASCII 1 x 2. */
static unsigned dots_across(const co_plot *plot)
{
    return plot->utf8 ? 2 : 1;
}

static unsigned dots_down(const co_plot *plot)
{
    return plot->utf8 ? 4 : 2;
}

static void set_dot(co_plot *plot, unsigned x, unsigned y)
{
    /* Braille: dots 1-2-3-7 down the left column, 4-5-6-8 down the right. */
    static const unsigned char braille[4][2] = {
        {0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    unsigned char *cell = &plot->dots[y / dots_down(plot)][x / dots_across(plot)];
    if (plot->utf8) {
        *cell |= braille[y % 4][x % 2];
    } else {
        *cell |= (unsigned char)(1u << (y % 2));
    }
}

/* The dot row of a value: 0 is the top. */
static unsigned row_of(const co_plot *plot, double value)
{
    unsigned last = plot->rows * dots_down(plot) - 1;
    double range = plot->high - plot->low;
    double up = range > 0.0 ? (value - plot->low) / range : 0.5;
    up = up < 0.0 ? 0.0 : up > 1.0 ? 1.0 : up;
    return last - (unsigned)(up * (double)last + 0.5);
}

/* The value at dot column x: interpolated, or the mean where several values share a column. */
static double value_at(const double *values, size_t count, unsigned x, unsigned width)
{
    if (count <= width) {
        double position = count > 1 && width > 1
                              ? (double)x / (double)(width - 1) * (double)(count - 1)
                              : 0.0;
        size_t i = (size_t)position;
        double part = position - (double)i;
        return i + 1 < count ? values[i] + part * (values[i + 1] - values[i]) : values[count - 1];
    }
    size_t begin = count * x / width;
    size_t end = count * (x + 1) / width;
    double sum = 0.0;
    for (size_t i = begin; i < end; i++) {
        sum += values[i];
    }
    return sum / (double)(end - begin);
}

void co_plot_line(co_plot *plot, const double *values, size_t count)
{
    unsigned width = plot->columns * dots_across(plot);
    bool joined = false; /* to the column before */
    unsigned before = 0;
    for (unsigned x = 0; count > 0 && x < width; x++) {
        double value = value_at(values, count, x, width);
        if (!isfinite(value)) {
            joined = false;
            continue;
        }
        unsigned y = row_of(plot, value);
        unsigned from = joined ? (before < y ? before + 1 : before > y ? before - 1 : y) : y;
        for (unsigned i = from < y ? from : y; i <= (from < y ? y : from); i++) {
            set_dot(plot, x, i);
        }
        before = y;
        joined = true;
    }
}

void co_plot_mark(co_plot *plot, double x, double value)
{
    if (!isfinite(value) || !(x >= 0.0 && x <= 1.0)) {
        return;
    }
    unsigned column = (unsigned)(x * (double)(plot->columns - 1) + 0.5);
    plot->marks[row_of(plot, value) / dots_down(plot)][column] = true;
}

void co_plot_row(const co_plot *plot, unsigned row, co_text *text)
{
    static const char ascii[] = " '.:";
    for (unsigned column = 0; column < plot->columns; column++) {
        unsigned char dots = plot->dots[row][column];
        if (plot->marks[row][column]) {
            co_text_put(text, plot->color ? "\033[33m" : "");
            co_text_put(text, plot->utf8 ? "●" : "o");
            co_text_put(text, plot->color ? "\033[0m" : "");
        } else if (dots == 0) {
            co_text_put(text, " ");
        } else if (plot->utf8) {
            char character[4];
            size_t length = co_utf8_encode(0x2800u + dots, character);
            co_text_put(text, plot->color ? "\033[36m" : "");
            co_text_put_bytes(text, character, length);
            co_text_put(text, plot->color ? "\033[0m" : "");
        } else {
            co_text_put_bytes(text, &ascii[dots & 3], 1);
        }
    }
}
