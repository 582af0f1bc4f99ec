/* Single image files: every kind decodes to its known pixels, in parts as well as whole; damaged
 * and absurd ones are refused with the file's name. Against torchvision: test_torchvision.c. */
#include "data/helper_images.h"

#include <stdio.h>
#include <string.h>

#include "data/image/jpeg.h"
#include "data/image/reader.h"

enum { SIDE = 48 };
static const co_image_frame frame = {.size = SIDE, .resize = SIDE};

static co_status read_built(const idx_image *image, const co_sample_cut *cut, uint8_t *out,
                            co_error *err)
{
    co_image_reader *reader = NULL;
    assert_ok(co_image_reader_create(&reader, err), err);
    const co_image_file file = {.path = "here.img", .bytes = image->bytes, .size = image->size};
    co_status status = co_image_read_bytes(reader, &file, &frame, cut, out, err);
    co_image_reader_destroy(reader);
    return status;
}

/* A square PNG of the sample's size is its pixels, unchanged, as planes. */
static void test_png_kinds(void **state)
{
    (void)state;
    static const int kinds[][2] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {2, 8}, {2, 16}, {3, 1},
                                   {3, 2}, {3, 4}, {3, 8}, {4, 8}, {4, 16}, {6, 8}, {6, 16}};
    static uint8_t rgb[SIDE * SIDE * 3];
    static uint8_t planes[3 * SIDE * SIDE];
    const picture one = {.width = SIDE, .height = SIDE, .seed = 3};
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        co_error err;
        idx_image image = png_build(&one, kinds[k][0], kinds[k][1], rgb);
        assert_ok(read_built(&image, NULL, planes, &err), &err);
        for (int i = 0; i < SIDE * SIDE * 3; i++) {
            assert_int_equal(planes[i % 3 * SIDE * SIDE + i / 3], rgb[i]);
        }
        idx_free(&image);
    }
}

/* JPEG loses a little; colours must be the right ones, and grey ones equal. */
static void test_jpeg_kinds(void **state)
{
    (void)state;
    static uint8_t planes[3 * SIDE * SIDE];
    for (int form = 0; form < PICTURE_CMYK; form++) {
        co_error err;
        const picture one = {.form = (picture_form)form, .width = SIDE, .height = SIDE, .seed = 3};
        idx_image image = jpeg_build(&one);
        uint8_t *rgb = picture_pixels(&one);
        double apart = 0.0;
        assert_ok(read_built(&image, NULL, planes, &err), &err);
        for (int i = 0; i < SIDE * SIDE * 3; i++) {
            int from = form == PICTURE_GREY ? i / 3 * 3 : i;
            int difference = planes[i % 3 * SIDE * SIDE + i / 3] - rgb[from];
            apart += difference < 0 ? -difference : difference;
        }
        assert_true(apart / (SIDE * SIDE * 3) < (form == PICTURE_FULL ? 8.0 : 12.0));
        free(rgb);
        idx_free(&image);
    }
}

/* A part of a JPEG has the pixels that the whole has there, for every form and reduction. */
static void compare_parts(co_jpeg *jpeg, const co_image_file *file, int reduce)
{
    co_error err;
    co_image_head head = {0};
    co_image_pixels whole = {0};
    co_image_pixels part = {0};
    co_image_rect got = {0};
    assert_ok(co_jpeg_head(jpeg, file, &head, &err), &err);
    co_image_rect all = {.width = (head.width + reduce - 1) / reduce,
                         .height = (head.height + reduce - 1) / reduce};
    assert_ok(co_jpeg_decode(jpeg, &all, reduce, &whole, &got, &err), &err);
    assert_memory_equal(&got, &all, sizeof(all));
    for (int k = 0; k < 12; k++) {
        co_image_rect wanted = {.left = (all.width - 8) * k / 12, .top = (all.height - 8) * k / 11};
        wanted.width = 1 + (all.width - wanted.left) * (k % 4) / 4;
        wanted.height = 1 + (all.height - wanted.top) * (k % 3) / 3;
        assert_ok(co_jpeg_head(jpeg, file, &head, &err), &err);
        assert_ok(co_jpeg_decode(jpeg, &wanted, reduce, &part, &got, &err), &err);
        size_t channels = (size_t)part.channels;
        for (int y = wanted.top; y < wanted.top + wanted.height; y++) {
            const uint8_t *a = whole.data + (size_t)(y * all.width + wanted.left) * channels;
            const uint8_t *b = part.data +
                               (size_t)((y - got.top) * got.width + wanted.left - got.left) *
                                   channels;
            assert_memory_equal(a, b, (size_t)wanted.width * channels);
        }
    }
    free(whole.data);
    free(part.data);
}

