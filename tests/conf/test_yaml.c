/* The YAML tree: structure, places, limits, and the flow form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "conf/string.h"
#include "conf/yaml.h"

static co_yaml *parse(const char *text)
{
    co_yaml *document = NULL;
    co_error err = {0};
    if (co_yaml_parse("d.yaml", text, strlen(text), &document, &err) != CO_OK) {
        fail_msg("refused: %s", err.text);
    }
    return document;
}

static void refuse_bytes(const char *text, size_t length, const char *message)
{
    co_yaml *document = NULL;
    co_error err = {0};
    assert_int_equal(co_yaml_parse("d.yaml", text, length, &document, &err), CO_USAGE);
    assert_null(document);
    assert_string_equal(err.text, message);
}

static void refuse(const char *text, const char *message)
{
    refuse_bytes(text, strlen(text), message);
}

static void test_tree(void **state)
{
    (void)state;
    co_yaml *document = parse("# a network\nname: net\nlayers:\n  - {type: conv, k: 3}\n"
                              "  - type: 'fc'\n\n    out: 10\nempty:\n");
    const co_yaml_node *root = co_yaml_root(document);
    assert_int_equal(root->kind, CO_YAML_MAP);
    assert_int_equal(root->count, 3);
    const co_yaml_node *layers = co_yaml_get(root, "layers");
    assert_int_equal(layers->kind, CO_YAML_SEQUENCE);
    assert_int_equal(layers->count, 2);
    const co_yaml_node *k = co_yaml_get(layers->first, "k");
    assert_string_equal(k->text, "3");
    assert_true(k->plain);
    assert_int_equal(k->line, 4);
    assert_int_equal(k->column, 21);
    assert_int_equal(k->key->column, 18);
    const co_yaml_node *fc = layers->first->next;
    assert_false(co_yaml_get(fc, "type")->plain);
    assert_int_equal(co_yaml_get(fc, "out")->line, 7);
    assert_null(fc->next);
    assert_null(co_yaml_get(fc, "in"));
    assert_null(co_yaml_get(layers, "k"));
    assert_true(co_yaml_is_null(co_yaml_get(root, "empty")));
    assert_false(co_yaml_is_null(co_yaml_get(root, "name")));
    co_yaml_free(document);
}

static void test_empty(void **state)
{
    (void)state;
    const char *const texts[] = {"", "\n\n", "# only a comment\n"};
    for (size_t i = 0; i < 3; i++) {
        co_yaml *document = parse(texts[i]);
        assert_null(co_yaml_root(document));
        co_yaml_free(document);
    }
    co_yaml_free(NULL);
}

static void test_typed(void **state)
{
    (void)state;
    co_yaml *document = parse("f: -1.5e-3\ni: -12\nb: Yes\nt: text\nl: [1]\n");
    const co_yaml_node *root = co_yaml_root(document);
    co_error err = {0};
    double number = 7;
    int64_t whole = 7;
    bool truth = false;
    assert_int_equal(co_yaml_number(co_yaml_get(root, "f"), "f", &number, &err), CO_OK);
    assert_true(number == -1.5e-3);
    assert_int_equal(co_yaml_integer(co_yaml_get(root, "i"), "i", &whole, &err), CO_OK);
    assert_int_equal(whole, -12);
    assert_int_equal(co_yaml_bool(co_yaml_get(root, "b"), "b", &truth, &err), CO_OK);
    assert_true(truth);
    assert_int_equal(co_yaml_integer(co_yaml_get(root, "f"), "f", &whole, &err), CO_USAGE);
    assert_string_equal(err.text, "d.yaml:1:4: f: '-1.5e-3' is not a whole number");
    assert_int_equal(whole, -12); /* outputs are written only on success */
    assert_int_equal(co_yaml_number(co_yaml_get(root, "t"), "t", &number, &err), CO_USAGE);
    assert_string_equal(err.text, "d.yaml:4:4: t: 'text' is not a number");
    assert_int_equal(co_yaml_bool(co_yaml_get(root, "l"), "l", &truth, &err), CO_USAGE);
    assert_string_equal(err.text, "d.yaml:5:4: l: expected true or false, found a list");
    co_yaml_free(document);
}

