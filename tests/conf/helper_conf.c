#include "conf/helper_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void write_file(const char *text, char *path)
{
    int handle = mkstemp(path);
    assert_true(handle >= 0);
    FILE *file = fdopen(handle, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* So that messages can be compared whole. */
static void name_file(char *text, const char *path)
{
    size_t length = strlen(path);
    for (char *at = strstr(text, path); at != NULL; at = strstr(at, path)) {
        memmove(at + 4, at + length, strlen(at + length) + 1);
        memcpy(at, "FILE", 4);
    }
}

/* The interfaces of argv and environ are not const, but nothing writes there. */
static char *unconst(const char *text)
{
    union {
        const char *from;
        char *to;
    } cast = {.from = text};
    return cast.to;
}

co_status load(const load_case *c, co_conf *conf, co_error *err)
{
    char path[] = "/tmp/cohort-conf-XXXXXX";
    char *arguments[ARGUMENTS_MAX + 2];
    char *environment[ARGUMENTS_MAX] = {NULL};
    int count = 0;
    bool named = false;
    for (int i = 0; c->arguments[i] != NULL; i++) {
        bool is_file = strcmp(c->arguments[i], "FILE") == 0;
        named = named || is_file;
        arguments[count++] = is_file ? path : unconst(c->arguments[i]);
    }
    for (int i = 0; c->environment[i] != NULL; i++) {
        environment[i] = unconst(c->environment[i]);
    }
    if (c->file != NULL) {
        write_file(c->file, path);
        if (!named) {
            arguments[count++] = unconst("--config");
            arguments[count++] = path;
        }
    }
    co_status status = co_conf_load(conf, c->command, count, arguments, environment, err);
    if (c->file != NULL) {
        unlink(path);
        if (status != CO_OK) {
            name_file(err->text, path);
        }
    }
    return status;
}

void must_load(const load_case *c, co_conf *conf)
{
    co_error err = {0};
    if (load(c, conf, &err) != CO_OK) {
        fail_msg("refused: %s", err.text);
    }
}

void must_fail(const load_case *c, const char *message)
{
    co_conf conf;
    co_error err = {0};
    co_status status = load(c, &conf, &err);
    if (status == CO_OK) {
        co_conf_free(&conf);
        fail_msg("accepted, but expected: %s", message);
    }
    assert_string_equal(err.text, message);
    assert_int_equal(status, 2); /* the exit code for wrong use */
    assert_int_equal(err.status, CO_USAGE);
    assert_null(conf.values.dataset); /* nothing is left behind */
}