static void test_parts(void **state)
{
    (void)state;
    co_error err;
    co_jpeg *jpeg = NULL;
    assert_ok(co_jpeg_create(&jpeg, &err), &err);
    for (int form = 0; form < PICTURE_FORMS; form++) {
        const picture one = {.form = (picture_form)form, .width = 211, .height = 173, .seed = 7};
        idx_image image = jpeg_build(&one);
        const co_image_file file = {.path = "part.jpg", .bytes = image.bytes, .size = image.size};
        for (int reduce = 1; reduce <= 8; reduce *= 2) {
            compare_parts(jpeg, &file, reduce);
        }
        idx_free(&image);
    }
    co_jpeg_destroy(jpeg);
}

/* Every cut of every form: an error that names file and byte, never half a picture. */
static void test_cut_off(void **state)
{
    (void)state;
    static uint8_t planes[3 * SIDE * SIDE];
    for (int form = 0; form < PICTURE_FORMS; form++) {
        const picture one = {.form = (picture_form)form, .width = 90, .height = 70, .seed = 7};
        idx_image image = jpeg_build(&one);
        size_t whole = image.size;
        for (image.size = 4; image.size < whole - 2; image.size += 1 + whole / 97) {
            co_error err;
            char at[40];
            (void)snprintf(at, sizeof(at), "here.img: byte %zu: ", image.size);
            assert_fault(read_built(&image, NULL, planes, &err), CO_DATA, &err, at,
                         "damaged or cut off", NULL);
        }
        idx_free(&image);
    }
    const picture one = {.width = 90, .height = 70, .seed = 7};
    idx_image image = png_build(&one, 2, 8, NULL);
    size_t whole = image.size;
    for (image.size = 9; image.size < whole - 30; image.size += 1 + whole / 97) {
        co_error err;
        assert_fault(read_built(&image, NULL, planes, &err), CO_DATA, &err, "here.img: ", "PNG",
                     NULL);
    }
    idx_free(&image);
}

static void test_no_image(void **state)
{
    (void)state;
    static uint8_t planes[3 * SIDE * SIDE];
    co_error err;
    char text[] = "GIF89a, or a page that says: not found";
    idx_image image = {.bytes = (uint8_t *)text, .size = sizeof(text)};
    assert_fault(read_built(&image, NULL, planes, &err), CO_DATA, &err, "here.img: byte 0",
                 "neither a JPEG nor a PNG", NULL);
}

/* The sides of a header are changed to what nobody has; the fault comes before any memory. */
static void test_absurd_sizes(void **state)
{
    (void)state;
    static uint8_t planes[3 * SIDE * SIDE];
    static const uint16_t sides[][2] = {{65500, 65500}, {65535, 1}, {1, 65535}, {16384, 8192}};
    co_error err;
    const picture one = {.form = PICTURE_FULL, .width = 64, .height = 64, .seed = 1};
    idx_image image = jpeg_build(&one);
    size_t at = 0; /* of the frame header: FF C0, length, precision, height, width */
    while (image.bytes[at] != 0xFF || image.bytes[at + 1] != 0xC0) {
        at++;
    }
    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        image.bytes[at + 5] = (uint8_t)(sides[i][1] >> 8);
        image.bytes[at + 6] = (uint8_t)sides[i][1];
        image.bytes[at + 7] = (uint8_t)(sides[i][0] >> 8);
        image.bytes[at + 8] = (uint8_t)sides[i][0];
        char told[32];
        (void)snprintf(told, sizeof(told), "%u x %u", sides[i][0], sides[i][1]);
        co_status status = read_built(&image, NULL, planes, &err);
        if (sides[i][0] == 65535 || sides[i][1] == 65535) { /* libjpeg's own limit is 65500 */
            assert_fault(status, CO_DATA, &err, "here.img", NULL);
        } else {
            assert_fault(status, CO_DATA, &err, "here.img: is a JPEG of", told, "refused", NULL);
        }
    }
    idx_free(&image);
}

