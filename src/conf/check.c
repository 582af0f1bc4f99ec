/* Settings that follow from others, and settings that contradict each other.
 *
 * Contradictions depend on values only, never on where they came from: so what a run has written
 * as its config.yaml can always be read back. */
#include <stdio.h>
#include <string.h>

#include "conf/layers.h"
#include "conf/string.h"
#include "conf/value.h"

/* Where the user set the row; its name when nobody did. */
static const char *where_of(const co_conf *conf, co_row row)
{
    const char *where = conf->sources[row].where;
    return where != NULL ? where : co_option_row(row)->name;
}

static co_status derive(co_conf *conf, co_row row, const char *text, co_source_kind kind,
                        const char *where, co_error *err)
{
    CO_TRY(co_value_set(&conf->values, row, text, where, err));
    return co_conf_set_source(conf, row, kind, where, err);
}

/* `from` is a switch that stands for a value of `to`: the higher layer wins; in the same layer
 * they must agree. */
static co_status derive_from_switch(co_conf *conf, co_row from, co_row to, const char *text,
                                    bool agrees, co_error *err)
{
    const co_source *switch_source = &conf->sources[from];
    const co_source *target_source = &conf->sources[to];
    if (agrees) {
        return CO_OK;
    }
    if (target_source->kind > switch_source->kind) {
        return derive(conf, from, "false", target_source->kind, where_of(conf, to), err);
    }
    if (target_source->kind == switch_source->kind) {
        return co_fail(err, CO_USAGE, "%s: means %s %s, but %s says otherwise; keep one",
                       where_of(conf, from), co_option_row(to)->name, text, where_of(conf, to));
    }
    char where[160];
    snprintf(where, sizeof(where), "%.150s", where_of(conf, from));
    return derive(conf, to, text, switch_source->kind, where, err);
}

/* names: divided by blanks. */
static bool dataset_is(const co_settings *values, const char *names)
{
    char name[32];
    for (int size = 0; values->dataset != NULL && *names != '\0'; names += size) {
        names += *names == ' ';
        size = (int)strcspn(names, " ");
        (void)snprintf(name, sizeof(name), "%.*s", size, names);
        if (co_same_letters(name, values->dataset)) {
            return true;
        }
    }
    return false;
}

static co_status resolve_alt_model(co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    if (!values->alt_model) {
        return CO_OK;
    }
    bool gray = dataset_is(values, "mnist fashion_mnist glyphs");
    if (!gray && !dataset_is(values, "cifar10 cifar100")) {
        return co_fail(err, CO_USAGE, "%s: S3 has no other network for the data set '%.60s'",
                       where_of(conf, CO_ROW_alt_model),
                       values->dataset != NULL ? values->dataset : "");
    }
    const char *model = gray ? "cnn1" : "cnn2";
    bool agrees = values->model != NULL && strcmp(values->model, model) == 0;
    return derive_from_switch(conf, CO_ROW_alt_model, CO_ROW_model, model, agrees, err);
}

/* S1's training transforms of image files. */
static co_status resolve_s1_images(co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    bool cut = dataset_is(values, "tinyimagenet imagenet imagenet_blurred imagenet100 "
                                  "imagenet100small");
    if (values->profile != CO_CONF_PROFILE_S1 || (!cut && !dataset_is(values, "core50"))) {
        return CO_OK;
    }
    if (conf->sources[CO_ROW_augment_flip].kind == CO_SOURCE_DEFAULT) {
        CO_TRY(derive(conf, CO_ROW_augment_flip, "random", CO_SOURCE_PROFILE, "profile s1", err));
    }
    if (cut && conf->sources[CO_ROW_augment_resized_crop].kind == CO_SOURCE_DEFAULT) {
        return derive(conf, CO_ROW_augment_resized_crop, "0.08", CO_SOURCE_PROFILE, "profile s1",
                      err);
    }
    return CO_OK;
}

