/* Wrong folders, lists and annotations of image sets: what is said, and that `data check` says all
 * of it at once. */
#include "data/helper_images.h"

#include <stdio.h>
#include <string.h>

#include "data/check.h"
#include "data/image/lines.h"

static void put_text(const char *dir, const char *name, const char *text)
{
    put_bytes(dir, name, text, strlen(text));
}

static bool listed(const co_dataset_findings *findings, const char *text)
{
    for (uint64_t i = 0; i < findings->count && i < CO_CHECK_LISTED; i++) {
        if (strstr(findings->listed[i].text, text) != NULL) {
            return true;
        }
    }
    return false;
}

static void refuse(const char *name, const char *dir, const char *const *texts)
{
    static co_dataset_findings findings;
    co_error err;
    co_dataset *set = NULL;
    assert_fault_texts(co_dataset_open(name, dir, NULL, &set, &err), CO_DATA, &err, texts);
    assert_null(set);
    assert_ok(co_dataset_check(name, dir, &findings, &err), &err);
    for (; *texts != NULL; texts++) {
        assert_true(listed(&findings, *texts));
    }
}
#define REFUSE(name, dir, ...) refuse(name, dir, (const char *const[]){__VA_ARGS__, NULL})

static void test_nothing_there(void **state)
{
    REFUSE("imagenet", *state, "has no imagenet files", "train/<class>/");
    REFUSE("tinyimagenet", *state, "wnids.txt", "TinyImageNet");
    REFUSE("imagenet100", *state, "train_100.txt");
    REFUSE("images", *state, "has no folders, one for each class");
    make_folder(*state, "train");
    REFUSE("images", *state, "train: has no folders");
}

static void test_empty_class(void **state)
{
    put_pictures(*state, "train/a", 1, 1);
    make_folder(*state, "train/empty");
    put_pictures(*state, "val/a", 1, 1);
    REFUSE("images", *state, "train/empty: this class has no images");
}

static void test_unknown_class(void **state)
{
    put_pictures(*state, "train/a", 1, 1);
    REFUSE("images", *state, "has neither val/ nor test/");
    put_pictures(*state, "val/b", 1, 1);
    REFUSE("images", *state, "val/b: train/ has no class of this name");
}

static void put_tiny(const char *dir, const char *annotations)
{
    put_text(dir, "val/val_annotations.txt", annotations);
}

static void test_annotations(void **state)
{
    static const char *const wrong[][2] = {
        {"p00.jpg\tn01\t0\np01.jpg n01 0", "line 2: has no tab"},
        {"\n\np00.jpg\tn03\t0\n", "line 3: 'n03' is none of the 2 classes"},
        {"p00.jpg\t\t0\n", "line 1: an empty field"},
        {"\tn01\t0\n", "line 1: an empty field"},
        {"../../secret\tn01\t0\n", "line 1: a path that leads out"},
        {"/etc/passwd\tn01\t0\n", "line 1: a path that leads out"},
        {"p00.jpg\tn01\t0\ngone.jpg\tn01\t0\n", "line 2: names"},
        {"p00.jpg\tn01\np01.jpg\tn01\nx/../p00.jpg\tn01\n", "line 3: a path that leads out"},
    };
    put_pictures(*state, "train/n01/images", 1, 1);
    put_pictures(*state, "train/n02/images", 1, 2);
    put_pictures(*state, "val/images", 2, 3);
    put_text(*state, "wnids.txt", "n01\nn02\n");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        put_tiny(*state, wrong[i][0]);
        REFUSE("tinyimagenet", *state, wrong[i][1]);
    }
    put_tiny(*state, "");
    co_error err;
    co_dataset *set = NULL;
    assert_fault(co_dataset_open("tinyimagenet", *state, NULL, &set, &err), CO_DATA, &err,
                 "has no test images", NULL);
    put_tiny(*state, "p00.jpg\tn01\n");
    put_text(*state, "wnids.txt", "n01\nn02\nn01\n");
    REFUSE("tinyimagenet", *state, "names class n01 twice");
    put_text(*state, "wnids.txt", "n01\nn02\na/b\n");
    REFUSE("tinyimagenet", *state, "line 3: 'a/b' is no name of a folder");
    put_text(*state, "wnids.txt", "n01\nn09\n");
    REFUSE("tinyimagenet", *state, "n09: cannot be read as a folder");
}

