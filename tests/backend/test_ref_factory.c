/* Backends by name: which there are, and the messages for those there are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "graph/models/models.h"

static void expect_fault(const char *name, const char *isa, const char *part)
{
    co_error err = {0};
    co_team *team = NULL;
    co_backend *backend = NULL;
    assert_int_equal(co_team_create(1, &team, &err), CO_OK);
    co_backend_options options = {.isa = isa};
    assert_int_equal(co_backend_create(name, &options, team, &backend, &err), CO_USAGE);
    assert_null(backend);
    if (strstr(err.text, part) == NULL) {
        fail_msg("'%s' is not in: %s", part, err.text);
    }
    co_team_destroy(team);
}

static void test_unknown_names(void **state)
{
    (void)state;
    expect_fault("dnn", "auto", "did you mean 'dnnl'?");
    expect_fault("tpu", "auto", "there are: dnnl, ref");
    expect_fault("ref", "sse2", "there is no instruction set 'sse2'");
}

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {"ref", "dnnl"};
    for (int i = 0; i < 2; i++) {
        co_error err = {0};
        co_team *team = NULL;
        co_backend *backend = NULL;
        assert_int_equal(co_team_create(1, &team, &err), CO_OK);
        co_backend_options options = {.isa = "plain"};
        if (co_backend_create(names[i], &options, team, &backend, &err) != CO_OK) {
            fail_msg("%s", err.text);
        }
        assert_string_equal(backend->ops->name, names[i]);
        assert_ptr_equal(backend->team, team);
        assert_string_equal(backend->isa, "plain");
        backend->ops->destroy(backend);
        co_team_destroy(team);
    }
}

static void test_output_widths(void **state)
{
    (void)state;
    co_error err = {0};
    co_graph *graph = NULL;
    assert_int_equal(co_model_build("mnistnet", NULL, (co_shape){1, 28, 28}, 7, &graph, &err),
                     CO_OK);
    assert_int_equal(co_output_width(graph, CO_OUTPUT_LOGITS), 7);
    assert_int_equal(co_output_width(graph, CO_OUTPUT_FEATURES), 50);
    co_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_output_widths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
