#include "conf/string.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

void co_string_free(co_string *text)
{
    co_free(text->data);
    *text = (co_string){0};
}

static bool text_reserve(co_string *text, size_t more)
{
    if (text->failed) {
        return false;
    }
    size_t need = text->length + more + 1;
    if (need <= text->capacity) {
        return true;
    }
    size_t capacity = text->capacity * 2 > need ? text->capacity * 2 : need + 64;
    void *data = NULL;
    co_error ignored; /* reported once, by co_string_take */
    if (co_alloc(capacity, 1, "text", &data, &ignored) != CO_OK) {
        text->failed = true;
        return false;
    }
    if (text->length > 0) {
        memcpy(data, text->data, text->length);
    }
    co_free(text->data);
    text->data = data;
    text->capacity = capacity;
    return true;
}

void co_string_add_bytes(co_string *text, const char *piece, size_t length)
{
    if (text_reserve(text, length)) {
        memcpy(text->data + text->length, piece, length);
        text->length += length;
        text->data[text->length] = '\0';
    }
}

void co_string_add(co_string *text, const char *piece)
{
    co_string_add_bytes(text, piece, strlen(piece));
}

void co_string_format(co_string *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length >= 0 && text_reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

co_status co_string_take(co_string *text, char **out, co_error *err)
{
    if (!text->failed) {
        co_string_add_bytes(text, "", 0); /* so that an empty text is "" */
    }
    if (text->failed) {
        co_string_free(text);
        return co_fail(err, CO_MEMORY, "not enough memory for a text of the settings");
    }
    *out = text->data;
    *text = (co_string){0};
    return CO_OK;
}

bool co_is_null_text(const char *text)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL", "None"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* What any reader of YAML takes as one plain scalar, in block and in flow style. */
static bool is_safe_plain(const char *value)
{
    if (value[0] == '\0' || !(isalnum((unsigned char)value[0]) || strchr("_./+-", value[0]))) {
        return false;
    }
    for (const char *c = value; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr("_./+-", *c) == NULL) {
            return false;
        }
    }
    /* "-" begins a list item and "---" and "..." a document when they stand alone. */
    return strspn(value, "-.") != strlen(value);
}

static bool looks_typed(const char *value)
{
    double number = 0;
    bool truth = false;
    return co_is_null_text(value) || co_parse_double(value, &number) ||
           co_parse_bool(value, &truth);
}

/* The length of the UTF-8 sequence at `text` and its code point; 0 when it is none. */
static size_t utf8_sequence(const char *text, size_t left, uint32_t *point_out)
{
    static const struct {
        unsigned char mask, lead;
        size_t length;
        uint32_t least; /* shorter forms must be used below this */
    } forms[] = {{0x80, 0x00, 1, 0},
                 {0xe0, 0xc0, 2, 0x80},
                 {0xf0, 0xe0, 3, 0x800},
                 {0xf8, 0xf0, 4, 0x10000}};
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
        if ((bytes[0] & forms[f].mask) != forms[f].lead || left < forms[f].length) {
            continue;
        }
        uint32_t point = bytes[0] & (0xffu & ~(uint32_t)forms[f].mask);
        for (size_t i = 1; i < forms[f].length; i++) {
            if ((bytes[i] & 0xc0) != 0x80) {
                return 0;
            }
            point = point << 6 | (bytes[i] & 0x3fu);
        }
        bool surrogate = point >= 0xd800 && point <= 0xdfff;
        if (point < forms[f].least || point > 0x10ffff || surrogate) {
            return 0;
        }
        *point_out = point;
        return forms[f].length;
    }
    return 0;
}

bool co_is_utf8(const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        uint32_t point = 0;
        size_t step = utf8_sequence(text + at, length - at, &point);
        if (step == 0) {
            return false;
        }
        at += step;
    }
    return true;
}

/* What YAML does not count as printable, or would fold as an end of line. */
static bool needs_escape(uint32_t point)
{
    return (point > 0 && point < 0x20) || (point >= 0x7f && point < 0xa0) || point == 0x2028 ||
           point == 0x2029 || point == 0xfeff || point == 0xfffe || point == 0xffff;
}

