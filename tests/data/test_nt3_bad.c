/* Wrong NT3 tables: every message names file, row and column; `data check` lists all of it; bad
 * rows may be left out under a budget. */
#include "data/helper_loader.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "data/check.h"

static const char good_train[] = "0,1,2,3\n1,4,5,6\n0,7,8,9\n1,1,1,1\n";
static const char good_test[] = "1,1,2,3\n0,4,5,6\n";

static void put_text(const char *dir, const char *name, const char *text)
{
    put_bytes(dir, name, text, strlen(text));
}

static void put_good(const char *dir)
{
    put_text(dir, "nt_train2.csv", good_train);
    put_text(dir, "nt_test2.csv", good_test);
}

/* Opening fails with the texts, and so does the check. */
static void refuse(const char *dir, const char *const *texts)
{
    co_error err;
    co_dataset *set = NULL;
    static co_dataset_findings findings;
    assert_fault_texts(co_dataset_open("nt3", dir, NULL, &set, &err), CO_DATA, &err, texts);
    assert_null(set);
    assert_ok(co_dataset_check("nt3", dir, &findings, &err), &err);
    assert_true(findings.count >= 1);
    for (; *texts != NULL; texts++) {
        if (strstr(findings.listed[0].text, *texts) == NULL) {
            fail_msg("no '%s' in: %s", *texts, findings.listed[0].text);
        }
    }
}
#define REFUSE(dir, ...) refuse(dir, (const char *const[]){__VA_ARGS__, NULL})

static void test_fields(void **state)
{
    static const struct {
        const char *text;
        const char *words[2];
    } rows[] = {
        {"1,4,abc,6", {"row 2, column 3", "'abc' is no number"}},
        {"1,4,,6", {"row 2, column 3", "is empty"}},
        {"1,4,  ,6", {"row 2, column 3", "is empty"}},
        {"1,4,5", {"row 2, column 4: is missing", "has 3 of 4 columns"}},
        {"1", {"row 2, column 2: is missing", "has 1 of 4"}},
        {"1,4,5,", {"row 2, column 4", "is empty"}},
        {"", {"row 2, column 1", "is empty"}},
        {"1,4,5,6,7,8", {"row 2, column 5: is one too many", "has 6 columns, not 4"}},
        {"1,4,5,6,", {"row 2, column 5: is one too many", "has 5 columns"}},
        {"1,4,5 5,6", {"row 2, column 3", "'5 5' is no number"}},
        {"1,4,0x1p3,6", {"row 2, column 3", "'0x1p3' is no number"}},
        {"1,4,5e,6", {"row 2, column 3", "'5e' is no number"}},
        {"1,nan,5,6", {"row 2, column 2", "'nan' is no number"}},
        {"1,4,-inf,6", {"row 2, column 3", "'-inf' is no number"}},
        {"1,4,\"5\",6", {"row 2, column 3", "'\"5\"' is no number"}},
        {"1,4,1e39,6", {"row 2, column 3", "'1e39' is too large"}},
        {"1,4;5;6", {"row 2, column 2", "'4;5;6' is no number"}},
        {"2,4,5,6", {"row 2, column 1", "'2' is no class in 0..1"}},
        {"-1,4,5,6", {"row 2, column 1", "'-1' is no class"}},
        {"0.5,4,5,6", {"row 2, column 1", "'0.5' is no class"}},
        {"tumor,4,5,6", {"row 2, column 1", "'tumor' is no number"}},
        {"1,4,\x01\xff,6", {"row 2, column 3", "'?\?' is no number"}},
    };
    put_good(*state);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text), "0,1,2,3\n%s\n0,7,8,9\n1,1,1,1\n", rows[i].text);
        put_text(*state, "nt_train2.csv", text);
        REFUSE(*state, "nt_train2.csv: row 2", rows[i].words[0], rows[i].words[1]);
        (void)snprintf(text, sizeof(text), "0,1,2,3\r\n%s\r\n0,7,8,9\r\n1,1,1,1", rows[i].text);
        put_text(*state, "nt_train2.csv", text);
        REFUSE(*state, "nt_train2.csv: row 2", rows[i].words[0], rows[i].words[1]);
    }
    put_good(*state);
    put_text(*state, "nt_test2.csv", "1,1,2,3\n0,4,5,6\n0,1,x,1");
    REFUSE(*state, "nt_test2.csv: row 3, column 3: 'x' is no number");
}

