/* The dump reads back to the same settings, for random settings of every type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "conf/helper_conf.h"
#include "conf/option.h"
#include "conf/string.h"
#include "conf/value.h"

static void dump(const co_conf *conf, char **out)
{
    co_error err = {0};
    assert_int_equal(co_conf_dump(conf, out, &err), CO_OK);
}

/* Value by value, in the types of the fields: independent of how the dump writes them. */
static void expect_same_value(const co_option *option, const void *a, const void *b)
{
    switch (option->type) {
    case CO_TYPE_BOOL:
        assert_int_equal(*(const bool *)a, *(const bool *)b);
        break;
    case CO_TYPE_INT:
    case CO_TYPE_CHOICE:
        assert_int_equal(*(const int *)a, *(const int *)b);
        break;
    case CO_TYPE_UINT64:
    case CO_TYPE_FLOAT:
        assert_memory_equal(a, b, 8);
        break;
    case CO_TYPE_LIST: {
        const co_number_list *x = a;
        const co_number_list *y = b;
        assert_int_equal(x->count, y->count);
        for (int i = 0; i < x->count; i++) {
            assert_memory_equal(&x->items[i], &y->items[i], sizeof(double));
        }
        break;
    }
    default: {
        const char *x = *(char *const *)a;
        const char *y = *(char *const *)b;
        assert_int_equal(x == NULL, y == NULL);
        if (x != NULL) {
            assert_string_equal(x, y);
        }
    }
    }
}

static void expect_round_trip(const co_conf *conf)
{
    char *text = NULL;
    dump(conf, &text);
    co_conf back;
    co_error err = {0};
    if (co_conf_read(&back, CO_COMMAND_TRAIN, "config.yaml", text, strlen(text), &err) != CO_OK) {
        fail_msg("%s\n%s", err.text, text);
    }
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        const co_option *option = co_option_row((co_row)row);
        if (!option->invocation) {
            expect_same_value(option, (const char *)&conf->values + option->offset,
                              (const char *)&back.values + option->offset);
        }
    }
    char *again = NULL;
    dump(&back, &again);
    assert_string_equal(text, again);
    co_free(again);
    co_free(text);
    co_conf_free(&back);
}

static double random_double(co_rng *rng, double low, double high)
{
    return low + (high - low) * ((double)co_rng_u32(rng) + 0.5) / 4294967296.0;
}

/* A value that the row allows, as text. */
static void random_value(co_rng *rng, const co_option *option, char *text, size_t size)
{
    static const char *const texts[] = {
        "plain", "with blank", "it's: {odd}, [or] not", "#no",     "true",  "017", "null", "~",
        "- x",   "a\tb\nc",    "\xc3\xa9t\xc3\xa9",     "C:\\new", "*a &b", "%",   "\"",   "-"};
    static const char *const yaml[] = {"", "{depth: 34}",
                                       "{'a b': ['1', 2, null, True], c: {d: ~}}"};
    char number[32];
    switch (option->type) {
    case CO_TYPE_BOOL:
        snprintf(text, size, "%s", co_rng_below(rng, 2) != 0 ? "true" : "false");
        break;
    case CO_TYPE_INT:
        snprintf(text, size, "%.0f", random_double(rng, option->min, option->max));
        break;
    case CO_TYPE_UINT64:
        snprintf(text, size, "%llu", (unsigned long long)co_rng_u32(rng) << co_rng_below(rng, 33));
        break;
    case CO_TYPE_FLOAT:
        snprintf(text, size, "%.17g",
                 random_double(rng, option->min, option->max > 1 ? 5 : option->max));
        break;
    case CO_TYPE_CHOICE: {
        uint32_t count = 0;
        while (option->choices[count] != NULL) {
            count++;
        }
        snprintf(text, size, "%s", option->choices[co_rng_below(rng, count)]);
        break;
    }
    case CO_TYPE_LIST:
        snprintf(number, sizeof(number), "%.17g", random_double(rng, 1, 50));
        snprintf(text, size, "[%s, 77, 1e3]", number);
        break;
    case CO_TYPE_YAML:
        snprintf(text, size, "%s",
                 strcmp(option->name, "model_config") == 0 ? yaml[co_rng_below(rng, 3)] : "");
        break;
    default:
        snprintf(text, size, "%s", texts[co_rng_below(rng, sizeof(texts) / sizeof(texts[0]))]);
    }
}

