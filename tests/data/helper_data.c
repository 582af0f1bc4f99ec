#include "data/helper_data.h"

#include <archive.h>
#include <archive_entry.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"

static void put_be32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

idx_image idx_build(int rank, uint32_t count, uint32_t height, uint32_t width, uint64_t seed)
{
    size_t head = 4 + 4 * (size_t)rank;
    size_t body = (size_t)count * (rank == 3 ? (size_t)height * width : 1);
    idx_image image = {.bytes = malloc(head + body), .size = head + body};
    assert_non_null(image.bytes);
    put_be32(image.bytes, 0x800u + (uint32_t)rank);
    put_be32(image.bytes + 4, count);
    if (rank == 3) {
        put_be32(image.bytes + 8, height);
        put_be32(image.bytes + 12, width);
    }
    co_rng rng = co_rng_at(&(co_rng_key){.seed = seed, .stream = CO_STREAM_TEST});
    for (size_t i = 0; i < body; i++) {
        image.bytes[head + i] = (uint8_t)co_rng_below(&rng, rank == 3 ? 256 : 10);
    }
    return image;
}

void idx_free(idx_image *image)
{
    free(image->bytes);
    *image = (idx_image){0};
}

int folder_make(void **state)
{
    const char *root = getenv("TMPDIR");
    char *path = malloc(HELPER_PATH);
    assert_non_null(path);
    (void)snprintf(path, HELPER_PATH, "%s/cohort-data-XXXXXX", root != NULL ? root : "/tmp");
    *state = path;
    return mkdtemp(path) == NULL;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

int folder_remove(void **state)
{
    int failed = nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return failed;
}

static void path_of(const char *dir, const char *name, char path[2 * HELPER_PATH])
{
    assert_in_range(snprintf(path, 2 * HELPER_PATH, "%s/%s", dir, name), 1, 2 * HELPER_PATH - 1);
}

void put_bytes(const char *dir, const char *name, const void *bytes, size_t size)
{
    char path[2 * HELPER_PATH];
    path_of(dir, name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

idx_image get_bytes(const char *dir, const char *name)
{
    char path[2 * HELPER_PATH];
    path_of(dir, name, path);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    idx_image image = {.bytes = malloc((size_t)info.st_size + 1), .size = (size_t)info.st_size};
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_non_null(image.bytes);
    assert_int_equal(fread(image.bytes, 1, image.size, file), image.size);
    assert_int_equal(fclose(file), 0);
    return image;
}

void put_packed(const char *dir, const char *name, const void *bytes, size_t size,
                co_packing packing)
{
    static const char *const endings[] = {"", ".gz", ".xz"};
    char whole[HELPER_PATH];
    assert_in_range(snprintf(whole, sizeof(whole), "%s%s", name, endings[packing]), 1,
                    sizeof(whole) - 1);
    if (packing == CO_PACKING_NONE) {
        put_bytes(dir, whole, bytes, size);
        return;
    }
    char path[2 * HELPER_PATH];
    path_of(dir, whole, path);
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    assert_int_equal(packing == CO_PACKING_GZIP ? archive_write_add_filter_gzip(archive)
                                                : archive_write_add_filter_xz(archive),
                     ARCHIVE_OK);
    assert_int_equal(archive_write_set_format_raw(archive), ARCHIVE_OK);
    archive_write_set_bytes_in_last_block(archive, 1); /* no padding */
    assert_int_equal(archive_write_open_filename(archive, path), ARCHIVE_OK);
    archive_entry_set_pathname(entry, "data");
    archive_entry_set_filetype(entry, AE_IFREG);
    assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(archive, bytes, size), size);
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_entry_free(entry);
    archive_write_free(archive);
}

idx_image set_images(int split)
{
    return idx_build(3, split == 0 ? HELPER_TRAIN : HELPER_TEST, HELPER_HEIGHT, HELPER_WIDTH,
                     1 + (uint64_t)split);
}

idx_image set_labels(int split)
{
    return idx_build(1, split == 0 ? HELPER_TRAIN : HELPER_TEST, 0, 0, 3 + (uint64_t)split);
}

void put_set(const char *dir, co_packing packing)
{
    static const char *const names[2][2] = {
        {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
        {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"},
    };
    for (int split = 0; split < 2; split++) {
        idx_image images = set_images(split);
        idx_image labels = set_labels(split);
        put_packed(dir, names[split][0], images.bytes, images.size, packing);
        put_packed(dir, names[split][1], labels.bytes, labels.size, packing);
        idx_free(&images);
        idx_free(&labels);
    }
}

const char *real_data(const char *sub, char path[HELPER_PATH])
{
    const char *root = getenv("COHORT_TEST_DATA");
    (void)snprintf(path, HELPER_PATH, "%s/%s", root != NULL ? root : "../shared/data", sub);
    if (access(path, R_OK) != 0) {
        print_message("skipped: no data (%s)\n", sub);
        skip();
    }
    return path;
}

void assert_fault_texts(co_status status, co_status expected, const co_error *err,
                        const char *const *texts)
{
    assert_string_equal(co_status_name(status), co_status_name(expected));
    assert_int_equal(err->status, expected);
    for (; *texts != NULL; texts++) {
        if (strstr(err->text, *texts) == NULL) {
            fail_msg("no '%s' in the message: %s", *texts, err->text);
        }
    }
}

void assert_ok(co_status status, const co_error *err)
{
    if (status != CO_OK) {
        fail_msg("%s: %s", co_status_name(status), err->text);
    }
}

void assert_close(double a, double b, double most)
{
    if (!(fabs(a - b) <= most)) {
        fail_msg("%.17g and %.17g differ by more than %g", a, b, most);
    }
}