/* What a reference system decides from the data set or another setting, where nobody else did. */
static co_status resolve_profile(co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    bool color = !dataset_is(values, "mnist fashion_mnist glyphs");
    if (values->profile == CO_CONF_PROFILE_S1 && color &&
        conf->sources[CO_ROW_normalize].kind == CO_SOURCE_PROFILE) {
        const char *rule = dataset_is(values, "candle nt3") ? "none" : "imagenet";
        CO_TRY(derive(conf, CO_ROW_normalize, rule, CO_SOURCE_PROFILE, "profile s1", err));
    }
    CO_TRY(resolve_s1_images(conf, err));
    if (values->profile != CO_CONF_PROFILE_S3) {
        return CO_OK;
    }
    if (dataset_is(values, "cifar10 cifar100") &&
        conf->sources[CO_ROW_model].kind == CO_SOURCE_PROFILE) {
        CO_TRY(derive(conf, CO_ROW_model, "resnet", CO_SOURCE_PROFILE, "profile s3", err));
    }
    if (values->optimizer == CO_CONF_OPTIMIZER_ADAM &&
        conf->sources[CO_ROW_adam_beta1].kind == CO_SOURCE_DEFAULT) {
        char beta[32]; /* its published Adam numbers depend on this quirk (docs/METHODS.md 5) */
        co_format_double(values->momentum > 0.99 ? values->momentum : 0.99, beta);
        CO_TRY(derive(conf, CO_ROW_adam_beta1, beta, CO_SOURCE_PROFILE, "profile s3", err));
    }
    return CO_OK;
}

static co_status resolve_schedule(co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    if (values->lr_schedule == CO_CONF_SCHEDULE_EXPONENTIAL &&
        conf->sources[CO_ROW_lr_gamma].kind == CO_SOURCE_DEFAULT) {
        CO_TRY(co_value_set(&conf->values, CO_ROW_lr_gamma, "0.9", "default", err));
    }
    /* Milestones of a profile go with the schedule of that profile. */
    if (values->lr_schedule != CO_CONF_SCHEDULE_STEP &&
        conf->sources[CO_ROW_milestones].kind == CO_SOURCE_PROFILE) {
        CO_TRY(co_value_set(&conf->values, CO_ROW_milestones, "", "default", err));
    }
    return CO_OK;
}

/* The best models of a profile go with the evaluation of that profile. */
static co_status resolve_best(co_conf *conf, co_error *err)
{
    if (!conf->values.evaluate && conf->sources[CO_ROW_keep_best].kind == CO_SOURCE_PROFILE) {
        CO_TRY(co_value_set(&conf->values, CO_ROW_keep_best, "0", "default", err));
    }
    return CO_OK;
}

/* What belongs to sgd in a profile means nothing to another optimizer. */
static co_status resolve_optimizer(co_conf *conf, co_error *err)
{
    if (conf->values.optimizer != CO_CONF_OPTIMIZER_SGD &&
        conf->sources[CO_ROW_nesterov].kind == CO_SOURCE_PROFILE) {
        CO_TRY(co_value_set(&conf->values, CO_ROW_nesterov, "false", "default", err));
    }
    return CO_OK;
}

/* The switches of S1 and S3 for ways to deal out the samples. */
static co_status resolve_partition(co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    const struct {
        bool given;
        co_row row;
        co_conf_partition means;
        const char *word;
    } switches[] = {
        {values->shard, CO_ROW_shard, CO_CONF_PARTITION_SHARD, "shard"},
        {values->split_dataset, CO_ROW_split_dataset, CO_CONF_PARTITION_DATASET, "dataset"},
        {values->split_labels, CO_ROW_split_labels, CO_CONF_PARTITION_LABELS, "labels"},
        {values->split_labels_unscaled, CO_ROW_split_labels_unscaled,
         CO_CONF_PARTITION_LABELS_UNSCALED, "labels-unscaled"},
    };
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        if (switches[i].given) {
            bool agrees = values->partition == (int)switches[i].means;
            CO_TRY(derive_from_switch(conf, switches[i].row, CO_ROW_partition, switches[i].word,
                                      agrees, err));
        }
    }
    return CO_OK;
}

/* torchrun's way to say how many workers one machine has. */
static co_status resolve_workers(co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    char number[16];
    if (values->workers_per_node == 0 || values->nnodes > 1 ||
        values->workers == values->workers_per_node) {
        return CO_OK;
    }
    if (conf->sources[CO_ROW_workers].kind >= conf->sources[CO_ROW_workers_per_node].kind) {
        return co_fail(err, CO_USAGE, "%s and %s say different numbers of workers; keep one",
                       where_of(conf, CO_ROW_workers), where_of(conf, CO_ROW_workers_per_node));
    }
    char where[160];
    snprintf(where, sizeof(where), "%.150s", where_of(conf, CO_ROW_workers_per_node));
    snprintf(number, sizeof(number), "%d", values->workers_per_node);
    return derive(conf, CO_ROW_workers, number, conf->sources[CO_ROW_workers_per_node].kind, where,
                  err);
}

