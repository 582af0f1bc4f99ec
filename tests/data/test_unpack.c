/* Unpacking archives that are not trusted: what good ones yield, and every member that is refused,
 * by its name, with nothing outside the folder. */
#include "data/helper_cifar.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/unpack.h"

enum { BIG = 200000 };

typedef struct place {
    char archive[2 * HELPER_PATH];
    char folder[2 * HELPER_PATH];
} place;

static const co_unpack_limits wide = {.bytes = 1 << 20, .members = 100};

/* The archive in a new folder of its own. */
static place place_of(const char *dir, const idx_image *image)
{
    static const char name[] = "archive";
    place p;
    char sub[2 * HELPER_PATH];
    for (int number = 0;; number++) {
        (void)snprintf(sub, sizeof(sub), "%.200s/%d", dir, number);
        if (mkdir(sub, 0777) == 0) {
            break;
        }
    }
    put_bytes(sub, name, image->bytes, image->size);
    (void)snprintf(p.archive, sizeof(p.archive), "%.300s/%s", sub, name);
    (void)snprintf(p.folder, sizeof(p.folder), "%.300s/out", sub);
    return p;
}

static void refuse_image(const char *dir, const idx_image *image, const co_unpack_limits *limits,
                         const char *const *texts)
{
    co_error err;
    place p = place_of(dir, image);
    assert_fault_texts(co_unpack(p.archive, p.folder, limits, NULL, &err), CO_DATA, &err, texts);
}

static void refuse(const char *dir, const tar_member *members, const co_unpack_limits *limits,
                   const char *const *texts)
{
    idx_image image = tar_build(members);
    refuse_image(dir, &image, limits, texts);
    idx_free(&image);
}
#define REFUSE(dir, members, limits, ...)                                                          \
    refuse(dir, members, limits, (const char *const[]){__VA_ARGS__, NULL})

static uint8_t *big_content(void)
{
    uint8_t *bytes = malloc(BIG);
    assert_non_null(bytes);
    for (size_t i = 0; i < BIG; i++) {
        bytes[i] = (uint8_t)(i * i >> 7);
    }
    return bytes;
}

static void test_good(void **state)
{
    co_error err;
    uint8_t *bytes = big_content();
    const tar_member members[] = {{"a/", NULL, 0, '5', 0},
                                  {"a/empty", "", 0, '0', 0},
                                  {"./a/..name/big...", bytes, BIG, '0', 0},
                                  {"top", "text", 4, '0', 0},
                                  {"a", NULL, 0, '5', 0},
                                  {0}};
    idx_image image = tar_build(members);
    place p = place_of(*state, &image);
    assert_ok(co_unpack(p.archive, p.folder, &wide, NULL, &err), &err);
    idx_image got = get_bytes(p.folder, "a/..name/big...");
    assert_int_equal(got.size, BIG);
    assert_memory_equal(got.bytes, bytes, BIG);
    idx_free(&got);
    got = get_bytes(p.folder, "a/empty");
    assert_int_equal(got.size, 0);
    idx_free(&got);
    got = get_bytes(p.folder, "top");
    assert_memory_equal(got.bytes, "text", 4);
    idx_free(&got);
    /* Into a folder that is there: no. Stopped: at once. */
    assert_fault(co_unpack(p.archive, p.folder, &wide, NULL, &err), CO_FILE, &err, p.folder, NULL);
    atomic_int stop;
    atomic_init(&stop, 15);
    place again = place_of(*state, &image);
    assert_fault(co_unpack(again.archive, again.folder, &wide, &stop, &err), CO_STOPPED, &err,
                 "stopped", NULL);
    idx_free(&image);
    free(bytes);
}

static void test_paths(void **state)
{
    static const char *const paths[] = {"../x", "/etc/x",   "a/../../x", "a/..",
                                        "..",   "a/./../x", "/"};
    tar_member members[] = {{"a/good", "text", 4, '0', 0}, {"", "text", 4, '0', 0}, {0}};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        members[1].path = paths[i];
        members[1].kind = '0';
        REFUSE(*state, members, &wide, "leads out of it", paths[i]);
        members[1].kind = '5';
        members[1].size = 0;
        REFUSE(*state, members, &wide, "leads out of it", paths[i]);
        members[1].size = 4;
    }
}

