/* The number parser against strtof, bit by bit: what programs print, random digits, and numbers in
 * the middle between two floats, where one digit far behind decides. */
#include "data/helper_data.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "data/number.h"

enum { ROUNDS = 300000, TEXT = 256 };

/* In memory of its exact size, so that the sanitizer sees a read past the end. */
static const char *read_exactly(const char *text, size_t length, float *out, size_t *used)
{
    char *copy = malloc(length + (length == 0));
    assert_non_null(copy);
    memcpy(copy, text, length);
    const char *after = co_number_read(copy, copy + length, out);
    *used = after != NULL ? (size_t)(after - copy) : 0;
    free(copy);
    return after != NULL ? text + *used : NULL;
}

static void same_as_strtof(const char *text)
{
    char *end = NULL;
    float expected = strtof(text, &end);
    float got = -1.0f;
    size_t used = 0;
    const char *after = read_exactly(text, strlen(text), &got, &used);
    if (after != end || memcmp(&expected, &got, sizeof(got)) != 0) {
        fail_msg("'%s': %.9g (%a), strtof says %.9g (%a); used %zu of %zu", text, (double)got,
                 (double)got, (double)expected, (double)expected, used, strlen(text));
    }
}

static co_rng random_of(uint32_t round)
{
    return co_rng_at(&(co_rng_key){.stream = CO_STREAM_TEST, .sample = round});
}

static float random_float(co_rng *rng)
{
    for (;;) {
        uint32_t bits = co_rng_u32(rng);
        float value = 0.0f;
        memcpy(&value, &bits, sizeof(value));
        if (isfinite(value)) {
            return value;
        }
    }
}

/* As programs print numbers. */
static void print_as(uint32_t kind, double value, char text[TEXT])
{
    switch (kind) {
    case 0:
        (void)snprintf(text, TEXT, "%.9g", value);
        break;
    case 1:
        (void)snprintf(text, TEXT, "%.6f", value);
        break;
    case 2:
        (void)snprintf(text, TEXT, "%.17g", value);
        break;
    case 3:
        (void)snprintf(text, TEXT, "%.8e", value);
        break;
    case 4:
        (void)snprintf(text, TEXT, "%.3g", value);
        break;
    default:
        (void)snprintf(text, TEXT, "%.40f", value);
        break;
    }
}

static void test_printed_floats(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        co_rng rng = random_of(round);
        char text[TEXT];
        bool gene = round % 2 == 0; /* of the size that the tables have */
        double value = gene ? 30.0 * co_rng_uniform(&rng) * (1.0 + 1e-9) : random_float(&rng);
        print_as(round / 2 % 6, value, text);
        same_as_strtof(text);
    }
}

static void test_random_digits(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        co_rng rng = random_of(round);
        char text[TEXT];
        int at = 0;
        static const char *const signs[] = {"", "-", "+"};
        at += snprintf(text, sizeof(text), "%s", signs[co_rng_below(&rng, 3)]);
        uint32_t digits = 1 + co_rng_below(&rng, 28);
        uint32_t point = co_rng_below(&rng, 2 * digits);
        for (uint32_t i = 0; i < digits; i++) {
            if (i == point) {
                text[at++] = '.';
            }
            uint32_t kind = co_rng_below(&rng, 4);
            text[at++] = (char)(kind == 0 ? '0' : '0' + co_rng_below(&rng, 10));
        }
        text[at] = '\0';
        if (co_rng_below(&rng, 2) == 0) {
            (void)snprintf(text + at, sizeof(text) - (size_t)at, "%c%d",
                           "eE"[co_rng_below(&rng, 2)], (int)co_rng_below(&rng, 120) - 60);
        }
        same_as_strtof(text);
    }
}

/* Exactly in the middle, and a little above and below it. */
static void test_middles(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < ROUNDS / 4; round++) {
        co_rng rng = random_of(round);
        char text[TEXT];
        float low = fabsf(random_float(&rng));
        low = low < 1e-30f || low > 1e30f ? 1.0f + co_rng_uniform(&rng) : low;
        double middle = ((double)low + (double)nextafterf(low, INFINITY)) / 2;
        (void)snprintf(text, sizeof(text), "%.110e", middle);
        same_as_strtof(text);
        (void)snprintf(text, sizeof(text), "%.18e", middle); /* rounded: near the middle */
        same_as_strtof(text);
        (void)snprintf(text, sizeof(text), "%.16g", middle);
        same_as_strtof(text);
        (void)snprintf(text, sizeof(text), "%.18g", nextafter(middle, round % 2 == 0 ? 0 : 1e38));
        same_as_strtof(text);
    }
}

static void test_edges(void **state)
{
    (void)state;
    static const char *const texts[] = {"0",
                                        "-0",
                                        "+0.0",
                                        "00012",
                                        "5.",
                                        ".5",
                                        "-.5e1",
                                        "1e",
                                        "1e+",
                                        "1e-",
                                        "1e5x",
                                        "1.2.3",
                                        "16777217",
                                        "16777219",
                                        "33554434",
                                        "9007199254740993",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "99999999999999999999999",
                                        "0.00000000000000000000000000001",
                                        "3.4028234e38",
                                        "3.4028235e38",
                                        "3.4028236e38",
                                        "3.5e38",
                                        "1e39",
                                        "1e999999999999",
                                        "1.1754944e-38",
                                        "1.1754943e-38",
                                        "1e-45",
                                        "7e-46",
                                        "7.1e-46",
                                        "1e-999999999999",
                                        "0e999",
                                        "1.00000005960464477539062500000000000000000000000000001",
                                        "1.000000059604644775390625",
                                        "8.5,9",
                                        "12 ",
                                        "1-2",
                                        "0.1",
                                        "1e22",
                                        "1e23",
                                        "123456789012345678e-27",
                                        "1e0000000000005"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        same_as_strtof(texts[i]);
    }
}

static void test_no_numbers(void **state)
{
    (void)state;
    static const char *const texts[] = {"",    "-",   "+",    ".",  "-.",  "e5",  ".e5", "abc",
                                        "inf", "nan", "-inf", " 1", "--1", "+-1", ",",   "\n"};
    float value = 0.0f;
    size_t used = 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_null(read_exactly(texts[i], strlen(texts[i]), &value, &used));
    }
    assert_non_null(read_exactly("0x10", 4, &value, &used)); /* not strtof's hexadecimal 16 */
    assert_int_equal(used, 1);
    char zeros[3000];
    memset(zeros, '0', sizeof(zeros));
    assert_non_null(read_exactly(zeros, sizeof(zeros), &value, &used));
    assert_int_equal(used, sizeof(zeros));
    memset(zeros, '7', sizeof(zeros));
    assert_null(read_exactly(zeros, sizeof(zeros), &value, &used));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_printed_floats), cmocka_unit_test(test_random_digits),
        cmocka_unit_test(test_middles),        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
