/* Every kind of wrong setting: exit status 2 and the whole message, which says where, what, and
 * the nearest name or the allowed range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/helper_conf.h"

static void test_unknown_names(void **state)
{
    (void)state;
    FAIL("unknown flag '--batch-sise'; did you mean '--batch-size'?",
         .arguments = {"--batch-sise", "3", NULL});
    FAIL("unknown flag '--momnetum'; did you mean '--momentum'?",
         .arguments = {"--momnetum=3", NULL});
    FAIL("unknown flag '--frobnicate'; --help lists the flags",
         .arguments = {"--frobnicate", NULL});
    FAIL("unknown flag '-x'; --help lists the flags", .arguments = {"-x", NULL});
    FAIL("unknown flag '--'; --help lists the flags", .arguments = {"--", NULL});
    FAIL("unknown flag '--params: learnin_rate'; --help lists the flags",
         .arguments = {"--params", "batch_size=3;learnin_rate=3", NULL});
    FAIL("FILE:2:1: unknown setting 'batch_szie'; did you mean 'batch_size'?",
         .file = "epochs: 3\nbatch_szie: 4\n");
    FAIL("FILE:1:3: unknown setting 'qwertz'; --help lists what there is", .file = "{ qwertz: 4}");
    FAIL("COHORT_LRR: unknown setting 'lrr'; did you mean 'lr'?",
         .environment = {"COHORT_LRR=3", NULL});
    FAIL("'extra' is one argument too many for 'cohort train'; flags begin with --",
         .arguments = {"extra", NULL});
    FAIL("'b' is one argument too many for 'cohort models'; flags begin with --",
         .command = CO_COMMAND_MODELS, .arguments = {"a", "b", NULL});
}

static void test_wrong_types(void **state)
{
    (void)state;
    FAIL("--epochs: 'ten' is not a whole number (1 to 1000000 epochs)",
         .arguments = {"--epochs", "ten", NULL});
    FAIL("--epochs: '1.5' is not a whole number (1 to 1000000 epochs)",
         .arguments = {"--epochs=1.5", NULL});
    FAIL("--epochs: '' is not a whole number (1 to 1000000 epochs)",
         .arguments = {"--epochs=", NULL});
    FAIL("COHORT_LR: '0x10' is not a number (above 0, at most 1000)",
         .environment = {"COHORT_LR=0x10", NULL});
    FAIL("--lr: 'nan' is not a number (above 0, at most 1000)", .arguments = {"--lr", "nan", NULL});
    FAIL("--seed: '-1' is not a whole number, 0 or more", .arguments = {"--seed", "-1", NULL});
    FAIL("FILE:1:6: 'maybe' is not true or false", .file = "val: maybe\n");
    FAIL("FILE:2:3: val must be true or false, not a mapping", .file = "val:\n  a: 1\n");
    FAIL("FILE:1:5: lr must be a number, not a list", .file = "lr: [1]\n");
    FAIL("FILE:1:13: milestones must be a list of numbers, not a mapping",
         .file = "milestones: {a: 1}\n");
    FAIL("--milestones: '3,x' is not a list of numbers (above 0, at most 1000000 epochs)",
         .arguments = {"--milestones", "3,x", NULL});
    FAIL("--optimizer: 'sgdd' is not one of sgd, adam, adamw; did you mean 'sgd'?",
         .arguments = {"--optimizer", "sgdd", NULL});
    FAIL("--normalize: 'zscore' is not one of dataset, half, imagenet, cifar10, cifar100, scalar, "
         "channel, none",
         .arguments = {"--normalize", "zscore", NULL});
    FAIL("--model: the value is not UTF-8 text", .arguments = {"--model", "\xff", NULL});
    FAIL("--lr: needs a value (a number)", .arguments = {"--lr", NULL});
    FAIL("--lr: needs a value (a number)", .arguments = {"--lr", "--val", NULL});
    FAIL("--no-lr: 'lr' is not a switch; give it a value", .arguments = {"--no-lr", NULL});
    FAIL("--no-val: takes no value", .arguments = {"--no-val=3", NULL});
    FAIL("FILE:1:9: no_val: 'x' is not true or false", .file = "no_val: x\n");
    FAIL("--params: 'lr' is not key=value", .arguments = {"--params", "seed=1;lr", NULL});
    FAIL("--params: needs \"key=value;key=value\"", .arguments = {"--params", NULL});
}

static void test_out_of_range(void **state)
{
    (void)state;
    FAIL("--dirichlet-alpha: 1e-310 is out of range: dirichlet-alpha must be 1e-06 to 1000000",
         .arguments = {"--partition", "dirichlet", "--dirichlet-alpha", "1e-310", NULL});
    FAIL("--batch-size: 0 is out of range: batch-size must be 1 to 65536 samples",
         .arguments = {"--batch-size", "0", NULL});
    FAIL(
        "--batch_size: 99999999999999999999 is out of range: batch-size must be 1 to 65536 samples",
        .arguments = {"--batch_size", "99999999999999999999", NULL});
    FAIL("FILE:1:5: -0.1 is out of range: lr must be above 0, at most 1000", .file = "lr: -0.1\n");
    FAIL("FILE:1:11: 1 is out of range: momentum must be at least 0, below 1",
         .file = "momentum: 1\n");
    FAIL("FILE:1:14: 0 is out of range: train-split must be above 0, at most 1",
         .file = "train_split: 0\n");
    FAIL("--seed: 18446744073709551616 is out of range: at most 18446744073709551615",
         .arguments = {"--seed", "18446744073709551616", NULL});
    FAIL("FILE:1:13: 0 is out of range: milestones must be above 0, at most 1000000 epochs",
         .file = "milestones: [3, 0]\n");
    FAIL("--eval-batch-size: must be 1 or more, or -1 for the value of batch-size",
         .arguments = {"--eval-batch-size", "0", NULL});
    FAIL("--bn-momentum: must be 0 to 1, or -1 for what the network has",
         .arguments = {"--bn-momentum", "-0.5", NULL});
    FAIL("--model: may not be empty", .arguments = {"--model=", NULL});
}

static void test_contradictions(void **state)
{
    (void)state;
    FAIL(
        "--nesterov and --momentum contradict each other: Nesterov's form needs a momentum above 0",
        .arguments = {"--nesterov", "--momentum", "0", NULL});
    FAIL(
        "profile s2 and --momentum contradict each other: Nesterov's form needs a momentum above 0",
        .arguments = {"--profile", "s2", "--momentum=0", NULL});
    FAIL("--warmup-epochs: a warm-up of 10 epochs does not fit into 5 epochs",
         .arguments = {"--warmup-epochs", "10", NULL});
    FAIL("--warmup-epochs: a warm-up of 1 epochs does not fit into 1 epoch",
         .arguments = {"--warmup-epochs", "1", "--epochs", "1", "--lrs", "linear", NULL});
    FAIL("--regime and FILE:1:14 contradict each other: a regime is the schedule; add "
         "--lr-schedule constant",
         .file = "lr_schedule: cosine\n", .arguments = {"--regime", "[{epoch: 0, lr: 1}]", NULL});
    FAIL("--quiet and COHORT_VERBOSE contradict each other: less or more output?",
         .arguments = {"--quiet", NULL}, .environment = {"COHORT_VERBOSE=1", NULL});
    FAIL("--quiet and --progress contradict each other: a bar is not quiet",
         .arguments = {"--quiet", "--progress=on", NULL});
    FAIL("--run-dir and --save-dir contradict each other: both name the run folder",
         .arguments = {"--run-dir", "a", "--save-dir", "b", NULL});
    FAIL("--alr: means optimizer adam, but --optimizer says otherwise; keep one",
         .arguments = {"--alr", "--optimizer", "sgd", NULL});
    FAIL("--alt_model: means model cnn1, but --model says otherwise; keep one",
         .arguments = {"--alt_model", "--model", "lenet5", NULL});
    FAIL("--alt-model: S3 has no other network for the data set 'candle'",
         .arguments = {"--alt-model", "--dataset", "candle", NULL});
    FAIL("--lr-schedule: the step schedule needs --milestones or --lr-step-epochs",
         .arguments = {"--lr-schedule", "step", NULL});
    FAIL(
        "--milestones and --lr-schedule contradict each other: only --lr-schedule step drops there",
        .arguments = {"--milestones", "3", NULL});
    FAIL("--lr-step-epochs and --milestones contradict each other: drop every so many epochs or at "
         "milestones, not both",
         .arguments = {"--milestones", "3", "--lr-step-epochs", "2", "--lrs", "step", NULL});
    FAIL("--milestones: milestones must grow from one to the next",
         .arguments = {"--milestones", "3 3", "--lrs", "step", NULL});
    FAIL("--lr-points and --lr-schedule contradict each other: points are for --lr-schedule "
         "piecewise-linear",
         .arguments = {"--lr-points", "[[0, 1]]", NULL});
    FAIL(
        "--lr-points and --warmup-epochs contradict each other: the points say the warm-up already",
        .arguments = {"--lr-points", "[[0, 1]]", "--lrs", "linear", "--warmup-epochs", "1", NULL});
    FAIL("FILE:2:1: 'learning-rate' is another name of 'lr', which is given at FILE:1:5; keep one",
         .file = "lr: 0.1\nlearning-rate: 0.2\n");
}

static void test_nested(void **state)
{
    (void)state;
    FAIL("--model-config:1:1: model_config must be a mapping such as {depth: 34}, not a list",
         .arguments = {"--model-config", "[1]", NULL});
    FAIL(
        "COHORT_MODEL_CONFIG:1:13: not valid YAML: found unexpected end of stream while scanning a "
        "quoted scalar",
        .environment = {"COHORT_MODEL_CONFIG={'depth: 34}", NULL});
    FAIL("FILE:1:9: regime must be a list such as [{epoch: 0, lr: 0.1}, {epoch: 81, lr: 0.01}]",
         .file = "regime: 3\n");
    FAIL("FILE:4:5: regime: a phase has no 'lrr'; did you mean 'lr'?",
         .file = "regime:\n  - {epoch: 0, lr: 0.1}\n  - epoch: 3\n    lrr: 3\n");
    FAIL("FILE:2:18: lr must be above 0, at most 1000", .file = "regime:\n- {epoch: 0, lr: 0}\n");
    FAIL("FILE:2:16: optimizer: 'rmsprop' is not one of sgd, adam, adamw",
         .file = "regime:\n  - optimizer: rmsprop\n    epoch: 0\n");
    FAIL("FILE:1:10: regime: each phase needs its start: either epoch or step",
         .file = "regime: [{lr: 1}]\n");
    FAIL("FILE:1:10: regime: each phase needs its start: either epoch or step",
         .file = "regime: [{epoch: 1, step: 1}]\n");
    FAIL("FILE:1:30: regime: phases must stand in the order of their start",
         .file = "regime: [{epoch: 3}, {epoch: 3}]\n");
    FAIL("FILE:1:18: epoch must be 0 to 1e+09", .file = "regime: [{epoch: -3}]\n");
    FAIL("FILE:1:18: epoch: 'x' is not a number", .file = "regime: [{epoch: x}]\n");
    FAIL("FILE:1:30: lr_decay must be 0 to 1", .file = "regime: [{step: 1, lr_decay: 2}]\n");
    FAIL("FILE:1:31: lr_rampup: '2' is not true or false",
         .file = "regime: [{step: 1, lr_rampup: 2}]\n");
    FAIL("FILE:1:21: regime: 'step_lambda' is Python code in S1 and has no form here; write the "
         "values as phases",
         .file = "regime: [{epoch: 0, step_lambda: 'lambda t: t'}]\n");
    FAIL("--lr-points:1:2: lr_points: each point must be [epoch, learning rate]",
         .arguments = {"--lr-points", "[[0]]", NULL});
    FAIL(
        "--lr-points:1:11: lr_points: epochs must start at 0 or later and grow from point to point",
        .arguments = {"--lr-points", "[[0, 1], [0, 2]]", NULL});
    FAIL("--lr-points:1:6: lr_points: a learning rate must be 0 to 1000",
         .arguments = {"--lr-points", "[[0, -1]]", NULL});
}

static char long_text[100000];

/* Limits that keep a dump below the limit of a file. */
static void test_too_long(void **state)
{
    (void)state;
    memset(long_text, 'x', 4096);
    FAIL("--model: longer than 4095 bytes", .arguments = {"--model", long_text, NULL});
    memcpy(long_text, "{a: ", 4);
    memset(long_text + 4, 'x', 70000);
    long_text[70004] = '}';
    FAIL("--model-config:1:1: model_config is longer than 65536 bytes",
         .arguments = {"--model-config", long_text, NULL});
    size_t used = 0;
    for (int i = 0; i <= 1000; i++) {
        used += (size_t)snprintf(long_text + used, sizeof(long_text) - used, "%d ", i + 1);
    }
    FAIL("--milestones: more than 1000 numbers", .arguments = {"--milestones", long_text, NULL});
}

