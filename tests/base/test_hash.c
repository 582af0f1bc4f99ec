/* XXH3-128: the published check value of the empty input, pieces against one pass, files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/faults.h"
#include "base/hash.h"

/* xxHash's own sanity test: XXH3_128bits of nothing with seed 0. */
static void test_known_value(void **state)
{
    (void)state;
    char text[CO_HASH_TEXT_SIZE];
    co_hash_text(co_hash_bytes("", 0), text);
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f");
}

static void test_pieces_equal_one_pass(void **state)
{
    (void)state;
    enum { BYTES = 5000 };
    unsigned char data[BYTES];
    for (size_t i = 0; i < BYTES; i++) {
        data[i] = (unsigned char)(i * 131 + (i >> 5));
    }
    co_error err;
    for (size_t piece = 1; piece < BYTES; piece = piece * 3 + 1) {
        co_hasher *hasher = NULL;
        assert_int_equal(co_hasher_create(&hasher, &err), CO_OK);
        for (size_t at = 0; at < BYTES; at += piece) {
            co_hasher_add(hasher, data + at, at + piece < BYTES ? piece : BYTES - at);
        }
        assert_true(co_hash_equal(co_hasher_result(hasher), co_hash_bytes(data, BYTES)));
        co_hasher_destroy(hasher);
    }
    co_hash whole = co_hash_bytes(data, BYTES);
    data[BYTES / 2] ^= 1;
    assert_false(co_hash_equal(whole, co_hash_bytes(data, BYTES)));
}

static void test_file(void **state)
{
    (void)state;
    char folder[CO_TEST_PATH_SIZE];
    co_error err;
    co_hash hash;
    assert_int_equal(co_test_folder_make(folder), 0);
    enum { BYTES = 40000 };
    char *data = calloc(1, BYTES);
    assert_non_null(data);
    memset(data, 'q', BYTES);
    const char *path = CO_TEST_JOIN(folder, "file");
    assert_int_equal(co_file_save(&co_files_system, path, data, BYTES, &err), CO_OK);
    assert_int_equal(co_hash_file(path, &hash, &err), CO_OK);
    assert_true(co_hash_equal(hash, co_hash_bytes(data, BYTES)));
    assert_int_equal(co_hash_file(CO_TEST_JOIN(folder, "none"), &hash, &err), CO_FILE);
    assert_int_equal(co_hash_file(folder, &hash, &err), CO_FILE);
    free(data);
    co_test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_value),
        cmocka_unit_test(test_pieces_equal_one_pass),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
