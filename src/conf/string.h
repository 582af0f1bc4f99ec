/* Small text helpers of conf/: a growing buffer, scalars to and from text, names.
 *
 * A co_string starts zeroed; its first failure to grow is remembered and reported once by
 * co_string_take, so that writers need no check after every piece. The caller owns it and frees it
 * with co_string_free (or takes its content). No function here keeps state.
 */
#ifndef CO_CONF_STRING_H
#define CO_CONF_STRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct co_string {
    char *data; /* always terminated when not NULL */
    size_t length;
    size_t capacity;
    bool failed;
} co_string;

void co_string_free(co_string *text);
void co_string_add(co_string *text, const char *piece);
void co_string_add_bytes(co_string *text, const char *piece, size_t length);
void co_string_format(co_string *text, const char *format, ...) CO_PRINTF(2, 3);
/* Hands the content to the caller (freed by co_free; "" when nothing was added). */
CO_MUST_CHECK co_status co_string_take(co_string *text, char **out, co_error *err);

/* One scalar as YAML, quoted where YAML (block or flow) would read it otherwise. A `plain` text
 * stays without quotes when it can, so that numbers stay numbers; others are quoted when they
 * would look like a number, a truth value or null. */
void co_string_add_scalar(co_string *text, const char *value, bool plain);

/* The whole text must be the value. Decimal only; no inf, nan or hexadecimal. */
bool co_parse_double(const char *text, double *out);
bool co_parse_int64(const char *text, int64_t *out);
bool co_parse_uint64(const char *text, uint64_t *out);
/* true, yes, on, 1 / false, no, off, 0 in any case. */
bool co_parse_bool(const char *text, bool *out);
/* The shortest decimal that reads back to the same value. */
void co_format_double(double value, char buffer[32]);
bool co_is_null_text(const char *text);
bool co_is_utf8(const char *text, size_t length);

/* Names: '-' and '_' are the same. */
bool co_same_name(const char *a, const char *b);
/* Like co_same_name, and upper and lower case are the same too. */
bool co_same_word(const char *a, const char *b);
/* Likewise, and '-' and '_' do not count: names of data sets (tiny-imagenet, TinyImageNet). */
bool co_same_letters(const char *a, const char *b);
/* Copies with every '_' as '-' (cut at size - 1). */
void co_dashed(const char *name, char *buffer, size_t size);
/* Is `name` one of the words in `list`, which are separated by commas and spaces? */
bool co_in_list(const char *list, const char *name);

#endif
