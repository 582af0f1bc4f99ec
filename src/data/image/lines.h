/* Lists of images, line by line: Tiny ImageNet's wnids.txt and val_annotations.txt, and the subset
 * lists of ImageNet100 ("train/n01440764/x.JPEG 0"). */
#ifndef CO_DATA_IMAGE_LINES_H
#define CO_DATA_IMAGE_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

enum { CO_LINE_FIELD_MAX = 1024 };

typedef enum co_line_kind {
    CO_LINES_WORDS,       /* one word: wnids.txt */
    CO_LINES_ANNOTATIONS, /* file, class, box, separated by tabs; the box is not needed */
    CO_LINES_LABELLED,    /* path and number, separated by blanks */
} co_line_kind;

/* A cursor over a text that is borrowed. */
typedef struct co_lines {
    const char *name; /* of the file, for messages */
    const char *text;
    size_t size;
    size_t at;
    int line; /* the one that was read last, from 1 */
    co_line_kind kind;
} co_lines;

typedef struct co_line {
    char file[CO_LINE_FIELD_MAX];  /* WORDS: the word */
    char label[CO_LINE_FIELD_MAX]; /* ANNOTATIONS: the class */
    int number;                    /* LABELLED: 0 to 65535 */
    int line;
} co_line;

/* The next line that is not empty; *more = false after the last. CO_DATA names file and line; the
 * call after that goes on behind the bad line. A path that begins with '/' or has a '..' is
 * refused. */
CO_MUST_CHECK co_status co_lines_next(co_lines *lines, bool *more, co_line *out, co_error *err);

#endif