static void test_files(void **state)
{
    (void)state;
    FAIL("FILE:2:1: a tab stands here; YAML indents with spaces: replace it by spaces",
         .file = "lr: 1\n\tb: 1\n");
    FAIL("FILE:1:1: a settings file is a mapping (name: value), not a list", .file = "- lr\n");
    FAIL("FILE:1:1: 'config' belongs on the command line, not in a file", .file = "config: x\n");
    FAIL("FILE:1:1: 'print_config' belongs on the command line, not in a file",
         .file = "print_config: true\n");
    FAIL("FILE:1:1: unknown setting 'mine'; if it is a section of the file, choose it: "
         "--config-section mine",
         .file = "mine:\n  lr: 3\n");
    FAIL("FILE:1:1: there is no section 'bsae'; did you mean 'base'?", .file = "base: {lr: 1}\n",
         .arguments = {"--config", "FILE", "--config-section", "bsae", NULL});
    FAIL("FILE:1:5: a section must be a mapping (name: value)", .file = "lr: 1\n",
         .arguments = {"--config", "FILE", "--config-section", "lr", NULL});
    FAIL("--config-section: needs the file, --config FILE",
         .arguments = {"--config-section", "base", NULL});
    FAIL("--config: there is no file 'base'; if it is a section of S1's file, add --yaml-config "
         "FILE",
         .arguments = {"--config", "base", NULL});
    FAIL("cannot open /nowhere/a.yaml: No such file or directory",
         .arguments = {"--config", "/nowhere/a.yaml", NULL});
}