static void test_refused(void **state)
{
    (void)state;
    refuse("a:\n\tb: 1\n", "d.yaml:2:1: a tab stands here; YAML indents with spaces: replace it "
                           "by spaces");
    refuse("a: 1\nb: 2\na: 3\n",
           "d.yaml:3:1: the key 'a' is given twice: here and in line 1; keep one");
    refuse("x: {k: 1, k: 2}",
           "d.yaml:1:11: the key 'k' is given twice: here and in line 1; keep one");
    refuse("a: &x 1\nb: *x\n",
           "d.yaml:1:4: anchors (&) and aliases (*) are not allowed: write the value out");
    refuse("b: *x\n",
           "d.yaml:1:4: anchors (&) and aliases (*) are not allowed: write the value out");
    refuse("a: !!python/object:os.system x", "d.yaml:1:4: tags (!) are not allowed: remove it");
    refuse("a: 1\n---\nb: 1\n",
           "d.yaml:2:1: a second document begins here: one file holds one document");
    refuse("[a]: 1", "d.yaml:1:1: a key must be a name, not a list");
    refuse("a: \"x\\0y\"", "d.yaml:1:4: a text may not hold a zero character");
    refuse("a: [1, 2", "d.yaml:2:1: not valid YAML: did not find expected ',' or ']' while parsing "
                       "a flow sequence");
    refuse("ab: 1\ncd: \xff\n",
           "d.yaml:2:5: not readable as UTF-8 text (invalid leading UTF-8 octet)");
    refuse_bytes("a\0b", 3,
                 "d.yaml:1:2: not readable as UTF-8 text (control characters are not "
                 "allowed)");
    refuse_bytes("\xff\xfe"
                 "a\0",
                 4, "d.yaml:1:1: not readable as UTF-8 text (invalid leading UTF-8 octet)");
}

static char *repeat(const char *piece, size_t times, size_t *length)
{
    size_t size = strlen(piece);
    char *text = malloc(size * times + 1);
    assert_non_null(text);
    for (size_t i = 0; i < times; i++) {
        memcpy(text + i * size, piece, size);
    }
    text[size * times] = '\0';
    *length = size * times;
    return text;
}

static void refuse_repeated(const char *piece, size_t times, const char *message)
{
    size_t length = 0;
    char *text = repeat(piece, times, &length);
    refuse_bytes(text, length, message);
    free(text);
}

static void test_limits(void **state)
{
    (void)state;
    refuse_repeated("[", 1000, "d.yaml:1:33: nested deeper than 32 levels");
    refuse_repeated("- ", 1000, "d.yaml:1:65: nested deeper than 32 levels");
    refuse_repeated("{a: ", 1000, "d.yaml:1:129: nested deeper than 32 levels");
    refuse_repeated("- a\n", 30000, "d.yaml:20000:3: more than 20000 values: too large a document");
    refuse_repeated(" ", (10u << 20), "d.yaml: larger than 1048576 bytes: too large for settings");

    co_string keys = {0};
    for (int i = 0; i <= CO_YAML_MAX_KEYS; i++) {
        co_string_format(&keys, "k%d: 1\n", i);
    }
    refuse(keys.data, "d.yaml:2001:1: more than 2000 keys in one mapping");
    co_string_free(&keys);
}

static void test_limits_are_not_less(void **state)
{
    (void)state;
    char text[CO_YAML_MAX_DEPTH * 2 + 1];
    memset(text, '[', CO_YAML_MAX_DEPTH);
    memset(text + CO_YAML_MAX_DEPTH, ']', CO_YAML_MAX_DEPTH);
    text[CO_YAML_MAX_DEPTH * 2] = '\0';
    co_yaml *document = parse(text);
    int depth = 0;
    for (const co_yaml_node *node = co_yaml_root(document); node != NULL; node = node->first) {
        depth++;
    }
    assert_int_equal(depth, CO_YAML_MAX_DEPTH);
    co_yaml_free(document);
}