co_status co_conf_resolve(co_conf *conf, co_error *err)
{
    CO_TRY(resolve_workers(conf, err));
    CO_TRY(resolve_partition(conf, err));
    if (conf->values.alr) {
        bool agrees = conf->values.optimizer == CO_CONF_OPTIMIZER_ADAM;
        CO_TRY(derive_from_switch(conf, CO_ROW_alr, CO_ROW_optimizer, "adam", agrees, err));
    }
    CO_TRY(resolve_optimizer(conf, err));
    CO_TRY(resolve_best(conf, err));
    CO_TRY(resolve_profile(conf, err));
    CO_TRY(resolve_alt_model(conf, err));
    return resolve_schedule(conf, err);
}

/* Where the user set the row, or its flag. */
static const char *where_or_flag(const co_conf *conf, co_row row, char *flag, size_t size)
{
    const char *where = conf->sources[row].where;
    if (where != NULL) {
        return where;
    }
    char name[64];
    co_dashed(co_option_row(row)->name, name, sizeof(name));
    snprintf(flag, size, "--%s", name);
    return flag;
}

static co_status contradiction(const co_conf *conf, co_row first, co_row second, const char *why,
                               co_error *err)
{
    char a[80];
    char b[80];
    return co_fail(err, CO_USAGE, "%s and %s contradict each other: %s",
                   where_or_flag(conf, first, a, sizeof(a)),
                   where_or_flag(conf, second, b, sizeof(b)), why);
}

static co_status check_regime(const co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    if (values->regime == NULL) {
        return CO_OK;
    }
    if (values->lr_schedule != CO_CONF_SCHEDULE_CONSTANT) {
        return contradiction(conf, CO_ROW_regime, CO_ROW_lr_schedule,
                             "a regime is the schedule; add --lr-schedule constant", err);
    }
    if (values->warmup_epochs > 0) {
        return contradiction(conf, CO_ROW_regime, CO_ROW_warmup_epochs,
                             "a regime has phases and lr_rampup for that", err);
    }
    return CO_OK;
}

static co_status check_schedule(const co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    CO_TRY(check_regime(conf, err));
    bool step = values->lr_schedule == CO_CONF_SCHEDULE_STEP;
    bool linear = values->lr_schedule == CO_CONF_SCHEDULE_PIECEWISE_LINEAR;
    bool every = values->lr_step_epochs > 0;
    bool milestones = values->milestones.count > 0;
    if (every && milestones) {
        return contradiction(conf, CO_ROW_lr_step_epochs, CO_ROW_milestones,
                             "drop every so many epochs or at milestones, not both", err);
    }
    if (step && !every && !milestones) {
        return co_fail(err, CO_USAGE,
                       "%s: the step schedule needs --milestones or --lr-step-epochs",
                       where_of(conf, CO_ROW_lr_schedule));
    }
    if (!step && (every || milestones)) {
        return contradiction(conf, every ? CO_ROW_lr_step_epochs : CO_ROW_milestones,
                             CO_ROW_lr_schedule, "only --lr-schedule step drops there", err);
    }
    if (values->lr_points != NULL && !linear) {
        return contradiction(conf, CO_ROW_lr_points, CO_ROW_lr_schedule,
                             "points are for --lr-schedule piecewise-linear", err);
    }
    if (values->lr_points != NULL && values->warmup_epochs > 0) {
        return contradiction(conf, CO_ROW_lr_points, CO_ROW_warmup_epochs,
                             "the points say the warm-up already", err);
    }
    for (int i = 1; i < values->milestones.count; i++) {
        if (values->milestones.items[i] <= values->milestones.items[i - 1]) {
            return co_fail(err, CO_USAGE, "%s: milestones must grow from one to the next",
                           where_of(conf, CO_ROW_milestones));
        }
    }
    return CO_OK;
}

