/* Wrong CIFAR files and archives: what is said, and that `data check` says all of it at once. */
#include "data/helper_cifar.h"
#include "data/helper_loader.h"

#include <stdio.h>
#include <string.h>

#include "data/check.h"

enum { RECORD = 1 + CIFAR_PIXELS };

static void refuse(const char *name, const char *dir, const char *const *texts)
{
    co_error err;
    co_dataset *set = NULL;
    assert_fault_texts(co_dataset_open(name, dir, NULL, &set, &err), CO_DATA, &err, texts);
    assert_null(set);
    static co_dataset_findings findings;
    assert_ok(co_dataset_check(name, dir, &findings, &err), &err);
    assert_true(findings.count >= 1);
}
#define REFUSE(name, dir, ...) refuse(name, dir, (const char *const[]){__VA_ARGS__, NULL})

static void put_good(const char *dir)
{
    static const char *const names[] = {"data_batch_1.bin", "test_batch.bin"};
    for (uint32_t i = 0; i < 2; i++) {
        idx_image image = cifar_build(1, 4, i);
        put_bytes(dir, names[i], image.bytes, image.size);
        idx_free(&image);
    }
}

static void test_sizes(void **state)
{
    put_good(*state);
    idx_image image = cifar_build(1, 4, 0);
    put_bytes(*state, "test_batch.bin", image.bytes, image.size - 1);
    REFUSE("cifar10", *state, "test_batch.bin: byte 12291", "no multiple of 3073");
    put_packed(*state, "data_batch_2.bin", image.bytes, image.size - 7, CO_PACKING_GZIP);
    put_good(*state);
    REFUSE("cifar10", *state, "data_batch_2.bin.gz: byte 12285", "truncated");
    put_bytes(*state, "data_batch_2.bin", "", 0);
    REFUSE("cifar10", *state, "data_batch_2.bin: byte 0", "no content");
    idx_free(&image);
}

static void test_labels(void **state)
{
    co_error err;
    static co_dataset_findings findings;
    put_good(*state);
    idx_image image = cifar_build(1, 4, 0);
    image.bytes[2 * RECORD] = 10;
    image.bytes[3 * RECORD] = 255;
    put_bytes(*state, "data_batch_1.bin", image.bytes, image.size);
    REFUSE("cifar10", *state, "data_batch_1.bin: byte 6146: label 10 of record 2 is not in 0..9");
    put_bytes(*state, "test_batch.bin", image.bytes, RECORD + 1);
    assert_ok(co_dataset_check("cifar10", *state, &findings, &err), &err);
    assert_int_equal(findings.count, 3);
    assert_non_null(strstr(findings.listed[1].text, "byte 9219: label 255 of record 3"));
    assert_non_null(strstr(findings.listed[2].text, "test_batch.bin: byte 3074"));
    idx_free(&image);
    image = cifar_build(2, 4, 0);
    put_bytes(*state, "train.bin", image.bytes, image.size);
    image.bytes[3074] = 20; /* the coarse label is wrong for either reading */
    put_bytes(*state, "test.bin", image.bytes, image.size);
    REFUSE("cifar100", *state, "test.bin: byte 3074: label 20 of record 1 is not in 0..19");
    image.bytes[3074] = 19;
    image.bytes[3075] = 100;
    put_bytes(*state, "test.bin", image.bytes, image.size);
    REFUSE("cifar100_coarse", *state, "test.bin: byte 3075: label 100 of record 1", "0..99");
    idx_free(&image);
}

static void test_missing(void **state)
{
    char path[2 * HELPER_PATH];
    REFUSE("cifar10", *state, "no files of cifar10", "CIFAR10/cifar-10-batches-bin",
           "data fetch cifar10");
    put_good(*state);
    idx_image image = cifar_build(1, 4, 0);
    put_bytes(*state, "data_batch_3.bin", image.bytes, image.size);
    REFUSE("cifar10", *state, "data_batch_2.bin is missing");
    (void)snprintf(path, sizeof(path), "%s/test_batch.bin", (const char *)*state);
    assert_int_equal(remove(path), 0);
    put_bytes(*state, "data_batch_2.bin", image.bytes, image.size);
    REFUSE("cifar10", *state, "test_batch.bin is missing");
    idx_free(&image);
}