static void test_kinds(void **state)
{
    tar_member members[] = {{"a/good", "text", 4, '0', 0}, {"a/other", NULL, 0, '2', 0}, {0}};
    static const char kinds[] = "12346"; /* links, devices, a pipe */
    for (int i = 0; kinds[i] != '\0'; i++) {
        members[1].kind = kinds[i];
        REFUSE(*state, members, &wide, "the member 'a/other' is ", "no good archive");
    }
    members[1] = (tar_member){"a/good", "twin", 4, '0', 0};
    REFUSE(*state, members, &wide, "'a/good' comes twice");
    members[1] = (tar_member){"./a//good", "twin", 4, '0', 0};
    REFUSE(*state, members, &wide, "comes twice");
    members[1] = (tar_member){"a", "file", 4, '0', 0};
    REFUSE(*state, members, &wide, "'a' comes twice");
}

static void test_sizes(void **state)
{
    uint8_t *bytes = big_content();
    tar_member members[] = {{"a/first", bytes, BIG, '0', 0}, {"a/second", bytes, BIG, '0', 0}, {0}};
    const co_unpack_limits narrow = {.bytes = 2 * BIG - 1, .members = 100};
    REFUSE(*state, members, &narrow, "'a/second' makes the archive larger than it can be");
    const co_unpack_limits few = {.bytes = 1 << 20, .members = 1};
    REFUSE(*state, members, &few, "'a/second' is one of more than there can be");
    members[1].promised = (uint64_t)1 << 32;
    REFUSE(*state, members, &wide, "'a/second' makes the archive larger");
    const co_unpack_limits huge = {.bytes = (uint64_t)1 << 40, .members = 100};
    REFUSE(*state, members, &huge, "the member 'a/second'", "damaged");
    idx_image image = tar_build(members);
    image.size = 512 + BIG / 2;
    refuse_image(*state, &image, &wide, (const char *const[]){"'a/first'", "Truncated", NULL});
    image.bytes[20] ^= 1; /* of the header: its sum is wrong */
    refuse_image(*state, &image, &wide, (const char *const[]){"damaged", NULL});
    idx_free(&image);
    free(bytes);
}

/* A zip whose content does not have the size or the sum that its directory promises. */
static void test_zip(void **state)
{
    co_error err;
    char path[2 * HELPER_PATH];
    (void)snprintf(path, sizeof(path), "%s/made.zip", (const char *)*state);
    uint8_t *bytes = big_content();
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    assert_int_equal(archive_write_set_format_zip(archive), ARCHIVE_OK);
    assert_int_equal(archive_write_set_options(archive, "zip:compression=store"), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(archive, path), ARCHIVE_OK);
    archive_entry_set_pathname(entry, "a/file");
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_size(entry, BIG);
    assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(archive, bytes, BIG), BIG);
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_entry_free(entry);
    archive_write_free(archive);
    idx_image image = get_bytes(*state, "made.zip");
    place p = place_of(*state, &image);
    assert_ok(co_unpack(p.archive, p.folder, &wide, NULL, &err), &err);
    idx_image got = get_bytes(p.folder, "a/file");
    assert_int_equal(got.size, BIG);
    assert_memory_equal(got.bytes, bytes, BIG);
    idx_free(&got);
    image.bytes[BIG / 2] ^= 1;
    refuse_image(*state, &image, &wide, (const char *const[]){"'a/file'", "CRC", NULL});
    image.bytes[BIG / 2] ^= 1;
    image.size /= 2;
    refuse_image(*state, &image, &wide, (const char *const[]){"damaged", NULL});
    idx_free(&image);
    free(bytes);
    idx_image text = {.bytes = (uint8_t[]){"no archive at all"}, .size = 17};
    refuse_image(*state, &text, &wide, (const char *const[]){"damaged", NULL});
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_good),  IN_FOLDER(test_paths), IN_FOLDER(test_kinds),
        IN_FOLDER(test_sizes), IN_FOLDER(test_zip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
