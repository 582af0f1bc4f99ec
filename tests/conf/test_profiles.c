/* The profiles against the reference systems' own numbers (docs/METHODS.md 1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/helper_conf.h"

static void expect_doubles(double actual, double expected)
{
    assert_true(actual == expected);
}

static void test_no_profile(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf);
    const co_settings *v = &conf.values;
    assert_string_equal(v->dataset, "glyphs");
    assert_string_equal(v->model, "lenet5");
    assert_int_equal(v->batch_size, 64);
    assert_int_equal(v->optimizer, CO_CONF_OPTIMIZER_SGD);
    assert_int_equal(v->normalize, CO_CONF_NORMALIZE_DATASET);
    assert_int_equal(co_settings_eval_batch_size(v), 64);
    expect_doubles(v->adam_beta1, 0.9);
    co_conf_free(&conf);
    LOAD(&conf, .arguments = {"--eval-batch-size", "100", "--alr", "--lrs", "exponential", NULL});
    assert_int_equal(co_settings_eval_batch_size(&conf.values), 100);
    expect_doubles(conf.values.adam_beta1, 0.9); /* the correct one, without the quirk */
    expect_doubles(conf.values.lr_gamma, 0.9);
    assert_int_equal(conf.values.optimizer, CO_CONF_OPTIMIZER_ADAM);
    co_conf_free(&conf);
}

static void test_s1(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, .arguments = {"--profile", "s1", NULL});
    const co_settings *v = &conf.values;
    assert_string_equal(v->dataset, "mnist");
    assert_string_equal(v->dataset_dir, "./datasets");
    assert_string_equal(v->model, "mnistnet");
    assert_string_equal(v->results_dir, "./results");
    assert_int_equal(v->batch_size, 64);
    assert_int_equal(v->eval_batch_size, -1);
    assert_int_equal(v->epochs, 10);
    assert_int_equal(v->loader_threads, 0);
    assert_int_equal(v->log_interval, 10);
    assert_int_equal(v->seed, 42);
    assert_int_equal(v->optimizer, CO_CONF_OPTIMIZER_SGD);
    assert_int_equal(v->normalize, CO_CONF_NORMALIZE_HALF);
    expect_doubles(v->lr, 0.01);
    expect_doubles(v->momentum, 0.5);
    expect_doubles(v->weight_decay, 0.0);
    assert_true(v->evaluate);
    co_conf_free(&conf);
    LOAD(&conf, .arguments = {"--profile", "s1", "--dataset", "cifar10", NULL});
    assert_int_equal(conf.values.normalize, CO_CONF_NORMALIZE_IMAGENET);
    expect_doubles(conf.values.augment_resized_crop, 0.0);
    co_conf_free(&conf);
    LOAD(&conf, .arguments = {"--profile", "s1", "--dataset", "tinyimagenet", NULL});
    expect_doubles(conf.values.augment_resized_crop, 0.08);
    assert_int_equal(conf.values.augment_flip, CO_CONF_FLIP_RANDOM);
    co_conf_free(&conf);
    LOAD(&conf,
         .arguments = {"--profile", "s1", "--dataset", "core50", "--augment-flip", "none", NULL});
    expect_doubles(conf.values.augment_resized_crop, 0.0);
    assert_int_equal(conf.values.augment_flip, CO_CONF_FLIP_NONE);
    co_conf_free(&conf);
}

static void test_s2(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, .arguments = {"--profile=s2", NULL});
    const co_settings *v = &conf.values;
    assert_string_equal(v->dataset, "cifar10");
    assert_string_equal(v->dataset_dir, "/tmp/cifar10");
    assert_string_equal(v->results_dir, "/tmp/output-cifar10");
    assert_string_equal(v->model, "fastresnet");
    assert_int_equal(v->batch_size, 512);
    assert_int_equal(v->eval_batch_size, 2 * 512);
    assert_int_equal(v->epochs, 24);
    assert_int_equal(v->evaluate_every, 3);
    assert_int_equal(v->loader_threads, 10);
    assert_int_equal(v->seed, 12);
    assert_int_equal(v->lr_schedule, CO_CONF_SCHEDULE_PIECEWISE_LINEAR);
    assert_int_equal(v->normalize, CO_CONF_NORMALIZE_IMAGENET);
    assert_int_equal(v->augment_crop, 4);
    assert_int_equal(v->augment_flip, CO_CONF_FLIP_RANDOM);
    expect_doubles(v->augment_shift, 0.0);
    expect_doubles(v->lr, 0.04);
    expect_doubles(v->momentum, 0.9);
    expect_doubles(v->weight_decay, 1e-4);
    expect_doubles(v->warmup_epochs, 4);
    assert_true(v->nesterov);
    assert_true(v->drop_last);
    assert_false(v->shuffle);
    co_conf_free(&conf);
}

