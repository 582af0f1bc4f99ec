/* Pictures drawn by gnuplot, where it is installed. */
#ifndef CO_CLI_GNUPLOT_H
#define CO_CLI_GNUPLOT_H

#include <stdio.h>

#include "base/status.h"

/* A text in gnuplot's single quotes, where only the quote itself is special. */
void co_gnuplot_quoted(FILE *script, const char *text);
/* "set terminal" and "set output" for a .svg, or else a PNG. */
void co_gnuplot_output(FILE *script, const char *path, const char *size);
/* Runs gnuplot on what `put` writes. CO_UNSUPPORTED where there is none. */
CO_MUST_CHECK co_status co_gnuplot_draw(void (*put)(FILE *script, const void *arg), const void *arg,
                                        const char *path, co_error *err);

#endif