static void test_tables(void **state)
{
    put_good(*state);
    put_text(*state, "nt_train2.csv", "class,a,b,c\n0,1,2,3\n1,4,5,6\n");
    REFUSE(*state, "nt_train2.csv: row 1, column 1: 'class' is no number", "no header line");
    put_text(*state, "nt_train2.csv", "0\n1\n1\n");
    REFUSE(*state, "nt_train2.csv", "at least one feature");
    put_text(*state, "nt_train2.csv", "\n\r\n\n");
    REFUSE(*state, "nt_train2.csv: has no rows");
    put_text(*state, "nt_train2.csv", "");
    REFUSE(*state, "nt_train2.csv: byte 0: has no content");
    put_good(*state);
    put_text(*state, "nt_test2.csv", "1,1,2\n0,4,5\n");
    REFUSE(*state, "nt_test2.csv: has 3 columns, ", "nt_train2.csv has 4");
    put_packed(*state, "nt_test2.csv", good_test, sizeof(good_test) - 1, CO_PACKING_GZIP);
    idx_image packed = get_bytes(*state, "nt_test2.csv.gz");
    char path[2 * HELPER_PATH];
    (void)snprintf(path, sizeof(path), "%s/nt_test2.csv", (const char *)*state);
    assert_int_equal(unlink(path), 0);
    put_bytes(*state, "nt_test2.csv.gz", packed.bytes, packed.size - 5);
    REFUSE(*state, "nt_test2.csv.gz");
    idx_free(&packed);
    (void)snprintf(path, sizeof(path), "%s/nt_test2.csv.gz", (const char *)*state);
    assert_int_equal(unlink(path), 0);
    REFUSE(*state, "nt_test2.csv is missing beside nt_train2.csv");
    (void)snprintf(path, sizeof(path), "%s/nt_train2.csv", (const char *)*state);
    assert_int_equal(unlink(path), 0);
    REFUSE(*state, "no files of nt3", "CANDLE", "cohort data fetch nt3");
}

/* The first row is as likely to be the broken one as any other. */
static void test_first_row(void **state)
{
    put_good(*state);
    put_text(*state, "nt_train2.csv", "0,1,2\n1,4,5,6\n0,7,8,9\n");
    REFUSE(*state, "nt_train2.csv: row 1, column 4: is missing; the row has 3 of 4 columns");
}

/* All faults of both files in their order. */
static void test_check(void **state)
{
    co_error err;
    static co_dataset_findings findings;
    put_good(*state);
    assert_ok(co_dataset_check("nt3", *state, &findings, &err), &err);
    assert_int_equal(findings.count, 0);
    put_text(*state, "nt_train2.csv", "0,1,2,3\n1,4,5\n0,7,8,9\n1,?,1,1\n");
    put_text(*state, "nt_test2.csv", "1,1,2,3\n3,4,5,6\n");
    assert_ok(co_dataset_check("nt3", *state, &findings, &err), &err);
    assert_int_equal(findings.count, 3);
    assert_non_null(strstr(findings.listed[0].text, "nt_train2.csv: row 2, column 4"));
    assert_non_null(strstr(findings.listed[1].text, "nt_train2.csv: row 4, column 2"));
    assert_non_null(strstr(findings.listed[2].text, "nt_test2.csv: row 2, column 1"));
}