/* Known to the reference systems, but not to this version. */
static void test_later(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"--tasksets-config", "continual learning"},
        {"--agent-config", "continual learning"},
        {"--world_size", "parameter servers"},
        {"--delay", "delayed and slow workers"},
        {"--slow_worker_1", "delayed and slow workers"},
        {"--delay_intensity", "delayed and slow workers"},
        {"--delay_type", "delayed and slow workers"},
        {"--compensation", "delay compensation"},
        {"--grid_size", "the loss landscape"},
        {"--k_splits", "k-fold grid search"},
        {"--classification_report", "test reports"},
        {"--tensorwatch", "the live page and its kin"},
        {"--tensorwatch", "the live page and its kin"},
        {"--tensorwatch-port", "the live page and its kin"},
        {"-a", "parameter servers"},
        {"-w", "parameter servers"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char message[160];
        snprintf(message, sizeof(message), "%s arrives with %s; this version does not have it",
                 cases[i][0], cases[i][1]);
        FAIL(message, .arguments = {cases[i][0], "7", NULL});
    }
    FAIL("FILE:1:1: 'agent' arrives with continual learning; this version does not have it",
         .file = "agent: icarl\n");
    FAIL("COHORT_WORLD_SIZE: 'world_size' arrives with parameter servers; this version does not "
         "have "
         "it",
         .environment = {"COHORT_WORLD_SIZE=4", NULL});
    FAIL(
        "--cuda: CUDA arrives with half precision and CUDA; this version computes on the processor",
        .arguments = {"--cuda", NULL});
}

