/* The samples of image files are those of torchvision (PIL): the same bytes where the whole file is
 * decoded, and close to them where JPEG's scaled transforms take a part of the shrinking. Skipped
 * where there is no torchvision. */
#include "data/helper_images.h"

#include <stdio.h>

#include "data/image/reader.h"

typedef struct bounds {
    int most;    /* difference of a byte */
    double mean; /* of all bytes */
} bounds;

enum { SIZE_MAX_TRIED = 224 };

static uint8_t ours[3 * SIZE_MAX_TRIED * SIZE_MAX_TRIED];

static void put_case(const char *dir, const char *image, const co_image_frame *frame,
                     const char *kind, const bounds *within, int number)
{
    char path[2 * HELPER_PATH];
    char raw[32];
    (void)snprintf(raw, sizeof(raw), "%d.raw", number);
    put_bytes(dir, raw, ours, 3 * (size_t)frame->size * (size_t)frame->size);
    (void)snprintf(path, sizeof(path), "%s/cases.txt", dir);
    FILE *cases = fopen(path, "a");
    assert_non_null(cases);
    (void)fprintf(cases, "%s %s %d %d %d %g %s\n", image, raw, frame->size, frame->resize,
                  within->most, within->mean, kind);
    assert_int_equal(fclose(cases), 0);
}

/* The middle and three random parts of one image. */
static void put_cases(const char *dir, const char *image, int width, int height,
                      const co_image_frame *frame, const bounds *within, int *number)
{
    co_error err;
    char path[2 * HELPER_PATH];
    co_image_reader *reader = NULL;
    (void)snprintf(path, sizeof(path), "%s/%s", dir, image);
    assert_ok(co_image_reader_create(&reader, &err), &err);
    assert_ok(co_image_read(reader, path, frame, NULL, ours, &err), &err);
    put_case(dir, image, frame, "middle", within, (*number)++);
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
        char kind[80];
        const co_sample_cut cut = {.area = 0.08, .ratio = 4.0 / 3.0, .key = {.epoch = epoch}};
        co_image_rect rect = co_image_random_rect(&cut, width, height);
        assert_ok(co_image_read(reader, path, frame, &cut, ours, &err), &err);
        (void)snprintf(kind, sizeof(kind), "crop %d %d %d %d", rect.top, rect.left, rect.height,
                       rect.width);
        put_case(dir, image, frame, kind, within, (*number)++);
    }
    co_image_reader_destroy(reader);
}

static void put_forms(const char *dir, int *number)
{
    static const char *const names[PICTURE_FORMS] = {"rgb.jpg",  "full.jpg", "progressive.jpg",
                                                     "grey.jpg", "cmyk.jpg", "ycck.jpg"};
    static const co_image_frame frame = {.size = 64, .resize = 73};
    static const bounds same = {0, 0.0};

    for (int form = 0; form < PICTURE_FORMS; form++) {
        const picture one = {
            .form = (picture_form)form, .width = 131, .height = 97, .seed = (uint32_t)form};
        idx_image image = jpeg_build(&one);
        put_bytes(dir, names[form], image.bytes, image.size);
        idx_free(&image);
        put_cases(dir, names[form], 131, 97, &frame, &same, number);
    }
    const picture one = {.form = PICTURE_RGB, .width = 131, .height = 97, .seed = 9};
    idx_image image = png_build(&one, 2, 8, NULL);
    put_bytes(dir, "rgb.png", image.bytes, image.size);
    put_cases(dir, "rgb.png", 131, 97, &frame, &same, number);
    idx_free(&image);
}

/* Upright sides are exchanged from orientation 5 on: then the two passes come in the other order.
 */
static void put_rotated(const char *dir, int *number)
{
    static const co_image_frame frame = {.size = 32, .resize = 40};
    static const bounds turned = {1, 0.25};
    for (int orientation = 1; orientation <= 8; orientation++) {
        char name[32];
        const picture one = {
            .form = PICTURE_FULL, .width = 90, .height = 61, .orientation = orientation, .seed = 5};
        (void)snprintf(name, sizeof(name), "exif%d.jpg", orientation);
        idx_image image = jpeg_build(&one);
        put_bytes(dir, name, image.bytes, image.size);
        idx_free(&image);
        bool exchange = orientation >= 5;
        put_cases(dir, name, exchange ? 61 : 90, exchange ? 90 : 61, &frame, &turned, number);
    }
}

/* Large images: JPEG's own shrinking to 1/2, 1/4 and 1/8. */
static void put_large(const char *dir, int *number)
{
    static const bounds close = {8, 0.5};
    static const co_image_frame frames[] = {{64, 73}, {24, 28}, {224, 256}};
    static const int scales[] = {6, 12, 1};
    for (int i = 0; i < 3; i++) {
        char name[32];
        const picture one = {.form = PICTURE_RGB,
                             .width = frames[i].resize * scales[i] + 60,
                             .height = frames[i].resize * scales[i] + 11,
                             .seed = 11};
        (void)snprintf(name, sizeof(name), "large%d.jpg", i);
        idx_image image = jpeg_build(&one);
        put_bytes(dir, name, image.bytes, image.size);
        idx_free(&image);
        put_cases(dir, name, one.width, one.height, &frames[i], &close, number);
    }
}

static void test_same_as_torchvision(void **state)
{
    const char *dir = *state;
    char command[2 * HELPER_PATH];
    if (system("/usr/bin/python3 -c 'import torchvision' >/dev/null 2>&1") != 0) {
        print_message("skipped: no torchvision\n");
        skip();
    }
    int number = 0;
    put_forms(dir, &number);
    put_rotated(dir, &number);
    put_large(dir, &number);
    (void)snprintf(command, sizeof(command),
                   "/usr/bin/python3 tests/data/compare_torchvision.py '%s'", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_as_torchvision, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