/* The others are what a set without these rows would hold: the scale, too, is theirs. */
static void test_skip(void **state)
{
    co_error err;
    co_dataset *set = NULL;
    static const float expected[3][3] = {{0.5f, 0.25f, 1}, {-1, 0.5f, 1}, {1, 1, 1}};
    static const int32_t labels[] = {1, 0, 1};
    put_text(*state, "nt_train2.csv", "0,9,9,x\n1,1,2,3\n1,100,\n0,-2,4,3\n1,2,8,3\n7,9,99,9\n");
    put_text(*state, "nt_test2.csv", "0,9999,2,3,4\n1,1,2,3\n");
    co_dataset_options options = {.bad_policy = CO_BAD_SKIP, .bad_budget = 4};
    for (int turn = 0; turn < 3; turn++) { /* without a cache, with one, and by threads */
        options.background = turn == 2;
        assert_ok(co_dataset_open("nt3", *state, &options, &set, &err), &err);
        assert_int_equal(co_dataset_note(set)[0] == '\0', turn > 0);
        const co_dataset_info *info = co_dataset_describe(set);
        assert_int_equal(info->samples[CO_SPLIT_TRAIN], 3);
        assert_int_equal(info->samples[CO_SPLIT_TEST], 1);
        assert_memory_equal(co_dataset_resident(set, CO_SPLIT_TRAIN), expected, sizeof(expected));
        assert_memory_equal(co_dataset_labels(set, CO_SPLIT_TRAIN), labels, sizeof(labels));
        const co_bad_samples *bad = co_dataset_left_out(set);
        assert_int_equal(bad->count, 4);
        assert_non_null(strstr(bad->listed[0].text, "nt_train2.csv: row 1, column 4"));
        assert_non_null(strstr(bad->listed[1].text, "nt_train2.csv: row 3, column 3"));
        assert_non_null(strstr(bad->listed[2].text, "nt_train2.csv: row 6, column 1"));
        assert_non_null(strstr(bad->listed[3].text, "nt_test2.csv: row 1, column 5"));
        co_dataset_close(set);
    }
    /* The cache does not hide them from who wants to know. */
    options.bad_budget = 3;
    assert_fault(co_dataset_open("nt3", *state, &options, &set, &err), CO_DATA, &err,
                 "4 samples cannot be used", "--bad-samples-budget allows 3", "row 1, column 4",
                 NULL);
    assert_fault(co_dataset_open("nt3", *state, NULL, &set, &err), CO_DATA, &err,
                 "nt_train2.csv: row 1, column 4: 'x' is no number", NULL);
    options.bad_budget = 100;
    put_text(*state, "nt_test2.csv", "9,1,2,3\n5,1,2,3\n");
    assert_fault(co_dataset_open("nt3", *state, &options, &set, &err), CO_DATA, &err,
                 "nt_test2.csv: no row of it can be used", NULL);
}

/* Sixteen wide rows promise a wide table; thousands of short ones are not given its memory. */
static void test_memory(void **state)
{
    enum { WIDE = 20000, SHORT = 300000 };
    co_error err;
    co_dataset *set = NULL;
    char *text = malloc(16 * 2 * WIDE + 4 * SHORT);
    assert_non_null(text);
    size_t size = 0;
    for (int row = 0; row < 16; row++) {
        for (int k = 0; k < WIDE; k++) {
            text[size++] = '1';
            text[size++] = k + 1 < WIDE ? ',' : '\n';
        }
    }
    for (int row = 0; row < SHORT; row++) {
        memcpy(text + size, "1,2\n", 4);
        size += 4;
    }
    put_bytes(*state, "nt_train2.csv", text, size);
    put_bytes(*state, "nt_test2.csv", text, (size_t)2 * WIDE);
    free(text);
    co_dataset_options options = {.bad_policy = CO_BAD_SKIP, .bad_budget = SHORT};
    assert_ok(co_dataset_open("nt3", *state, &options, &set, &err), &err);
    assert_int_equal(co_dataset_describe(set)->samples[CO_SPLIT_TRAIN], 16);
    assert_int_equal(co_dataset_left_out(set)->count, SHORT);
    co_dataset_close(set);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_fields), IN_FOLDER(test_tables), IN_FOLDER(test_first_row),
        IN_FOLDER(test_check),  IN_FOLDER(test_skip),   IN_FOLDER(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