static void test_asking_for_nothing(void **state)
{
    (void)state;
    co_conf conf;
    LOAD(&conf, .arguments = {"--agent", "base", "--workers=1", "--batches-per-allreduce", "1",
                              "--no-shard", "--no-cuda", "--tasksets-config", "",
                              "--tensorwatch-port", "0", "--epochs", "2", NULL});
    assert_int_equal(conf.values.epochs, 2);
    co_conf_free(&conf);
    LOAD(&conf, .arguments = {"--params",
                              "dist_url=env://;dist_backend=None;resume_from=None;"
                              "crash_iteration=None;deterministic=False;"
                              "display_iters=True;num_epochs=3",
                              NULL});
    assert_int_equal(conf.values.epochs, 3);
    assert_int_equal(conf.values.progress, CO_CONF_PROGRESS_ON);
    co_conf_free(&conf);
}

static void test_wrong_command(void **state)
{
    (void)state;
    FAIL("--epochs: has no meaning for 'cohort doctor' (it is for: train, sim, calibrate)",
         .command = CO_COMMAND_DOCTOR, .arguments = {"--epochs", "3", NULL});
    FAIL("--shuffle: has no meaning for 'cohort models' (it is for: train, sim, calibrate)",
         .command = CO_COMMAND_MODELS, .arguments = {"--shuffle", NULL});
}