static void test_names(void **state)
{
    put_good(*state);
    put_bytes(*state, "batches.meta.txt", "a\nb\nc\n", 6);
    REFUSE("cifar10", *state, "batches.meta.txt: line 4: no name", "10 classes");
    put_bytes(*state, "batches.meta.txt", "a\nb\nc", 5);
    REFUSE("cifar10", *state, "batches.meta.txt: has 3 names");
    put_bytes(*state, "batches.meta.txt", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\nx\n", 22);
    REFUSE("cifar10", *state, "batches.meta.txt: line 11: one name too many");
    put_bytes(*state, "batches.meta.txt", "0\n1\0\n2\n3\n4\n5\n6\n7\n8\n9\n", 21);
    REFUSE("cifar10", *state, "batches.meta.txt: is no text");
    put_bytes(*state, "batches.meta.txt", "0\r\n1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\n9", 28);
    co_dataset *set = open_set("cifar10", *state);
    assert_string_equal(co_dataset_describe(set)->class_names[0], "0");
    assert_string_equal(co_dataset_describe(set)->class_names[9], "9");
    co_dataset_close(set);
}

static void put_tar(const char *dir, const tar_member *members, size_t cut)
{
    idx_image image = tar_build(members);
    put_bytes(dir, "cifar-10-binary.tar", image.bytes, image.size - cut);
    idx_free(&image);
}

static void test_archive(void **state)
{
    const char *dir = *state;
    idx_image image = cifar_build(1, 2, 0);
    tar_member members[] = {
        {"a/data_batch_1.bin", image.bytes, image.size, '0', 0},
        {"a/test_batch.bin", image.bytes, image.size, '0', 0},
        {"b/other", "text", 4, '0', 0},
        {0},
    };
    put_tar(dir, members, 0);
    co_dataset *set = open_set("cifar10", dir);
    co_dataset_close(set);
    static const char *const outside[] = {"../x", "/etc/x", "a/../../x", "a/..", ".."};
    for (int i = 0; i < 5; i++) {
        members[2].path = outside[i];
        put_tar(dir, members, 0);
        REFUSE("cifar10", dir, "cifar-10-binary.tar: byte ", "leads out of it", outside[i]);
    }
    members[2].path = "b/..other/...";
    put_tar(dir, members, 0);
    set = open_set("cifar10", dir);
    co_dataset_close(set);
    members[2].promised = (uint64_t)1 << 32; /* nobody asks for it, and still */
    put_tar(dir, members, 0);
    REFUSE("cifar10", dir, "promises 4294967296 bytes", "the archive ends after");
    members[2].promised = 0;
    members[1].promised = image.size + 100000;
    put_tar(dir, members, 0);
    REFUSE("cifar10", dir, "a/test_batch.bin' promises 106146 bytes");
    members[1].promised = image.size - 1;
    put_tar(dir, members, 0);
    REFUSE("cifar10", dir, "cifar-10-binary.tar: a/test_batch.bin: byte 6145", "no multiple");
    members[1] = (tar_member){"a/test_batch.bin", NULL, 0, '2', 0};
    put_tar(dir, members, 0);
    REFUSE("cifar10", dir, "a/test_batch.bin' is not a file");
    members[1] = members[0];
    put_tar(dir, members, 0);
    REFUSE("cifar10", dir, "has 'data_batch_1.bin' twice");
    members[1] = (tar_member){"a/test_batch.txt", "text", 4, '0', 0};
    put_tar(dir, members, 0);
    REFUSE("cifar10", dir, "test_batch.bin is missing");
    put_tar(dir, members, 1024 + 512 + 512 + 512 + 4096); /* inside the first member */
    REFUSE("cifar10", dir, "promises 6146 bytes");
    idx_free(&image);
}

/* A flipped bit anywhere in a .tar.gz is noticed, though libarchive does not check its sums. */
static void test_archive_checksum(void **state)
{
    idx_image image = cifar_build(1, 2, 0);
    const tar_member members[] = {
        {"a/data_batch_1.bin", image.bytes, image.size, '0', 0},
        {"a/test_batch.bin", image.bytes, image.size, '0', 0},
        {0},
    };
    idx_image tar = tar_build(members);
    put_packed(*state, "cifar-10-binary.tar", tar.bytes, tar.size, CO_PACKING_GZIP);
    idx_image packed = get_bytes(*state, "cifar-10-binary.tar.gz");
    for (size_t at = 64; at < packed.size; at += 397) {
        packed.bytes[at] ^= 4;
        put_bytes(*state, "cifar-10-binary.tar.gz", packed.bytes, packed.size);
        REFUSE("cifar10", *state, "cifar-10-binary.tar.gz");
        packed.bytes[at] ^= 4;
    }
    put_bytes(*state, "cifar-10-binary.tar.gz", packed.bytes, packed.size / 2);
    REFUSE("cifar10", *state, "cifar-10-binary.tar.gz");
    put_bytes(*state, "cifar-10-binary.tar.gz", "no archive at all", 17);
    REFUSE("cifar10", *state, "cifar-10-binary.tar.gz");
    idx_free(&packed);
    idx_free(&tar);
    idx_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sizes, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_labels, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_missing, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_names, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_archive, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_archive_checksum, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
