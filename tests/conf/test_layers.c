/* Where values come from: the five layers, the forms of flags, and files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/helper_conf.h"

static void expect_source(const co_conf *conf, co_row row, co_source_kind kind, const char *end)
{
    assert_int_equal(conf->sources[row].kind, kind);
    const char *where = conf->sources[row].where;
    if (end == NULL) {
        assert_null(where);
        return;
    }
    assert_true(strlen(where) >= strlen(end));
    assert_string_equal(where + strlen(where) - strlen(end), end);
}

/* One setting for each layer that wins: all lower layers say something else. */
static void test_precedence(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, .file = "momentum: 0.6\nseed: 3\nlog_interval: 33\n",
         .environment = {"COHORT_SEED=4", "COHORT_LOG_INTERVAL=44", "HOME=/root",
                         "COHORT_LR=", NULL},
         .arguments = {"--profile", "s1", "--log-interval", "55", NULL});
    assert_int_equal(conf.values.threads, 0);
    expect_source(&conf, CO_ROW_threads, CO_SOURCE_DEFAULT, NULL);
    assert_string_equal(conf.values.model, "mnistnet");
    expect_source(&conf, CO_ROW_model, CO_SOURCE_PROFILE, "profile s1");
    assert_true(conf.values.momentum == 0.6);
    expect_source(&conf, CO_ROW_momentum, CO_SOURCE_FILE, ":1:11");
    assert_int_equal(conf.values.seed, 4);
    expect_source(&conf, CO_ROW_seed, CO_SOURCE_ENVIRONMENT, "COHORT_SEED");
    assert_int_equal(conf.values.log_interval, 55);
    expect_source(&conf, CO_ROW_log_interval, CO_SOURCE_COMMAND_LINE, "--log-interval");
    expect_source(&conf, CO_ROW_lr, CO_SOURCE_PROFILE, "profile s1"); /* empty is not set */
    co_conf_free(&conf);
}

static void test_profile_from_each_layer(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, .file = "profile: s3\n");
    assert_int_equal(conf.values.batch_size, 32);
    co_conf_free(&conf);
    LOAD(&conf, .file = "profile: s3\n", .environment = {"COHORT_PROFILE=s2", NULL});
    assert_int_equal(conf.values.batch_size, 512);
    co_conf_free(&conf);
    LOAD(&conf, .file = "profile: s3\n", .environment = {"COHORT_PROFILE=s2", NULL},
         .arguments = {"--profile=none", NULL});
    assert_int_equal(conf.values.batch_size, 64);
    co_conf_free(&conf);
}

static void test_file_from_environment(void **state)
{
    (void)state;
    co_conf conf;
    co_error err = {0};
    char variable[] = "COHORT_CONFIG=/nowhere/x.yaml";
    char *environment[] = {variable, NULL};
    assert_int_equal(co_conf_load(&conf, CO_COMMAND_TRAIN, 0, NULL, environment, &err), CO_USAGE);
    assert_string_equal(err.text, "cannot open /nowhere/x.yaml: No such file or directory");
}

static void test_dashes_and_aliases(void **state)
{
    (void)state;
    static const char *const forms[][3] = {
        {"--batch-size", "48"}, {"--batch_size", "48"},        {"--batch-size=48"},
        {"--batch_size=48"},    {"--params", "batch_size=48"}, {"--params=batch-size=48;seed=1;"},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        co_conf conf;
        LOAD(&conf, .arguments = {forms[i][0], forms[i][1], NULL});
        assert_int_equal(conf.values.batch_size, 48);
        co_conf_free(&conf);
    }
    co_conf conf;
    LOAD(&conf,
         .arguments = {"--learning_rate", "0.5", "--num-workers", "3", "--beta1", "0.5", "--alr",
                       "--data-path", "d", "--num_epochs=9", "--lrs", "cosine_annealing", NULL});
    assert_true(conf.values.lr == 0.5);
    assert_int_equal(conf.values.loader_threads, 3);
    assert_true(conf.values.adam_beta1 == 0.5);
    assert_string_equal(conf.values.dataset_dir, "d");
    assert_int_equal(conf.values.epochs, 9);
    assert_int_equal(conf.values.lr_schedule, CO_CONF_SCHEDULE_COSINE);
    co_conf_free(&conf);
    LOAD(&conf, .file = "batch-size: 7\nlearning-rate: 2\n");
    assert_int_equal(conf.values.batch_size, 7);
    assert_true(conf.values.lr == 2.0);
    co_conf_free(&conf);
}

