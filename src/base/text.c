#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

co_text co_text_over(char *data, size_t size)
{
    if (size > 0) {
        data[0] = '\0';
    }
    return (co_text){.data = data, .size = size, .length = 0};
}

void co_text_put_bytes(co_text *text, const char *bytes, size_t count)
{
    if (text->length < text->size) {
        size_t room = text->size - 1 - text->length;
        size_t take = count < room ? count : room;
        memcpy(text->data + text->length, bytes, take);
        text->data[text->length + take] = '\0';
    }
    text->length += count;
}

void co_text_put(co_text *text, const char *string)
{
    co_text_put_bytes(text, string, strlen(string));
}

void co_text_printf(co_text *text, const char *format, ...)
{
    bool room = text->length < text->size;
    va_list args;
    va_start(args, format);
    int count = vsnprintf(room ? text->data + text->length : NULL,
                          room ? text->size - text->length : 0, format, args);
    va_end(args);
    if (count > 0) {
        text->length += (size_t)count;
    }
}

static void add_json_character(co_text *text, const char *bytes, size_t length)
{
    unsigned char first = (unsigned char)bytes[0];
    switch (first) {
    case '"':
        co_text_put(text, "\\\"");
        break;
    case '\\':
        co_text_put(text, "\\\\");
        break;
    case '\n':
        co_text_put(text, "\\n");
        break;
    case '\r':
        co_text_put(text, "\\r");
        break;
    case '\t':
        co_text_put(text, "\\t");
        break;
    default:
        if (first < 0x20 || first == 0x7f) {
            co_text_printf(text, "\\u%04x", first);
        } else {
            co_text_put_bytes(text, bytes, length);
        }
    }
}

void co_text_json_string(co_text *text, const char *string)
{
    size_t left = strlen(string);
    co_text_put(text, "\"");
    while (left > 0) {
        size_t length = co_utf8_next(string, left);
        if (length == 0) {
            co_text_put(text, "\\ufffd");
            length = 1;
        } else {
            add_json_character(text, string, length);
        }
        string += length;
        left -= length;
    }
    co_text_put(text, "\"");
}

void co_text_json_f64(co_text *text, double value)
{
    if (!isfinite(value)) {
        co_text_put(text, "null");
        return;
    }
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        (void)snprintf(digits, sizeof(digits), "%.*g", precision, value);
        if (strtod(digits, NULL) == value) {
            break;
        }
    }
    co_text_put(text, digits);
}

void co_text_json_f32(co_text *text, float value)
{
    if (!isfinite(value)) {
        co_text_put(text, "null");
        return;
    }
    char digits[40];
    for (int precision = 6; precision <= 9; precision++) {
        (void)snprintf(digits, sizeof(digits), "%.*g", precision, (double)value);
        if (strtof(digits, NULL) == value) {
            break;
        }
    }
    co_text_put(text, digits);
}

void co_text_size(co_text *text, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        co_text_printf(text, bytes == 1 ? "%u byte" : "%u bytes", (unsigned)bytes);
        return;
    }
    double value = (double)bytes / 1024.0;
    size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024.0;
        unit++;
    }
    co_text_printf(text, "%.1f %s", value, units[unit]);
}

void co_text_duration(co_text *text, double seconds)
{
    if (!isfinite(seconds) || seconds < 0.0 || seconds > 1e12) {
        co_text_put(text, "-:--");
        return;
    }
    unsigned long long total = (unsigned long long)(seconds + 0.5);
    unsigned long long days = total / 86400;
    unsigned hours = (unsigned)(total / 3600 % 24);
    unsigned minutes = (unsigned)(total / 60 % 60);
    if (days > 0) {
        co_text_printf(text, "%llud %02u:%02u", days, hours, minutes);
    } else if (hours > 0) {
        co_text_printf(text, "%u:%02u:%02u", hours, minutes, (unsigned)(total % 60));
    } else {
        co_text_printf(text, "%u:%02u", minutes, (unsigned)(total % 60));
    }
}

void co_text_count(co_text *text, double value)
{
    static const char *const units[] = {"", "k", "M", "G", "T"};
    if (!isfinite(value)) {
        co_text_put(text, "-");
        return;
    }
    size_t unit = 0;
    while (fabs(value) >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1000.0;
        unit++;
    }
    int decimals = fabs(value) >= 99.95 || (unit == 0 && value == floor(value)) ? 0
                   : fabs(value) >= 9.995                                       ? 1
                                                                                : 2;
    co_text_printf(text, "%.*f%s", decimals, value, units[unit]);
}

size_t co_utf8_next(const char *bytes, size_t count)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)bytes[0];
    if (first < 0x80) {
        return 1;
    }
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || count < length) {
        return 0;
    }
    uint32_t character = first & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        unsigned char next = (unsigned char)bytes[i];
        if ((next & 0xc0) != 0x80) {
            return 0;
        }
        character = character << 6 | (next & 0x3fu);
    }
    bool surrogate = character >= 0xd800 && character <= 0xdfff;
    return character < smallest[length] || character > 0x10ffff || surrogate ? 0 : length;
}

size_t co_utf8_encode(uint32_t character, char out[4])
{
    if (character < 0x80) {
        out[0] = (char)character;
        return 1;
    }
    if (character > 0x10ffff || (character >= 0xd800 && character <= 0xdfff)) {
        return 0;
    }
    size_t length = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (character & 0x3f));
        character >>= 6;
    }
    out[0] = (char)((0xf00u >> length & 0xf0u) | character);
    return length;
}

size_t co_utf8_columns(const char *string)
{
    size_t columns = 0;
    for (; *string != '\0'; string++) {
        columns += ((unsigned char)*string & 0xc0) != 0x80;
    }
    return columns;
}
