/* CRC-32: its published check value, and every length and start against the bitwise definition. */
#include "data/helper_data.h"

#include "base/rng.h"
#include "data/crc32.h"

static uint32_t bitwise(const uint8_t *bytes, size_t count)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1u) != 0 ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
        }
    }
    return ~crc;
}

static void test_check_value(void **state)
{
    (void)state;
    co_crc32_table table;
    co_crc32_init(&table);
    assert_int_equal(co_crc32_add(&table, 0, "123456789", 9), 0xCBF43926u);
    assert_int_equal(co_crc32_add(&table, 0, "", 0), 0);
}

static void test_lengths_and_pieces(void **state)
{
    (void)state;
    enum { MOST = 100 };
    uint8_t bytes[MOST];
    co_crc32_table table;
    co_crc32_init(&table);
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 1, .stream = CO_STREAM_TEST});
    for (int i = 0; i < MOST; i++) {
        bytes[i] = (uint8_t)co_rng_u32(&rng);
    }
    for (size_t length = 0; length <= MOST; length++) {
        uint32_t expected = bitwise(bytes, length);
        for (size_t cut = 0; cut <= length; cut += 7) {
            uint32_t crc = co_crc32_add(&table, 0, bytes, cut);
            crc = co_crc32_add(&table, crc, bytes + cut, length - cut);
            assert_int_equal(crc, expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_value),
        cmocka_unit_test(test_lengths_and_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
