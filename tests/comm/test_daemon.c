/* What mpirun would give ssh, taken apart as a shell would; and what a node does not run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "comm/daemon.h"

/* The words are those of Open MPI 4.1.4, as its agent gets them. */
static void open_mpis_words_are_read(void **state)
{
    (void)state;
    char *const words[] = {
        (char[]){" orted"},
        (char[]){"-mca"},
        (char[]){"ess"},
        (char[]){"\"env\""},
        (char[]){"-mca"},
        (char[]){"orte_hnp_uri"},
        (char[]){"\"174.0;tcp://192.0.2.2:36717;tcp6://[fd00::2]:47979\""},
        (char[]){"-mca"},
        (char[]){"pmix"},
        (char[]){"\"^s1,s2\""},
        (char[]){"'a b'\\;\"\\\"$\\\\\""},
    };
    static const char *const expected[] = {
        "orted",
        "-mca",
        "ess",
        "env",
        "-mca",
        "orte_hnp_uri",
        "174.0;tcp://192.0.2.2:36717;tcp6://[fd00::2]:47979",
        "-mca",
        "pmix",
        "^s1,s2",
    };
    co_daemon d;
    co_error err = {0};
    int first = -1;
    assert_int_equal(co_daemon_read(10, words, &d, &err), CO_OK);
    assert_int_equal(d.count, 10);
    for (int i = 0; i < d.count; i++) {
        assert_string_equal(d.words[i], expected[i]);
    }
    assert_null(d.words[10]);
    assert_int_equal(co_daemon_check(d.count, d.words, &first, &err), CO_OK);
    assert_int_equal(first, 0);
    assert_int_equal(co_daemon_read(11, words, &d, &err), CO_UNSUPPORTED); /* a variable */
}

static void quotes_are_those_of_a_shell(void **state)
{
    (void)state;
    char *const words[] = {(char[]){"orted 'a \"b' \"c 'd\\\"\\$\" e\\;f \"\" g''h"}};
    co_daemon d;
    co_error err = {0};
    assert_int_equal(co_daemon_read(1, words, &d, &err), CO_OK);
    assert_int_equal(d.count, 6);
    assert_string_equal(d.words[1], "a \"b");
    assert_string_equal(d.words[2], "c 'd\"$");
    assert_string_equal(d.words[3], "e;f");
    assert_string_equal(d.words[4], "");
    assert_string_equal(d.words[5], "gh");
}

/* mpirun --prefix, and where the user's shell is a plain sh. */
static void prefixes_are_read(void **state)
{
    (void)state;
    char *const words[] = {
        (char[]){"( test ! -r ./.profile || . ./.profile;"},
        (char[]){"          PATH=/opt/bin:$PATH ; export PATH ; "
                 "LD_LIBRARY_PATH=/opt/lib:${LD_LIBRARY_PATH:-} ; export LD_LIBRARY_PATH ; "
                 "OPAL_PREFIX=/opt ; export OPAL_PREFIX;   /opt/bin/orted"},
        (char[]){"-mca"},
        (char[]){")"},
    };
    co_daemon d;
    co_error err = {0};
    int first = -1;
    assert_int_equal(co_daemon_read(4, words, &d, &err), CO_OK);
    assert_int_equal(d.count, 5);
    assert_string_equal(d.words[0], "PATH+=/opt/bin:");
    assert_string_equal(d.words[1], "LD_LIBRARY_PATH+=/opt/lib:");
    assert_string_equal(d.words[2], "OPAL_PREFIX=/opt");
    assert_string_equal(d.words[3], "/opt/bin/orted");
    assert_int_equal(co_daemon_check(d.count, d.words, &first, &err), CO_OK);
    assert_int_equal(first, 3);
    assert_int_equal(setenv("LD_LIBRARY_PATH", "/old", 1), 0);
    assert_int_equal(co_daemon_assign(d.words[1], &err), CO_OK);
    assert_string_equal(getenv("LD_LIBRARY_PATH"), "/opt/lib:/old");
    assert_int_equal(co_daemon_assign(d.words[2], &err), CO_OK);
    assert_string_equal(getenv("OPAL_PREFIX"), "/opt");
}

static void what_a_shell_would_do_more_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "orted ; rm -rf x",
        "orted | tee x",
        "orted > x",
        "orted `id`",
        "orted $(id)",
        "orted \"$HOME\"",
        "orted & true",
        "orted 'open",
        "orted \"open",
        "PATH=$HOME orted",
        "PATH=/x:$LD_LIB ; orted",
        "export 1+ ; orted",
        "",
        " ; ; ",
        "orted \"`id`\"",
        "orted *",
        "orted a\nb",
    };
    co_daemon d;
    co_error err = {0};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char line[64];
        char *const words[] = {line};
        (void)snprintf(line, sizeof(line), "%s", lines[i]);
        if (co_daemon_read(1, words, &d, &err) != CO_UNSUPPORTED) {
            fail_msg("taken: %s", lines[i]);
        }
    }
}

static void too_long_a_command_is_refused(void **state)
{
    (void)state;
    enum { LONG = CO_DAEMON_TEXT + 10 };
    char *line = malloc(LONG + 1);
    co_daemon d;
    co_error err = {0};
    assert_non_null(line);
    memset(line, 'x', LONG);
    line[LONG] = '\0';
    char *const words[] = {line};
    assert_int_equal(co_daemon_read(1, words, &d, &err), CO_UNSUPPORTED);
    for (int i = 0; i + 1 < 2 * CO_DAEMON_WORDS + 10; i += 2) { /* too many words */
        memcpy(line + i, "x ", 3);
    }
    assert_int_equal(co_daemon_read(1, words, &d, &err), CO_UNSUPPORTED);
    free(line);
}

static void a_node_runs_nothing_else(void **state)
{
    (void)state;
    co_error err = {0};
    int first = -1;
    const char *shell[] = {"/bin/sh", "-c", "orted"};
    const char *preload[] = {"LD_PRELOAD=/tmp/evil.so", "orted"};
    const char *adds[] = {"LD_PRELOAD+=/tmp/evil.so", "orted"};
    const char *only[] = {"PATH=/x"};
    const char *close[] = {"/opt/xorted"};
    const char *good[] = {"/opt/bin/orted"};
    assert_int_equal(co_daemon_check(3, shell, &first, &err), CO_USAGE);
    assert_non_null(strstr(err.text, "'sh', which is no orted"));
    assert_int_equal(co_daemon_check(2, preload, &first, &err), CO_USAGE);
    assert_int_equal(co_daemon_check(2, adds, &first, &err), CO_USAGE);
    assert_int_equal(co_daemon_check(1, only, &first, &err), CO_USAGE);
    assert_int_equal(co_daemon_check(1, close, &first, &err), CO_USAGE);
    assert_int_equal(first, -1);
    assert_int_equal(co_daemon_check(1, good, &first, &err), CO_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_mpis_words_are_read),
        cmocka_unit_test(quotes_are_those_of_a_shell),
        cmocka_unit_test(prefixes_are_read),
        cmocka_unit_test(what_a_shell_would_do_more_is_refused),
        cmocka_unit_test(too_long_a_command_is_refused),
        cmocka_unit_test(a_node_runs_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
