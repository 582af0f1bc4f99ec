#include "data/image/lines.h"

#include <stdlib.h>
#include <string.h>

enum { LABEL_MAX = 65535, LABEL_DIGITS = 5 };

/* A part of a line. */
typedef struct piece {
    const char *text;
    size_t length;
} piece;

static co_status bad_line(const co_lines *lines, const char *why, co_error *err)
{
    return co_fail(err, CO_DATA, "%s: line %d: %s", lines->name, lines->line, why);
}

static co_status take_field(const co_lines *lines, piece from, char *out, co_error *err)
{
    if (from.length == 0) {
        return bad_line(lines, "an empty field", err);
    }
    if (from.length >= CO_LINE_FIELD_MAX) {
        return bad_line(lines, "a field is too long for a name", err);
    }
    if (memchr(from.text, '\0', from.length) != NULL) {
        return bad_line(lines, "has a zero byte: this is no text", err);
    }
    memcpy(out, from.text, from.length);
    out[from.length] = '\0';
    return CO_OK;
}

/* Nothing outside of the data set is read, whatever a list says. */
static bool path_is_safe(const char *path)
{
    if (path[0] == '/') {
        return false;
    }
    for (const char *at = path; at != NULL; at = strchr(at, '/')) {
        at += *at == '/';
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0')) {
            return false;
        }
    }
    return true;
}

static co_status take_path(const co_lines *lines, piece from, char *out, co_error *err)
{
    CO_TRY(take_field(lines, from, out, err));
    return path_is_safe(out)
               ? CO_OK
               : bad_line(lines, "a path that leads out of the data set is refused", err);
}

static co_status take_annotation(const co_lines *lines, piece line, co_line *out, co_error *err)
{
    const char *tab = memchr(line.text, '\t', line.length);
    if (tab == NULL) {
        return bad_line(lines, "has no tab; expected: file, class and box, separated by tabs", err);
    }
    piece first = {line.text, (size_t)(tab - line.text)};
    piece second = {tab + 1, line.length - first.length - 1};
    const char *end = memchr(second.text, '\t', second.length);
    second.length = end != NULL ? (size_t)(end - second.text) : second.length;
    CO_TRY(take_path(lines, first, out->file, err));
    return take_field(lines, second, out->label, err);
}

static co_status take_labelled(const co_lines *lines, piece line, co_line *out, co_error *err)
{
    size_t digits = 0;
    while (digits < line.length && line.text[line.length - 1 - digits] >= '0' &&
           line.text[line.length - 1 - digits] <= '9') {
        digits++;
    }
    size_t path = line.length - digits;
    bool apart = path > 0 && (line.text[path - 1] == ' ' || line.text[path - 1] == '\t');
    if (digits == 0 || !apart) {
        return bad_line(lines, "does not end in a label; expected: path, blank, number", err);
    }
    CO_TRY(take_field(lines, (piece){line.text + path, digits}, out->label, err));
    long number = digits <= LABEL_DIGITS ? strtol(out->label, NULL, 10) : LABEL_MAX + 1L;
    if (number > LABEL_MAX) {
        return bad_line(lines, "the label is above 65535", err);
    }
    while (path > 0 && (line.text[path - 1] == ' ' || line.text[path - 1] == '\t')) {
        path--;
    }
    out->number = (int)number;
    return take_path(lines, (piece){line.text, path}, out->file, err);
}

/* Without the line end, and without blanks at the end. */
static piece next_piece(co_lines *lines)
{
    const char *start = lines->text + lines->at;
    size_t left = lines->size - lines->at;
    const char *end = memchr(start, '\n', left);
    size_t length = end != NULL ? (size_t)(end - start) : left;
    lines->at += length + (end != NULL);
    lines->line++;
    while (length > 0 && strchr(" \t\r", start[length - 1]) != NULL && start[length - 1] != '\0') {
        length--;
    }
    return (piece){start, length};
}

co_status co_lines_next(co_lines *lines, bool *more, co_line *out, co_error *err)
{
    piece line = {0};
    while (line.length == 0 && lines->at < lines->size) {
        line = next_piece(lines);
    }
    *more = line.length > 0;
    if (!*more) {
        return CO_OK;
    }
    out->line = lines->line;
    switch (lines->kind) {
    case CO_LINES_ANNOTATIONS:
        return take_annotation(lines, line, out, err);
    case CO_LINES_LABELLED:
        return take_labelled(lines, line, out, err);
    case CO_LINES_WORDS:
        break;
    }
    return take_path(lines, line, out->file, err);
}