void co_string_add_scalar(co_string *text, const char *value, bool plain)
{
    if (is_safe_plain(value) && (plain || !looks_typed(value))) {
        co_string_add(text, value);
        return;
    }
    if (plain && (value[0] == '\0' || strcmp(value, "~") == 0)) {
        co_string_add(text, "null");
        return;
    }
    co_string_add(text, "\"");
    size_t left = strlen(value);
    for (const char *c = value; left > 0;) {
        uint32_t point = 0;
        size_t step = utf8_sequence(c, left, &point);
        step = step > 0 ? step : 1;
        if (point == '"' || point == '\\') {
            co_string_format(text, "\\%c", (int)point);
        } else if (needs_escape(point)) {
            co_string_format(text, "\\u%04X", point);
        } else {
            co_string_add_bytes(text, c, step);
        }
        c += step;
        left -= step;
    }
    co_string_add(text, "\"");
}

bool co_parse_double(const char *text, double *out)
{
    if (text[0] == '\0' || strspn(text, "0123456789+-.eE") != strlen(text)) {
        return false; /* strtod would also take blanks, hexadecimal, inf and nan */
    }
    char *end = NULL;
    errno = 0;
    double value = strtod(text, &end);
    if (*end != '\0' || !isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

bool co_parse_int64(const char *text, int64_t *out)
{
    const char *digits = text[0] == '-' || text[0] == '+' ? text + 1 : text;
    if (digits[0] == '\0' || strspn(digits, "0123456789") != strlen(digits)) {
        return false;
    }
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno == ERANGE) {
        return false;
    }
    *out = value;
    return true;
}

bool co_parse_uint64(const char *text, uint64_t *out)
{
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text)) {
        return false;
    }
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno == ERANGE) {
        return false;
    }
    *out = value;
    return true;
}

bool co_parse_bool(const char *text, bool *out)
{
    static const char *const words[][2] = {
        {"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (int value = 0; value < 2; value++) {
            if (strcasecmp(text, words[i][value]) == 0) {
                *out = value != 0;
                return true;
            }
        }
    }
    return false;
}

void co_format_double(double value, char buffer[32])
{
    if (fabs(value) < 1e15 && floor(value) == value && !(value == 0 && signbit(value))) {
        snprintf(buffer, 32, "%.0f", value);
        return;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(buffer, 32, "%.*g", digits, value);
        double back = 0;
        if (co_parse_double(buffer, &back) && back == value) {
            return;
        }
    }
}

static char fold_dash(char c)
{
    return c == '-' ? '_' : c;
}

bool co_same_name(const char *a, const char *b)
{
    while (*a != '\0' && fold_dash(*a) == fold_dash(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

bool co_same_word(const char *a, const char *b)
{
    while (*a != '\0' &&
           tolower((unsigned char)fold_dash(*a)) == tolower((unsigned char)fold_dash(*b))) {
        a++;
        b++;
    }
    return *a == *b;
}

bool co_same_letters(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "-_");
        b += strspn(b, "-_");
        if (*a == '\0' || tolower((unsigned char)*a) != tolower((unsigned char)*b)) {
            return *a == *b;
        }
    }
}

void co_dashed(const char *name, char *buffer, size_t size)
{
    size_t i = 0;
    for (; i + 1 < size && name[i] != '\0'; i++) {
        buffer[i] = name[i] == '_' ? '-' : name[i];
    }
    buffer[i] = '\0';
}

bool co_in_list(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *word = list; word != NULL && *word != '\0';) {
        size_t size = strcspn(word, ", ");
        char copy[64];
        if (size == length && size < sizeof(copy)) {
            memcpy(copy, word, size);
            copy[size] = '\0';
            if (co_same_name(copy, name)) {
                return true;
            }
        }
        word += size;
        word += strspn(word, ", ");
    }
    return false;
}