static void test_lists(void **state)
{
    static const char *const wrong[][2] = {
        {"train/a/p00.jpg 0\ntrain/a/p01.jpg", "train_100.txt: line 2: does not end in a label"},
        {"train/a/p00.jpg -1\n", "line 1: does not end in a label"},
        {"train/a/p00.jpg 65536\n", "line 1: the label is above 65535"},
        {"train/a/p00.jpg 99999999999999999999\n", "line 1: the label is above 65535"},
        {"17\n", "line 1: does not end in a label"},
        {" 17\n", "line 1: an empty field"},
        {"../p00.jpg 0\n", "line 1: a path that leads out"},
        {"train/a/p00.jpg 0\ntrain/a/p77.jpg 0\n", "line 2: names"},
        {"train/a 0\n", "line 1: names"},
    };
    put_pictures(*state, "train/a", 2, 1);
    put_text(*state, "val_100.txt", "train/a/p01.jpg 0\n");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        put_text(*state, "train_100.txt", wrong[i][0]);
        REFUSE("imagenet100", *state, wrong[i][1]);
    }
}

/* A file that a list names and that is missing is a bad sample: it may be left out. */
static void test_missing_is_skipped(void **state)
{
    co_error err;
    co_dataset *set = NULL;
    put_pictures(*state, "train/a", 2, 1);
    put_text(*state, "val_100.txt", "train/a/p01.jpg 0\n");
    put_text(*state, "train_100.txt", "train/a/gone.jpg 0\ntrain/a/p00.jpg 0\n");
    const co_dataset_options options = {.bad_policy = CO_BAD_SKIP, .bad_budget = 1};
    assert_ok(co_dataset_open("imagenet100", *state, &options, &set, &err), &err);
    assert_int_equal(co_dataset_describe(set)->samples[CO_SPLIT_TRAIN], 1);
    assert_int_equal(co_dataset_left_out(set)->count, 1);
    co_dataset_close(set);
}

/* A zero byte in a list would end a name early. */
static void test_zero_bytes(void **state)
{
    (void)state;
    static const char text[] = "a\0b.jpg 1\nc.jpg 2\n";
    co_lines lines = {
        .name = "list", .text = text, .size = sizeof(text) - 1, .kind = CO_LINES_LABELLED};
    co_error err;
    co_line line;
    bool more = false;
    assert_fault(co_lines_next(&lines, &more, &line, &err), CO_DATA, &err, "list: line 1",
                 "zero byte", NULL);
    assert_true(more);
    assert_ok(co_lines_next(&lines, &more, &line, &err), &err); /* goes on behind it */
    assert_string_equal(line.file, "c.jpg");
    assert_int_equal(line.number, 2);
    assert_ok(co_lines_next(&lines, &more, &line, &err), &err);
    assert_false(more);
}

/* Everything that is wrong with a set, in one go, and in the same order each time. */
static void test_check_finds_all(void **state)
{
    static co_dataset_findings findings;
    static co_dataset_findings again;
    co_error err;
    put_pictures(*state, "train/a", 30, 1);
    put_pictures(*state, "val/a", 3, 2);
    make_folder(*state, "train/b");
    cut_file(*state, "train/a/p03.jpg", 200);
    cut_file(*state, "train/a/p22.jpg", 0);
    put_text(*state, "train/a/p23.jpg", "no picture");
    put_text(*state, "val/a/q.webp", "RIFF....WEBP");
    assert_ok(co_dataset_check("images", *state, &findings, &err), &err);
    assert_int_equal(findings.count, 5);
    assert_true(listed(&findings, "train/b: this class has no images"));
    assert_true(listed(&findings, "p03.jpg: byte 200"));
    assert_true(listed(&findings, "p22.jpg: has 0 bytes"));
    assert_true(listed(&findings, "p23.jpg: byte 0: is neither"));
    assert_true(listed(&findings, "q.webp: byte 0: is neither"));
    assert_ok(co_dataset_check("images", *state, &again, &err), &err);
    for (int i = 0; i < 5; i++) {
        assert_string_equal(findings.listed[i].text, again.listed[i].text);
    }
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_nothing_there),
        IN_FOLDER(test_empty_class),
        IN_FOLDER(test_unknown_class),
        IN_FOLDER(test_annotations),
        IN_FOLDER(test_lists),
        IN_FOLDER(test_missing_is_skipped),
        cmocka_unit_test(test_zero_bytes),
        IN_FOLDER(test_check_finds_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