/* Values may contradict each other; the loader then refuses the set, and another is drawn. */
static bool draw(co_rng *rng, co_conf *conf)
{
    char words[CO_ROW_COUNT][160];
    char *arguments[CO_ROW_COUNT];
    int count = 0;
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        const co_option *option = co_option_row((co_row)row);
        bool used = !option->invocation && co_option_applies((co_row)row, CO_COMMAND_TRAIN) &&
                    co_rng_below(rng, 3) == 0;
        if (used) {
            char value[120];
            random_value(rng, option, value, sizeof(value));
            snprintf(words[count], sizeof(words[count]), "--%s=%s", option->name, value);
            arguments[count] = words[count];
            count++;
        }
    }
    co_error err = {0};
    return co_conf_load(conf, CO_COMMAND_TRAIN, count, arguments, NULL, &err) == CO_OK;
}

static void test_random_settings(void **state)
{
    (void)state;
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 3, .stream = CO_STREAM_TEST});
    int loaded = 0;
    for (int i = 0; i < 6000 && loaded < 150; i++) {
        co_conf conf;
        if (draw(&rng, &conf)) {
            loaded++;
            expect_round_trip(&conf);
            co_conf_free(&conf);
        }
    }
    assert_int_equal(loaded, 150);
}

/* What is derived must not contradict what is written, when it is read back. */
static void test_resolved_settings(void **state)
{
    (void)state;
    static const char *const cases[][8] = {
        {NULL},
        {"--profile", "s1", "--dataset", "cifar10"},
        {"--profile", "s2", "--optimizer", "adam"},
        {"--profile", "s3", "--alr", "--alt-model", "--seed"},
        {"--profile", "s3", "--lrs", "exponential", "--dataset", "cifar10"},
        {"--profile", "s4"},
        {"--profile", "s4", "--lr-schedule", "cosine"},
        {"--profile", "demo"},
        {"--alt-model", "--dataset", "cifar100", "--lrs", "exponential"},
        {"--regime", "[{epoch: 0, lr: 0.1}, {step: 9, 'momentum': '0.5'}]"},
        {"--lrs", "linear", "--lr-points", "[[0, 0.1], [2, 0]]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        co_conf conf;
        const char *const *a = cases[i];
        LOAD(&conf, .arguments = {a[0], a[1], a[2], a[3], a[4], a[5], a[6], NULL});
        expect_round_trip(&conf);
        co_conf_free(&conf);
    }
}

static int count_of(const char *text, const char *piece)
{
    int count = 0;
    for (const char *at = strstr(text, piece); at != NULL; at = strstr(at + 1, piece)) {
        count++;
    }
    return count;
}

/* What belongs to one call is not part of the record; the rest is, each row once. */
static void test_what_is_dumped(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, .arguments = {"--run-dir", "somewhere", "--print-config", NULL});
    char *text = NULL;
    dump(&conf, &text);
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        const co_option *option = co_option_row((co_row)row);
        char key[80];
        snprintf(key, sizeof(key), "\n%s: ", option->name);
        assert_int_equal(count_of(text, key), option->invocation ? 0 : 1);
    }
    assert_null(strstr(text, "somewhere"));
    co_free(text);
    co_conf_free(&conf);
}

static void test_print_sources(void **state)
{
    (void)state;
    co_conf conf;
    co_error err = {0};
    LOAD(&conf, .environment = {"COHORT_LR=0.25", NULL},
         .arguments = {"--profile", "s1", "--batch_size", "8", NULL});
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    assert_int_equal(co_conf_print_sources(&conf, file, &err), CO_OK);
    fclose(file);
    static const char *const lines[][3] = {
        {"batch_size", "8", "--batch_size"},
        {"lr", "0.25", "COHORT_LR"},
        {"model", "mnistnet", "profile s1"},
        {"threads", "0", "default"},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char line[160];
        snprintf(line, sizeof(line), "\n%-20s %-28s %s\n", lines[i][0], lines[i][1], lines[i][2]);
        assert_non_null(strstr(text, line));
    }
    free(text);
    co_conf_free(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_settings),
        cmocka_unit_test(test_resolved_settings),
        cmocka_unit_test(test_what_is_dumped),
        cmocka_unit_test(test_print_sources),
    };
    return cmocka_run_group_tests_name("conf/dump", tests, NULL, NULL);
}