static co_status check_warmup(const co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    bool to_zero = values->lr_schedule == CO_CONF_SCHEDULE_PIECEWISE_LINEAR;
    if (values->warmup_epochs > values->epochs ||
        (to_zero && values->lr_points == NULL && values->warmup_epochs == values->epochs)) {
        char warmup[32];
        co_format_double(values->warmup_epochs, warmup);
        return co_fail(err, CO_USAGE, "%s: a warm-up of %s epochs does not fit into %d epoch%s",
                       where_of(conf, CO_ROW_warmup_epochs), warmup, values->epochs,
                       values->epochs == 1 ? "" : "s");
    }
    return CO_OK;
}

static co_status check_metric(const co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    co_conf_metric metric = (co_conf_metric)values->best_metric;
    bool of_test = metric == CO_CONF_METRIC_TEST_ACCURACY || metric == CO_CONF_METRIC_TEST_LOSS;
    bool of_validation = metric == CO_CONF_METRIC_VAL_ACCURACY || metric == CO_CONF_METRIC_VAL_LOSS;
    if (values->keep_best == 0 && values->early_stop == 0) {
        return CO_OK;
    }
    co_row user = values->keep_best > 0 ? CO_ROW_keep_best : CO_ROW_early_stop;
    if (of_test && !values->evaluate) {
        return contradiction(conf, user, CO_ROW_evaluate,
                             "best-metric is of the test samples, which are not evaluated", err);
    }
    if (of_validation && !values->val) {
        return contradiction(conf, user, CO_ROW_val,
                             "best-metric is of the validation samples: there are none", err);
    }
    return CO_OK;
}

/* Workers that have samples of their own, some of them perhaps twice, would count those twice. */
static co_status check_evaluation(const co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    bool common = values->partition == CO_CONF_PARTITION_SAMPLER ||
                  values->partition == CO_CONF_PARTITION_WHOLE;
    if (common || !(values->evaluate_train || values->model_accuracy)) {
        return CO_OK;
    }
    co_row row = values->evaluate_train ? CO_ROW_evaluate_train : CO_ROW_model_accuracy;
    return contradiction(conf, row, CO_ROW_partition,
                         "the training samples are evaluated together by workers that share them: "
                         "sampler or whole",
                         err);
}

co_status co_conf_check_many(const co_conf *conf, co_error *err)
{
    bool trains = conf->command == CO_COMMAND_TRAIN || conf->command == CO_COMMAND_SIM;
    bool many = conf->values.workers > 1 || conf->values.nnodes > 1;
    return trains && many ? check_evaluation(conf, err) : CO_OK;
}

/* Nodes that are started by hand. */
static co_status check_nodes(const co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    if (values->nnodes == 1) {
        co_row row = values->node_rank > 0 ? CO_ROW_node_rank : CO_ROW_master_addr;
        return values->node_rank == 0 && values->master_addr == NULL
                   ? CO_OK
                   : co_fail(err, CO_USAGE, "%s: of how many nodes? add --nnodes",
                             where_of(conf, row));
    }
    if (values->hosts != NULL) {
        return contradiction(conf, CO_ROW_hosts, CO_ROW_nnodes,
                             "one starts the workers by ssh, the other without", err);
    }
    if (values->master_addr == NULL) {
        return co_fail(err, CO_USAGE, "%s: where is node 0? add --master-addr",
                       where_of(conf, CO_ROW_nnodes));
    }
    if (values->node_rank >= values->nnodes) {
        return co_fail(err, CO_USAGE, "%s: %d nodes have ranks 0 to %d, not %d",
                       where_of(conf, CO_ROW_node_rank), values->nnodes, values->nnodes - 1,
                       values->node_rank);
    }
    if (values->workers_per_node == 0 && values->workers % values->nnodes != 0 &&
        values->workers > 1) {
        return co_fail(err, CO_USAGE,
                       "%s: %d workers are not as many on each of %d nodes; say how many there are "
                       "on each with --workers-per-node",
                       where_of(conf, CO_ROW_workers), values->workers, values->nnodes);
    }
    return CO_OK;
}

