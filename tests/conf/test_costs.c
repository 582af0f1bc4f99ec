/* --cost-file: what calibrate writes, and what sim takes from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/helper_conf.h"

#define COSTS                                                                                      \
    "# By cohort calibrate\nbatch_cost: [0.002, 0.5]\nmodel: cnn1\nmodel_config: \"\"\n"           \
    "dataset: glyphs\nmeasured:\n  batches: [1, 2]\n"
#define SIM .command = CO_COMMAND_SIM

static void test_costs_are_taken(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, SIM, .file = COSTS,
         .arguments = {"--cost-file", "FILE", "--model", "cnn1", "--dataset", "Glyphs", NULL});
    assert_int_equal(conf.values.batch_cost.count, 2);
    assert_true(conf.values.batch_cost.items[0] == 0.002);
    assert_true(conf.values.batch_cost.items[1] == 0.5);
    assert_int_equal(conf.values.eval_cost.count, 0);
    assert_int_equal(conf.sources[CO_ROW_batch_cost].kind, CO_SOURCE_COMMAND_LINE);
    co_conf_free(&conf);
    /* The name that one may think of first; also with the other costs. */
    LOAD(&conf, SIM, .file = "batch_cost: [1, 2]\neval_cost: [3, 4]\nupdate_cost: 0.5\n",
         .arguments = {"--cost-from", "FILE", NULL});
    assert_true(conf.values.eval_cost.items[1] == 4.0);
    assert_true(conf.values.update_cost == 0.5);
    co_conf_free(&conf);
    /* Calibrate writes it: nothing is read. */
    LOAD(&conf, .command = CO_COMMAND_CALIBRATE, .arguments = {"--cost-file", "/nowhere", NULL});
    assert_int_equal(conf.values.batch_cost.count, 0);
    co_conf_free(&conf);
}

static void test_who_counts_more(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, SIM, .file = COSTS, .environment = {"COHORT_BATCH_COST=[7, 8]", NULL},
         .arguments = {"--cost-file", "FILE", "--model", "cnn1", NULL});
    assert_true(conf.values.batch_cost.items[0] == 0.002);
    co_conf_free(&conf);
    LOAD(&conf, SIM, .environment = {"COHORT_COST_FILE=/dev/null", "COHORT_BATCH_COST=", NULL},
         .arguments = {"--cost-file", "", "--batch-cost", "[7, 8]", NULL});
    assert_true(conf.values.batch_cost.items[0] == 7.0);
    co_conf_free(&conf);
    FAIL("--batch-cost and --cost-file both say what a step takes; keep one", SIM, .file = COSTS,
         .arguments = {"--cost-file", "FILE", "--model", "cnn1", "--batch-cost", "[7, 8]", NULL});
}

static void test_wrong_files(void **state)
{
    (void)state;
    FAIL("FILE:3:8: was measured with model cnn1, not lenet5: measure that with 'cohort "
         "calibrate', or say what a step takes with --batch-cost",
         SIM, .file = COSTS, .arguments = {"--cost-file", "FILE", NULL});
    FAIL("FILE:2:15: was measured with model_config {depth: 18}, not \"\": measure that with "
         "'cohort calibrate', or say what a step takes with --batch-cost",
         SIM, .file = "batch_cost: [1, 2]\nmodel_config: {depth: 18}\n",
         .arguments = {"--cost-file", "FILE", NULL});
    FAIL("FILE: is no file of costs: it has no batch_cost; 'cohort calibrate --cost-file FILE' "
         "writes one",
         SIM, .file = "lr: 1\n", .arguments = {"--cost-file", "FILE", NULL});
    FAIL("FILE:2:1: a file of costs has no 'lr'; it has batch_cost, eval_cost, update_cost, model, "
         "model_config, dataset, measured",
         SIM, .file = "batch_cost: [1, 2]\nlr: 1\n", .arguments = {"--cost-file", "FILE", NULL});
    FAIL("FILE:1:13: two numbers, a and b of a x + b, not 1", SIM, .file = "batch_cost: [1]\n",
         .arguments = {"--cost-file", "FILE", NULL});
    FAIL("FILE:1:1: 'cost_file' belongs on the command line, not in a file", SIM,
         .file = "cost_file: x\n");
    FAIL("cannot open /nowhere: No such file or directory", SIM,
         .arguments = {"--cost-file", "/nowhere", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_costs_are_taken),
        cmocka_unit_test(test_who_counts_more),
        cmocka_unit_test(test_wrong_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