/* A progressive file whose first scan comes again and again: each costs a pass over the image. */
static idx_image repeat_scan(const idx_image *image, size_t times)
{
    size_t scan = 0; /* its first SOS marker, and the marker behind the data of that scan */
    while (image->bytes[scan] != 0xFF || image->bytes[scan + 1] != 0xDA) {
        scan++;
    }
    size_t end = scan + 2;
    while (image->bytes[end] != 0xFF || image->bytes[end + 1] == 0) {
        end++;
    }
    size_t bytes = end - scan;
    idx_image out = {.bytes = malloc(image->size + times * bytes),
                     .size = image->size + times * bytes};
    assert_non_null(out.bytes);
    memcpy(out.bytes, image->bytes, end);
    for (size_t i = 0; i < times; i++) {
        memcpy(out.bytes + end + i * bytes, image->bytes + scan, bytes);
    }
    memcpy(out.bytes + end + times * bytes, image->bytes + end, image->size - end);
    return out;
}

static void test_endless_scans(void **state)
{
    (void)state;
    static uint8_t planes[3 * SIDE * SIDE];
    co_error err;
    const picture one = {.form = PICTURE_PROGRESSIVE, .width = 64, .height = 64, .seed = 1};
    idx_image image = jpeg_build(&one);
    idx_image few = repeat_scan(&image, 3);
    assert_ok(read_built(&few, NULL, planes, &err), &err);
    idx_image many = repeat_scan(&image, 400);
    assert_fault(read_built(&many, NULL, planes, &err), CO_DATA, &err, "here.img",
                 "more than 256 scans", NULL);
    idx_free(&image);
    idx_free(&few);
    idx_free(&many);
}

/* A large file is mapped, a small one copied; neither changes a byte. */
static void test_files(void **state)
{
    static uint8_t from_file[3 * SIDE * SIDE];
    static uint8_t from_memory[3 * SIDE * SIDE];
    static const int sides[] = {60, 1400};
    for (int i = 0; i < 2; i++) {
        co_error err;
        char path[HELPER_PATH];
        co_image_reader *reader = NULL;
        const picture one = {
            .form = PICTURE_FULL, .width = sides[i], .height = sides[i], .seed = 4};
        idx_image image = jpeg_build(&one);
        assert_true(image.size < 100000 || image.size > (1 << 18));
        put_bytes(*state, "file.jpg", image.bytes, image.size);
        (void)snprintf(path, sizeof(path), "%s/file.jpg", (const char *)*state);
        assert_ok(co_image_reader_create(&reader, &err), &err);
        assert_ok(co_image_read(reader, path, &frame, NULL, from_file, &err), &err);
        assert_ok(co_image_verify(reader, path, &err), &err);
        co_image_reader_destroy(reader);
        assert_ok(read_built(&image, NULL, from_memory, &err), &err);
        assert_memory_equal(from_file, from_memory, sizeof(from_file));
        idx_free(&image);
    }
}

/* A PNG that promises 60000 x 60000 in a few bytes; one whose data are more than its size. */
static void test_png_bombs(void **state)
{
    (void)state;
    static uint8_t planes[3 * SIDE * SIDE];
    co_error err;
    /* Chunk IHDR with its checksum, computed by Python's zlib. */
    static const uint8_t bomb[] = {0x89, 'P',  'N', 'G', 13,  10, 26, 10,   0,    0,    0,
                                   13,   'I',  'H', 'D', 'R', 0,  0,  0xEA, 0x60, 0,    0,
                                   0xEA, 0x60, 8,   2,   0,   0,  0,  0x0F, 0xB0, 0xE2, 0x15};
    idx_image image = {.bytes = malloc(sizeof(bomb)), .size = sizeof(bomb)};
    memcpy(image.bytes, bomb, sizeof(bomb));
    co_status status = read_built(&image, NULL, planes, &err);
    assert_fault(status, CO_DATA, &err, "here.img", NULL);
    assert_non_null(strstr(err.text, "60000 x 60000"));
    idx_free(&image);
}

/* Corners of known colours show where EXIF puts them; the eight cases are a table of the standard.
 */
