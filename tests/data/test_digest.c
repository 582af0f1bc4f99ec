/* Checksums of files: the examples of RFC 1321 and FIPS 180-4, files that cannot be read, and how
 * checksums are written. */
#include "data/helper_data.h"

#include <stdio.h>
#include <string.h>

#include "data/digest.h"
#include "data/transfer.h"

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

/* The sums of a file of these bytes. */
static void check_file(const char *folder, const void *bytes, size_t size, const char *md5,
                       const char *sha256)
{
    co_error err;
    char out[CO_DIGEST_TEXT_SIZE];
    char path[2 * HELPER_PATH];
    put_bytes(folder, "file", bytes, size);
    (void)snprintf(path, sizeof(path), "%s/file", folder);
    assert_ok(co_digest_file(path, CO_DIGEST_MD5, out, &err), &err);
    assert_string_equal(out, md5);
    assert_ok(co_digest_file(path, CO_DIGEST_SHA256, out, &err), &err);
    assert_string_equal(out, sha256);
}

static void test_examples(void **state)
{
    enum { SIZE = 1000000 };
    if (co_transfer_library() == NULL) {
        skip(); /* a build without checksums and downloads */
    }
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        check_file(*state, examples[i].text, strlen(examples[i].text), examples[i].md5,
                   examples[i].sha256);
    }
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, 'a', SIZE);
    check_file(*state, text, SIZE, "7707d6ae4e027c70eea2a935c2296f21",
               "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(text);
}

static void test_unreadable(void **state)
{
    co_error err;
    char out[CO_DIGEST_TEXT_SIZE];
    char path[2 * HELPER_PATH];
    co_status status = co_transfer_library() == NULL ? CO_UNSUPPORTED : CO_FILE;
    assert_fault(co_digest_file(*state, CO_DIGEST_MD5, out, &err), status, &err, *state, NULL);
    (void)snprintf(path, sizeof(path), "%s/none", (const char *)*state);
    assert_fault(co_digest_file(path, CO_DIGEST_SHA256, out, &err), status, &err, path, NULL);
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
        cmocka_unit_test_setup_teardown(test_examples, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_unreadable, folder_make, folder_remove),
        cmocka_unit_test(test_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