/* Nine levels of nine aliases each would be 387 million values. */
static void test_alias_bomb(void **state)
{
    (void)state;
    co_string bomb = {0};
    co_string_add(&bomb, "a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (int c = 'b'; c <= 'i'; c++) {
        co_string_format(&bomb, "%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", c, c,
                         c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
    }
    refuse(bomb.data,
           "d.yaml:1:4: anchors (&) and aliases (*) are not allowed: write the value out");
    co_string_free(&bomb);
}

static void test_files(void **state)
{
    (void)state;
    co_yaml *document = NULL;
    co_error err = {0};
    assert_int_equal(co_yaml_load("/nowhere/a.yaml", &document, &err), CO_USAGE);
    assert_string_equal(err.text, "cannot open /nowhere/a.yaml: No such file or directory");
    assert_int_equal(co_yaml_load("/tmp", &document, &err), CO_USAGE);
    assert_string_equal(err.text, "/tmp: is a folder, expected a file");
    assert_int_equal(co_yaml_load("/dev/zero", &document, &err), CO_USAGE);
    assert_string_equal(err.text, "/dev/zero: is not a regular file");
    char path[] = "/tmp/co_yaml_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 1048577), 0);
    assert_int_equal(co_yaml_load(path, &document, &err), CO_USAGE);
    assert_non_null(strstr(err.text, "1048576"));
    close(fd);
    unlink(path);
    assert_null(document);
}

static char *flow_of(const char *text)
{
    co_yaml *document = parse(text);
    co_error err = {0};
    char *flow = NULL;
    assert_int_equal(co_yaml_flow(co_yaml_root(document), &flow, &err), CO_OK);
    co_yaml_free(document);
    return flow;
}

static void test_flow(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"depth: 34\nname: a\n", "{depth: 34, name: a}"},
        {"{'depth': 34, 'name': 'a'}", "{depth: 34, name: a}"},
        {"- a\n- - 1\n  - '1'\n", "[a, [1, \"1\"]]"},
        {"a:\n- 'x, y'\nb: x y\n", "{a: [\"x, y\"], b: \"x y\"}"},
        {"a: ~\nb:\nc: None\nd: 'null'\n", "{a: null, b: null, c: None, d: \"null\"}"},
        {"a: |\n  two\n  lines\n", "{a: \"two\\u000Alines\\u000A\"}"},
        {"a: \"\\\"\\\\\"", "{a: \"\\\"\\\\\"}"},
        {"a: caf\xc3\xa9", "{a: \"caf\xc3\xa9\"}"},
        {"a: \"\\u2028\\x85\\uFEFF\"", "{a: \"\\u2028\\u0085\\uFEFF\"}"},
        {"[]", "[]"},
        {"{}", "{}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *once = flow_of(cases[i][0]);
        char *twice = flow_of(once);
        assert_string_equal(once, cases[i][1]);
        assert_string_equal(twice, once);
        co_free(once);
        co_free(twice);
    }
}

/* Any text survives as a quoted scalar: what libyaml reads back is what was written. */
static void test_scalars_survive(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",
                                         "0",
                                         ".",
                                         "-",
                                         ":",
                                         " ",
                                         "#",
                                         "'",
                                         "\"",
                                         "\\",
                                         "\n",
                                         "\t",
                                         "\xc2\x85",
                                         "\xc3\xa9",
                                         "[",
                                         "}",
                                         ",",
                                         "&",
                                         "*",
                                         "!",
                                         "null",
                                         "\r",
                                         "\x7f",
                                         "%",
                                         "@",
                                         "true",
                                         "\xe2\x80\xa8",
                                         "\xf0\x9f\x98\x80",
                                         "\xef\xbb\xbf"};
    co_rng rng = co_rng_at(&(co_rng_key){.seed = 5, .stream = CO_STREAM_TEST});
    for (int i = 0; i < 2000; i++) {
        co_string value = {0};
        co_string_add(&value, "");
        for (uint32_t n = co_rng_below(&rng, 7); n > 0; n--) {
            uint32_t piece = co_rng_below(&rng, sizeof(pieces) / sizeof(pieces[0]));
            co_string_add(&value, pieces[piece]);
        }
        co_string line = {0};
        co_string_add(&line, "key: [");
        co_string_add_scalar(&line, value.data, false);
        co_string_add(&line, "]\n");
        co_yaml *document = parse(line.data);
        const co_yaml_node *read = co_yaml_get(co_yaml_root(document), "key")->first;
        assert_string_equal(read->text, value.data);
        assert_false(co_yaml_is_null(read));
        co_yaml_free(document);
        co_string_free(&line);
        co_string_free(&value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),       cmocka_unit_test(test_empty),
        cmocka_unit_test(test_typed),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_limits_are_not_less),
        cmocka_unit_test(test_alias_bomb), cmocka_unit_test(test_files),
        cmocka_unit_test(test_flow),       cmocka_unit_test(test_scalars_survive),
    };
    return cmocka_run_group_tests_name("conf/yaml", tests, NULL, NULL);
}