static void test_switches(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[4];
        bool val;
        bool shuffle;
    } cases[] = {
        {{NULL}, false, true},
        {{"--val", "--no-shuffle"}, true, false},
        {{"--no_val", "--shuffle"}, false, true},
        {{"--val=true", "--shuffle=off"}, true, false},
        {{"--val", "true", "--shuffle=0"}, true, false},
        {{"--val", "false", "--no-shuffle", "--shuffle"}, false, true}, /* the last one holds */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        co_conf conf;
        const char *const *a = cases[i].arguments;
        LOAD(&conf, .arguments = {a[0], a[1], a[2], a[3], NULL});
        assert_int_equal(conf.values.val, cases[i].val);
        assert_int_equal(conf.values.shuffle, cases[i].shuffle);
        co_conf_free(&conf);
    }
    co_conf conf;
    LOAD(&conf, .file = "evaluate: true\nno_cuda: true\nno_shuffle: yes\nval: on\n",
         .arguments = {"--no-evaluate", NULL});
    assert_false(conf.values.evaluate);
    assert_false(conf.values.shuffle);
    assert_true(conf.values.val);
    co_conf_free(&conf);
}

static void test_seed_alone(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[3];
        uint64_t seed;
    } cases[] = {
        {{NULL}, 1},
        {{"--seed"}, 614310},
        {{"--seed", "--val"}, 614310},
        {{"--seed", "7"}, 7},
        {{"--seed=18446744073709551615"}, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        co_conf conf;
        const char *const *a = cases[i].arguments;
        LOAD(&conf, .arguments = {a[0], a[1], a[2], NULL});
        assert_true(conf.values.seed == cases[i].seed);
        co_conf_free(&conf);
    }
}

static void test_nested_and_lists(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, .arguments = {"--model-config", "{'depth': 34, 'wide': True}", "--milestones",
                              "30, 60 90", "--lr-schedule", "STEP", NULL});
    assert_string_equal(conf.values.model_config, "{depth: 34, wide: True}");
    assert_int_equal(conf.values.milestones.count, 3);
    assert_true(conf.values.milestones.items[2] == 90);
    co_conf_free(&conf);
    LOAD(&conf, .file = "model_config:\n  depth: 34\n  wide: True\nmilestones:\n- 30\n- 60.5\n"
                        "lr_schedule: step\n");
    assert_string_equal(conf.values.model_config, "{depth: 34, wide: True}");
    assert_int_equal(conf.values.milestones.count, 2);
    assert_true(conf.values.milestones.items[1] == 60.5);
    co_conf_free(&conf);
    LOAD(&conf, .file = "model_config: \"{depth: 3}\"\n"); /* as text, as on the command line */
    assert_string_equal(conf.values.model_config, "{depth: 3}");
    co_conf_free(&conf);
    LOAD(&conf, .file = "regime:\n- epoch: 0\n  lr: 0.1\n  optimizer: SGD\n"
                        "- {epoch: 81, lr: 0.01, momentum: 0.9}\n- {step: 9000, lr_rampup: yes}\n");
    assert_string_equal(conf.values.regime,
                        "[{epoch: 0, lr: 0.1, optimizer: SGD}, {epoch: 81, lr: 0.01, "
                        "momentum: 0.9}, {step: 9000, lr_rampup: yes}]");
    co_conf_free(&conf);
    LOAD(&conf,
         .arguments = {"--lrs", "linear", "--lr-points", "[[0, 0], [4, .04], [24, 0]]", NULL});
    assert_string_equal(conf.values.lr_points, "[[0, 0], [4, .04], [24, 0]]");
    co_conf_free(&conf);
}

/* A file overrides with false and 0 (S1's could not); what has no value keeps the layers below. */
static void test_empty_and_false_in_files(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, .file = "profile: s2\nbatch_size:\nlr: null\nnesterov: false\nweight_decay: 0\n"
                        "agent_config:\nagent: base\nshard: false\ntensorboard: False\n"
                        "batches_per_allreduce: 1\ntasksets-config: ''\n");
    assert_int_equal(conf.values.batch_size, 512);
    assert_true(conf.values.lr == 0.04);
    assert_false(conf.values.nesterov);
    assert_true(conf.values.weight_decay == 0.0);
    co_conf_free(&conf);
    LOAD(&conf, .file = "# nothing\n");
    assert_int_equal(conf.values.batch_size, 64);
    co_conf_free(&conf);
    LOAD(&conf, .file = "checkpoint: w.safetensors\n", .arguments = {"--checkpoint", "", NULL});
    assert_null(conf.values.checkpoint);
    co_conf_free(&conf);
}