static void fail_command(const char *first, const char *second, const char *message)
{
    char words[2][32];
    snprintf(words[0], sizeof(words[0]), "%s", first);
    snprintf(words[1], sizeof(words[1]), "%s", second);
    char *arguments[] = {words[0], words[1], NULL};
    int count = (first[0] != '\0') + (second[0] != '\0');
    co_command command = CO_COMMAND_COUNT;
    int used = 77;
    co_error err = {0};
    assert_int_equal(co_conf_find_command(count, arguments, &command, &used, &err), CO_USAGE);
    assert_string_equal(err.text, message);
    assert_int_equal(used, 77);
}

static void test_commands(void **state)
{
    (void)state;
    fail_command("", "", "no command; 'cohort --help' lists them");
    fail_command("trian", "", "unknown command 'trian'; did you mean 'cohort train'?");
    fail_command("zebra", "", "unknown command 'zebra'; 'cohort --help' lists them");
    fail_command("data", "",
                 "'cohort data' needs one of: data check, data info, data fetch, "
                 "data generate, data partition");
    fail_command("data", "chekc", "'cohort data' has no 'chekc'; did you mean 'data check'?");
    fail_command("resume", "", "a run is resumed with 'cohort train --resume PATH'");
}

static void test_many_workers(void **state)
{
    (void)state;
    FAIL(
        "--bn-workers and --freeze-bn contradict each other: frozen statistics are the same on all "
        "workers",
        .arguments = {"--bn-workers", "sync", "--freeze-bn", NULL});
    FAIL("--evaluate-train and --partition contradict each other: the training samples are "
         "evaluated "
         "together by workers that share them: sampler or whole",
         .arguments = {"--workers", "2", "--partition", "shard", "--evaluate-train"});
}

/* Neither the default is an error, nor what a profile sets, nor the same read back. */
static void test_without_effect(void **state)
{
    (void)state;
    FAIL("--image-size: has no effect here: it is for data sets of image files",
         .arguments = {"--image-size", "32", NULL});
    FAIL("FILE:2:13: has no effect here: it is for --dataset images",
         .file = "dataset: tinyimagenet\ntest_share: 0.5\n");
    FAIL("COHORT_AUGMENT_RATIO: has no effect here: it is for --augment-resized-crop",
         .environment = {"COHORT_AUGMENT_RATIO=2", NULL});
    FAIL("--bad-samples-budget: has no effect here: it is for --bad-samples skip",
         .arguments = {"--bad-samples-budget", "7", NULL});
    FAIL("--rollback-max: has no effect here: it is for --nan-policy rollback",
         .arguments = {"--rollback-max", "7", NULL});
    FAIL("--adam-eps: has no effect here: it is for --optimizer adam and adamw",
         .arguments = {"--adam-eps", "1e-6", NULL});
    FAIL("--momentum: has no effect here: it is for --optimizer sgd",
         .arguments = {"--optimizer", "adamw", "--momentum", "0.5", NULL});
    FAIL("--lr-gamma: has no effect here: it is for --lr-schedule step and exponential",
         .arguments = {"--lr-gamma", "0.5", NULL});
    FAIL("--best-metric: has no effect here: it is for --keep-best and --early-stop",
         .arguments = {"--best-metric", "test-loss", NULL});
    FAIL("--dirichlet-alpha: has no effect here: it is for --partition dirichlet",
         .arguments = {"--dirichlet-alpha", "0.1", NULL});
    FAIL("--memory-group: has no effect here: it is for --shared-memory",
         .arguments = {"--memory-group", "2", "--no-shared-memory", NULL});
    FAIL("--timeline-steps: has no effect here: it is for --timeline",
         .arguments = {"--timeline-steps", "5", NULL});
    co_conf conf;
    LOAD(&conf, .arguments = {"--image-size", "0", "--adam-eps", "1e-8", "--lr-gamma", "0.1",
                              "--optimizer", "adam", "--momentum", "0", NULL});
    co_conf_free(&conf);
    LOAD(&conf, .arguments = {"--profile", "s1", "--optimizer", "adam", NULL});
    co_conf_free(&conf);
    LOAD(&conf, .arguments = {"--dataset", "Tiny-ImageNet", "--image-size", "32", NULL});
    co_conf_free(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_effect),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_many_workers),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_later),
        cmocka_unit_test(test_asking_for_nothing),
        cmocka_unit_test(test_wrong_command),
        cmocka_unit_test(test_commands),
    };
    return cmocka_run_group_tests_name("conf/refused", tests, NULL, NULL);
}