static void test_orientation(void **state)
{
    (void)state;
    /* Which stored corner (0 left top, 1 right top, 2 right bottom, 3 left bottom) is upright left
     * top, and which right top: TIFF 6.0, tag 274. */
    static const int corners[9][2] = {[1] = {0, 1}, [2] = {1, 0}, [3] = {2, 3}, [4] = {3, 2},
                                      [5] = {0, 3}, [6] = {3, 0}, [7] = {2, 1}, [8] = {1, 2}};
    static uint8_t stored[3 * SIDE * SIDE];
    static uint8_t upright[3 * SIDE * SIDE];
    static const int at[4] = {0, SIDE - 1, SIDE * SIDE - 1, SIDE * (SIDE - 1)};
    for (int o = 1; o <= 8; o++) {
        co_error err;
        picture one = {.form = PICTURE_FULL, .width = SIDE, .height = SIDE, .seed = 2};
        idx_image plain = jpeg_build(&one);
        one.orientation = o;
        idx_image turned = jpeg_build(&one);
        assert_ok(read_built(&plain, NULL, stored, &err), &err);
        assert_ok(read_built(&turned, NULL, upright, &err), &err);
        for (int c = 0; c < 3; c++) {
            const uint8_t *from = stored + c * SIDE * SIDE;
            const uint8_t *to = upright + c * SIDE * SIDE;
            assert_int_equal(to[at[0]], from[at[corners[o][0]]]);
            assert_int_equal(to[at[1]], from[at[corners[o][1]]]);
        }
        idx_free(&plain);
        idx_free(&turned);
    }
}

/* Damaged EXIF blocks never turn an image, and are read within their bytes. */
static void test_exif_damage(void **state)
{
    (void)state;
    uint8_t good[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0};
    assert_int_equal(co_exif_orientation(good, sizeof(good)), 6);
    for (size_t size = 0; size < sizeof(good); size++) {
        uint8_t *copy = malloc(size + 1); /* of its own size: the sanitizers watch its end */
        memcpy(copy, good, size);
        assert_int_equal(co_exif_orientation(copy, size), 1);
        free(copy);
    }
    good[18] = 9;
    assert_int_equal(co_exif_orientation(good, sizeof(good)), 1);
    good[18] = 6;
    good[4] = 0xFF; /* the directory lies behind the end */
    assert_int_equal(co_exif_orientation(good, sizeof(good)), 1);
}

/* The parts of a random-resized crop have the shares and shapes that were asked for, lie inside,
 * reach every place, and depend on nothing but the key. */
static void test_random_rects(void **state)
{
    (void)state;
    enum { WIDTH = 500, HEIGHT = 375, DRAWS = 4000 };
    double share = 0.0;
    int left = WIDTH;
    int bottom = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        const co_sample_cut cut = {.area = 0.25, .ratio = 1.5, .key = {.seed = 1, .sample = i}};
        co_image_rect rect = co_image_random_rect(&cut, WIDTH, HEIGHT);
        co_image_rect again = co_image_random_rect(&cut, WIDTH, HEIGHT);
        assert_memory_equal(&rect, &again, sizeof(rect));
        assert_true(rect.left >= 0 && rect.left + rect.width <= WIDTH);
        assert_true(rect.top >= 0 && rect.top + rect.height <= HEIGHT);
        double part = (double)rect.width * rect.height / (WIDTH * HEIGHT);
        double shape = (double)rect.width / rect.height;
        assert_true(part > 0.245 && part <= 1.0);
        assert_true(shape > 0.66 && shape < 1.51);
        share += part / DRAWS;
        left = rect.left < left ? rect.left : left;
        bottom = rect.top + rect.height > bottom ? rect.top + rect.height : bottom;
    }
    assert_true(share > 0.5 && share < 0.625); /* uniform in 0.25..1, large odd shapes do not fit */
    assert_int_equal(left, 0);
    assert_int_equal(bottom, HEIGHT);
    const co_sample_cut narrow = {.area = 0.9, .ratio = 1.2}; /* nothing of that fits: the middle */
    co_image_rect rect = co_image_random_rect(&narrow, 1000, 100);
    assert_int_equal(rect.width, 120);
    assert_int_equal(rect.left, 440);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png_kinds),
        cmocka_unit_test(test_jpeg_kinds),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_no_image),
        cmocka_unit_test(test_absurd_sizes),
        cmocka_unit_test(test_png_bombs),
        cmocka_unit_test(test_endless_scans),
        cmocka_unit_test_setup_teardown(test_files, folder_make, folder_remove),
        cmocka_unit_test(test_orientation),
        cmocka_unit_test(test_exif_damage),
        cmocka_unit_test(test_random_rects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