static co_status check_workers(const co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    CO_TRY(check_nodes(conf, err));
    if (values->hosts != NULL && values->workers == 1) {
        return co_fail(err, CO_USAGE, "%s: how many workers? add --workers",
                       where_of(conf, CO_ROW_hosts));
    }
    CO_TRY(co_conf_check_hosts(values->hosts, where_of(conf, CO_ROW_hosts), err));
    if (values->use_adasum && values->bf16_allreduce) {
        return contradiction(conf, CO_ROW_use_adasum, CO_ROW_bf16_allreduce,
                             "Adasum needs all digits of a gradient", err);
    }
    if (values->use_adasum && values->gradient_predivide_factor != 1.0) {
        return contradiction(conf, CO_ROW_use_adasum, CO_ROW_gradient_predivide_factor,
                             "Adasum takes no mean", err);
    }
    if (values->bn_workers == CO_CONF_BN_WORKERS_SYNC && values->freeze_bn) {
        return contradiction(conf, CO_ROW_bn_workers, CO_ROW_freeze_bn,
                             "frozen statistics are the same on all workers", err);
    }
    if (values->partition == CO_CONF_PARTITION_LABELS_UNSCALED &&
        (conf->command == CO_COMMAND_TRAIN || conf->command == CO_COMMAND_SIM)) {
        return co_fail(err, CO_USAGE,
                       "%s: the workers would take different numbers of steps, and synchronous "
                       "training would wait for ever; take labels",
                       where_of(conf, CO_ROW_partition));
    }
    return co_conf_check_many(conf, err);
}

static co_status check_checkpoints(const co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    bool none = values->checkpoint_every == 0 && !(values->checkpoint_minutes > 0);
    if (values->nan_policy == CO_CONF_NAN_ROLLBACK && none) {
        return contradiction(conf, CO_ROW_nan_policy, CO_ROW_checkpoint_every,
                             "there are no checkpoints to go back to", err);
    }
    if (values->resume != NULL && strcmp(values->resume, "auto") == 0 && values->run_dir == NULL &&
        values->save_dir == NULL) {
        return co_fail(err, CO_USAGE,
                       "%s: auto needs the folder of the run, --run-dir (or --save-dir)",
                       where_of(conf, CO_ROW_resume));
    }
    return check_metric(conf, err);
}

/* a and b, or nothing. */
static co_status check_costs(const co_conf *conf, co_error *err)
{
    const co_row rows[] = {CO_ROW_batch_cost, CO_ROW_eval_cost};
    const int counts[] = {conf->values.batch_cost.count, conf->values.eval_cost.count};
    for (int i = 0; i < 2; i++) {
        if (counts[i] != 0 && counts[i] != 2) {
            return co_fail(err, CO_USAGE, "%s: two numbers, a and b of a x + b, not %d",
                           where_of(conf, rows[i]), counts[i]);
        }
    }
    return CO_OK;
}

/* Without arithmetic there are no weights to load, save or judge, and nobody to stop. */
static co_status check_time_only(const co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    const struct {
        co_row row;
        bool set;
    } rows[] = {
        {CO_ROW_checkpoint, values->checkpoint != NULL},
        {CO_ROW_saves_per_epoch, values->saves_per_epoch > 0},
        {CO_ROW_early_stop, values->early_stop > 0},
        {CO_ROW_max_minutes, values->max_minutes > 0.0},
        {CO_ROW_stop_at_step, values->stop_at_step > 0},
        {CO_ROW_checkpoint_every, values->checkpoint_every > 0},
        {CO_ROW_checkpoint_minutes, values->checkpoint_minutes > 0.0},
        {CO_ROW_keep_best, values->keep_best > 0},
        {CO_ROW_resume, values->resume != NULL},
        {CO_ROW_tb_histograms_every, values->tb_histograms_every > 0},
        {CO_ROW_tb_images, values->tb_images > 0},
        {CO_ROW_bn_workers, values->bn_workers == CO_CONF_BN_WORKERS_SYNC},
        {CO_ROW_ema_decay, values->ema_decay > 0.0},
        {CO_ROW_evaluate_train, values->evaluate_train},
        {CO_ROW_model_accuracy, values->model_accuracy},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && values->time_only; i++) {
        if (rows[i].set) {
            return contradiction(conf, CO_ROW_time_only, rows[i].row,
                                 "nothing is computed that it could be for", err);
        }
    }
    return CO_OK;
}

