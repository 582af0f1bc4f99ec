/* Decimal numbers in text to float, exactly as strtof rounds them (to nearest, ties to even), but
 * several times as fast and independent of the locale. Pure functions; any thread may call.
 */
#ifndef CO_DATA_NUMBER_H
#define CO_DATA_NUMBER_H

/* The decimal number that begins at `at`: a sign, digits with a '.', an exponent; no blanks before
 * it, no hexadecimal form, no "inf" or "nan". Looks at [at, end) only. Returns where it ends and
 * writes *out, infinite when it is too large for a float; NULL when there is no number (or one of
 * more than a thousand characters). */
const char *co_number_read(const char *at, const char *end, float *out);

#endif
