/* Text: a bounded buffer to append to, JSON pieces, UTF-8, sizes and durations for people.
 *
 * A co_text writes into memory that its user owns and never allocates. What does not fit is
 * left out but still counted in `length`, as with snprintf: a first pass over no memory at all
 * (NULL, 0) tells the size that a second pass needs.
 */
#ifndef CO_BASE_TEXT_H
#define CO_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct co_text {
    char *data;    /* always ends with a zero byte when size > 0 */
    size_t size;   /* bytes of `data`, the zero byte included */
    size_t length; /* characters that were asked for, the zero byte not included */
} co_text;

co_text co_text_over(char *data, size_t size);

/* Everything that was added is there. */
static inline bool co_text_complete(const co_text *text)
{
    return text->length < text->size;
}

void co_text_put(co_text *text, const char *string);
void co_text_put_bytes(co_text *text, const char *bytes, size_t count);
void co_text_printf(co_text *text, const char *format, ...) CO_PRINTF(2, 3);

/* The string in double quotes, escaped; a byte that is not UTF-8 becomes U+FFFD. */
void co_text_json_string(co_text *text, const char *string);
/* The shortest decimal that reads back as the same double; null when not finite. */
void co_text_json_f64(co_text *text, double value);
/* The same for a float: 0.1f gives 0.1. */
void co_text_json_f32(co_text *text, float value);

/* "17 bytes", "4.2 KiB", "1.5 GiB". */
void co_text_size(co_text *text, uint64_t bytes);
/* "0:07", "12:34", "1:02:03", "3d 04:05"; "-:--" when negative or not finite. */
void co_text_duration(co_text *text, double seconds);
/* Three significant digits with k, M, G: "987", "13.6k", "1.24M". */
void co_text_count(co_text *text, double value);

/* Length in bytes of the UTF-8 character at `bytes`; 0 when it is none (overlong forms,
 * surrogates and what is above U+10FFFF included). count > 0. */
size_t co_utf8_next(const char *bytes, size_t count);
/* Writes the character as UTF-8 (1 to 4 bytes) and returns the length; 0 for a surrogate or a
 * value above U+10FFFF. */
size_t co_utf8_encode(uint32_t character, char out[4]);
/* Characters in a string: its columns, as long as it has no wide or combining ones. */
size_t co_utf8_columns(const char *string);

#endif