static void test_s3(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, .arguments = {"--profile", "s3", NULL});
    const co_settings *v = &conf.values;
    assert_string_equal(v->dataset, "mnist");
    assert_string_equal(v->model, "lenet5");
    assert_int_equal(v->batch_size, 32);
    assert_int_equal(v->epochs, 1);
    assert_int_equal(v->normalize, CO_CONF_NORMALIZE_SCALAR);
    assert_int_equal(v->lr_schedule, CO_CONF_SCHEDULE_CONSTANT);
    assert_true(v->seed != 614310);
    expect_doubles(v->lr, 0.01);
    expect_doubles(v->momentum, 0.0);
    expect_doubles(v->train_split, 1.0);
    expect_doubles(v->lr_gamma, 0.9);
    co_conf_free(&conf);
}

static void test_s3_rules(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[5];
        const char *model;
        int optimizer;
        double beta1;
    } cases[] = {
        {{"--alr"}, "lenet5", CO_CONF_OPTIMIZER_ADAM, 0.99},
        {{"--alr", "--momentum", "0.95"}, "lenet5", CO_CONF_OPTIMIZER_ADAM, 0.99},
        {{"--alr", "--momentum", "0.995"}, "lenet5", CO_CONF_OPTIMIZER_ADAM, 0.995},
        {{"--alr", "--beta1", "0.5"}, "lenet5", CO_CONF_OPTIMIZER_ADAM, 0.5},
        {{"--alt_model"}, "cnn1", CO_CONF_OPTIMIZER_SGD, 0.9},
        {{"--alt_model", "--dataset", "cifar100"}, "cnn2", CO_CONF_OPTIMIZER_SGD, 0.9},
        {{"--dataset", "cifar10"}, "resnet", CO_CONF_OPTIMIZER_SGD, 0.9},
        {{"--dataset", "cifar10", "--model", "lenet5"}, "lenet5", CO_CONF_OPTIMIZER_SGD, 0.9},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        co_conf conf;
        const char *const *a = cases[i].arguments;
        LOAD(&conf, .arguments = {"--profile", "s3", a[0], a[1], a[2], a[3], NULL});
        assert_string_equal(conf.values.model, cases[i].model);
        assert_int_equal(conf.values.optimizer, cases[i].optimizer);
        expect_doubles(conf.values.adam_beta1, cases[i].beta1);
        co_conf_free(&conf);
    }
}

/* A switch that stands for a value bows to a higher layer, and wins over a lower one. */
static void test_switch_layers(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, .file = "alr: true\nalt_model: true\n",
         .arguments = {"--optimizer", "sgd", "--model", "mnistnet", NULL});
    assert_int_equal(conf.values.optimizer, CO_CONF_OPTIMIZER_SGD);
    assert_false(conf.values.alr);
    assert_string_equal(conf.values.model, "mnistnet");
    assert_false(conf.values.alt_model);
    co_conf_free(&conf);
    LOAD(&conf, .file = "optimizer: sgd\nmodel: mnistnet\n",
         .arguments = {"--alr", "--alt-model", NULL});
    assert_int_equal(conf.values.optimizer, CO_CONF_OPTIMIZER_ADAM);
    assert_string_equal(conf.values.model, "cnn1");
    assert_string_equal(conf.sources[CO_ROW_model].where, "--alt-model");
    co_conf_free(&conf);
}

static void test_s4(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, .arguments = {"--profile", "s4", NULL});
    const co_settings *v = &conf.values;
    assert_string_equal(v->dataset, "cifar100");
    assert_string_equal(v->model, "resnet18-keras");
    assert_int_equal(v->batch_size, 1000);
    assert_int_equal(v->eval_batch_size, 1000);
    assert_int_equal(v->epochs, 140);
    assert_int_equal(v->lr_schedule, CO_CONF_SCHEDULE_STEP);
    assert_int_equal(v->milestones.count, 2);
    expect_doubles(v->milestones.items[0], 80);
    expect_doubles(v->milestones.items[1], 120);
    expect_doubles(v->lr_gamma, 0.2);
    expect_doubles(v->lr, 0.1);
    expect_doubles(v->momentum, 0.9);
    expect_doubles(v->weight_decay, 0.0);
    assert_false(v->nesterov);
    assert_int_equal(v->augment_crop, 0);
    assert_int_equal(v->augment_flip, CO_CONF_FLIP_RANDOM);
    expect_doubles(v->augment_shift, 0.1);
    assert_int_equal(v->normalize, CO_CONF_NORMALIZE_DATASET);
    co_conf_free(&conf);
    LOAD(&conf, .arguments = {"--profile", "s4", "--lr-schedule", "cosine", NULL});
    assert_int_equal(conf.values.milestones.count, 0); /* they go with their schedule */
    co_conf_free(&conf);
}

static void test_demo(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, .arguments = {"--profile", "demo", NULL});
    assert_string_equal(conf.values.dataset, "glyphs");
    assert_string_equal(conf.values.model, "lenet5");
    co_conf_free(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_profile), cmocka_unit_test(test_s1),
        cmocka_unit_test(test_s2),         cmocka_unit_test(test_s3),
        cmocka_unit_test(test_s3_rules),   cmocka_unit_test(test_switch_layers),
        cmocka_unit_test(test_s4),         cmocka_unit_test(test_demo),
    };
    return cmocka_run_group_tests_name("conf/profiles", tests, NULL, NULL);
}
