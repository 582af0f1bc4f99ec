/* The defaults of the reference systems (docs/METHODS.md 1), as settings. */
#include <stdio.h>
#include <string.h>

#include "conf/layers.h"

typedef struct profile_row {
    co_row row;
    const char *text;
} profile_row;

#define SET(field, text)                                                                           \
    {                                                                                              \
        CO_ROW_##field, text                                                                       \
    }
#define PROFILE_ROWS_MAX 32

static const struct {
    const char *summary;
    profile_row rows[PROFILE_ROWS_MAX]; /* ended by one with text NULL */
} profiles[] = {
    [CO_CONF_PROFILE_NONE] = {"the defaults of cohort", {{0}}},
    [CO_CONF_PROFILE_DEMO] = {"what `make demo` runs: the built-in glyphs in under a minute",
                              {SET(dataset, "glyphs"), SET(model, "lenet5"), SET(batch_size, "64"),
                               SET(epochs, "3"), SET(lr, "0.02"), SET(momentum, "0.9"),
                               SET(lr_schedule, "cosine"), SET(results_dir, "runs")}},
    [CO_CONF_PROFILE_S1] = {"distributed-continual-learning (S1): mnistnet on mnist",
                            {SET(dataset, "mnist"), SET(dataset_dir, "./datasets"),
                             SET(model, "mnistnet"), SET(batch_size, "64"),
                             SET(eval_batch_size, "-1"), SET(loader_threads, "0"),
                             SET(epochs, "10"), SET(optimizer, "sgd"), SET(lr, "0.01"),
                             SET(momentum, "0.5"), SET(weight_decay, "0"), SET(seed, "42"),
                             SET(log_interval, "10"), SET(normalize, "half"),
                             SET(tensorboard_names, "s1"), SET(results_dir, "./results")}},
    /* The published single-worker curves are of a loader that does not shuffle (docs/METHODS.md 3).
     */
    [CO_CONF_PROFILE_S2] = {"the Ignite CIFAR-10 example (S2): fastresnet on cifar10",
                            {SET(dataset, "cifar10"),
                             SET(dataset_dir, "/tmp/cifar10"),
                             SET(model, "fastresnet"),
                             SET(batch_size, "512"),
                             SET(eval_batch_size, "1024"),
                             SET(loader_threads, "10"),
                             SET(epochs, "24"),
                             SET(optimizer, "sgd"),
                             SET(lr, "0.04"),
                             SET(momentum, "0.9"),
                             SET(nesterov, "true"),
                             SET(weight_decay, "0.0001"),
                             SET(lr_schedule, "piecewise-linear"),
                             SET(warmup_epochs, "4"),
                             SET(evaluate_every, "3"),
                             SET(evaluate_at, "start"),
                             SET(evaluate_train, "true"),
                             SET(checkpoint_every, "200"),
                             SET(keep_last, "1"),
                             SET(keep_best, "3"),
                             SET(seed, "12"),
                             SET(shuffle, "false"),
                             SET(drop_last, "true"),
                             SET(normalize, "imagenet"),
                             SET(augment_crop, "4"),
                             SET(augment_flip, "random"),
                             SET(log_interval, "1"),
                             SET(tensorboard, "true"),
                             SET(results_dir, "/tmp/output-cifar10")}},
    [CO_CONF_PROFILE_S3] = {"OptML (S3): lenet5 on mnist",
                            {SET(dataset, "mnist"), SET(model, "lenet5"), SET(batch_size, "32"),
                             SET(epochs, "1"), SET(optimizer, "sgd"), SET(lr, "0.01"),
                             SET(momentum, "0"), SET(train_split, "1"), SET(lr_gamma, "0.9"),
                             SET(normalize, "scalar")}},
    /* The batch and evaluation batch are those of its RTX 3090 table. */
    [CO_CONF_PROFILE_S4] = {"dual-batch-size-learning (S4): resnet18-keras on cifar100",
                            {SET(dataset, "cifar100"), SET(model, "resnet18-keras"),
                             SET(batch_size, "1000"), SET(eval_batch_size, "1000"),
                             SET(epochs, "140"), SET(optimizer, "sgd"), SET(lr, "0.1"),
                             SET(momentum, "0.9"), SET(weight_decay, "0"), SET(lr_schedule, "step"),
                             SET(milestones, "[80, 120]"), SET(lr_gamma, "0.2"),
                             SET(normalize, "dataset"), SET(augment_shift, "0.1"),
                             SET(augment_flip, "random")}},
};

bool co_profile_setting(co_conf_profile profile, int index, co_row *row, const char **text)
{
    const profile_row *found = &profiles[profile].rows[index];
    *row = found->row;
    *text = found->text;
    return found->text != NULL;
}

const char *co_profile_summary(co_conf_profile profile)
{
    return profiles[profile].summary;
}

co_status co_layer_read_profile(co_layer *layer, co_conf_profile profile, co_error *err)
{
    char where[32];
    snprintf(where, sizeof(where), "profile %s",
             co_option_row(CO_ROW_profile)->choices[(int)profile]);
    co_row row = CO_ROW_COUNT;
    const char *text = NULL;
    for (int i = 0; co_profile_setting(profile, i, &row, &text); i++) {
        CO_TRY(co_layer_add(layer, row, text, NULL, where, err));
    }
    return CO_OK;
}