static co_status check_curve(const co_conf *conf, co_error *err)
{
    const co_number_list *list = &conf->values.curve;
    if (list->count == 0) {
        return CO_OK;
    }
    bool whole = list->items[0] == 1.0;
    for (int i = 1; i < list->count; i++) {
        whole = whole && list->items[i] > list->items[i - 1] &&
                list->items[i] == (double)(int)list->items[i];
    }
    if (!whole) {
        return co_fail(err, CO_USAGE,
                       "%s: numbers of workers that begin with 1, which the others are compared "
                       "with, and grow, such as [1, 2, 4, 8]",
                       where_of(conf, CO_ROW_curve));
    }
    if (conf->values.run_dir == NULL) {
        return co_fail(err, CO_USAGE, "%s: where shall it go? add --run-dir",
                       where_of(conf, CO_ROW_curve));
    }
    if (conf->values.batch_cost.count == 0) {
        return co_fail(err, CO_USAGE,
                       "%s: without computing time there is nothing to compare; add --batch-cost, "
                       "or --cost-file with what cohort calibrate measured",
                       where_of(conf, CO_ROW_curve));
    }
    return CO_OK;
}

static co_status check_display(const co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    if (values->quiet && values->verbose) {
        return contradiction(conf, CO_ROW_quiet, CO_ROW_verbose, "less or more output?", err);
    }
    if (values->quiet && values->progress == CO_CONF_PROGRESS_ON) {
        return contradiction(conf, CO_ROW_quiet, CO_ROW_progress, "a bar is not quiet", err);
    }
    if (!values->tensorboard && values->tb_histograms_every > 0) {
        return contradiction(conf, CO_ROW_tb_histograms_every, CO_ROW_tensorboard,
                             "histograms are for TensorBoard; add --tensorboard", err);
    }
    if (!values->tensorboard && values->tb_images > 0) {
        return contradiction(conf, CO_ROW_tb_images, CO_ROW_tensorboard,
                             "images are for TensorBoard; add --tensorboard", err);
    }
    if (values->run_dir != NULL && values->subfolder != NULL) {
        return contradiction(conf, CO_ROW_run_dir, CO_ROW_subfolder, "both say where the run goes",
                             err);
    }
    if (values->run_dir != NULL && values->save_dir != NULL) {
        return contradiction(conf, CO_ROW_run_dir, CO_ROW_save_dir, "both name the run folder",
                             err);
    }
    return CO_OK;
}

co_status co_conf_check(const co_conf *conf, co_error *err)
{
    const co_settings *values = &conf->values;
    if (values->cuda) {
        return co_fail(err, CO_USAGE,
                       "%s: CUDA arrives with half precision and CUDA; this version "
                       "computes on the processor",
                       where_of(conf, CO_ROW_cuda));
    }
    if (values->nesterov && values->optimizer != CO_CONF_OPTIMIZER_SGD) {
        return contradiction(conf, CO_ROW_nesterov, CO_ROW_optimizer, "only sgd has that form",
                             err);
    }
    if (values->nesterov && values->momentum == 0) {
        return contradiction(conf, CO_ROW_nesterov, CO_ROW_momentum,
                             "Nesterov's form needs a momentum above 0", err);
    }
    if (values->bn_momentum < 0 && values->bn_momentum > -1) {
        return co_fail(err, CO_USAGE, "%s: must be 0 to 1, or -1 for what the network has",
                       where_of(conf, CO_ROW_bn_momentum));
    }
    if (values->eval_batch_size == 0) {
        return co_fail(err, CO_USAGE, "%s: must be 1 or more, or -1 for the value of batch-size",
                       where_of(conf, CO_ROW_eval_batch_size));
    }
    if (values->dataset == NULL || values->model == NULL) {
        return co_fail(err, CO_USAGE, "%s: may not be empty",
                       where_of(conf, values->dataset == NULL ? CO_ROW_dataset : CO_ROW_model));
    }
    CO_TRY(check_checkpoints(conf, err));
    CO_TRY(check_schedule(conf, err));
    CO_TRY(check_warmup(conf, err));
    CO_TRY(check_workers(conf, err));
    CO_TRY(check_costs(conf, err));
    CO_TRY(check_time_only(conf, err));
    CO_TRY(check_curve(conf, err));
    CO_TRY(check_display(conf, err));
    return co_conf_check_idle(conf, err);
}
