/* The option table itself, and the pages made from it. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/layers.h"
#include "conf/option.h"
#include "conf/string.h"
#include "conf/value.h"

static bool is_number(const co_option *option)
{
    return option->type == CO_TYPE_INT || option->type == CO_TYPE_FLOAT ||
           option->type == CO_TYPE_UINT64 || option->type == CO_TYPE_LIST;
}

static void check_row(const co_option *option)
{
    assert_non_null(option->help);
    assert_true(strlen(option->help) >= 10);
    assert_true(option->help[strlen(option->help) - 1] != '.'); /* the pages add it */
    assert_non_null(option->standard);
    assert_true(option->commands != 0);
    for (const char *c = option->name; *c != '\0'; c++) {
        assert_true(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
    }
    if (is_number(option)) {
        assert_non_null(option->unit);
        assert_true(option->type == CO_TYPE_UINT64 || option->min < option->max);
    }
    assert_int_equal(option->type == CO_TYPE_CHOICE, option->choices != NULL);
    assert_true(option->words == NULL || option->type == CO_TYPE_CHOICE);
    assert_true(option->check == NULL || option->type == CO_TYPE_YAML);
}

static void test_rows(void **state)
{
    (void)state;
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        const co_option *option = co_option_row((co_row)row);
        check_row(option);
        co_settings settings = {0};
        co_error err = {0};
        if (co_value_set(&settings, (co_row)row, option->standard, option->name, &err) != CO_OK) {
            fail_msg("the default is not allowed: %s", err.text);
        }
        co_value_clear(&settings, (co_row)row);
        if (option->alone != NULL) {
            assert_int_equal(
                co_value_set(&settings, (co_row)row, option->alone, option->name, &err), CO_OK);
        }
    }
}

/* Calls `visit` for each word of a list separated by blanks. */
static int count_owners(const char *name)
{
    int owners = 0;
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        const co_option *option = co_option_row((co_row)row);
        owners += co_same_name(option->name, name) || co_in_list(option->aliases, name);
    }
    for (size_t i = 0; co_later_row(i) != NULL; i++) {
        owners += co_in_list(co_later_row(i)->names, name);
    }
    return owners;
}

static void check_names(const char *names)
{
    char copy[256];
    assert_true(strlen(names) < sizeof(copy));
    snprintf(copy, sizeof(copy), "%s", names);
    char *rest = copy;
    for (char *name = strtok_r(copy, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest)) {
        if (count_owners(name) != 1) {
            fail_msg("%d rows answer to '%s'", count_owners(name), name);
        }
    }
}

static void test_names_are_unique(void **state)
{
    (void)state;
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        check_names(co_option_row((co_row)row)->name);
        if (co_option_row((co_row)row)->aliases != NULL) {
            check_names(co_option_row((co_row)row)->aliases);
        }
    }
    for (size_t i = 0; co_later_row(i) != NULL; i++) {
        check_names(co_later_row(i)->names);
        assert_true(strlen(co_later_row(i)->feature) > 5);
    }
}

static char *printed(void (*print)(FILE *, int), int argument)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    print(file, argument);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void print_help(FILE *file, int command)
{
    co_conf_print_help((co_command)command, file);
}

static void print_reference(FILE *file, int argument)
{
    (void)argument;
    co_conf_print_reference(file);
}

static void test_help(void **state)
{
    (void)state;
    for (int c = 0; c < CO_COMMAND_COUNT; c++) {
        char *text = printed(print_help, c);
        for (int row = 0; row < CO_ROW_COUNT; row++) {
            char name[64];
            char flag[80];
            co_dashed(co_option_row((co_row)row)->name, name, sizeof(name));
            bool both = co_option_row((co_row)row)->type == CO_TYPE_BOOL &&
                        !co_option_row((co_row)row)->flag_only;
            snprintf(flag, sizeof(flag), "\n  --%s%s ", both ? "[no-]" : "", name);
            bool found = strstr(text, flag) != NULL;
            flag[strlen(flag) - 1] = '\n'; /* a long name has a line of its own */
            found = found || strstr(text, flag) != NULL;
            assert_int_equal(found, co_option_applies((co_row)row, (co_command)c));
        }
        for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
            assert_true(strcspn(line, "\n") <= 100);
        }
        free(text);
    }
}

static void test_reference(void **state)
{
    (void)state;
    char *text = printed(print_reference, 0);
    for (int row = 0; row < CO_ROW_COUNT; row++) {
        char name[64];
        char cell[80];
        co_dashed(co_option_row((co_row)row)->name, name, sizeof(name));
        snprintf(cell, sizeof(cell), "\n| `--%s` | ", name);
        assert_non_null(strstr(text, cell));
        assert_non_null(strstr(text, co_option_row((co_row)row)->help));
    }
    for (size_t i = 0; co_later_row(i) != NULL; i++) {
        assert_non_null(strstr(text, co_later_row(i)->feature));
    }
    free(text);
}

/* docs/reference.md is this version's page. */
static void test_committed_reference(void **state)
{
    (void)state;
    FILE *file = fopen("docs/reference.md", "r");
    assert_non_null(file);
    char *text = printed(print_reference, 0);
    size_t size = strlen(text);
    char *committed = calloc(1, size + 2);
    assert_non_null(committed);
    size_t length = fread(committed, 1, size + 1, file);
    fclose(file);
    if (length != size || memcmp(committed, text, size) != 0) {
        fail_msg("docs/reference.md is not that of this version: build/cohort reference > "
                 "docs/reference.md");
    }
    free(committed);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_names_are_unique),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_committed_reference),
    };
    return cmocka_run_group_tests_name("conf/table", tests, NULL, NULL);
}
