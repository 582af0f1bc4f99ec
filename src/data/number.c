#include "data/number.h"

#include <float.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    DIGITS_MAX = 19,       /* that many always fit 64 bits */
    EXPONENT_MAX = 100000, /* beyond: zero or infinite either way */
    EXACT_POWER = 22,      /* 10^22 is the last power that a double holds exactly */
    SLOW_CHARACTERS = 1024,
};

static const uint64_t double_integers = (uint64_t)1 << 53; /* up to here exact in a double */

/* A number as written: digits x 10^exponent. */
typedef struct decimal {
    uint64_t digits;
    int exponent;
    int significant; /* digits in `digits`, leading zeros not counted */
    bool any;        /* at least one digit was there */
    bool cut;        /* more of them than `digits` holds, not all 0 */
    bool negative;
} decimal;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits from `at` on; `fraction`: behind the point. */
static const char *take_digits(decimal *d, const char *at, const char *end, bool fraction)
{
    for (; at < end && is_digit(*at); at++) {
        d->any = true;
        if (d->significant < DIGITS_MAX) {
            d->digits = 10 * d->digits + (uint64_t)(*at - '0');
            d->significant += d->digits != 0;
            d->exponent -= fraction;
        } else {
            d->cut = d->cut || *at != '0';
            d->exponent += !fraction;
        }
    }
    return at;
}

/* An exponent, if one is there: "e" without digits belongs to what follows. */
static const char *take_exponent(decimal *d, const char *at, const char *end)
{
    const char *next = at + 1;
    if (at == end || (*at != 'e' && *at != 'E')) {
        return at;
    }
    bool negative = next < end && *next == '-';
    next += next < end && (*next == '-' || *next == '+');
    if (next == end || !is_digit(*next)) {
        return at;
    }
    int value = 0;
    for (; next < end && is_digit(*next); next++) {
        value = value < EXPONENT_MAX ? 10 * value + (*next - '0') : value;
    }
    d->exponent += negative ? -value : value;
    return next;
}

/* A double between the powers of two where neighbouring floats are 2^-23 apart (relatively), that
 * is not in the middle between two of them. Rounding such a one to float gives the same as
 * rounding the exact number, although it was rounded before: no middle lies between the two. */
static bool rounds_safely(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    return value > 0x1p-120 && value < 0x1p120 && (bits & 0x1FFFFFFF) != 0x10000000;
}

static bool convert_double(const decimal *d, float *out)
{
    static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d->digits > double_integers || d->exponent < -EXACT_POWER || d->exponent > EXACT_POWER) {
        return false;
    }
    /* Both operands are exact: one rounding (Clinger 1990). */
    double value = d->exponent < 0 ? (double)d->digits / powers[-d->exponent]
                                   : (double)d->digits * powers[d->exponent];
    *out = (float)value;
    return rounds_safely(value);
}

#if LDBL_MANT_DIG == 64 && defined(__x86_64__)
enum { EXACT_LONG_POWER = 27 };

/* The same with the 64-bit mantissa of the x87 registers: numbers of 16 to 19 digits, which is what
 * a program that prints doubles writes. */
static bool convert_long(const decimal *d, float *out)
{
    static const long double powers[EXACT_LONG_POWER + 1] = {
        1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
        1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
        1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
    if (d->exponent < -EXACT_LONG_POWER || d->exponent > EXACT_LONG_POWER) {
        return false;
    }
    long double value = d->exponent < 0 ? (long double)d->digits / powers[-d->exponent]
                                        : (long double)d->digits * powers[d->exponent];
    uint64_t mantissa = 0;
    memcpy(&mantissa, &value, sizeof(mantissa));
    *out = (float)value;
    return value > 0x1p-120L && value < 0x1p120L &&
           (mantissa & 0xFFFFFFFFFF) != 0x8000000000; /* not in the middle: as above */
}
#else
static bool convert_long(const decimal *d, float *out)
{
    (void)d;
    (void)out;
    return false;
}
#endif

/* What is near a middle, near the ends of the range, or has very many digits: one in millions. */
static bool convert_slowly(const char *at, const char *end, float *out)
{
    char text[SLOW_CHARACTERS];
    size_t length = (size_t)(end - at);
    if (length >= sizeof(text)) {
        return false;
    }
    memcpy(text, at, length);
    text[length] = '\0';
    *out = strtof(text, NULL);
    return true;
}

const char *co_number_read(const char *at, const char *end, float *out)
{
    decimal d = {0};
    d.negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    const char *digits = at;
    at = take_digits(&d, at, end, false);
    if (at < end && *at == '.') {
        const char *after = take_digits(&d, at + 1, end, true);
        at = d.any ? after : at;
    }
    if (!d.any) {
        return NULL;
    }
    at = take_exponent(&d, at, end);
    float value = 0.0f;
    bool good = d.digits == 0;
    if (!good && !d.cut) {
        good = convert_double(&d, &value) || convert_long(&d, &value);
    }
    if (!good && !convert_slowly(digits, at, &value)) {
        return NULL;
    }
    *out = d.negative ? -value : value;
    return at;
}
