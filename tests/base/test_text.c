/* Text building: bounds, JSON escaping, numbers that read back, UTF-8 over the whole range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "base/rng.h"
#include "base/text.h"

static void test_counts_what_does_not_fit(void **state)
{
    (void)state;
    char buffer[6];
    memset(buffer, 'x', sizeof(buffer));
    co_text text = co_text_over(buffer, sizeof(buffer));
    assert_true(co_text_complete(&text));
    co_text_put(&text, "abc");
    co_text_printf(&text, "%d", 45);
    assert_true(co_text_complete(&text));
    assert_string_equal(buffer, "abc45");
    co_text_put(&text, "678");
    co_text_printf(&text, "%s", "9");
    assert_false(co_text_complete(&text));
    assert_string_equal(buffer, "abc45");
    assert_int_equal(text.length, 9);
    co_text sized = co_text_over(NULL, 0);
    co_text_printf(&sized, "%05d", 1);
    co_text_put(&sized, "ab");
    assert_int_equal(sized.length, 7);
}

static void test_partly_fitting_piece_is_cut(void **state)
{
    (void)state;
    char buffer[4];
    co_text text = co_text_over(buffer, sizeof(buffer));
    co_text_put(&text, "abcdef");
    assert_string_equal(buffer, "abc");
    assert_int_equal(text.length, 6);
}

static void test_numbers_read_back(void **state)
{
    (void)state;
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 3, .stream = CO_STREAM_TEST});
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = (uint64_t)co_rng_u32(&rng) << 32 | co_rng_u32(&rng);
        uint32_t bits32 = co_rng_u32(&rng);
        double value = 0.0;
        float value32 = 0.0f;
        memcpy(&value, &bits, sizeof(value));
        memcpy(&value32, &bits32, sizeof(value32));
        char buffer[64];
        co_text text = co_text_over(buffer, sizeof(buffer));
        co_text_json_f64(&text, value);
        if (isfinite(value)) {
            assert_true(strtod(buffer, NULL) == value);
        } else {
            assert_string_equal(buffer, "null");
        }
        text = co_text_over(buffer, sizeof(buffer));
        co_text_json_f32(&text, value32);
        if (isfinite(value32)) {
            assert_true(strtof(buffer, NULL) == value32);
        } else {
            assert_string_equal(buffer, "null");
        }
    }
}

#define CHECK(call, expected)                                                                      \
    do {                                                                                           \
        char check_buffer[64];                                                                     \
        co_text text = co_text_over(check_buffer, sizeof(check_buffer));                           \
        call;                                                                                      \
        assert_string_equal(check_buffer, expected);                                               \
    } while (0)

static void test_shortest_numbers(void **state)
{
    (void)state;
    CHECK(co_text_json_f64(&text, 0.1), "0.1");
    CHECK(co_text_json_f64(&text, -0.0), "-0");
    CHECK(co_text_json_f64(&text, 1e300), "1e+300");
    CHECK(co_text_json_f32(&text, 0.1f), "0.1");
    CHECK(co_text_json_f32(&text, 16777216.0f), "16777216");
    CHECK(co_text_json_f64(&text, (double)INFINITY), "null");
    CHECK(co_text_json_f64(&text, (double)NAN), "null");
}

static void test_json_strings(void **state)
{
    (void)state;
    CHECK(co_text_json_string(&text, ""), "\"\"");
    CHECK(co_text_json_string(&text, "a \"b\" \\ /"), "\"a \\\"b\\\" \\\\ /\"");
    CHECK(co_text_json_string(&text, "\n\r\t\x01\x1f\x7f"), "\"\\n\\r\\t\\u0001\\u001f\\u007f\"");
    CHECK(co_text_json_string(&text, "épée ● 😀"), "\"épée ● 😀\"");
    CHECK(co_text_json_string(&text, "bad \xff\xc3( byte"), "\"bad \\ufffd\\ufffd( byte\"");
    CHECK(co_text_json_string(&text, "\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
}

static void test_for_people(void **state)
{
    (void)state;
    CHECK(co_text_size(&text, 0), "0 bytes");
    CHECK(co_text_size(&text, 1), "1 byte");
    CHECK(co_text_size(&text, 1023), "1023 bytes");
    CHECK(co_text_size(&text, 1024), "1.0 KiB");
    CHECK(co_text_size(&text, 1048575), "1.0 MiB");
    CHECK(co_text_size(&text, 1610612736), "1.5 GiB");
    CHECK(co_text_size(&text, UINT64_MAX), "16.0 EiB");
    CHECK(co_text_duration(&text, 0.0), "0:00");
    CHECK(co_text_duration(&text, 6.6), "0:07");
    CHECK(co_text_duration(&text, 59.6), "1:00");
    CHECK(co_text_duration(&text, 3599.0), "59:59");
    CHECK(co_text_duration(&text, 3723.0), "1:02:03");
    CHECK(co_text_duration(&text, 3 * 86400.0 + 4 * 3600.0 + 300.0), "3d 04:05");
    CHECK(co_text_duration(&text, -1.0), "-:--");
    CHECK(co_text_duration(&text, (double)NAN), "-:--");
    CHECK(co_text_count(&text, 0.0), "0");
    CHECK(co_text_count(&text, 987.0), "987");
    CHECK(co_text_count(&text, 13600.0), "13.6k");
    CHECK(co_text_count(&text, 999.6), "1.00k");
    CHECK(co_text_count(&text, 1240000.0), "1.24M");
    CHECK(co_text_count(&text, 12.34), "12.3");
    CHECK(co_text_count(&text, (double)NAN), "-");
}

static void test_utf8_of_every_character(void **state)
{
    (void)state;
    for (uint32_t character = 0; character <= 0x110000; character++) {
        char bytes[4];
        size_t length = co_utf8_encode(character, bytes);
        bool legal = character <= 0x10ffff && (character < 0xd800 || character > 0xdfff);
        assert_int_equal(length > 0, legal);
        if (legal) {
            assert_int_equal(co_utf8_next(bytes, length), length);
            assert_int_equal(length > 1 ? co_utf8_next(bytes, length - 1) : 0, 0);
        }
    }
}

static void test_utf8_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",         "\xc0\x80",         "\xc1\xbf",     "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf5\x80\x80", "\xf4\x90\x80\x80",
        "\xff",         "\xe2\x28\xa1",     "\xc3("};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(co_utf8_next(bad[i], strlen(bad[i])), 0);
    }
    assert_int_equal(co_utf8_columns("aé●"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_what_does_not_fit),
        cmocka_unit_test(test_partly_fitting_piece_is_cut),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_numbers_read_back),
        cmocka_unit_test(test_shortest_numbers),
        cmocka_unit_test(test_for_people),
        cmocka_unit_test(test_utf8_of_every_character),
        cmocka_unit_test(test_utf8_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
