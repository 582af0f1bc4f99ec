/* MD5 and SHA-256 against the examples of RFC 1321 and FIPS 180-4, every length around a block, and
 * sums that md5sum and sha256sum gave. */
#include "data/helper_data.h"

#include <stdio.h>
#include <string.h>

#include "data/digest.h"

static const struct {
    const char *text;
    const char *md5;
    const char *sha256;
} examples[] = {
    {"", "d41d8cd98f00b204e9800998ecf8427e",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "900150983cd24fb0d6963f7d28e17f72",
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"message digest", "f96b697d7cb7938d525a2f31aaf161d0",
     "f7846f55cf23e14eebeab5b4e1550cad5b509e3348fbc4efa3a1413d393cb650"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "8215ef0796a20bcaaae116d3876c664a",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
     "57edf4a22be3c955ac49da2e2107b67a",
     "f371bc4a311f2b009eef952dd83ca80e2b60026c8e935592d0f9c308453c813e"},
};

static void digest_in_pieces(co_digest_kind kind, const void *data, size_t size, size_t piece,
                             char out[CO_DIGEST_TEXT_SIZE])
{
    co_digest digest;
    co_digest_init(&digest, kind);
    for (size_t at = 0; at < size; at += piece) {
        co_digest_add(&digest, (const uint8_t *)data + at, size - at < piece ? size - at : piece);
    }
    co_digest_text(&digest, out);
}

static void test_examples(void **state)
{
    (void)state;
    char out[CO_DIGEST_TEXT_SIZE];
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        size_t size = strlen(examples[i].text);
        digest_in_pieces(CO_DIGEST_MD5, examples[i].text, size, 1000, out);
        assert_string_equal(out, examples[i].md5);
        digest_in_pieces(CO_DIGEST_SHA256, examples[i].text, size, 7, out);
        assert_string_equal(out, examples[i].sha256);
    }
}

/* One digest over the digests of 0 to 300 bytes: as a script around hashlib made it. */
static void test_lengths(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "cb441f7270246a6108bd418c9a9c94d1",
        "9ab015b3431ba48c0f99e81c5bb7d903f6bfea343d7d7b190120d07cc51e653b"};
    uint8_t data[300];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(7 * i + 3);
    }
    for (int kind = CO_DIGEST_MD5; kind <= CO_DIGEST_SHA256; kind++) {
        co_digest all;
        char out[CO_DIGEST_TEXT_SIZE];
        co_digest_init(&all, (co_digest_kind)kind);
        for (size_t size = 0; size <= sizeof(data); size++) {
            digest_in_pieces((co_digest_kind)kind, data, size, 1 + size % 70, out);
            co_digest_add(&all, out, strlen(out));
        }
        co_digest_text(&all, out);
        assert_string_equal(out, expected[kind]);
    }
}

static void test_file(void **state)
{
    co_error err;
    char out[CO_DIGEST_TEXT_SIZE];
    char path[2 * HELPER_PATH];
    enum { SIZE = 1000000 };
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, 'a', SIZE);
    put_bytes(*state, "file", text, SIZE);
    free(text);
    (void)snprintf(path, sizeof(path), "%s/file", (const char *)*state);
    assert_ok(co_digest_file(path, CO_DIGEST_SHA256, out, &err), &err);
    assert_string_equal(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    assert_ok(co_digest_file(path, CO_DIGEST_MD5, out, &err), &err);
    assert_string_equal(out, "7707d6ae4e027c70eea2a935c2296f21");
    assert_fault(co_digest_file(*state, CO_DIGEST_MD5, out, &err), CO_FILE, &err, *state, NULL);
    (void)snprintf(path, sizeof(path), "%s/none", (const char *)*state);
    assert_fault(co_digest_file(path, CO_DIGEST_MD5, out, &err), CO_FILE, &err, path, NULL);
}

static void test_parse(void **state)
{
    (void)state;
    co_digest_kind kind = CO_DIGEST_SHA256;
    const char *digits = NULL;
    char text[128];
    assert_true(co_digest_parse(examples[0].md5, &kind, &digits));
    assert_int_equal(kind, CO_DIGEST_MD5);
    (void)snprintf(text, sizeof(text), "sha256:%s", examples[0].sha256);
    assert_true(co_digest_parse(text, &kind, &digits));
    assert_int_equal(kind, CO_DIGEST_SHA256);
    assert_string_equal(digits, examples[0].sha256);
    static const char *const wrong[] = {"",
                                        "md5:",
                                        "md5:d41d8cd98f00b204e9800998ecf8427",
                                        "sha256:d41d8cd98f00b204e9800998ecf8427e",
                                        "sha1:d41d8cd98f00b204e9800998ecf8427e",
                                        "D41D8CD98F00B204E9800998ECF8427E",
                                        "d41d8cd98f00b204e9800998ecf8427e "};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(co_digest_parse(wrong[i], &kind, &digits));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test_setup_teardown(test_file, folder_make, folder_remove),
        cmocka_unit_test(test_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