static const char sections[] = "base:\n  batch_size: 12\nother:\n  batch_size: 13\nnone:\n";

static void test_sections(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[4];
        int batch_size;
    } cases[] = {
        {{"--config", "FILE", "--config-section", "base"}, 12},
        {{"--config", "FILE", "--config-section=other"}, 13},
        {{"--config", "FILE", "--config-section=none"}, 64},
        {{"--yaml_config", "FILE"}, 12},
        {{"--yaml-config", "FILE", "--config", "other"}, 13},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        co_conf conf;
        const char *const *a = cases[i].arguments;
        LOAD(&conf, .file = sections, .arguments = {a[0], a[1], a[2], a[3], NULL});
        assert_int_equal(conf.values.batch_size, cases[i].batch_size);
        co_conf_free(&conf);
    }
}

static void test_positional(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, .command = CO_COMMAND_EVAL, .arguments = {"runs/a", "--threads", "1", NULL});
    assert_string_equal(conf.values.run_dir, "runs/a");
    co_conf_free(&conf);
    LOAD(&conf, .command = CO_COMMAND_DATA_INFO, .arguments = {"mnist", NULL});
    assert_string_equal(conf.values.dataset, "mnist");
    co_conf_free(&conf);
    LOAD(&conf, .command = CO_COMMAND_MODELS, .arguments = {"cnn1", NULL});
    assert_string_equal(conf.values.model, "cnn1");
    co_conf_free(&conf);
    LOAD(&conf, .command = CO_COMMAND_RUNS_COMPARE,
         .arguments = {"a", "--quiet", "b c", "d", NULL});
    assert_string_equal(conf.values.runs, "a\nb c\nd");
    co_conf_free(&conf);
    LOAD(&conf, .command = CO_COMMAND_RUNS_COMPARE, .arguments = {"--quiet", NULL});
    assert_null(conf.values.runs);
    co_conf_free(&conf);
}

/* Settings of other commands are no fault in a file or the environment: a run's file serves eval.
 */
static void test_shared_files(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, .command = CO_COMMAND_DOCTOR, .file = "epochs: 3\nlr: 0.2\n",
         .environment = {"COHORT_BATCH_SIZE=3", "COHORT_TEST_DATA=/x", "COHORT_VENDOR_THING=1",
                         NULL});
    assert_int_equal(conf.values.epochs, 3);
    co_conf_free(&conf);
}

static void test_help_comes_first(void **state)
{
    (void)state;
    static const char *const words[] = {"--help", "-h"};
    for (size_t i = 0; i < 2; i++) {
        co_conf conf;
        LOAD(&conf, .file = "no such: thing\n", .arguments = {"--nonsense", words[i], NULL});
        assert_true(conf.values.help);
        co_conf_free(&conf);
    }
}

static void test_commands(void **state)
{
    (void)state;
    for (int c = 0; c < CO_COMMAND_COUNT; c++) {
        char words[40];
        snprintf(words, sizeof(words), "%s", co_command_words((co_command)c));
        char *arguments[3] = {words, NULL, NULL};
        char *blank = strchr(words, ' ');
        int count = 1;
        if (blank != NULL) {
            *blank = '\0';
            arguments[count++] = blank + 1;
        }
        co_command found = CO_COMMAND_COUNT;
        int used = 0;
        co_error err = {0};
        assert_int_equal(co_conf_find_command(count, arguments, &found, &used, &err), CO_OK);
        assert_int_equal(found, c);
        assert_int_equal(used, count);
        assert_true(strlen(co_command_summary(found)) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_profile_from_each_layer),
        cmocka_unit_test(test_file_from_environment),
        cmocka_unit_test(test_dashes_and_aliases),
        cmocka_unit_test(test_switches),
        cmocka_unit_test(test_seed_alone),
        cmocka_unit_test(test_nested_and_lists),
        cmocka_unit_test(test_empty_and_false_in_files),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_positional),
        cmocka_unit_test(test_shared_files),
        cmocka_unit_test(test_help_comes_first),
        cmocka_unit_test(test_commands),
    };
    return cmocka_run_group_tests_name("conf/layers", tests, NULL, NULL);
}
